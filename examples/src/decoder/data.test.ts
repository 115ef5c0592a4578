import { describe, expect, it } from 'vitest'
import { readChapters, splitChapters, utf8Length, windows } from './data.js'

describe('Moby Dick', () => {
  const chapters = readChapters()

  it('has its chapters, one line per paragraph, and no table of contents', () => {
    expect(chapters.filter(({ name }) => /^\d+$/.test(name))).toHaveLength(135)
    expect(chapters.some(({ name }) => name === 'Contents')).toBe(false)
    const first = chapters.find(({ name }) => name === '1')!
    expect(first.text).toMatch(/^Call me Ishmael\./m)
    expect(first.text).not.toMatch(/^\s|[ \t]{2}|\n\n/m)
    expect(utf8Length(chapters)).toBeGreaterThan(1_100_000)
  })

  it('holds whole numbered chapters out', () => {
    const { train, heldOut } = splitChapters(chapters, 10, 1)
    expect(heldOut).toHaveLength(10)
    expect(heldOut.every(({ name }) => /^\d+$/.test(name))).toBe(true)
    expect(new Set([...train, ...heldOut]).size).toBe(chapters.length)
  })
})

it('cuts windows that predict every id but the first once', () => {
  const ids = [0, 1, 2, 3, 4, 5, 6]
  expect(windows(ids, 3)).toEqual([
    [0, 1, 2, 3],
    [3, 4, 5, 6],
  ])
  expect(windows(ids, 4)).toEqual([
    [0, 1, 2, 3, 4],
    [4, 5, 6],
  ])
  expect(windows([1], 4)).toEqual([])
})
