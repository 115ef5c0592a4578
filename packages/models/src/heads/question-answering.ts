import { full, gatherRows, sum, type Tensor } from '@tiny/core'
import type { Batch } from '../inputs/batch.js'
import type { Weights } from '../parameters/weights.js'
import { Scores } from './classification.js'
import { requireHead, type Head, type HeadContext, type HeadOutput, type LossSum } from './head.js'
import { logSumExp } from './log-sum-exp.js'

/** Where the answer starts and where it ends: a softmax over the tokens of each sequence, twice. */
export class QuestionAnsweringHead implements Head {
  readonly #outputs: Scores // [2, width]: start, end

  constructor(weights: Weights, context: HeadContext) {
    const options = requireHead(context, 'questionAnswering', 'question answering')
    this.#outputs = new Scores(weights, context.backbone.width, 2, options)
  }

  outputs(hidden: Tensor): HeadOutput[] {
    const both = this.#outputs.apply(hidden) // [tokens, 2]
    return [
      { name: 'startLogits', per: 'tokenNumber', value: both.sliceColumns(0, 1).contiguous() },
      { name: 'endLogits', per: 'tokenNumber', value: both.sliceColumns(1, 1).contiguous() },
    ]
  }

  /** (cross-entropy of starts + cross-entropy of ends) / 2, each a mean over the sequences that have one inside. */
  loss(hidden: Tensor, batch: Batch<Tensor>): LossSum {
    const both = this.#outputs.apply(hidden)
    const normalisers = logSumExp(both, batch.offsets, batch.eachSequence!) // [sequences, 2]
    const edge = (column: number, sequences: Tensor, rows: Tensor) => {
      const pick = (x: Tensor, indices: Tensor) => gatherRows(x, indices).sliceColumns(column, 1).contiguous()
      return {
        lossSum: sum(pick(normalisers, sequences).sub(pick(both, rows))),
        count: sum(full([rows.dim(0)], 1)),
      }
    }
    const start = edge(0, batch.startSequences!, batch.startRows!)
    const end = edge(1, batch.endSequences!, batch.endRows!)
    const endAsMany = end.lossSum.mul(start.count).div(end.count)
    return { lossSum: start.lossSum.add(endAsMany).scale(0.5), count: start.count }
  }
}
