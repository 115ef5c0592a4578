import { fileURLToPath } from 'node:url'
import { openCheckpoint, UnsupportedError } from '@tiny/core'
import {
  AutoModelForCausalLM,
  AutoModelForQuestionAnswering,
  AutoModelForSequenceClassification,
} from '@tiny/models'
import { describe, expect, it } from 'vitest'
import { lossAndGradients } from './gradients.js'
import type { ModelInputs } from './model-loss.js'
import { AdamW } from './optim/adamw.js'

const folder = fileURLToPath(new URL('../../../golden/decoder/gpt2', import.meta.url))
const norm = (values: ArrayLike<number>): number => Math.hypot(...Array.from(values))
const bert = {
  model_type: 'bert',
  vocab_size: 40,
  hidden_size: 16,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  intermediate_size: 32,
  max_position_embeddings: 16,
}

describe('lossAndGradients', () => {
  it("gives PyTorch's loss and gradients of every parameter", async () => {
    const expected = await openCheckpoint(`${folder}/expected.safetensors`)
    const read = async (name: string) => ({
      shape: expected.info(name).shape,
      data: await expected.tensor(name).data<'int64'>(),
    })
    await using model = await AutoModelForCausalLM.fromPretrained(folder, { dtype: 'float32' })
    const inputs = {
      inputIds: await read('input.input_ids'),
      attentionMask: await read('input.attention_mask'),
      labels: await read('input.labels'),
    } as unknown as ModelInputs
    const { loss, gradients } = await lossAndGradients(model, inputs)
    expect(loss).toBeCloseTo((await expected.tensor('loss').data())[0]!, 4)
    const names = [...expected.keys()].filter((key) => key.startsWith('grad.'))
    expect(names.length).toBeGreaterThan(10)
    for (const name of names) {
      const { data, shape } = gradients.get(name.slice('grad.'.length))!
      const wanted = await expected.tensor(name).data()
      expect(shape).toEqual(expected.info(name).shape)
      expect(norm(data.map((value, i) => value - wanted[i]!)) / Math.max(1e-4, norm(wanted))).toBeLessThan(
        1e-3,
      )
    }
    expected.close()
  })

  it('sums batches over all their labels, leaves frozen parameters out, and drops in training mode only', async () => {
    await using model = await AutoModelForSequenceClassification.fromConfig(bert, { seed: 1 })
    const rows = [[1, 2, 3], [4, 5], [6, 7, 8, 9], [10], [11, 12]]
    const labels = [0, 1, 1, 0, 1]
    const batch = (from: number, to: number) => ({
      inputIds: rows.slice(from, to),
      labels: labels.slice(from, to),
    })
    const whole = await lossAndGradients(model, batch(0, 5))
    const parts = await lossAndGradients(model, [batch(0, 2), batch(2, 5)])
    expect(parts.loss).toBeCloseTo(whole.loss, 5)
    const largest = 'classifier.weight'
    parts.gradients.get(largest)!.data.forEach((value, i) => {
      expect(value).toBeCloseTo(whole.gradients.get(largest)!.data[i]!, 5)
    })

    const [frozen, parameter] = [...model.namedParameters()][0]!
    parameter.requiresGrad = false
    const without = await lossAndGradients(model, batch(0, 5))
    expect([...without.gradients.keys()]).toEqual(
      [...whole.gradients.keys()].filter((name) => name !== frozen),
    )

    model.train()
    const [first, again, other] = [
      await lossAndGradients(model, batch(0, 5), { seed: 3 }),
      await lossAndGradients(model, batch(0, 5), { seed: 3 }),
      await lossAndGradients(model, batch(0, 5), { seed: 4 }),
    ]
    expect(again).toEqual(first)
    expect(other.loss).not.toBe(first.loss)
    await expect(lossAndGradients(model, { inputIds: [[1]] })).rejects.toThrow(/labels/)
    await expect(lossAndGradients(model, [])).rejects.toThrow(/no batch/)
  })
})

describe('label smoothing', () => {
  it('mixes in the mean over all classes, and is refused where there are none', async () => {
    await using model = await AutoModelForSequenceClassification.fromConfig(
      { ...bert, num_labels: 3 },
      { seed: 1 },
    )
    const inputs = {
      inputIds: [
        [1, 2, 3],
        [4, 5],
      ],
      labels: [2, 0],
    }
    const { logits } = await model.run(inputs)
    const smoothed = inputs.labels.map((label, row) => {
      const scores = Array.from(logits!.data.slice(3 * row, 3 * row + 3))
      const total = Math.log(scores.reduce((sum, score) => sum + Math.exp(score), 0))
      const nll = scores.map((score) => total - score)
      return 0.7 * nll[label]! + 0.3 * (nll.reduce((sum, x) => sum + x, 0) / 3)
    })
    await using optimizer = new AdamW(model.parameters(), { lr: 0 })
    const plain = await optimizer.step(model, inputs)
    const { loss } = await optimizer.step(model, inputs, { labelSmoothing: 0.3 })
    expect(loss).toBeCloseTo((smoothed[0]! + smoothed[1]!) / 2, 4)
    expect(Math.abs(loss - plain.loss)).toBeGreaterThan(1e-4)

    await using spans = await AutoModelForQuestionAnswering.fromConfig(bert, { seed: 1 })
    await using other = new AdamW(spans.parameters())
    const answers = { inputIds: [[1, 2]], startPositions: [0], endPositions: [1] }
    await expect(other.step(spans, answers, { labelSmoothing: 0.1 })).rejects.toThrow(UnsupportedError)
  })
})
