import { OptionError, ShapeError } from '@tiny/core'
import type { Batch, HostArray } from '../inputs/batch.js'
import { columnPositions, positionOfToken } from '../inputs/positions.js'
import { toIntegerRows, type IntegerRows, type RowsInput } from '../inputs/rows.js'
import { packTokens, type TokenSpec } from '../inputs/tokens.js'
import { requireRowCount } from '../inputs/validate.js'

/** What the rows of a generation begin with. */
export interface Prompts {
  /** What enters the decoder: the real tokens of each row. */
  readonly tokens: readonly Int32Array[]
  /** The rows as the caller sees them, padding included. */
  readonly rows: readonly (readonly number[])[]
  /** Positions that each row has taken. */
  readonly lengths: readonly number[]
  /** Columns of padding before each row's first token. */
  readonly padding: readonly number[]
  /** The position of a row's token number `index`, of the prompt or behind it. */
  positionOf(row: number, index: number): number
}

/** What an encoder–decoder's decoder is to begin with. */
export interface DecoderStart {
  /** The same for every row, or each row's own. */
  readonly startTokenId: number | readonly number[] | undefined
  readonly ids: RowsInput | undefined
  readonly mask: RowsInput | undefined
  /** Rows of the encoder. */
  readonly count: number
}

/** A decoder's own prompts, packed. */
export function decoderPrompts(batch: Batch<HostArray>, rows: MaskedRows, spec: TokenSpec): Prompts {
  if (batch.columns === undefined || spec.readsPadding === undefined)
    return promptsOf(batch, rows, spec, spec.positions?.paddingCounts === true)
  throw new ShapeError(
    'attentionMask masks columns between tokens, over which a recurrence cannot generate; rows may have lengths of ' +
      'their own instead',
    { input: 'attentionMask' },
  )
}

/**
 * The decoder's prompts beside an encoder: the start token, or rows of the caller's, before which it is put where none
 * begins with it, as in transformers.
 */
export function encoderDecoderPrompts(start: DecoderStart, spec: TokenSpec): Prompts {
  const first = startTokensOf(start, spec)
  const { ids, mask } = start.ids === undefined ? lone(first!, start) : behind(first, start.ids, start.mask)
  requireRowCount(ids.name, ids.rows.length, start.count)
  const { batch } = packTokens({ ids, mask }, spec)
  // Where there is no table of positions, attention counts distances over the tokens that are kept.
  const holes = batch.columns !== undefined && spec.maxPositions === undefined
  if (!holes) return promptsOf(batch, { ids, mask }, spec, true)
  throw new ShapeError(
    'decoderAttentionMask masks columns between tokens (the start token among them), which this model has no ' +
      'positions for; rows may have lengths of their own instead',
    { input: 'decoderAttentionMask' },
  )
}

function startTokensOf(
  { startTokenId: start, ids, count }: DecoderStart,
  { vocabSize }: TokenSpec,
): readonly number[] | undefined {
  if (start === undefined) {
    if (ids !== undefined) return undefined
    throw new OptionError('the configuration has no decoder_start_token_id: give decoderStartTokenId', {
      option: 'decoderStartTokenId',
    })
  }
  const each = typeof start === 'number' ? Array.from({ length: count }, () => start) : start
  if (each.length !== count) {
    throw new OptionError(`decoderStartTokenId has ${each.length} tokens for ${count} rows`, {
      option: 'decoderStartTokenId',
    })
  }
  const outside = each.find((id) => !(Number.isInteger(id) && id >= 0 && id < vocabSize))
  if (outside === undefined) return each
  throw new OptionError(`decoderStartTokenId ${outside} is outside the vocabulary of ${vocabSize}`, {
    option: 'decoderStartTokenId',
  })
}

interface MaskedRows {
  readonly ids: IntegerRows
  readonly mask?: IntegerRows | undefined
}

function lone(first: readonly number[], { mask }: DecoderStart): MaskedRows {
  if (mask !== undefined) {
    throw new OptionError('decoderAttentionMask belongs to decoderInputIds', {
      input: 'decoderAttentionMask',
    })
  }
  return { ids: { name: 'decoderInputIds', rows: first.map((id) => Int32Array.of(id)), columns: 1 } }
}

function behind(
  first: readonly number[] | undefined,
  givenIds: RowsInput,
  givenMask: RowsInput | undefined,
): MaskedRows {
  const ids = toIntegerRows(givenIds, 'decoderInputIds')
  const mask = givenMask === undefined ? undefined : toIntegerRows(givenMask, 'decoderAttentionMask')
  if (first === undefined || ids.rows.some(([id], row) => id === first[row])) return { ids, mask }
  return {
    ids: withFirst(ids, (row) => first[row]!),
    mask: mask && withFirst(mask, () => 1),
  }
}

const withFirst = ({ name, rows, columns }: IntegerRows, firstOf: (row: number) => number): IntegerRows => ({
  name,
  rows: rows.map((row, i) => Int32Array.of(firstOf(i), ...row)),
  columns: columns === undefined ? undefined : columns + 1,
})

/** @param counted whether padding before a row's tokens has positions, as in the forward pass, or tokens alone. */
function promptsOf(
  batch: Batch<HostArray>,
  { ids: { rows }, mask }: MaskedRows,
  { positions: rule = columnPositions }: TokenSpec,
  counted: boolean,
): Prompts {
  const offsets = batch.offsets.data as Int32Array
  const perRow = ({ data }: HostArray): Int32Array[] =>
    rows.map((_, row) => (data as Int32Array).subarray(offsets[row], offsets[row + 1]))
  const tokens = perRow(batch.inputIds)
  const positions = perRow(batch.positions)
  const lengths = tokens.map(({ length }, row) =>
    counted && mask !== undefined ? mask.rows[row]!.lastIndexOf(1) + 1 : length,
  )
  return {
    tokens,
    rows: rows.map((row) => [...row]),
    lengths,
    padding: rows.map((_, row) => mask?.rows[row]!.indexOf(1) ?? 0),
    positionOf(row, index) {
      const behindPrompt = index - tokens[row]!.length
      if (counted && behindPrompt < 0) return positions[row]![index]!
      return positionOfToken(rule, lengths[row]! + behindPrompt)
    },
  }
}
