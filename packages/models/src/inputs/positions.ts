import type { IntegerRows } from './rows.js'

/**
 * How a model numbers its tokens, where the caller does not: the rows of its table of positions.
 * - 'columns': by column, padding included.
 * - 'mask': by the number of real tokens before, as OPT does. Padding stands one before the first.
 * - 'ids': by the number of ids before that are not `padTokenId`, behind that id, at which padding itself stands
 *   (`create_position_ids_from_input_ids` of RoBERTa). The mask plays no part.
 */
export interface PositionRule {
  readonly rule: 'columns' | 'mask' | 'ids'
  /** Rows of the table before position 0: added to columns, to counts of the mask and to positions that are given. */
  readonly offset?: number
  /** Of 'ids'. */
  readonly padTokenId?: number
  /** Whether a prompt's padding has positions where a decoder generates, too: transformers' class takes none (BART). */
  readonly paddingCounts?: boolean
}

/** Positions of every column of every row. */
export function positionRows(
  { rule, offset = 0, padTokenId = 0 }: PositionRule,
  { rows }: IntegerRows,
  mask: IntegerRows | undefined,
): readonly Int32Array[] {
  return rows.map((ids, row) => {
    let count = 0
    return ids.map((id, column) => {
      if (rule === 'columns') return column + offset
      const counts = rule === 'ids' ? id !== padTokenId : (mask?.rows[row]![column] ?? 1) === 1
      if (counts) count++
      if (rule === 'ids') return padTokenId + (counts ? count : 0)
      return offset + (counts ? count - 1 : -1)
    })
  })
}

/** Position of a sequence's token number `index`, counted over real tokens: what generation goes on from. */
export const positionOfToken = ({ rule, offset = 0, padTokenId = 0 }: PositionRule, index: number): number =>
  rule === 'ids' ? padTokenId + 1 + index : offset + index

export const columnPositions: PositionRule = { rule: 'columns' }
