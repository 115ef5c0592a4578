import { expect, it } from 'vitest'
import { meanAndDeviation, score } from './metrics.js'

it('scores accuracy and F1 of the positive class', () => {
  // 2 true positives, 1 false positive, 1 false negative: precision = recall = 2/3.
  expect(score([1, 1, 1, 0, 0], [1, 1, 0, 1, 0])).toEqual({ accuracy: 0.6, f1: 2 / 3 })
  expect(score([0, 0], [0, 1])).toEqual({ accuracy: 0.5, f1: 0 })
  expect(score([0], [0])).toEqual({ accuracy: 1, f1: 0 })
  expect(() => score([], [])).toThrow(RangeError)
  expect(() => score([1], [1, 0])).toThrow(RangeError)
})

it('takes the deviation of a sample', () => {
  expect(meanAndDeviation([2, 4, 4, 4, 5, 5, 7, 9])).toEqual({ mean: 5, deviation: Math.sqrt(32 / 7) })
  expect(meanAndDeviation([3])).toEqual({ mean: 3, deviation: 0 })
})
