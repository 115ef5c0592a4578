import { attentionLse, full, gatherRows, sum, type Tensor } from '@tiny/core'
import type { Linear } from '../blocks/linear.js'
import type { Batch } from '../inputs/batch.js'
import type { Weights } from '../parameters/weights.js'
import { classifierOf, noHead } from './classification.js'
import type { Head, HeadContext, HeadOutput, LossSum } from './head.js'

/** Where the answer starts and where it ends: a softmax over the tokens of each sequence, twice. */
export class QuestionAnsweringHead implements Head {
  readonly #outputs: Linear // [2, width]: start, end

  constructor(weights: Weights, { family, config, backbone }: HeadContext) {
    const options = family.heads.questionAnswering?.(config)
    if (options === undefined) throw noHead(family.schema.modelType, 'question answering')
    this.#outputs = classifierOf(weights, backbone.width, 2, options)
  }

  outputs(hidden: Tensor): HeadOutput[] {
    const both = this.#outputs.apply(hidden) // [tokens, 2]
    return [
      { name: 'startLogits', per: 'token', value: both.sliceColumns(0, 1).contiguous() },
      { name: 'endLogits', per: 'token', value: both.sliceColumns(1, 1).contiguous() },
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

/**
 * log Σ exp(x) over the rows of each sequence, for each column: the normaliser that attention computes for one query
 * of ones per sequence, whose heads are the columns.
 */
function logSumExp(x: Tensor, offsets: Tensor, queryOffsets: Tensor): Tensor {
  const columns = x.dim(1).value
  const sequences = offsets.dim(0).sub(1)
  const options = { heads: columns, headDim: 1, scale: 1, queryOffsets, keyOffsets: offsets }
  return attentionLse(full([sequences, columns], 1), x, x, options)[1]
}
