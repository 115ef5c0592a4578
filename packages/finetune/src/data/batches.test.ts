import { describe, expect, it } from 'vitest'
import { chunks, epochBatches, type BatchSettings } from './batches.js'
import { RandomStream } from './random.js'

const random = new RandomStream(3)
const lengths = Array.from({ length: 1003 }, () => 1 + random.below(200))
const settings: BatchSettings = { batchSize: 8, strategy: 'random', seed: 5 }
const tokens = (batch: readonly number[]): number => batch.reduce((sum, row) => sum + lengths[row]!, 0)
const spread = (batch: readonly number[]): number => {
  const all = batch.map((row) => lengths[row]!)
  return Math.max(...all) - Math.min(...all)
}

describe('epochBatches', () => {
  it.each([
    ['random', { batchSize: 8 }],
    ['sequential', { batchSize: 8 }],
    ['group_by_length', { batchSize: 8 }],
    ['random', { maxTokens: 512 }],
    ['group_by_length', { maxTokens: 512 }],
  ] as const)('%s %o has every row once, the same from the same seed and epoch', (strategy, size) => {
    const of = { ...size, strategy, seed: 5 }
    const batches = epochBatches(lengths, of, 2)
    expect(batches.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, row) => row))
    expect(epochBatches(lengths, of, 2)).toEqual(batches)
    const others = [epochBatches(lengths, of, 3), epochBatches(lengths, { ...of, seed: 6 }, 2)]
    expect(others.some((other) => String(other) === String(batches))).toBe(strategy === 'sequential')
    const fits = (batch: number[]): boolean =>
      'maxTokens' in size ? tokens(batch) <= 512 : batch.length <= 8
    expect(batches.every(fits)).toBe(true)
    expect(batches.length).toBeLessThan('maxTokens' in size ? 300 : 127)
  })

  it('groups rows of similar length, the longest first', () => {
    const batches = epochBatches(lengths, { ...settings, strategy: 'group_by_length' }, 0)
    const mean = (of: number[][]): number => of.reduce((sum, batch) => sum + spread(batch), 0) / of.length
    expect(mean(batches)).toBeLessThan(mean(epochBatches(lengths, settings, 0)) / 10)
    expect(Math.max(...batches[0]!.map((row) => lengths[row]!))).toBe(Math.max(...lengths))
    const firsts = batches.map((batch) => lengths[batch[0]!]!)
    expect(firsts).not.toEqual([...firsts].sort((a, b) => b - a))
  })

  it('takes no rows, one row, and a row beyond the budget', () => {
    for (const strategy of ['random', 'sequential', 'group_by_length'] as const) {
      expect(epochBatches([], { ...settings, strategy }, 0)).toEqual([])
      expect(epochBatches([7], { ...settings, strategy }, 0)).toEqual([[0]])
    }
    expect(epochBatches([5, 90, 5, 5], { maxTokens: 10, strategy: 'sequential', seed: 0 }, 0)).toEqual([
      [0],
      [1],
      [2, 3],
    ])
  })
})

describe('chunks', () => {
  it('leaves the last one short', () => {
    expect(chunks([1, 2, 3], 2)).toEqual([[1, 2], [3]])
    expect(chunks([], 2)).toEqual([])
  })
})

describe('RandomStream', () => {
  it('is uniform, and another stream at another place', () => {
    const counts = [0, 0, 0, 0, 0]
    for (let place = 0; place < 20_000; place++) counts[new RandomStream(1, 2, place).below(5)]!++
    // Four standard deviations of a binomial count.
    for (const count of counts) expect(Math.abs(count - 4000)).toBeLessThan(4 * Math.sqrt(20_000 * 0.2 * 0.8))
    const first = (...place: [number, ...number[]]): number => new RandomStream(...place).bits()
    expect(
      new Set([
        first(1),
        first(2),
        first(1, 0),
        first(1, 1),
        first(1, 0, 1),
        first(1, 1, 0),
        first(2 ** 40 + 1),
      ]).size,
    ).toBe(7)
  })
})
