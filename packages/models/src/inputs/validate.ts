import { IndexError, OptionError, ShapeError } from '@tiny/core'
import type { IntegerRows } from './rows.js'

/** @throws IndexError naming row, column and id for an id outside the vocabulary. */
export function requireIds({ name, rows }: IntegerRows, count: number, table = 'vocabulary'): void {
  rows.forEach((row, i) => {
    for (let column = 0; column < row.length; column++) {
      const id = row[column]!
      if (id >= 0 && id < count) continue
      throw new IndexError(`${name}, row ${i}, column ${column}: ${id} is outside the ${table} of ${count}`, {
        input: name,
        row: i,
        column,
        id,
        [table === 'vocabulary' ? 'vocabSize' : 'size']: count,
      })
    }
  })
}

/** Labels may also be -100, which counts for nothing. @throws IndexError naming row and column. */
export function requireLabels({ name, rows }: IntegerRows, count: number): void {
  rows.forEach((row, i) => {
    for (let column = 0; column < row.length; column++) {
      const label = row[column]!
      if (label === ignored || (label >= 0 && label < count)) continue
      throw new IndexError(
        `${name}, row ${i}, column ${column}: ${label} is neither one of ${count} classes nor ${ignored}`,
        {
          input: name,
          row: i,
          column,
          label,
          classes: count,
        },
      )
    }
  })
}

/** The label that counts for nothing, as in PyTorch. */
export const ignored = -100

/** @throws ShapeError for no rows at all, or a row without tokens. */
export function requireTokens({ name, rows }: IntegerRows): void {
  if (rows.length === 0) throw new ShapeError(`${name} has no rows`, { input: name })
  const empty = rows.findIndex((row) => row.length === 0)
  if (empty >= 0) throw new ShapeError(`${name}: row ${empty} has no tokens`, { input: name, row: empty })
}

/** @throws ShapeError unless `other` has as many rows as `rows`, each of the same length. */
export function requireSameShape(rows: IntegerRows, other: IntegerRows): void {
  if (other.rows.length !== rows.rows.length) {
    throw new ShapeError(
      `${other.name} has ${other.rows.length} rows, ${rows.name} has ${rows.rows.length}`,
      { input: other.name },
    )
  }
  other.rows.forEach((row, i) => {
    const wanted = rows.rows[i]!.length
    if (row.length === wanted) return
    throw new ShapeError(
      `${other.name}: row ${i} has ${row.length} columns, that of ${rows.name} has ${wanted}`,
      {
        input: other.name,
        row: i,
        expected: wanted,
        found: row.length,
      },
    )
  })
}

/** @throws ShapeError unless there is one number for each row. */
export function requireRowCount(name: string, found: number, rows: number): void {
  if (found === rows) return
  throw new ShapeError(`${name} has ${found} rows, inputIds has ${rows}`, {
    input: name,
    expected: rows,
    found,
  })
}

/** @throws OptionError for a mask of anything but 0 and 1. */
export function requireMask({ name, rows }: IntegerRows): void {
  rows.forEach((row, i) => {
    const column = row.findIndex((bit) => bit !== 0 && bit !== 1)
    if (column < 0) return
    throw new OptionError(`${name}, row ${i}, column ${column}: a mask holds 0 and 1, not ${row[column]}`, {
      input: name,
      row: i,
      column,
    })
  })
}
