import { OptionError, UnsupportedError, type Input, type Tensor } from '@tiny/core'
import { withDropout } from './blocks/dropout.js'
import { withRecomputation } from './blocks/recompute.js'
import type { LossSum } from './heads/index.js'
import type { Batch } from './inputs/batch.js'
import { packInputs, type ModelInputs } from './inputs/pack.js'
import type { ProblemType } from './inputs/targets.js'
import { labelNames } from './inputs/task-targets.js'
import type { PreTrainedModel } from './model.js'
import { toInputs } from './outputs/run.js'

/** A packed batch with labels, as arguments of a compiled call; inside it, `T` is Tensor. */
export interface TrainingBatch<T> {
  readonly batch: Batch<T>
  readonly problemType?: ProblemType | undefined
}

export interface TrainingOptions {
  /** In place of the model's own mode. */
  readonly training?: boolean
  readonly labelSmoothing?: number
  /** Layers are computed again in the backward pass instead of being kept for it. */
  readonly gradientCheckpointing?: boolean
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
    const needed = labelNames(model.packSpec).join(' and ')
    throw new OptionError(`a loss of ${model.className} needs ${needed}`, { task: model.task })
  }
  return { batch: toInputs(batch), ...(problemType === undefined ? {} : { problemType }) }
}

/**
 * The loss of what `packTrainingBatch` gave, as a graph: summed over everything that counts (tokens, rows), and how
 * many those are, so that several batches may be normalised over all their labels. In training mode dropout drops;
 * then it must be built inside `withRandomKey`.
 *
 */
export function trainingLoss(
  model: PreTrainedModel,
  packed: unknown,
  { training = model.training, gradientCheckpointing = false, ...options }: TrainingOptions = {},
): LossSum {
  const { batch, problemType } = packed as TrainingBatch<Tensor>
  const loss = (): LossSum => withDropout(training, () => model.loss(batch, { problemType, ...options }))
  if (!gradientCheckpointing) return loss()
  const { result, layers } = withRecomputation(loss)
  if (layers > 0) return result
  throw new UnsupportedError(
    `${model.className} has no layers that gradientCheckpointing could compute again`,
    {
      option: 'gradientCheckpointing',
    },
  )
}
