import { describe, expect, it } from 'vitest'
import { positionOfToken, positionRows, type PositionRule } from './positions.js'
import { toIntegerRows } from './rows.js'

const rows = (values: number[][]) => toIntegerRows(values, 'rows')
const of = (rule: PositionRule, ids: number[][], mask?: number[][]) =>
  positionRows(rule, rows(ids), mask && rows(mask)).map((row) => [...row])

describe('positions', () => {
  const ids = [
    [7, 1, 8, 9, 1],
    [1, 1, 5, 6, 7],
  ]
  const mask = [
    [1, 1, 1, 1, 0],
    [0, 0, 1, 1, 1],
  ]

  it('by column stand behind the offset, whatever is masked', () => {
    expect(of({ rule: 'columns' }, [[4, 5], [6]])).toEqual([[0, 1], [0]])
    expect(of({ rule: 'columns', offset: 2 }, ids, mask)).toEqual([
      [2, 3, 4, 5, 6],
      [2, 3, 4, 5, 6],
    ])
  })

  it('by mask count real tokens, and padding stands before the first', () => {
    expect(of({ rule: 'mask', offset: 2 }, ids, mask)).toEqual([
      [2, 3, 4, 5, 1],
      [1, 1, 2, 3, 4],
    ])
    expect(of({ rule: 'mask', offset: 2 }, ids)).toEqual([
      [2, 3, 4, 5, 6],
      [2, 3, 4, 5, 6],
    ])
  })

  it('by ids count what is no padding, whatever the mask says', () => {
    const want = [
      [2, 1, 3, 4, 1],
      [1, 1, 2, 3, 4],
    ]
    expect(of({ rule: 'ids', padTokenId: 1 }, ids)).toEqual(want)
    expect(of({ rule: 'ids', padTokenId: 1 }, ids, [...mask].reverse())).toEqual(want)
    expect(of({ rule: 'ids', padTokenId: 0 }, [[0, 3, 0, 4]])).toEqual([[0, 1, 0, 2]])
  })

  it.each([
    { rule: 'columns', offset: 2 },
    { rule: 'mask', offset: 2 },
    { rule: 'ids', padTokenId: 1 },
  ] as const)('of tokens one by one are those of a row: %j', (rule) => {
    const row = [5, 6, 7, 8]
    expect(row.map((_, i) => positionOfToken(rule, i))).toEqual(of(rule, [row])[0])
  })
})
