import { describe, expect, it } from 'vitest'
import { DTypeError, OptionError, ShapeError } from './errors.js'
import {
  bfloat16Bits,
  elementAsNumber,
  flattenNested,
  float16Bits,
  toTypedArray,
  type NestedNumbers,
} from './host-data.js'

describe('flattenNested', () => {
  it('finds shape and elements', () => {
    expect(flattenNested([[[1, 2]], [[3, 4]]])).toEqual({ shape: [2, 1, 2], numbers: [1, 2, 3, 4] })
    expect(flattenNested(7)).toEqual({ shape: [], numbers: [7] })
    expect(flattenNested([[], []])).toEqual({ shape: [2, 0], numbers: [] })
  })

  it.each([[[[1, 2], [3]]], [[1, [2]]], [[[1], 2]], [[[[1]], [2]]]])('refuses ragged %j', (nested) => {
    expect(() => flattenNested(nested as NestedNumbers)).toThrow(ShapeError)
  })

  it('names both lengths', () => {
    expect(() => flattenNested([[1, 2, 3], [4]])).toThrow(/length 1 beside one of length 3 in dimension 1/)
    expect(() => flattenNested(['1' as unknown as number])).toThrow(OptionError)
  })
})

describe('toTypedArray', () => {
  it('keeps an array of the right type and converts others', () => {
    const floats = Float32Array.of(1.5, 2)
    expect(toTypedArray(floats, 'float32')).toBe(floats)
    expect(toTypedArray(floats, 'float64')).toEqual(Float64Array.of(1.5, 2))
    expect(toTypedArray(BigInt64Array.of(3n, -1n), 'int32')).toEqual(Int32Array.of(3, -1))
    expect(toTypedArray([1, 2], 'int64')).toEqual(BigInt64Array.of(1n, 2n))
  })

  it('refuses integers that do not fit', () => {
    expect(() => toTypedArray([1, 2.5], 'int32')).toThrow('element 1 is 2.5, which is no int32')
    expect(() => toTypedArray(BigInt64Array.of(2n ** 40n), 'int32')).toThrow(DTypeError)
    expect(() => toTypedArray([NaN], 'int8')).toThrow(DTypeError)
    expect(() => toTypedArray([0.5], 'int64')).toThrow(DTypeError)
    expect(() => toTypedArray([Infinity], 'int64')).toThrow('element 0 is Infinity')
    expect(() => toTypedArray([1], 'float8' as 'int8')).toThrow("no dtype is named 'float8'")
    expect(() => toTypedArray(new DataView(new ArrayBuffer(4)), 'int8')).toThrow(DTypeError)
  })
})

describe('half floats', () => {
  // [value, its bits]; ties go to the even neighbour
  it.each([
    [1, 0x3f80],
    [-2, 0xc000],
    [1 + 2 ** -8, 0x3f80],
    [1 + 3 * 2 ** -8, 0x3f82],
    [3.4e38, 0x7f80],
    [-0, 0x8000],
    [Infinity, 0x7f80],
  ])('bfloat16 of %d', (value, bits) => {
    expect(bfloat16Bits(value)).toBe(bits)
  })

  it.each([
    [1, 0x3c00],
    [-0.5, 0xb800],
    [65504, 0x7bff],
    [65519.9, 0x7bff],
    [65520, 0x7c00],
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [2 ** -14, 0x0400],
    [2 ** -24, 0x0001],
    [2 ** -25, 0x0000],
    [1.5 * 2 ** -24, 0x0002],
    [1023.75 * 2 ** -24, 0x0400],
    [2047.9 / 1024, 0x4000],
    [-Infinity, 0xfc00],
  ])('float16 of %d', (value, bits) => {
    expect(float16Bits(value)).toBe(bits)
  })

  it('every finite float16 survives the round trip', () => {
    const lost = Array.from({ length: 0x10000 }, (_, bits) => bits).filter((bits) => {
      const value = elementAsNumber(Uint16Array.of(bits), 0, 'float16')
      return !Number.isNaN(value) && float16Bits(value) !== bits
    })
    expect(lost).toEqual([])
  })

  it('keeps NaN', () => {
    expect(elementAsNumber(Uint16Array.of(float16Bits(NaN)), 0, 'float16')).toBeNaN()
    expect(elementAsNumber(Uint16Array.of(bfloat16Bits(NaN)), 0, 'bfloat16')).toBeNaN()
    expect(elementAsNumber(Uint16Array.of(0x4049), 0, 'bfloat16')).toBe(3.140625)
  })
})
