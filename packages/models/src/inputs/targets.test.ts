import { describe, expect, it } from 'vitest'
import { toIntegerRows } from './rows.js'
import { readTokenLabels } from './targets.js'

describe('labels of tokens', () => {
  const ids = toIntegerRows([[5, 6, 7], [8]], 'inputIds')
  const rows = (labels: number[][]) => readTokenLabels(labels, ids, 3).rows.map((row) => [...row])

  it('may be padded with -100 behind ragged ids', () => {
    expect(rows([[0, 1, 2], [1]])).toEqual([[0, 1, 2], [1]])
    expect(rows([[0, -100, -100, -100], [1, -100, -100]])).toEqual([[0, -100, -100], [1]]) // prettier-ignore
  })

  it.each([
    [
      [
        [0, 1, 2],
        [1, 2],
      ],
    ],
    [[[0, 1], [1]]],
    [[[0, 1, 2], []]],
    [
      [
        [0, 1, 2],
        [-100, 0],
      ],
    ],
  ])('have a label for each id otherwise: %j', (labels) => {
    expect(() => rows(labels)).toThrow(expect.objectContaining({ code: 'SHAPE', input: 'labels' }))
  })
})
