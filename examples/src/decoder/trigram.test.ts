import { expect, it } from 'vitest'
import { randomStream } from '../random.js'
import { fitTrigrams, TrigramModel } from './trigram.js'

const size = 7
const random = randomStream(3)
const sequence = (length: number) =>
  Array.from({ length }, (_, i) => Math.floor(random() * (i % 3 === 0 ? size - 1 : 3)))
const train = [sequence(200), sequence(50), sequence(2)]

it.each([
  ['as given', new TrigramModel(train, size)],
  ['fitted', fitTrigrams(train, [sequence(60)], size)],
  ['without counts', new TrigramModel([], size)],
])('is a distribution after every context: %s', (_, model) => {
  for (let u = 0; u < size; u++) {
    for (let v = 0; v < size; v++) {
      let sum = 0
      for (let w = 0; w < size; w++) {
        const p = model.probability(u, v, w)
        expect(p).toBeGreaterThan(0)
        sum += p
      }
      expect(sum).toBeCloseTo(1, 12)
    }
  }
})

// Counts of 0 1 2 0 1 3: trigrams 012, 120, 201, 013; two different followers of 01 out of two occurrences.
it('agrees with a calculation by hand', () => {
  const model = new TrigramModel([[0, 1, 2, 0, 1, 3]], 4)
  // Bigram types 12, 20, 01, 13, so each word has one preceder: P(w) = (1 - 0.5)/4 + 0.5 · 4/4 · 1/4 = 1/4.
  // P(2 | 1) = (1 - 0.75)/2 + 0.75 · 2/2 · 1/4 = 5/16; P(2 | 0 1) = (1 - 0.75)/2 + 0.75 · 2/2 · 5/16 = 23/64.
  expect(model.probability(0, 1, 2)).toBeCloseTo(23 / 64, 12)
  // Never seen after anything that ends in 3, hence P(w).
  expect(model.probability(3, 3, 2)).toBeCloseTo(1 / 4, 12)
  const { nats, tokens } = model.loss([[0, 1, 2], [1], []])
  expect(nats).toBeCloseTo(-Math.log(23 / 64), 12)
  expect(tokens).toBe(1)
})

it('fits discounts that predict better than those it starts from', () => {
  const fitting = [sequence(300)]
  const fitted = fitTrigrams(train, fitting, size)
  const loss = (discounts: TrigramModel['discounts']) =>
    new TrigramModel(train, size, discounts).loss(fitting).nats
  expect(loss(fitted.discounts)).toBeLessThanOrEqual(loss(new TrigramModel(train, size).discounts))
})
