import { expect, it } from 'vitest'
import { bagOfWords, NaiveBayes } from './naive-bayes.js'

it('sees words, numbers and single signs', () => {
  expect(bagOfWords("Don't pay $20 — Straße!")).toEqual([
    'don',
    "'",
    't',
    'pay',
    '$',
    '20',
    '—',
    'straße',
    '!',
  ])
})

// Manning, Raghavan and Schütze (2008), table 13.1 and example 13.1: P(c) = 3/4, P(Chinese|c) = 3/7, P(Tokyo|c) =
// P(Japan|c) = 1/14; P(¬c) = 1/4, P(Chinese|¬c) = P(Tokyo|¬c) = P(Japan|¬c) = 2/9.
it('agrees with a calculation by hand', () => {
  const model = new NaiveBayes(
    [
      { text: 'Chinese Beijing Chinese', label: 1 },
      { text: 'Chinese Chinese Shanghai', label: 1 },
      { text: 'Chinese Macao', label: 1 },
      { text: 'Tokyo Japan Chinese', label: 0 },
    ],
    2,
  )
  const [other, china] = model.scores('Chinese Chinese Chinese Tokyo Japan')
  expect(china).toBeCloseTo(Math.log((3 / 4) * (3 / 7) ** 3 * (1 / 14) ** 2), 12)
  expect(other).toBeCloseTo(Math.log((1 / 4) * (2 / 9) ** 3 * (2 / 9) ** 2), 12)
  expect(model.predict('Chinese Chinese Chinese Tokyo Japan')).toBe(1)
  expect(model.predict('tokyo japan')).toBe(0)
  expect(model.scores('unheard of')).toEqual(model.scores(''))
})

it('refuses a class without examples', () => {
  expect(() => new NaiveBayes([{ text: 'a', label: 0 }], 2)).toThrow(/class 1/)
})
