import { DTypeError, OptionError, ShapeError } from '@tiny/core'

export type Numbers = readonly number[] | ArrayBufferView

/**
 * Rows of numbers as people have them: nested arrays (ragged or not), rows of typed arrays, or a flat array with its
 * shape. BigInt64Array is taken; what comes back never holds BigInt.
 */
export type RowsInput =
  | readonly Numbers[]
  | { readonly shape: readonly number[]; readonly data: Numbers | readonly bigint[] }

/** Rows of rows: the choices of each example, [examples, choices, length]. */
export type ChoicesInput =
  | readonly (readonly Numbers[])[]
  | { readonly shape: readonly number[]; readonly data: Numbers | readonly bigint[] }

/** One number for each row: a list, a typed array, or `{ shape: [rows], data }`. */
export type ColumnInput =
  | Numbers
  | { readonly shape: readonly number[]; readonly data: Numbers | readonly bigint[] }

/** Rows of whole numbers, each of its own length. */
export interface IntegerRows {
  readonly name: string
  readonly rows: readonly Int32Array[]
  /** The common length; undefined where rows differ. */
  readonly columns: number | undefined
}

/**
 * Reads rows of whole numbers; the copy is made now.
 *
 * @throws ShapeError for data of another rank, DTypeError for what is not a whole number of 32 bits, naming row and
 *   column.
 */
export function toIntegerRows(value: RowsInput, name: string): IntegerRows {
  const rows = splitRows(value, name).map((row, i) => toIntegers(row, name, i))
  const columns = rows[0]?.length
  return { name, rows, columns: rows.every((row) => row.length === columns) ? columns : undefined }
}

/** Reads one whole number for each row. */
export function toIntegerColumn(value: ColumnInput, name: string): Int32Array {
  return toIntegers(flat(value, name, 1), name)
}

/** Reads numbers of rank 1, or of rank 2 with rows of one length. */
export function toFloats(
  value: RowsInput | ColumnInput,
  name: string,
): { shape: number[]; data: Float32Array } {
  if (!isNested(value)) {
    const shape = isShaped(value) ? [...value.shape] : [numbersOf(value, name).length]
    return { shape, data: toNumbers(flat(value as ColumnInput, name, shape.length), name) }
  }
  const rows = splitRows(value, name)
  const width = rows[0]?.length ?? 0
  const ragged = rows.findIndex((row) => row.length !== width)
  if (ragged >= 0) {
    throw new ShapeError(`${name}: row ${ragged} has ${rows[ragged]!.length} numbers, row 0 has ${width}`, {
      input: name,
      row: ragged,
    })
  }
  const data = new Float32Array(rows.length * width)
  rows.forEach((row, i) => data.set(toNumbers(row, name, i), i * width))
  return { shape: [rows.length, width], data }
}

/** Whether a value has rows, rather than one number each: rank 2. */
export function isNested(value: unknown): value is readonly Numbers[] {
  return Array.isArray(value) && value.length > 0 && isNumbers(value[0])
}

/** Whether every number is whole and no array was made for fractions. */
export function holdsIntegers(value: RowsInput | ColumnInput): boolean {
  const parts: unknown[] = isShaped(value) ? [value.data] : isNested(value) ? [...value] : [value]
  return parts.every(
    (part) =>
      !(part instanceof Float32Array || part instanceof Float64Array) &&
      Array.from(part as ArrayLike<number | bigint>).every(
        (x) => typeof x === 'bigint' || Number.isInteger(x),
      ),
  )
}

const isNumbers = (value: unknown): value is Numbers =>
  Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView))

/** Whether a value is `{ shape, data }`. */
export const isShaped = (value: unknown): value is { shape: readonly number[]; data: Numbers } =>
  typeof value === 'object' &&
  value !== null &&
  'shape' in value &&
  Array.isArray(value.shape) &&
  'data' in value

function splitRows(value: RowsInput, name: string): ArrayLike<number | bigint>[] {
  if (isShaped(value)) {
    const data = flat(value, name, 2)
    const [rows, columns] = value.shape as [number, number]
    return Array.from({ length: rows }, (_, i) => slice(data, i * columns, (i + 1) * columns))
  }
  if (!Array.isArray(value)) {
    throw new OptionError(
      `${name} must be rows of numbers ([[1, 2], [3]]) or { shape, data }, not ${describe(value)}`,
      { input: name },
    )
  }
  return value.map((row: unknown, i) => {
    if (!isNumbers(row)) {
      throw new ShapeError(
        `${name}: row ${i} is ${describe(row)}; a batch is rows of numbers, one row is [row]`,
        { input: name, row: i },
      )
    }
    return row as ArrayLike<number>
  })
}

/** The elements of a flat input, whose shape must have `rank` dimensions that they fill. */
function flat(value: ColumnInput, name: string, rank: number): ArrayLike<number | bigint> {
  if (!isShaped(value)) return numbersOf(value, name)
  const { shape } = value
  const data = numbersOf(value.data, name)
  if (shape.length !== rank || shape.some((size) => !Number.isInteger(size) || size < 0)) {
    throw new ShapeError(`${name} must have ${rank} dimensions, its shape is [${shape.join(', ')}]`, {
      input: name,
      shape,
    })
  }
  const count = shape.reduce((product, size) => product * size, 1)
  if (count !== data.length) {
    throw new ShapeError(
      `${name} has ${data.length} elements, its shape [${shape.join(', ')}] asks for ${count}`,
      { input: name, shape },
    )
  }
  return data
}

function numbersOf(value: unknown, name: string): ArrayLike<number | bigint> {
  if (isNumbers(value)) return value as unknown as ArrayLike<number | bigint>
  throw new OptionError(`${name} must be numbers or { shape, data }, not ${describe(value)}`, { input: name })
}

function slice(data: ArrayLike<number | bigint>, start: number, end: number): ArrayLike<number | bigint> {
  return (data as number[]).slice(start, end)
}

function toIntegers(values: ArrayLike<number | bigint>, name: string, row?: number): Int32Array {
  const integers = new Int32Array(values.length)
  for (let i = 0; i < values.length; i++) {
    const value = Number(values[i])
    integers[i] = value
    if (integers[i] === value && isNumber(values[i])) continue
    throw notOne('a whole number of 32 bits', values[i], name, i, row)
  }
  return integers
}

function toNumbers(values: ArrayLike<number | bigint>, name: string, row?: number): Float32Array {
  const numbers = new Float32Array(values.length)
  for (let i = 0; i < values.length; i++) {
    const value = Number(values[i])
    if (!isNumber(values[i]) || Number.isNaN(value)) throw notOne('a number', values[i], name, i, row)
    numbers[i] = value
  }
  return numbers
}

// null, booleans and strings would turn into numbers, too.
const isNumber = (value: unknown): boolean => typeof value === 'number' || typeof value === 'bigint'

function notOne(what: string, value: unknown, name: string, i: number, row: number | undefined): DTypeError {
  const place = row === undefined ? `row ${i}` : `row ${row}, column ${i}`
  return new DTypeError(`${name}, ${place}: ${describe(value)} is not ${what}`, {
    input: name,
    ...(row === undefined ? { row: i } : { row, column: i }),
    value,
  })
}

function describe(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'bigint' || value == null) return String(value)
  if (typeof value === 'string') return `'${value.slice(0, 20)}'`
  return Array.isArray(value) ? 'an array' : `a value of type ${typeof value}`
}
