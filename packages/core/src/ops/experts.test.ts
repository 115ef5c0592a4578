import { describe, expect, it } from 'vitest'
import {
  combineExperts,
  expertMatmul,
  gatherLast,
  markColumns,
  sortByExpert,
  tensor,
  topK,
} from '../index.js'

const int32 = (values: number[] | number[][]) => tensor(values, { dtype: 'int32' })

describe('experts', () => {
  const x = tensor([
    [3, 1, 2],
    [0, 5, 4],
  ])

  it('are chosen', async () => {
    const [values, indices] = topK(x, 2)
    expect([...(await values.data())]).toEqual([3, 2, 5, 4])
    expect([...(await indices.data())]).toEqual([0, 2, 1, 2])
    expect([...(await gatherLast(x, indices).data())]).toEqual([3, 2, 5, 4])
    expect([...(await markColumns(indices, 3).data())]).toEqual([1, 0, 1, 0, 1, 1])
    expect(() => topK(x, 4)).toThrow(/topK.*4 elements/)
    await expect(gatherLast(x, int32([[0], [3]])).data()).rejects.toMatchObject({ name: 'IndexError' })
  })

  it('multiply rows that were sorted for them, and give them back', async () => {
    const { rows, offsets, places } = sortByExpert(int32([[1], [0]]), 2)
    expect([...(await rows.data())]).toEqual([1, 0])
    expect([...(await offsets.data())]).toEqual([0, 1, 2])
    const sorted = tensor([
      [0, 5, 4],
      [3, 1, 2],
    ])
    const one = tensor([[1, 1, 1]])
    const two = tensor([[1, 0, 0]])
    const bias = tensor([[10], [20]])
    const each = expertMatmul(sorted, offsets, [one, two], { transposeB: true, bias })
    expect([...(await each.data())]).toEqual([19, 23])
    const stack = tensor([
      [[1], [1], [1]],
      [[1], [0], [0]],
    ])
    expect([...(await expertMatmul(sorted, offsets, stack, { bias }).data())]).toEqual([19, 23])
    const back = combineExperts(each, places, tensor([[2], [1]]))
    expect([...(await back.data())]).toEqual([46, 19])
    expect(() => expertMatmul(sorted, offsets, [one], { transposeB: true })).toThrow(/not those of 1 experts/)
  })
})
