import { describe, expect, it } from 'vitest'
import { Dim, type Size } from './dim.js'
import { ShapeError } from './errors.js'
import { solveSizes, type Bound } from './sizes.js'

const elements = (path: string, dims: Size[], count: number): Bound => ({
  path,
  dims: dims.map((dim) => Dim.of(dim)),
  shape: undefined,
  count,
})
const shaped = (path: string, dims: Size[], shape: number[]): Bound => ({
  ...elements(path, dims, 0),
  shape,
})

describe('solveSizes', () => {
  it('takes sizes from the lengths of elements and from shapes', () => {
    expect(
      solveSizes([
        elements('ids', ['tokens'], 12),
        elements('offsets', ['sequences + 1'], 4),
        elements('lr', [], 1),
      ]),
    ).toEqual({ tokens: 12, sequences: 3 })
    expect(solveSizes([shaped('x', ['rows', '2*width'], [5, 6])])).toEqual({ rows: 5, width: 3 })
  })

  it('solves a product once the other sizes are known, in any order', () => {
    const bounds = [elements('table', ['sequences', 'blocks'], 12), elements('offsets', ['sequences + 1'], 4)]
    expect(solveSizes(bounds)).toEqual({ sequences: 3, blocks: 4 })
    expect(solveSizes([elements('table', ['sequences', 'blocks'], 12)], { blocks: 6 })).toEqual({
      sequences: 2,
      blocks: 6,
    })
  })

  it('takes empty arguments', () => {
    expect(solveSizes([elements('ids', ['tokens'], 0), elements('x', ['tokens', 768], 0)])).toEqual({
      tokens: 0,
    })
  })

  it('passes on sizes that no argument determines', () => {
    expect(solveSizes([], { length: 7 })).toEqual({ length: 7 })
  })

  it.each<[string, Bound[], RegExp]>([
    [
      'two arguments',
      [elements('args.ids', ['tokens'], 12), elements('args.labels', ['tokens'], 11)],
      /args\.labels is declared as \[tokens\] = \[12\], but has 11 elements/,
    ],
    ['a fixed size', [elements('args.key', [2], 3)], /args\.key is declared as \[2\], but has 3 elements/],
    ['no whole rows', [elements('args.x', ['tokens', 4], 10)], /args\.x .* but has 10 elements/],
    ['a negative size', [elements('args.o', ['sequences + 1'], 0)], /args\.o .* but has length 0/],
    [
      'a shape',
      [shaped('args.x', ['tokens', 8], [3, 9])],
      /args\.x is declared as \[tokens, 8\] = \[3, 8\], but has shape \[3, 9\]/,
    ],
    ['an open size', [elements('args.x', ['a', 'b'], 6)], /the size 'a' of args\.x .* give it in sizes/],
    ['zero rows', [elements('args.x', [0, 'b'], 0)], /the size 'b' of args\.x/],
  ])('throws for a contradiction: %s', (_, bounds, message) => {
    expect(() => solveSizes(bounds)).toThrow(ShapeError)
    expect(() => solveSizes(bounds)).toThrow(message)
  })

  it('refuses sizes that are none', () => {
    expect(() => solveSizes([], { tokens: -1 })).toThrow("the size 'tokens' cannot be -1")
    expect(() => solveSizes([elements('x', ['tokens'], 4)], { tokens: 5 })).toThrow('but has 4 elements')
  })
})
