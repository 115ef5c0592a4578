import { OptionError, UnsupportedError } from '@tiny/core'
import type { Tokenizer } from '@tiny/models'
import type { SamplingStrategy } from '../data/batches.js'
import { requireDataset, type Dataset } from '../data/rows.js'
import type { Metric } from '../metrics/metric.js'
import type { ScheduleKwargs, ScheduleName } from '../optim/schedule.js'
import { describe, requireFlag, requireNumber } from '../options.js'
import type { LogEntry } from './history.js'
import { checkTrainerOptions } from './names.js'

/** Names are those of transformers' TrainingArguments in camelCase where those are; some are shorter. */
export interface TrainerOptions {
  /** Turns the texts of examples into ids; saved with the model. Data given as ids needs none but masked LM's. */
  readonly tokenizer?: Tokenizer | undefined
  /** Texts or examples; read once, to the end. */
  readonly train: Dataset
  readonly eval?: Dataset | undefined
  /** Where model, tokenizer and the run's history are saved when training ends; without it nothing is written. */
  readonly outputDir?: string | undefined

  /** Passes over the data; default 3. */
  readonly epochs?: number | undefined
  /** Updates of the run, in place of `epochs`. */
  readonly maxSteps?: number | undefined
  /** Rows in a batch; default 8. */
  readonly batchSize?: number | undefined
  /** Tokens in a batch at most, in place of `batchSize`: nothing is padded, so every batch then costs about the same. */
  readonly maxTokensPerBatch?: number | undefined
  /** Rows in a batch of an evaluation; default: as in training. */
  readonly evalBatchSize?: number | undefined
  /** Which rows share a batch: default 'random'; 'group_by_length' puts rows of similar length together. */
  readonly trainSamplingStrategy?: SamplingStrategy | undefined
  /** Batches whose gradients make one update, normalised over all their labels; default 1. */
  readonly gradientAccumulationSteps?: number | undefined

  /** Tokens in a row at most; default: what tokenizer and model take. */
  readonly maxLength?: number | undefined
  /** Causal LM: lays texts end to end and cuts them into rows of this many tokens. */
  readonly blockSize?: number | undefined
  /** Masked LM: share of the tokens that are to be told; default 0.15. */
  readonly mlmProbability?: number | undefined

  /** Share of the target that is spread evenly over all classes in training; default 0. Evaluations are without it. */
  readonly labelSmoothing?: number | undefined

  readonly optimizer?: 'adamw' | undefined
  /** Peak of the schedule; default 5e-5. */
  readonly learningRate?: number | undefined
  readonly adamBeta1?: number | undefined
  readonly adamBeta2?: number | undefined
  readonly adamEpsilon?: number | undefined
  /** Of weights of two and more dimensions that are no norm's; default 0. */
  readonly weightDecay?: number | undefined
  /** Global L2 norm that gradients are scaled down to; default 1; 0 for none. */
  readonly maxGradNorm?: number | undefined
  /** By transformers' name, or factors of the learning rate by step; default 'linear'. */
  readonly lrScheduler?: ScheduleName | ((step: number) => number) | undefined
  readonly lrSchedulerKwargs?: ScheduleKwargs | undefined
  /** Updates over which the learning rate rises; default 0. */
  readonly warmupSteps?: number | undefined
  /** The same as a share of all updates. */
  readonly warmupRatio?: number | undefined

  /** Evaluates every so many updates and at the end; without it only at the end. */
  readonly evalSteps?: number | undefined
  readonly metric?: Metric | undefined
  /** Updates between two entries of the log; default 10. */
  readonly loggingSteps?: number | undefined
  readonly onLog?: ((entry: LogEntry) => void) | undefined
  /** Bar on a terminal, lines elsewhere, on standard error; default true. */
  readonly progress?: boolean | undefined

  /** Computes each layer again in the backward pass instead of keeping it: less memory, a third more work; default false. */
  readonly gradientCheckpointing?: boolean | undefined

  /** Order of the rows, masks and dropout; default 42. */
  readonly seed?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly precision?: 'float32' | 'bfloat16' | undefined

  /** Not there yet; refused. */
  readonly saveSteps?: undefined
  readonly earlyStopping?: false | undefined
}

const optionNames: readonly (keyof TrainerOptions)[] = [
  'tokenizer',
  'train',
  'eval',
  'outputDir',
  'epochs',
  'maxSteps',
  'batchSize',
  'maxTokensPerBatch',
  'evalBatchSize',
  'trainSamplingStrategy',
  'gradientAccumulationSteps',
  'maxLength',
  'blockSize',
  'mlmProbability',
  'labelSmoothing',
  'gradientCheckpointing',
  'optimizer',
  'learningRate',
  'adamBeta1',
  'adamBeta2',
  'adamEpsilon',
  'weightDecay',
  'maxGradNorm',
  'lrScheduler',
  'lrSchedulerKwargs',
  'warmupSteps',
  'warmupRatio',
  'evalSteps',
  'metric',
  'loggingSteps',
  'onLog',
  'progress',
  'seed',
  'signal',
  'precision',
]

const defaults = {
  epochs: 3,
  batchSize: 8,
  trainSamplingStrategy: 'random',
  gradientAccumulationSteps: 1,
  mlmProbability: 0.15,
  labelSmoothing: 0,
  gradientCheckpointing: false,
  learningRate: 5e-5,
  adamBeta1: 0.9,
  adamBeta2: 0.999,
  adamEpsilon: 1e-8,
  weightDecay: 0,
  maxGradNorm: 1,
  lrScheduler: 'linear',
  loggingSteps: 10,
  progress: true,
  seed: 42,
} as const

export type Settings = TrainerOptions & {
  readonly [K in keyof typeof defaults]: NonNullable<TrainerOptions[K]>
}

const where = 'Trainer'
const whole = { least: 1, integer: true }

/** @throws OptionError, UnsupportedError naming the option. */
export function readTrainerOptions(options: TrainerOptions, task: string): Settings {
  if (typeof options !== 'object' || options === null) {
    throw new OptionError(`${where} takes a model and options, not ${describe(options)}`, { where })
  }
  checkTrainerOptions(options, optionNames, where)
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  const settings = { ...defaults, ...given } as Settings
  requireDataset('train', settings.train)
  if (settings.eval !== undefined) requireDataset('eval', settings.eval)
  for (const option of [
    'maxSteps',
    'batchSize',
    'evalBatchSize',
    'maxTokensPerBatch',
    'gradientAccumulationSteps',
    'evalSteps',
    'loggingSteps',
    'maxLength',
  ] as const) {
    requireNumber(where, option, settings[option], whole)
  }
  requireNumber(where, 'blockSize', settings.blockSize, { least: 2, integer: true })
  requireNumber(where, 'epochs', settings.epochs, { least: 0, above: true })
  requireNumber(where, 'mlmProbability', settings.mlmProbability, { least: 0, above: true, most: 1 })
  requireNumber(where, 'labelSmoothing', settings.labelSmoothing, { least: 0, most: 1 })
  requireFlag(where, 'gradientCheckpointing', settings.gradientCheckpointing)
  requireNumber(where, 'warmupSteps', settings.warmupSteps, { least: 0, integer: true })
  requireNumber(where, 'warmupRatio', settings.warmupRatio, { least: 0, most: 1 })
  requireNumber(where, 'seed', settings.seed, { least: 0, most: 2 ** 31 - 1, integer: true })
  for (const option of [
    'learningRate',
    'adamEpsilon',
    'weightDecay',
    'maxGradNorm',
    'adamBeta1',
    'adamBeta2',
  ] as const) {
    requireNumber(where, option, settings[option], { least: 0 })
  }
  oneOf('trainSamplingStrategy', settings.trainSamplingStrategy, ['random', 'sequential', 'group_by_length'])
  together(options, 'epochs', 'maxSteps')
  together(options, 'batchSize', 'maxTokensPerBatch')
  together(options, 'warmupSteps', 'warmupRatio')
  belongsTo('blockSize', options, 'CausalLM', task)
  belongsTo('mlmProbability', options, 'MaskedLM', task)
  for (const option of ['evalSteps', 'metric', 'evalBatchSize'] as const) {
    if (options[option] !== undefined && options.eval === undefined) {
      throw new OptionError(`${where}: ${option} needs eval, the data to evaluate on`, { where, option })
    }
  }
  if (options.precision !== undefined && options.precision !== 'float32') {
    throw new UnsupportedError(
      `${where} does not have precision '${options.precision}' yet; it trains in float32`,
      {
        where,
        option: 'precision',
      },
    )
  }
  if (options.optimizer !== undefined && options.optimizer !== 'adamw') {
    throw new UnsupportedError(
      `${where} has no optimizer ${describe(options.optimizer)} yet; there is 'adamw'`,
      {
        where,
        option: 'optimizer',
      },
    )
  }
  if (settings.onLog !== undefined && typeof settings.onLog !== 'function') {
    throw new OptionError(`${where}: onLog must be a function, not ${describe(settings.onLog)}`, {
      where,
      option: 'onLog',
    })
  }
  return settings
}

function oneOf(option: string, value: string, values: readonly string[]): void {
  if (values.includes(value)) return
  throw new OptionError(`${where}: ${option} must be one of ${values.join(', ')}, not ${describe(value)}`, {
    where,
    option,
    value,
  })
}

function together(options: TrainerOptions, a: keyof TrainerOptions, b: keyof TrainerOptions): void {
  if (options[a] === undefined || options[b] === undefined) return
  throw new OptionError(`${where} takes ${a} or ${b}, not both`, { where, option: b })
}

function belongsTo(option: keyof TrainerOptions, options: TrainerOptions, owner: string, task: string): void {
  if (options[option] === undefined || task === owner) return
  throw new OptionError(`${where}: ${option} belongs to models for ${owner}, this one is for ${task}`, {
    where,
    option,
  })
}
