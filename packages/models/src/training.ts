import { OptionError, type Input, type Tensor } from '@tiny/core'
import { withDropout } from './blocks/dropout.js'
import type { LossSum } from './heads/index.js'
import type { Batch } from './inputs/batch.js'
import { packInputs, type ModelInputs } from './inputs/pack.js'
import type { ProblemType } from './inputs/targets.js'
import type { PreTrainedModel } from './model.js'
import { toInputs } from './outputs/run.js'

/** A packed batch with labels, as arguments of a compiled call; inside it, `T` is Tensor. */
export interface TrainingBatch<T> {
  readonly batch: Batch<T>
  readonly problemType?: ProblemType | undefined
}

/**
 * Packs a batch for a training step. What no loss depends on is left out: padding, and decoder positions behind the
 * last label.
 *
 * @throws OptionError without labels, DisposedError, and what `run` throws for inputs that cannot be.
 */
export function packTrainingBatch(model: PreTrainedModel, inputs: ModelInputs): TrainingBatch<Input> {
  model.requireAlive()
  const { batch, labelled, problemType } = packInputs(inputs, model.packSpec, { forTraining: true })
  if (!labelled) {
    const needed = model.task === 'QuestionAnswering' ? 'startPositions and endPositions' : 'labels'
    throw new OptionError(`a loss of ${model.className} needs ${needed}`, { task: model.task })
  }
  return { batch: toInputs(batch), ...(problemType === undefined ? {} : { problemType }) }
}

/**
 * The loss of what `packTrainingBatch` gave, as a graph: summed over everything that counts (tokens, rows), and how
 * many those are, so that several batches may be normalised over all their labels. In training mode dropout drops;
 * then it must be built inside `withRandomKey`.
 *
 * @param options `training`: in place of the model's own mode.
 */
export function trainingLoss(
  model: PreTrainedModel,
  packed: unknown,
  { training = model.training, ...options }: { labelSmoothing?: number; training?: boolean } = {},
): LossSum {
  const { batch, problemType } = packed as TrainingBatch<Tensor>
  return withDropout(training, () => model.loss(batch, { problemType, ...options }))
}
