import { applyOne } from '../apply.js'
import { Dim, type Size } from '../dim.js'
import type { Tensor } from '../tensor.js'

/**
 * Rows of a table [n, width] by int32 ids [..]: [.., width]. The row `paddingIdx` gets no gradient. Running rejects
 * with IndexError for an id out of range.
 */
export const embedding = (
  table: Tensor,
  ids: Tensor,
  attributes: { paddingIdx?: number | undefined } = {},
): Tensor => applyOne('embedding', [table, ids], attributes)
/** Rows of x [rows, width] by int32 indices [..]: [.., width]. */
export const gatherRows = (x: Tensor, indices: Tensor): Tensor => applyOne('gatherRows', [x, indices])

/**
 * Packed rows [tokens, width] as [sequences, length, width], zeros on the right. `offsets` is int32
 * [sequences + 1]: where each sequence starts, and the end.
 */
export const padRows = (x: Tensor, offsets: Tensor, length: Size): Tensor =>
  applyOne('padRows', [x, offsets], { length: Dim.of(length) })

/** Inverse of padRows: [sequences, length, width] as [rows, width]. */
export const unpadRows = (x: Tensor, offsets: Tensor, rows: Size): Tensor =>
  applyOne('unpadRows', [x, offsets], { rows: Dim.of(rows) })

/** Mean of each sequence's rows: [sequences, width]. */
export const segmentMean = (x: Tensor, offsets: Tensor): Tensor => applyOne('segmentMean', [x, offsets])
