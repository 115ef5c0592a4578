import { ConfigError, OptionError, ShapeError } from '@tiny/core'
import { int32, type Batch, type HostArray } from './batch.js'
import {
  holdsIntegers,
  isNested,
  isShaped,
  toFloats,
  toIntegerColumn,
  toIntegerRows,
  type ColumnInput,
  type IntegerRows,
  type RowsInput,
} from './rows.js'
import type { DecoderSpec } from './pack.js'
import type { PackedTokens } from './tokens.js'
import { ignored, requireIds, requireLabels, requireRowCount, requireSameShape } from './validate.js'

export type ProblemType = 'regression' | 'single_label_classification' | 'multi_label_classification'
type Targets = Partial<Batch<HostArray>>

/** Labels of every token, checked against the rows of ids; they may be padded with -100 where ragged ids are not. */
export function readTokenLabels(labels: RowsInput, ids: IntegerRows, classes: number): IntegerRows {
  const read = toIntegerRows(labels, 'labels')
  const rows = { ...read, rows: read.rows.map((row, i) => withoutPadding(row, ids.rows[i]?.length ?? 0)) }
  requireSameShape(ids, rows)
  requireLabels(rows, classes)
  return rows
}

const withoutPadding = (row: Int32Array, length: number): Int32Array =>
  row.subarray(length).every((label) => label === ignored) ? row.subarray(0, length) : row

/**
 * Rows to compute a loss at, with their labels. With `shift`, a token's label is the one of the next column: language
 * models predict the next token.
 */
export function tokenTargets(labels: IntegerRows, tokens: PackedTokens, shift: boolean): Targets {
  const rows: number[] = []
  const chosen: number[] = []
  labels.rows.forEach((row, i) => {
    for (let column = shift ? 1 : 0; column < row.length; column++) {
      if (row[column] === ignored) continue
      rows.push(tokens.rowOf(i, shift ? column - 1 : column))
      chosen.push(row[column]!)
    }
  })
  return { labelRows: int32(rows, 'labelled'), labels: int32(chosen, 'labelled') }
}

/**
 * A discriminator's labels: whether each real token was replaced. What stands at padding counts for nothing.
 *
 * @throws OptionError naming row and column for what is neither 0 nor 1.
 */
export function replacedTargets(labels: RowsInput, ids: IntegerRows, tokens: PackedTokens): Targets {
  const read = toIntegerRows(labels, 'labels')
  requireSameShape(ids, read)
  const found: number[] = []
  read.rows.forEach((line, row) =>
    line.forEach((label, column) => {
      if (tokens.rowOf(row, column) < 0) return
      if (label === 0 || label === 1) return found.push(label)
      throw new OptionError(
        `labels, row ${row}, column ${column}: 1 is for replaced tokens and 0 for others, not ${label}`,
        { input: 'labels', row, column, label },
      )
    }),
  )
  return { labels: { dtype: 'float32', dims: ['tokens', 1], data: Float32Array.from(found) } }
}

/** Labels of pairs of sentences: 0 where the second follows the first, 1 where it does not. */
export function sentenceTargets(labels: ColumnInput, name: string, rows: number, classes: number): Targets {
  return { sentenceLabels: int32(classColumn(labels, name, rows, classes), 'sequences') }
}

/** One class, or -100, for each row. */
function classColumn(labels: ColumnInput, name: string, rows: number, classes: number): Int32Array {
  const column = toIntegerColumn(labels, name)
  requireRowCount(name, column.length, rows)
  requireLabels({ name, rows: Array.from(column, (label) => Int32Array.of(label)), columns: 1 }, classes)
  return column
}

/** Which choice of each example is right. */
export function choiceTargets(labels: ColumnInput, examples: number, choices: number): Targets {
  const column = classColumn(labels, 'labels', examples, choices)
  const labelled = [...column.keys()].filter((example) => column[example] !== ignored)
  const each = Array.from({ length: examples + 1 }, (_, i) => i)
  return {
    choices: {
      offsets: int32(
        each.map((i) => i * choices),
        'examples + 1',
      ),
      each: int32(each, 'examples + 1'),
      examples: int32(labelled, 'labelled'),
      sequences: int32(
        labelled.map((example) => example * choices + column[example]!),
        'labelled',
      ),
    },
  }
}

/** Whether a label counts at a masked column, so that transformers' loss depends on what is computed there. */
export function countsPadding(labels: IntegerRows, mask: IntegerRows | undefined, shift: boolean): boolean {
  if (mask === undefined) return false
  return labels.rows.some((row, i) =>
    mask.rows[i]!.some(
      (bit, column) => bit === 0 && (row[shift ? column + 1 : column] ?? ignored) !== ignored,
    ),
  )
}

/**
 * Labels of whole rows, and what kind of problem they pose: as the configuration says, else one class is a
 * regression, whole numbers are classes, and rows of labels mean several labels each (as transformers infers it).
 */
export function rowTargets(
  labels: RowsInput | ColumnInput,
  rows: number,
  classes: number,
  configured: ProblemType | undefined,
): { targets: Targets; problemType: ProblemType } {
  const several = isNested(labels) || (isShaped(labels) && labels.shape.length === 2)
  const inferred =
    classes === 1
      ? 'regression'
      : !several && holdsIntegers(labels)
        ? 'single_label_classification'
        : 'multi_label_classification'
  const problemType = configured ?? inferred
  if (problemType === 'single_label_classification') {
    const column = classColumn(labels as ColumnInput, 'labels', rows, classes)
    return { targets: { labels: int32(column, 'sequences') }, problemType }
  }
  const { shape, data } = toFloats(labels, 'labels')
  requireRowCount('labels', shape[0]!, rows)
  const width = shape[1] ?? 1
  if (width !== classes) {
    throw new ShapeError(
      `labels has ${width} numbers in each row, the model has ${classes} labels (${problemType})`,
      {
        input: 'labels',
        expected: classes,
        found: width,
      },
    )
  }
  return { targets: { labels: { dtype: 'float32', dims: ['sequences', classes], data } }, problemType }
}

/**
 * Where answers start and end. As in transformers, negative positions count as 0 and those beyond a row's columns are
 * left out of the loss.
 */
export function spanTargets(
  starts: ColumnInput,
  ends: ColumnInput,
  ids: IntegerRows,
  tokens: PackedTokens,
): Targets {
  const start = spanEdge(starts, 'startPositions', ids, tokens)
  const end = spanEdge(ends, 'endPositions', ids, tokens)
  return {
    startSequences: int32(start.sequences, 'starts'),
    startRows: int32(start.rows, 'starts'),
    endSequences: int32(end.sequences, 'ends'),
    endRows: int32(end.rows, 'ends'),
    eachSequence: int32(
      Int32Array.from({ length: ids.rows.length + 1 }, (_, i) => i),
      'sequences + 1',
    ),
  }
}

function spanEdge(positions: ColumnInput, name: string, ids: IntegerRows, tokens: PackedTokens) {
  const column = toIntegerColumn(positions, name)
  requireRowCount(name, column.length, ids.rows.length)
  const sequences: number[] = []
  const rows: number[] = []
  column.forEach((position, i) => {
    if (position >= ids.rows[i]!.length) return
    sequences.push(i)
    rows.push(tokens.rowOf(i, Math.max(0, position)))
  })
  return { sequences, rows }
}

/**
 * The decoder's inputs for these labels or ids: moved right by one, with padding's id in place of -100, behind the
 * start token or, where `shift` says so, behind the row's own last token that is no padding, as transformers'
 * `shift_tokens_right` does.
 */
export function shiftRight(
  labels: IntegerRows,
  { shift, startTokenId: start, padTokenId: pad }: DecoderSpec,
): IntegerRows {
  if (shift.first === 'start' && start === undefined) {
    throw new ConfigError(
      'decoder inputs are made from labels with decoder_start_token_id, which the configuration lacks',
      {
        key: 'decoder_start_token_id',
      },
    )
  }
  const rows = labels.rows.map((row) => {
    const ids = row.map((label) => {
      if (label !== ignored) return label
      if (pad !== undefined) return pad
      throw new ConfigError(
        'labels of -100 become pad_token_id in the decoder, which the configuration lacks',
        { key: 'pad_token_id' },
      )
    })
    if (ids.length === 0) return ids
    // transformers counts the tokens that are no padding, wherever they stand.
    const real = ids.reduce((count, id) => count + (id === pad ? 0 : 1), 0)
    const first = shift.first === 'start' ? start! : ids.at(real - 1)!
    return Int32Array.of(first, ...ids.subarray(0, -1))
  })
  return { name: 'decoderInputIds', rows, columns: labels.columns }
}

/** Labels for a decoder: ids of the vocabulary or -100. */
export function readDecoderLabels(labels: RowsInput, rows: number, vocabSize: number): IntegerRows {
  const read = toIntegerRows(labels, 'labels')
  requireRowCount('labels', read.rows.length, rows)
  requireLabels(read, vocabSize)
  return read
}

export function readDecoderIds(ids: RowsInput, rows: number, vocabSize: number): IntegerRows {
  const read = toIntegerRows(ids, 'decoderInputIds')
  requireRowCount('decoderInputIds', read.rows.length, rows)
  requireIds(read, vocabSize)
  return read
}

/** @throws OptionError where a task has no use for an input that was given. */
export function refuseInputs(task: string, inputs: object, names: readonly string[]): void {
  for (const name of names) {
    if ((inputs as Record<string, unknown>)[name] === undefined) continue
    throw new OptionError(`${task} takes no ${name}`, { input: name, task })
  }
}
