import { compile, gradients, type Tensor } from '@tiny/core'
import { expect, it } from 'vitest'
import { configs, ids, make, unlikeBert } from '../../test/encoder-models.js'
import type { ModelInputs } from '../inputs/pack.js'
import { packTrainingBatch, trainingLoss } from '../training.js'

const labels = ids.map((id, i) => (i % 3 === 0 ? id : -100))
const choices = [
  [ids.slice(0, 5), ids.slice(2, 9), ids.slice(4, 6)],
  [ids.slice(7, 9), ids.slice(1, 2), ids.slice(3, 20)],
]
const cases: { name: string; task: Parameters<typeof make>[0]; inputs: ModelInputs }[] = [
  { name: 'bert', task: 'MultipleChoice', inputs: { inputIds: choices, labels: [2, 1] } },
  { name: 'electra', task: 'MultipleChoice', inputs: { inputIds: choices, labels: [0, -100] } },
  { name: 'bert', task: 'NextSentencePrediction', inputs: { inputIds: [ids, ids.slice(5)], labels: [0, 1] } },
  {
    name: 'bert',
    task: 'PreTraining',
    inputs: { inputIds: [ids], labels: [labels], nextSentenceLabel: [1] },
  },
  {
    name: 'albert',
    task: 'PreTraining',
    inputs: { inputIds: [ids], labels: [labels], sentenceOrderLabel: [0] },
  },
  { name: 'electra', task: 'PreTraining', inputs: { inputIds: [ids], labels: [ids.map((id) => id % 2)] } },
  {
    name: 'distilbert',
    task: 'SequenceClassification',
    inputs: { inputIds: [ids, ids.slice(5), ids.slice(9)], labels: [1, 0, 0] },
  },
  { name: 'deberta-v2', task: 'MaskedLM', inputs: { inputIds: [ids, ids], labels: [labels, labels] } },
  {
    name: 'deberta-v2',
    task: 'MaskedLM',
    inputs: {
      inputIds: [ids],
      attentionMask: [ids.map((_, i) => (i < 3 || i > 17 ? 0 : 1))],
      labels: [labels],
    },
  },
  {
    name: 'deberta-v2',
    task: 'SequenceClassification',
    inputs: { inputIds: [ids, ids.slice(5)], labels: [1, 0] },
  },
  {
    name: 'modernbert',
    task: 'MaskedLM',
    inputs: { inputIds: [ids, ids.slice(4)], labels: [labels, labels.slice(4)] },
  },
  { name: 'modernbert', task: 'MultipleChoice', inputs: { inputIds: choices, labels: [2, 1] } },
  {
    name: 'mpnet',
    task: 'QuestionAnswering',
    inputs: { inputIds: [ids], startPositions: [3], endPositions: [5] },
  },
]

it.each(cases)('gradients of $name for $task are the slope of the loss', async ({ name, task, inputs }) => {
  const { model, tensors } = await make(task, (configs[name] ?? unlikeBert[name])!)
  const parameters = [...model.namedParameters()]
  using slopes = compile((batch: { batch: Record<string, Tensor> }) => {
    const { lossSum, count } = trainingLoss(model, batch)
    return [...gradients(lossSum.div(count), model.parameters())].map(([, gradient]) => gradient)
  })
  const found = (await slopes(packTrainingBatch(model, inputs) as never)).map(
    ({ data }) => data as Float32Array,
  )
  expect(found.length).toBe(parameters.length)
  const norm = Math.hypot(...found.map((data) => Math.hypot(...data)))

  const lossAt = async (step: number): Promise<number> => {
    for (const [i, [parameterName, parameter]] of parameters.entries()) {
      const { shape, data } = tensors.get(parameterName)!
      parameter.assign({
        shape: [...shape],
        data: Float32Array.from(data, (x, j) => x + (step * found[i]![j]!) / norm),
      })
    }
    return (await model.run(inputs)).loss!
  }
  const h = 2e-3
  expect(((await lossAt(h)) - (await lossAt(-h))) / (2 * h) / norm).toBeCloseTo(1, 2)
  await model.dispose()
})
