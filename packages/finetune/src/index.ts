export { type SamplingStrategy } from './data/batches.js'
export { type Dataset, type Example, type Row } from './data/rows.js'
export {
  lossAndGradients,
  type Gradient,
  type LossAndGradients,
  type LossAndGradientsOptions,
} from './gradients.js'
export { accuracy, type Metric, type Metrics, type Predictions } from './metrics/metric.js'
export { AdamW, type StepOptions, type StepResult } from './optim/adamw.js'
export { type LossResult, type LossSum } from './optim/backward.js'
export { type AdamWOptions, type ParameterGroup } from './optim/groups.js'
export {
  makeSchedule,
  scheduleNames,
  type Schedule,
  type ScheduleKwargs,
  type ScheduleName,
  type ScheduleSettings,
} from './optim/schedule.js'
export { type EvaluationResult, type LogEntry, type TrainResult } from './trainer/history.js'
export { type TrainerOptions } from './trainer/options.js'
export { Trainer } from './trainer/trainer.js'
export { type Template } from './vocabulary/tokenizer-json.js'
export {
  trainTokenizer,
  type TrainTokenizerOptions,
  type VocabularyProgress,
} from './vocabulary/train-tokenizer.js'
