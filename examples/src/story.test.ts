import { expect, it } from 'vitest'
import { evaluationCurve, meanCurve, plusMinus, trainingCurve } from './story.js'

it('tells training and evaluations of a history apart', () => {
  const history = [
    { step: 5, epoch: 0.5, loss: 3 },
    { step: 10, epoch: 1, loss: 2 },
    { step: 10, epoch: 1, eval: { loss: 2.5, f1: 0.25 } },
  ]
  expect(trainingCurve('a', history)).toEqual({
    name: 'a',
    points: [
      [5, 3],
      [10, 2],
    ],
  })
  expect(evaluationCurve('b', history)).toEqual({ name: 'b', points: [[10, 2.5]] })
  expect(evaluationCurve('b', history, 'f1').points).toEqual([[10, 0.25]])
  expect(evaluationCurve('b', history, 'accuracy').points).toEqual([])
})

it('writes a mean with its deviation', () => {
  expect(plusMinus({ mean: 0.91249, deviation: 0.004 })).toBe('0.912 ± 0.004')
  expect(plusMinus({ mean: 3.25, deviation: 0 }, 1)).toBe('3.3 ± 0.0')
})

it('takes the mean of curves point by point', () => {
  const curve = (...ys: number[]) => ({ name: 'one', points: ys.map((y, i) => [5 * (i + 1), y] as const) })
  expect(meanCurve('both', [curve(4, 2), curve(2, 1)])).toEqual({ ...curve(3, 1.5), name: 'both' })
  expect(meanCurve('none', [])).toEqual({ name: 'none', points: [] })
})
