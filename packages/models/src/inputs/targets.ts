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
import type { PackedTokens } from './tokens.js'
import { ignored, requireIds, requireLabels, requireRowCount, requireSameShape } from './validate.js'

export type ProblemType = 'regression' | 'single_label_classification' | 'multi_label_classification'
type Targets = Partial<Batch<HostArray>>

/** Labels of every token, checked against the rows of ids. */
export function readTokenLabels(labels: RowsInput, ids: IntegerRows, classes: number): IntegerRows {
  const rows = toIntegerRows(labels, 'labels')
  requireSameShape(ids, rows)
  requireLabels(rows, classes)
  return rows
}

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
    const column = toIntegerColumn(labels as ColumnInput, 'labels')
    requireRowCount('labels', column.length, rows)
    requireLabels(
      { name: 'labels', rows: Array.from(column, (label) => Int32Array.of(label)), columns: 1 },
      classes,
    )
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
 * The decoder's inputs for these labels: moved right by one behind the start token, with padding's id in place of
 * -100, as transformers' `_shift_right` does.
 */
export function shiftRight(
  labels: IntegerRows,
  start: number | undefined,
  pad: number | undefined,
): IntegerRows {
  if (start === undefined) {
    throw new ConfigError(
      'decoder inputs are made from labels with decoder_start_token_id, which the configuration lacks',
      {
        key: 'decoder_start_token_id',
      },
    )
  }
  const rows = labels.rows.map((row) => {
    const shifted = new Int32Array(row.length)
    if (row.length > 0) shifted[0] = start
    for (let column = 1; column < row.length; column++) {
      const label = row[column - 1]!
      if (label === ignored && pad === undefined) {
        throw new ConfigError(
          'labels of -100 become pad_token_id in the decoder, which the configuration lacks',
          { key: 'pad_token_id' },
        )
      }
      shifted[column] = label === ignored ? pad! : label
    }
    return shifted
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
