import { describe, expect, it } from 'vitest'
import { holdsIntegers, toFloats, toIntegerColumn, toIntegerRows } from './rows.js'

const rows = (value: Parameters<typeof toIntegerRows>[0]) =>
  toIntegerRows(value, 'inputIds').rows.map((row) => [...row])

describe('rows', () => {
  it('are read alike in every form', () => {
    const expected = [
      [1, 2],
      [3, 4],
    ]
    expect(
      rows([
        [1, 2],
        [3, 4],
      ]),
    ).toEqual(expected)
    expect(rows([Int32Array.of(1, 2), BigInt64Array.of(3n, 4n)])).toEqual(expected)
    expect(rows({ shape: [2, 2], data: BigInt64Array.of(1n, 2n, 3n, 4n) })).toEqual(expected)
    expect(rows({ shape: [2, 2], data: [1, 2, 3, 4] })).toEqual(expected)
  })

  it('know whether they are a rectangle', () => {
    expect(toIntegerRows([[1], [2]], 'x').columns).toBe(1)
    expect(toIntegerRows([[1], [2, 3]], 'x').columns).toBeUndefined()
    expect(toIntegerRows([], 'x').columns).toBeUndefined()
  })

  it('are copied', () => {
    const row = Int32Array.of(1, 2)
    const read = toIntegerRows([row], 'x')
    row[0] = 9
    expect([...read.rows[0]!]).toEqual([1, 2])
  })

  it.each([
    [
      'a number that is not whole',
      [
        [1, 2],
        [3, 1.5],
      ],
      'DTYPE',
      { row: 1, column: 1 },
    ],
    ['a number beyond 32 bits', [[2 ** 31]], 'DTYPE', { row: 0, column: 0 }],
    ['a big number beyond 32 bits', [BigInt64Array.of(1n << 40n)], 'DTYPE', { row: 0 }],
    ['not a number', [[Number.NaN]], 'DTYPE', { row: 0 }],
    ['text', [['1']], 'DTYPE', { row: 0 }],
    ['null among numbers', [[1, null]], 'DTYPE', { row: 0, column: 1 }],
    ['true among numbers', [[1, true]], 'DTYPE', { row: 0, column: 1 }],
    ['a shape that is none', { shape: 'x', data: [1] }, 'OPTION', {}],
    ['one row without brackets', [1, 2, 3], 'SHAPE', { row: 0 }],
    ['a shape of another rank', { shape: [4], data: [1, 2, 3, 4] }, 'SHAPE', {}],
    ['a shape that is not filled', { shape: [2, 3], data: [1, 2] }, 'SHAPE', {}],
    ['a string', 'abc', 'OPTION', {}],
    ['null', null, 'OPTION', {}],
  ])('%s is refused', (_, value, code, facts) => {
    expect(() => toIntegerRows(value as never, 'inputIds')).toThrow(
      expect.objectContaining({ code, input: 'inputIds', ...facts }),
    )
  })
})

describe('labels', () => {
  it('are one for each row, or several', () => {
    expect([...toIntegerColumn(BigInt64Array.of(1n, 0n), 'labels')]).toEqual([1, 0])
    expect(
      toFloats(
        [
          [1, 0],
          [0, 1],
        ],
        'labels',
      ),
    ).toEqual({ shape: [2, 2], data: Float32Array.of(1, 0, 0, 1) })
    expect(toFloats([0.5, 1], 'labels')).toEqual({ shape: [2], data: Float32Array.of(0.5, 1) })
    for (const labels of [
      [0.5, 'a'],
      [Number.NaN, 1],
      [null, 1],
    ] as never[][]) {
      expect(() => toFloats(labels, 'labels')).toThrow(expect.objectContaining({ code: 'DTYPE' }))
      expect(() => toFloats([labels], 'labels')).toThrow(expect.objectContaining({ code: 'DTYPE', row: 0 }))
    }
    expect(() => toFloats([[1, 0], [0]], 'labels')).toThrow(
      expect.objectContaining({ code: 'SHAPE', row: 1 }),
    )
  })

  it('are classes where they are whole numbers', () => {
    expect(holdsIntegers([1, 2])).toBe(true)
    expect(holdsIntegers([1, 0.5])).toBe(false)
    expect(holdsIntegers(Float32Array.of(1, 2))).toBe(false)
    expect(holdsIntegers(BigInt64Array.of(1n))).toBe(true)
  })
})
