import { expect, it } from 'vitest'
import { randomStream } from '../random.js'
import { editDistance, PatternDistance } from './edit-distance.js'
import { NearestSpelling } from './nearest.js'

const random = randomStream(11)
const word = (longest: number) =>
  Array.from({ length: 1 + Math.floor(random() * longest) }, () => 'abc'[Math.floor(random() * 3)]).join('')

it('counts insertions, deletions and substitutions', () => {
  expect(editDistance('kitten', 'sitting')).toBe(3)
  expect(editDistance('', 'abc')).toBe(3)
  expect(editDistance(['K', 'AE'], ['K', 'AE'])).toBe(0)
})

it('is the same by columns of bits', () => {
  for (let i = 0; i < 2000; i++) {
    const [a, b] = [word(31), word(40)]
    expect(new PatternDistance(a).to(b), `${a} ${b}`).toBe(editDistance(a, b))
  }
  expect(new PatternDistance('abc').to('')).toBe(3)
  expect(() => new PatternDistance('')).toThrow(RangeError)
  expect(() => new PatternDistance('a'.repeat(32))).toThrow(RangeError)
})

it('finds a nearest word, as looking at all of them does', () => {
  const words = Array.from({ length: 300 }, () => word(12))
  const nearest = new NearestSpelling(words)
  for (let i = 0; i < 300; i++) {
    const query = word(14)
    const best = Math.min(...words.map((known) => editDistance(query, known)))
    const found = nearest.find(query)
    expect(found.distance).toBe(best)
    expect(editDistance(query, found.word)).toBe(best)
    expect(words).toContain(found.word)
  }
})
