import { gatherRows, segmentMean, type Tensor } from '@tiny/core'
import type { Backbone, SingleBackbone } from './stack.js'
import type { Batch } from '../inputs/batch.js'

/**
 * Which hidden state stands for a whole sequence:
 * - 'pooler': what the base model's own pooler makes of the first column
 * - 'first': the first token's that is no padding
 * - 'mean': the mean over real tokens
 * - 'last': the last token's whose id is not padding's
 * - 'eos': that at the last end-of-sequence token of the ids (encoder–decoders, whose decoder reads the same ids)
 * - 'firstColumn', 'lastColumn', 'columnMean': the first and the last column's and the mean over columns, padding included
 */
export type Pool = 'pooler' | 'first' | 'mean' | 'last' | 'eos' | 'firstColumn' | 'lastColumn' | 'columnMean'

/** Whether padding is looked at, so that it is computed; `leads`: whether a row begins with padding. */
export const poolsPadding = (pool: Pool | undefined, leads: boolean): boolean =>
  pool === 'lastColumn' || pool === 'columnMean' || (leads && (pool === 'firstColumn' || pool === 'pooler'))

/** Hidden states [tokens, width] to [sequences, width]. Packing has found the rows of 'last' and 'eos'. */
export function pool(kind: Pool, backbone: Backbone, hidden: Tensor, batch: Batch<Tensor>): Tensor {
  switch (kind) {
    case 'pooler':
      return (backbone as SingleBackbone).pool!(hidden, batch)!
    case 'first':
    case 'firstColumn':
      return firstRows(hidden, batch)
    case 'mean':
    case 'columnMean':
      return segmentMean(hidden, batch.offsets)
    case 'last':
    case 'lastColumn':
    case 'eos':
      return gatherRows(hidden, batch.lastRows!)
  }
}

/** Hidden states of the sequences' first tokens. */
export const firstRows = (hidden: Tensor, { offsets }: Batch<Tensor>): Tensor =>
  gatherRows(hidden, offsets.sliceRows(0, offsets.dim(0).sub(1)))
