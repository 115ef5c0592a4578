import { checkOptions, OptionError, UnsupportedError } from '@tiny/core'

/** Options that exist elsewhere and not here yet, and the values of them that ask for nothing. */
const notYet: Readonly<Record<string, readonly unknown[]>> = {
  resumeFromCheckpoint: [undefined, false, null],
  saveSteps: [undefined],
  earlyStopping: [undefined, false],
}

/** transformers' TrainingArguments (in camelCase) whose names here are others. */
const elsewhere: Readonly<Record<string, string>> = {
  trainDataset: 'train',
  evalDataset: 'eval',
  processingClass: 'tokenizer',
  numTrainEpochs: 'epochs',
  perDeviceTrainBatchSize: 'batchSize',
  perDeviceEvalBatchSize: 'evalBatchSize',
  lrSchedulerType: 'lrScheduler',
  optim: 'optimizer',
  computeMetrics: 'metric',
  labelSmoothingFactor: 'labelSmoothing',
  bf16: "precision: 'bfloat16'",
  fp16: "precision: 'bfloat16'",
  groupByLength: "trainSamplingStrategy: 'group_by_length'",
  disableTqdm: 'progress',
  evalStrategy: 'evalSteps (without it there is one evaluation, at the end)',
  saveStrategy: 'saveSteps',
  dataCollator: 'AdamW.step, which takes batches of your own',
  callbacks: 'onLog',
  blockLength: 'blockSize',
  maxSeqLength: 'maxLength',
}

/**
 * Rejects what `where` does not know: Python's spellings and transformers' names with the right one, what is not
 * there yet as unsupported.
 *
 * @throws OptionError, UnsupportedError
 */
export function checkTrainerOptions(options: object, allowed: readonly string[], where: string): void {
  for (const [name, value] of Object.entries(options)) {
    if (Object.hasOwn(notYet, name)) {
      if (notYet[name]!.includes(value)) continue
      throw new UnsupportedError(`${where} does not have ${name} yet`, { where, option: name })
    }
    const camel = name.replace(/_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
    if (allowed.includes(name) || !Object.hasOwn(elsewhere, camel)) continue
    throw new OptionError(`${where} has no option '${name}': use ${elsewhere[camel]}`, {
      where,
      option: name,
    })
  }
  const known = [...allowed, ...Object.keys(notYet)]
  checkOptions(options, known, where)
}
