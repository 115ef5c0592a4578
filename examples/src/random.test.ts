import { describe, expect, it } from 'vitest'
import { randomStream, shuffled, splitByGroup } from './random.js'

it('draws the same numbers from the same seed, evenly', () => {
  const [a, b, c] = [randomStream(7), randomStream(7), randomStream(8)]
  const drawn = Array.from({ length: 10_000 }, a)
  expect(drawn).toEqual(Array.from({ length: 10_000 }, b))
  expect(drawn[0]).not.toBe(c())
  const mean = drawn.reduce((sum, x) => sum + x, 0) / drawn.length
  // Five standard deviations of the mean of 10,000 uniform numbers.
  expect(Math.abs(mean - 0.5)).toBeLessThan(5 / Math.sqrt(12 * 10_000))
})

it('shuffles a copy', () => {
  const items = [1, 2, 3, 4, 5, 6, 7, 8]
  const mixed = shuffled(items, randomStream(1))
  expect(items).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  expect(mixed).not.toEqual(items)
  expect([...mixed].sort((a, b) => a - b)).toEqual(items)
})

describe('splitByGroup', () => {
  const items = Array.from({ length: 300 }, (_, i) => ({ id: i, group: `g${i < 100 ? 0 : i % 70}` }))

  it('never parts a group, and leaves large ones in training', () => {
    const { train, heldOut } = splitByGroup(items, ({ group }) => group, 60, 3)
    expect(heldOut.length).toBeGreaterThanOrEqual(60)
    expect(train.length + heldOut.length).toBe(300)
    const held = new Set(heldOut.map(({ group }) => group))
    expect(train.some(({ group }) => held.has(group))).toBe(false)
    expect(held.has('g0')).toBe(false)
    expect(splitByGroup(items, ({ group }) => group, 60, 3)).toEqual({ train, heldOut })
  })

  it('refuses to hold out everything', () => {
    expect(() => splitByGroup(items, ({ group }) => group, 300, 3)).toThrow(RangeError)
    expect(() => splitByGroup(items, () => 'one', 60, 3)).toThrow(/only 0/)
  })
})
