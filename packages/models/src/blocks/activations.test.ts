import { tensor } from '@tiny/core'
import { expect, it } from 'vitest'
import { activations } from '../../test/reference.js'
import { Weights } from '../parameters/weights.js'
import { activated, activationOf } from './activations.js'
import { Linear } from './linear.js'

const values = [-90, -12, -6.5, -3, -1.2, -0.3, 0, 0.4, 1, 2.5, 7, 15, 90]

it.each(Object.keys(activations))('%s is that of transformers, alone and behind a product', async (name) => {
  const activation = activationOf(name, 'hidden_act')
  const x = tensor(values.map((value) => [value]))
  const linear = new Linear(Weights.root(), 1, 1, {
    weight: () => tensor([[1]]),
    bias: false,
  })
  linear.weight.materialise(tensor([[1]]))
  const want = values.map(activations[name]!)
  for (const result of [activation.apply(x), activated(linear, x, activation)]) {
    const found = [...(await result.data())]
    found.forEach((value, i) => expect(value).toBeCloseTo(want[i]!, Math.abs(want[i]!) > 20 ? 3 : 5))
  }
})

it('there is none by another name', () => {
  expect(() => activationOf('gelu_11', 'hidden_act')).toThrow(/hidden_act: there is no activation 'gelu_11'/)
})
