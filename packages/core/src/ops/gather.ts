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

/**
 * Each row [tokens, width] replaced by the one of its sequence that stands `by` further, zeros where there is none.
 * `columns`, int32 [tokens], say where the rows of a sequence stand, rising; without, one follows the other.
 */
export const shiftRows = (x: Tensor, offsets: Tensor, by: number, columns?: Tensor): Tensor =>
  applyOne('shiftRows', [x, offsets, columns], { by })

/** Mean of each sequence's rows: [sequences, width]. */
export const segmentMean = (x: Tensor, offsets: Tensor): Tensor => applyOne('segmentMean', [x, offsets])

/** Largest of each sequence's rows, column by column: [sequences, width]. */
export const segmentMax = (x: Tensor, offsets: Tensor): Tensor => applyOne('segmentMax', [x, offsets])
