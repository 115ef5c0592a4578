import { IndexError, ShapeError } from '@tiny/core'
import { int32, type Batch, type HostArray, type Layout, type Padding } from './batch.js'
import { columnPositions, positionOfToken, positionRows, type PositionRule } from './positions.js'
import type { IntegerRows } from './rows.js'
import { requireIds, requireMask, requireSameShape, requireTokens } from './validate.js'

/** What a stack of layers takes. */
export interface TokenSpec {
  readonly vocabSize: number
  /** Rows of the table of positions; undefined where positions have no bound. */
  readonly maxPositions?: number | undefined
  /** Which of its rows each token takes; its column unless given. */
  readonly positions?: PositionRule | undefined
  /** Kinds of tokens; undefined where the model has none. */
  readonly typeVocabSize?: number | undefined
  /** Whether a model without kinds of tokens is given them all the same, by its tokenizer (DeBERTa). */
  readonly ignoresTypes?: boolean
  /** Whether what a row makes of its tokens depends on padding between them (a recurrence), or before them, too. */
  readonly readsPadding?: 'between' | 'before' | undefined
}

/** Whether tokens of a row read padding, so that it is computed. */
export const paddingIsRead = (mask: IntegerRows | undefined, { readsPadding }: TokenSpec): boolean =>
  readsPadding !== undefined &&
  mask?.rows.some((row) => {
    const first = row.indexOf(1)
    return (readsPadding === 'before' && first > 0) || row.subarray(first, row.lastIndexOf(1)).includes(0)
  }) === true

/** Tokens of a row that the table of positions has room for; undefined where positions have no bound. */
export const roomOf = ({ maxPositions, positions = columnPositions }: TokenSpec): number | undefined =>
  maxPositions === undefined ? undefined : maxPositions - positionOfToken(positions, 0)

/** The same where a decoder generates: transformers' `generate` numbers real tokens itself, whatever their ids. */
export const generatedTokens = (spec: TokenSpec): TokenSpec =>
  spec.positions?.paddingCounts === true
    ? spec
    : { ...spec, positions: { rule: 'columns', offset: spec.positions?.offset ?? 0 } }

export interface TokenRows {
  readonly ids: IntegerRows
  readonly mask?: IntegerRows | undefined
  readonly positionIds?: IntegerRows | undefined
  readonly tokenTypeIds?: IntegerRows | undefined
}

/** Symbols of the sizes: an encoder's tokens beside a decoder's need another name. */
export interface TokenSizes {
  readonly tokens: string
}

export interface PackedTokens {
  readonly batch: Batch<HostArray>
  readonly layout: Layout
  /** Packed row of a row's column; -1 where it is padding that is not computed. */
  rowOf(row: number, column: number): number
}

/**
 * Packs rows of ids. Masked columns are left out, unless `computePadding` asks for them.
 *
 * @throws IndexError naming row and column for an id outside the vocabulary, a token type or a position beyond its
 *   table; ShapeError where inputs disagree in shape.
 */
export function packTokens(
  { ids, mask, positionIds, tokenTypeIds }: TokenRows,
  spec: TokenSpec,
  options: { computePadding?: boolean; sizes?: TokenSizes } = {},
): PackedTokens {
  requireTokens(ids)
  requireIds(ids, spec.vocabSize)
  if (mask !== undefined) {
    requireSameShape(ids, mask)
    requireMask(mask)
  }
  if (positionIds !== undefined) requireSameShape(ids, positionIds)
  if (tokenTypeIds !== undefined) {
    requireSameShape(ids, tokenTypeIds)
    if (spec.ignoresTypes !== true || spec.typeVocabSize !== undefined) {
      requireIds(tokenTypeIds, spec.typeVocabSize ?? 0, 'table of token types')
    }
  }
  const all = options.computePadding === true
  const isToken = (row: number, column: number) => all || mask === undefined || mask.rows[row]![column] === 1
  const places = placesOf(spec, ids, mask, positionIds)

  const rows = ids.rows.length
  const longest = Math.max(...ids.rows.map((row) => row.length))
  const cells = new Int32Array(rows * longest).fill(-1)
  const offsets = new Int32Array(rows + 1)
  const tokens = ids.rows.reduce((sum, row) => sum + row.length, 0)
  const packed = {
    ids: new Int32Array(tokens),
    positions: new Int32Array(tokens),
    types: new Int32Array(tokens),
    columns: new Int32Array(tokens),
  }
  let count = 0
  let leading = true // whether every row's tokens stand at its beginning
  let consecutive = true
  for (let row = 0; row < rows; row++) {
    const line = ids.rows[row]!
    for (let column = 0; column < line.length; column++) {
      if (!isToken(row, column)) continue
      const inRow = count - offsets[row]!
      if (inRow !== column) leading = false
      if (inRow > 0 && packed.columns[count - 1] !== column - 1) consecutive = false
      cells[row * longest + column] = count
      packed.ids[count] = line[column]!
      packed.columns[count] = column
      packed.types[count] = tokenTypeIds?.rows[row]![column] ?? 0
      packed.positions[count] = places(row, column)
      count++
    }
    offsets[row + 1] = count
    if (count === offsets[row]) {
      throw new ShapeError(`${mask?.name}: row ${row} masks every token`, { input: mask?.name, row })
    }
  }
  const { tokens: size } = options.sizes ?? { tokens: 'tokens' }
  const cut = (data: Int32Array) => int32(data.subarray(0, count), size)
  const whole = ids.columns !== undefined && count === rows * longest
  const padding = all && mask !== undefined ? packPadding(mask, longest, cells, size) : undefined
  return {
    batch: {
      inputIds: cut(packed.ids),
      positions: cut(packed.positions),
      offsets: int32(offsets, 'sequences + 1'),
      ...(spec.typeVocabSize === undefined ? {} : { tokenTypeIds: cut(packed.types) }),
      ...(consecutive && padding === undefined ? {} : { columns: cut(packed.columns) }),
      ...(padding === undefined ? {} : { padding }),
    },
    layout: {
      rows,
      columns: longest,
      lengths: ids.columns === undefined ? ids.rows.map((row) => row.length) : undefined,
      kind: whole ? 'whole' : leading ? 'right' : 'scattered',
      cells,
    },
    rowOf: (row, column) => cells[row * longest + column]!,
  }
}

/** Looks up the position of a row's column. */
function placesOf(
  { positions = columnPositions, maxPositions: bound }: TokenSpec,
  ids: IntegerRows,
  mask: IntegerRows | undefined,
  given: IntegerRows | undefined,
): (row: number, column: number) => number {
  const rows = given?.rows ?? positionRows(positions, ids, mask)
  const offset = given === undefined ? 0 : (positions.offset ?? 0)
  const input = given === undefined ? 'inputIds' : given.name
  return (row, column) => {
    const position = rows[row]![column]! + offset
    if (bound === undefined || (position >= 0 && position < bound)) return position
    throw new IndexError(
      `${input}, row ${row}, column ${column}: position ${position} is beyond the model's table of ${bound} positions`,
      { input, row, column, position, maxPositions: bound },
    )
  }
}

/** What attention needs where padding is computed: which rows are keys, and which queries see none of them. */
function packPadding(
  mask: IntegerRows,
  columns: number,
  cells: Int32Array,
  size: string,
): Padding<HostArray> {
  const keyRows: number[] = []
  const keyColumns: number[] = []
  const keyOffsets = [0]
  mask.rows.forEach((row, i) => {
    row.forEach((bit, column) => {
      if (bit === 0) return
      keyRows.push(cells[i * columns + column]!)
      keyColumns.push(column)
    })
    keyOffsets.push(keyRows.length)
  })
  const keys = size === 'tokens' ? 'keys' : `${size}Keys`
  return {
    keyRows: int32(keyRows, keys),
    keyOffsets: int32(keyOffsets, 'sequences + 1'),
    keyColumns: int32(keyColumns, keys),
    ...packBlind(mask, columns, cells, size),
  }
}

/** Padding before a row's first real token: under a causal mask it sees nothing. */
function packBlind(
  mask: IntegerRows,
  columns: number,
  cells: Int32Array,
  size: string,
): Pick<Padding<HostArray>, 'blind'> {
  const rows: number[] = []
  const blindColumns: number[] = []
  const offsets = [0]
  const places = new Int32Array(cells.length)
  mask.rows.forEach((row, i) => {
    const first = row.indexOf(1)
    for (let column = 0; column < first; column++) {
      rows.push(cells[i * columns + column]!)
      blindColumns.push(column)
      places[rows.at(-1)!] = rows.length
    }
    offsets.push(rows.length)
  })
  if (rows.length === 0) return {}
  return {
    blind: {
      rows: int32(rows, 'blind'),
      columns: int32(blindColumns, 'blind'),
      offsets: int32(offsets, 'sequences + 1'),
      places: int32(places, size),
    },
  }
}
