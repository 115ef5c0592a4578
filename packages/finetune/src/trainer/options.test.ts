import { OptionError, UnsupportedError } from '@tiny/core'
import { describe, expect, it } from 'vitest'
import { readTrainerOptions, type TrainerOptions } from './options.js'

const train = [{ inputIds: [1, 2] }]
const read = (options: object, task = 'MaskedLM') =>
  readTrainerOptions({ train, ...options } as TrainerOptions, task)

describe('options of Trainer', () => {
  it("has transformers' defaults", () => {
    expect(read({ epochs: undefined })).toMatchObject({
      epochs: 3,
      batchSize: 8,
      learningRate: 5e-5,
      lrScheduler: 'linear',
      maxGradNorm: 1,
      weightDecay: 0,
      seed: 42,
    })
    expect(read({ precision: 'float32', gradientCheckpointing: false, saveSteps: undefined })).toBeDefined()
  })

  it.each([
    [{ per_device_train_batch_size: 4 }, /'per_device_train_batch_size': use batchSize/],
    [{ num_train_epochs: 4 }, /use epochs/],
    [{ learning_rate: 1 }, /learningRate/],
    [{ lr_scheduler_type: 'linear' }, /use lrScheduler/],
    [{ evalDataset: [] }, /use eval/],
    [{ learningrate: 1 }, /learningRate/],
    [{ bf16: true }, /precision/],
    [{ epochs: 1, maxSteps: 2 }, /epochs or maxSteps/],
    [{ batchSize: 1, maxTokensPerBatch: 2 }, /batchSize or maxTokensPerBatch/],
    [{ warmupSteps: 1, warmupRatio: 0.1 }, /warmupSteps or warmupRatio/],
    [{ batchSize: 0 }, /batchSize must be an integer of at least 1, not 0/],
    [{ learningRate: '1e-3' }, /learningRate must be a number of at least 0, not '1e-3'/],
    [{ warmupSteps: 0.1 }, /warmupSteps must be an integer/],
    [{ blockSize: 8 }, /blockSize belongs to models for CausalLM, this one is for MaskedLM/],
    [{ trainSamplingStrategy: 'by_length' }, /group_by_length/],
    [{ evalSteps: 2 }, /evalSteps needs eval/],
    [{ train: 'data.csv' }, /train.*data\.csv.*files are not read yet/],
    [{ onLog: 5 }, /onLog/],
    [{ gradientCheckpointing: 'yes' }, /gradientCheckpointing/],
  ])('rejects %o', (options, message) => {
    expect(() => read(options)).toThrow(message)
    expect(() => read(options)).toThrow(OptionError)
  })

  it.each([
    [{ saveSteps: 10 }, /saveSteps/],
    [{ earlyStopping: { patience: 2 } }, /earlyStopping/],
    [{ precision: 'bfloat16' }, /bfloat16/],
    [{ optimizer: 'sgd' }, /sgd/],
  ])('says that %o is not there yet', (options, message) => {
    expect(() => read(options)).toThrow(message)
    expect(() => read(options)).toThrow(UnsupportedError)
  })
})
