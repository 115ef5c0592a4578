import { DTypeError, OptionError, ShapeError } from './errors.js'
import type { Dtype } from './native.js'

/** The typed array that holds a dtype's elements; the raw bits of bfloat16 and float16. */
export interface ArrayTypes {
  float32: Float32Array
  float64: Float64Array
  bfloat16: Uint16Array
  float16: Uint16Array
  int32: Int32Array
  int64: BigInt64Array
  int8: Int8Array
  uint8: Uint8Array
}

/** Every dtype whose elements JavaScript reads as numbers: all but int64. */
export type NumericDtype = Exclude<Dtype, 'int64'>
export type TypedArray = ArrayTypes[Dtype]

/** Numbers in nested arrays, all rows of one length. */
export type NestedNumbers = number | readonly NestedNumbers[]

/** A tensor's contents in JavaScript's memory. Bits for bfloat16 and float16. */
export interface HostTensor<D extends Dtype = NumericDtype> {
  dtype: D
  shape: number[]
  data: ArrayTypes[D]
}

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  bfloat16: Uint16Array,
  float16: Uint16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  int8: Int8Array,
  uint8: Uint8Array,
} as const

/** dtype of a typed array's elements; undefined for kinds that hold no tensor of ours. */
export function dtypeOf(data: ArrayBufferView): Exclude<Dtype, 'bfloat16' | 'float16'> | undefined {
  if (data instanceof Float32Array) return 'float32'
  if (data instanceof Float64Array) return 'float64'
  if (data instanceof Int32Array) return 'int32'
  if (data instanceof BigInt64Array) return 'int64'
  if (data instanceof Int8Array) return 'int8'
  if (data instanceof Uint8Array) return 'uint8'
  return undefined
}

export const isFloating = (dtype: Dtype): boolean => dtype.includes('float')

/** As native code has it: deeper nesting (an array inside itself) is refused before it is walked. */
const mostDimensions = 8

/** Shape and elements of nested numbers. @throws ShapeError naming both lengths where rows differ. */
export function flattenNested(nested: NestedNumbers): { shape: number[]; numbers: number[] } {
  const shape: number[] = []
  for (let at: NestedNumbers | undefined = nested; Array.isArray(at); at = at[0]) {
    if (shape.push(at.length) > mostDimensions) {
      throw new ShapeError(`tensors have at most ${mostDimensions} dimensions`)
    }
  }
  const numbers: number[] = []
  const visit = (value: NestedNumbers, depth: number): void => {
    if (Array.isArray(value)) {
      if (depth >= shape.length || value.length !== shape[depth]) {
        throw new ShapeError(
          `nested arrays are ragged: a row of length ${value.length} beside one of length ${shape[depth] ?? 'none'} in dimension ${depth}`,
        )
      }
      for (const inner of value) visit(inner as NestedNumbers, depth + 1)
    } else if (typeof value !== 'number') {
      throw new OptionError(
        `a tensor is made from numbers, not from ${value === null ? 'null' : typeof value}`,
      )
    } else if (depth !== shape.length) {
      throw new ShapeError(`nested arrays are ragged: a number stands where dimension ${depth} has rows`)
    } else {
      numbers.push(value)
    }
  }
  visit(nested, 0)
  return { shape, numbers }
}

/**
 * Elements as the typed array of `dtype`; the array itself where it has that type already (Uint16Array holds the bits
 * of bfloat16 and float16).
 *
 * @throws DTypeError for integers that are none or out of range, and for typed arrays of no dtype.
 */
export function toTypedArray<D extends Dtype>(
  data: ArrayBufferView | readonly number[],
  dtype: D,
): ArrayTypes[D] {
  const Target = arrays[dtype]
  if (Target === undefined) throw new DTypeError(`no dtype is named '${dtype}'`, { dtype })
  if (data instanceof Target) return data as ArrayTypes[D]
  const numbers = toNumbers(data)
  if (dtype === 'bfloat16') return Uint16Array.from(numbers, bfloat16Bits) as ArrayTypes[D]
  if (dtype === 'float16') return Uint16Array.from(numbers, float16Bits) as ArrayTypes[D]
  if (isFloating(dtype)) return (Target as Float64ArrayConstructor).from(numbers) as unknown as ArrayTypes[D]
  const held = dtype === 'int64' ? numbers : (Target as Int32ArrayConstructor).from(numbers)
  const wrong = numbers.findIndex((number, i) => number !== held[i] || !Number.isSafeInteger(number))
  if (wrong >= 0) {
    throw new DTypeError(`element ${wrong} is ${numbers[wrong]}, which is no ${dtype}`, {
      dtype,
      index: wrong,
    })
  }
  return (dtype === 'int64' ? BigInt64Array.from(numbers, BigInt) : held) as ArrayTypes[D]
}

function toNumbers(data: ArrayBufferView | readonly number[]): readonly number[] | Float64Array {
  if (Array.isArray(data)) return data as readonly number[]
  if (data instanceof BigInt64Array) return Array.from(data, Number)
  if (data instanceof Float64Array) return data
  if (ArrayBuffer.isView(data) && !(data instanceof DataView) && !(data instanceof BigUint64Array)) {
    return Float64Array.from(data as unknown as ArrayLike<number>)
  }
  throw new DTypeError(`a ${data?.constructor?.name} cannot be made into a tensor`)
}

const float = new Float32Array(1)
const bits = new Uint32Array(float.buffer)

/** Rounds to the nearest bfloat16, ties to even. */
export function bfloat16Bits(value: number): number {
  float[0] = value
  const word = bits[0]!
  if (Number.isNaN(value)) return (word >>> 16) | 0x40
  return ((word + 0x7fff + ((word >>> 16) & 1)) >>> 16) & 0xffff
}

/** Rounds to the nearest float16, ties to even; too large becomes infinite. */
export function float16Bits(value: number): number {
  float[0] = value
  const sign = (bits[0]! >>> 16) & 0x8000
  const magnitude = Math.abs(float[0]!)
  if (Number.isNaN(magnitude)) return sign | 0x7e00
  if (magnitude >= 65520) return sign | 0x7c00
  // Steps are 2^(exponent - 10) wide; below 2^-14 they stay 2^-24.
  const exponent = Math.max(-14, ((bits[0]! >>> 23) & 0xff) - 127)
  const steps = roundToEven(Math.abs(value) * 2 ** (10 - exponent))
  return sign | (((exponent + 14) << 10) + steps)
}

function roundToEven(value: number): number {
  const floor = Math.floor(value)
  const rest = value - floor
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor
}

/** The number that an element stands for: bits are decoded, int64 becomes a number. */
export function elementAsNumber(data: TypedArray, index: number, dtype: Dtype): number {
  const element = data[index]!
  if (dtype === 'bfloat16') {
    bits[0] = (element as number) << 16
    return float[0]!
  }
  if (dtype === 'float16') return fromFloat16(element as number)
  return Number(element)
}

function fromFloat16(word: number): number {
  const sign = word & 0x8000 ? -1 : 1
  const exponent = (word >>> 10) & 0x1f
  const fraction = word & 0x3ff
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25)
}

/** Product of a shape's sizes. */
export const elementCount = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)
