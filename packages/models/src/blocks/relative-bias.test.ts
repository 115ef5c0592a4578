import { describe, expect, it } from 'vitest'
import { distanceBuckets } from './relative-bias.js'

describe('distance buckets', () => {
  const at = (options: Parameters<typeof distanceBuckets>[0]) => {
    const table = distanceBuckets(options)
    return (distance: number) => table[distance + options.maxDistance]!
  }

  it("are T5's of an encoder", () => {
    const bucket = at({ buckets: 32, maxDistance: 128, bidirectional: true })
    // transformers' _relative_position_bucket of these distances.
    expect([-128, -64, -16, -12, -11, -8, -7, -1, 0].map(bucket)).toEqual([15, 14, 10, 9, 8, 8, 7, 1, 0])
    expect([1, 7, 8, 12, 16, 23, 32, 64, 127, 128].map(bucket)).toEqual([
      17, 23, 24, 25, 26, 27, 28, 30, 31, 31,
    ])
  })

  it("are T5's of a decoder, which sees what came before", () => {
    const bucket = at({ buckets: 32, maxDistance: 128, bidirectional: false })
    expect([0, 1, 128].map(bucket)).toEqual([0, 0, 0])
    expect([-1, -15, -16, -20, -32, -64, -127, -128].map(bucket)).toEqual([1, 15, 16, 17, 21, 26, 31, 31])
  })

  it('of an odd number leave one out where both sides have half of them', () => {
    const bucket = at({ buckets: 7, maxDistance: 20, bidirectional: true })
    expect([-20, -3, -1, 0, 1, 3, 20].map(bucket)).toEqual([2, 1, 1, 0, 4, 4, 5])
  })

  it('rise with the distance and use every bucket', () => {
    const table = distanceBuckets({ buckets: 8, maxDistance: 40, bidirectional: false })
      .slice(0, 41)
      .reverse()
    expect(new Set(table)).toEqual(new Set([0, 1, 2, 3, 4, 5, 6, 7]))
    expect([...table].every((bucket, i) => i === 0 || bucket >= table[i - 1]!)).toBe(true)
  })
})
