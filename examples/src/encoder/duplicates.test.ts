import { describe, expect, it } from 'vitest'
import { randomStream } from '../random.js'
import { jaccard, shingles, withoutDuplicates } from './duplicates.js'

const random = randomStream(5)
const word = () =>
  Array.from({ length: 6 }, () => String.fromCharCode(97 + Math.floor(26 * random()))).join('')
const text = (words: number) => Array.from({ length: words }, word)

describe('withoutDuplicates', () => {
  it('drops copies, whatever their numbers, case and spacing, and keeps the first', () => {
    const mail = 'Dear friend, act now: 3 days left to win 100 dollars in our great lottery'
    const copy = mail.toUpperCase().replace('3', '17').replace(/ /g, '  ')
    expect(withoutDuplicates([mail, 'Something else entirely is written here', copy], 0.7)).toEqual({
      kept: [0, 1],
      dropped: 1,
    })
  })

  it('finds what comparing all pairs finds', () => {
    const originals = Array.from({ length: 60 }, () => text(60))
    // Copies with 0 to 11 words replaced, so that some are above the threshold and some below.
    const copies = originals.map((words, i) =>
      words.map((old, j) => (j % 5 === 0 && j / 5 < i % 12 ? word() : old)),
    )
    const all = [...originals, ...copies].map((words) => words.join(' '))
    const sets = all.map(shingles)
    const kept: number[] = []
    sets.forEach((set, i) => {
      if (!kept.some((other) => jaccard(set, sets[other]) >= 0.7)) kept.push(i)
    })
    expect(kept.length).toBeGreaterThan(60)
    expect(kept.length).toBeLessThan(120)
    expect(withoutDuplicates(all, 0.7)).toEqual({ kept, dropped: all.length - kept.length })
  })

  it('takes texts without words, and of one word', () => {
    expect(withoutDuplicates(['', '...', 'yes', 'Yes!', 'no'], 0.7).kept).toEqual([0, 2, 4])
    expect(withoutDuplicates([], 0.7)).toEqual({ kept: [], dropped: 0 })
  })
})

it('compares sets', () => {
  expect(jaccard(new Set([1, 2, 3]), new Set([2, 3, 4]))).toBe(0.5)
  expect(jaccard(new Set(), new Set([1]))).toBe(0)
})
