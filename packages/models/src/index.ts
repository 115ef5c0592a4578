export {
  AutoConfig,
  AutoModel,
  AutoModelForCausalLM,
  AutoModelForMaskedLM,
  AutoModelForMultipleChoice,
  AutoModelForNextSentencePrediction,
  AutoModelForPreTraining,
  AutoModelForQuestionAnswering,
  AutoModelForSeq2SeqLM,
  AutoModelForSequenceClassification,
  AutoModelForTextEncoding,
  AutoModelForTokenClassification,
  ModelClass,
} from './auto.js'
export type { FromConfigOptions, FromPretrainedOptions } from './build.js'
export type { Config, ConfigChanges, ConfigJson, ModelConfig } from './config/config.js'
export * from './families/index.js'
export { GenerativeModel, type GenerateOutput, type StreamOptions } from './generation/generative-model.js'
export type { FinishReason, GenerateInputs } from './generation/generation.js'
export type { GenerateOptions } from './generation/options.js'
export type { TextPiece } from './generation/text-pieces.js'
export type { LossSum } from './heads/index.js'
export type { HubOptions, Progress } from './hub/index.js'
export type { Batch, HostArray, Layout, Padding } from './inputs/batch.js'
export type { ModelInputs, Packed, PackSpec } from './inputs/pack.js'
export { pack } from './inputs/pack-for.js'
export type { ChoicesInput, ColumnInput, RowsInput } from './inputs/rows.js'
export type { ProblemType } from './inputs/targets.js'
export { PreTrainedModel, type ForwardResult } from './model.js'
export type { ModelOutput, OutputArray } from './outputs/model-output.js'
export type { RunOptions } from './outputs/run.js'
export type { LoadReport } from './parameters/load.js'
export { modelTypes } from './registry.js'
export * from './sentence/index.js'
export type { SaveOptions } from './save.js'
export type { Task } from './task.js'
export * from './tokenizer/index.js'
export { packTrainingBatch, trainingLoss, type TrainingBatch } from './training.js'
