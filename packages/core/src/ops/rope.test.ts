import { describe, expect, it } from 'vitest'
import '../methods.js'
import { gradients } from '../grad.js'
import { parameter } from '../parameter.js'
import { tensor } from '../tensor.js'
import { rotaryTable, rotate } from './rope.js'

const positions = tensor(Int32Array.of(0, 1, 2, 0, 9))
const offsets = tensor(Int32Array.of(0, 3, 5))
const frequencies = (...rows: number[][]) => tensor(rows)

const angles = (row: Float32Array, half: number) =>
  Array.from({ length: half }, (_, i) => Math.atan2(row[half + i]!, row[i]!))

describe('rotaryTable', () => {
  it('has cosines, then sines, of positions times frequencies', async () => {
    const table = await rotaryTable(positions, frequencies([1, 0.25]), { scaling: 2 }).data()
    const want = [0, 1, 2, 0, 9].flatMap((p) => [Math.cos(p), Math.cos(p / 4), Math.sin(p), Math.sin(p / 4)])
    want.forEach((value, i) => expect(table[i]).toBeCloseTo(2 * value, 6))
  })

  it('takes the second row for sequences longer than the threshold', async () => {
    const two = frequencies([0.1, 0.2], [0.01, 0.02])
    const rows = await rotaryTable(positions, two, { offsets, choose: 'length', threshold: 9 }).data()
    const of = (token: number) => angles((rows as Float32Array).subarray(4 * token, 4 * token + 4), 2)
    expect(of(2)[0]).toBeCloseTo(0.2, 6)
    expect(of(4)[0]).toBeCloseTo(0.09, 6)
  })

  it('stretches the base with the length of a sequence', async () => {
    const options = { offsets, choose: 'dynamic', threshold: 5, factor: 2, base: 100 } as const
    const rows = await rotaryTable(positions, frequencies([1, 0.1]), options).data()
    const of = (token: number) => angles((rows as Float32Array).subarray(4 * token, 4 * token + 4), 2)
    expect(of(2)[1]).toBeCloseTo(0.2, 6)
    const base = 100 * ((2 * 10) / 5 - 1) ** 2
    expect(of(4)[1]).toBeCloseTo(9 / Math.sqrt(base), 6)
  })

  it('refuses what does not fit', () => {
    const make = (options: Parameters<typeof rotaryTable>[2]) => () =>
      rotaryTable(positions, frequencies([1, 0.5]), options)
    expect(make({ choose: 'length' })).toThrow(/rotaryTable.*\[tokens\] and frequencies \[2, D \/ 2\]/)
    expect(make({ choose: 'dynamic', threshold: 4 })).toThrow(/offsets are missing/)
    expect(make({ choose: 'longest' as never })).toThrow(/'first', 'length' or 'dynamic'/)
  })
})

describe('rotate', () => {
  const quarter = tensor([[0, 1]]) // one pair, turned by a right angle

  it('turns pairs and copies the rest', async () => {
    const x = tensor([[1, 2, 3, 4]])
    expect(await rotate(x, quarter, { headDim: 4, start: 1 }).data()).toEqual(Float32Array.of(1, -3, 2, 4))
    expect(await rotate(x, quarter, { headDim: 2 }).data()).toEqual(Float32Array.of(-2, 1, -4, 3))
    expect(await rotate(x, quarter, { headDim: 2, transposed: true }).data()).toEqual(
      Float32Array.of(2, -1, 4, -3),
    )
  })

  it('pairs neighbours or columns half the way apart', async () => {
    const x = tensor([[1, 2, 3, 4]])
    const both = tensor([[0, 0, 1, 1]])
    expect(await rotate(x, both, { headDim: 4 }).data()).toEqual(Float32Array.of(-3, -4, 1, 2))
    expect(await rotate(x, both, { headDim: 4, interleaved: true }).data()).toEqual(
      Float32Array.of(-2, 1, -4, 3),
    )
  })

  it('has the other way round as its gradient', async () => {
    const x = parameter('x', [[1, 2]])
    const loss = rotate(x, quarter, { headDim: 2 })
      .mul(tensor([[5, 7]]))
      .sum()
    expect(await gradients(loss, [x]).get(x)!.data()).toEqual(Float32Array.of(7, -5))
  })

  it('refuses tables that do not fit', () => {
    const x = tensor([[1, 2, 3, 4]])
    expect(() => rotate(x, quarter, { headDim: 3 })).toThrow(/rotate.*does not fit heads of 3/)
    expect(() => rotate(x, quarter, { headDim: 4, start: 3 })).toThrow(/from column 3/)
    expect(() =>
      rotate(
        x,
        tensor([
          [0, 1],
          [0, 1],
        ]),
        { headDim: 4 },
      ),
    ).toThrow(/\[1, 4\] and \[2, 2\]/)
  })
})
