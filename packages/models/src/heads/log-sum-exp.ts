import { attentionLse, full, type Tensor } from '@tiny/core'

/**
 * log Σ exp(x) over the rows of each sequence, for each column: the normaliser that attention computes for one query
 * of ones per sequence, whose heads are the columns.
 */
export function logSumExp(x: Tensor, offsets: Tensor, queryOffsets: Tensor): Tensor {
  const columns = x.dim(1).value
  const sequences = offsets.dim(0).sub(1)
  const options = { heads: columns, headDim: 1, scale: 1, queryOffsets, keyOffsets: offsets }
  return attentionLse(full([sequences, columns], 1), x, x, options)[1]
}
