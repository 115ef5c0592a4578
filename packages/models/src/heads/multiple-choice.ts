import { full, gatherRows, segmentMean, sum, type Tensor } from '@tiny/core'
import type { Batch } from '../inputs/batch.js'
import type { Weights } from '../parameters/weights.js'
import { SequenceScores } from './classification.js'
import {
  requireHead,
  type Head,
  type HeadContext,
  type HeadOutput,
  type LossOptions,
  type LossSum,
} from './head.js'
import { logSumExp } from './log-sum-exp.js'

/** One of several texts: a score for each, and a softmax over those of an example. */
export class MultipleChoiceHead implements Head {
  readonly #scores: SequenceScores

  constructor(weights: Weights, context: HeadContext) {
    const options = requireHead(context, 'multipleChoice', 'multiple choice')
    this.#scores = new SequenceScores(weights, context.backbone, 1, options)
  }

  outputs(hidden: Tensor, batch: Batch<Tensor>): HeadOutput[] {
    return [{ name: 'logits', per: 'example', value: this.#scores.apply(hidden, batch) }]
  }

  loss(hidden: Tensor, batch: Batch<Tensor>, { labelSmoothing = 0 }: LossOptions): LossSum {
    const scores = this.#scores.apply(hidden, batch) // [sequences, 1]
    const { offsets, each, examples, sequences } = batch.choices!
    const normalisers = gatherRows(logSumExp(scores, offsets, each), examples)
    const right = gatherRows(scores, sequences) // [labelled, 1]
    const spread = gatherRows(segmentMean(scores, offsets), examples)
    const target =
      labelSmoothing === 0 ? right : right.scale(1 - labelSmoothing).add(spread.scale(labelSmoothing))
    return { lossSum: sum(normalisers.sub(target)), count: sum(full([sequences.dim(0)], 1)) }
  }
}
