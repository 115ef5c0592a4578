import { describe, expect, it } from 'vitest'
import { Dim } from './dim.js'
import { OptionError } from './errors.js'
import { input, Input, scalarInput } from './input.js'
import { flatten, mapTree } from './pytree.js'

const ids = (count: number) => input('int32', ['tokens'], new Int32Array(count))
const keyOf = (args: unknown) => flatten(args).key

describe('flatten', () => {
  it('gives one key to calls that one plan fits', () => {
    const args = { ids: ids(3), lr: scalarInput(0.1), options: ['gelu', 2, null, true] }
    const same = { options: ['gelu', 2, null, true], lr: scalarInput(7), ids: ids(9), labels: undefined }
    expect(keyOf(same)).toBe(keyOf(args))
    expect(flatten(args).leaves.map(({ path }) => path)).toEqual(['args.ids', 'args.lr'])
    expect(flatten(same).leaves.map(({ path }) => path)).toEqual(['args.ids', 'args.lr'])
  })

  it('tells apart what needs another plan', () => {
    const variants: unknown[] = [
      { a: ids(1) },
      { b: ids(1) },
      { a: [ids(1)] },
      { a: input('float32', ['tokens'], [1]) },
      { a: input('int32', ['sequences'], [1]) },
      { a: input('int32', [1], [1]) },
      { a: input('int32', [1, 1], [1]) },
      { a: ids(1), mode: 'x' },
      { a: ids(1), mode: 'y' },
      { a: ids(1), mode: null },
    ]
    variants.push(0, -0, NaN, '0', 1n, 1, true, 'true', new Dim(1), Dim.of('a'))
    variants.push([], [[]], {}, '[]', '{}', ['a', 'b'], ['a,b'], ['a","b'])
    expect(new Set(variants.map(keyOf)).size).toBe(variants.length)
  })

  it.each([
    [{ f: () => 1 }, /args\.f is a function/],
    [[1, new Map()], /args\[1\] is a Map/],
    [{ x: [Int32Array.of(1)] }, /args\.x\[0\] is a Int32Array.*wrap it in input/],
    [Symbol('s'), /args is a symbol/],
  ])('names what it cannot take', (args, message) => {
    expect(() => flatten(args)).toThrow(OptionError)
    expect(() => flatten(args)).toThrow(message)
  })
})

describe('mapTree', () => {
  const isInput = (value: object): value is Input => value instanceof Input

  it('replaces leaves in the order of flatten and keeps the rest', () => {
    const args = { b: [ids(1), 'text'], a: { x: ids(2), n: 3 }, gone: undefined }
    const order = flatten(args).leaves.map(({ argument }) => argument)
    const seen: Input[] = []
    const mapped = mapTree(args, isInput, (leaf) => `leaf ${seen.push(leaf)}`)
    expect(seen).toEqual(order)
    expect(mapped).toEqual({ a: { n: 3, x: 'leaf 1' }, b: ['leaf 2', 'text'] })
  })

  it('refuses objects whose tensors it would not find', () => {
    expect(() => mapTree({ loss: new Map() }, isInput, String)).toThrow(/not a Map/)
  })
})

describe('input', () => {
  it('checks rank and elements', () => {
    expect(() => input('int32', ['a', 'b'], { shape: [3], data: [1, 2, 3] })).toThrow(/\[a, b\].*\[3\]/)
    expect(() => input('int32', ['a'], [1.5])).toThrow('no int32')
    expect(input('int32', ['a'], BigInt64Array.of(4n)).data).toEqual(Int32Array.of(4))
    expect(scalarInput(0.5)).toMatchObject({ dtype: 'float32', dims: [], data: Float32Array.of(0.5) })
  })
})
