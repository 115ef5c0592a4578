import { fileURLToPath } from 'node:url'
import { openCheckpoint, parameter, UnsupportedError } from '@tiny/core'
import {
  AutoModelForCausalLM,
  AutoModelForMaskedLM,
  AutoModelForQuestionAnswering,
  AutoModelForSequenceClassification,
} from '@tiny/models'
import { describe, expect, it } from 'vitest'
import { lossAndGradients } from './gradients.js'
import type { ModelInputs } from './model-loss.js'
import { AdamW } from './optim/adamw.js'
import { Trainer } from './trainer/trainer.js'

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

describe('half precision', () => {
  it.each(['float16', 'bfloat16'] as const)('%s weights have float32 gradients', async (dtype) => {
    const batch = { inputIds: [[1, 2, 3]], labels: [[1, 2, 3]] }
    await using half = await AutoModelForCausalLM.fromPretrained(folder, { dtype, precision: 'float32' })
    await using full = await AutoModelForCausalLM.fromPretrained(folder, { dtype: 'float32' })
    const [found, wanted] = [await lossAndGradients(half, batch), await lossAndGradients(full, batch)]
    expect([...found.gradients.keys()]).toEqual([...wanted.gradients.keys()])
    const { data } = found.gradients.get('transformer.wte.weight')!
    const { data: exact } = wanted.gradients.get('transformer.wte.weight')!
    expect(data).toBeInstanceOf(Float32Array)
    expect(norm(data.map((value, i) => value - exact[i]!)) / norm(exact)).toBeLessThan(0.05)
  })
})

describe('a model', () => {
  const batch = {
    inputIds: [
      [1, 2, 3],
      [4, 5],
    ],
    labels: [
      [1, 2, 3],
      [4, 5],
    ],
  }
  const fresh = () => AutoModelForMaskedLM.fromConfig(bert, { seed: 2 })

  it('shows a step that was asked for before', async () => {
    await using model = await fresh()
    await using optimizer = new AdamW(model.parameters(), { lr: 0.1 })
    const before = (await model.run(batch)).loss
    const step = optimizer.step(model, batch)
    const during = (await model.run(batch)).loss
    await step
    expect(during).not.toBe(before)
    expect((await model.run(batch)).loss).toBe(during)
  })

  it('that is disposed of finishes its steps and its gradients', async () => {
    const model = await fresh()
    await using optimizer = new AdamW(model.parameters(), { lr: 0.1 })
    const work = [
      optimizer.step(model, batch),
      optimizer.step(model, batch),
      lossAndGradients(model, batch),
    ] as const
    await model.dispose()
    for (const { loss } of await Promise.all(work)) expect(loss).toBeGreaterThan(0)
    await expect(optimizer.step(model, batch)).rejects.toMatchObject({ code: 'DISPOSED' })
    await expect(lossAndGradients(model, batch)).rejects.toMatchObject({ code: 'DISPOSED' })
  })

  it('trains in the mode that it had when a step was asked for', async () => {
    await using model = await AutoModelForMaskedLM.fromConfig({ ...bert, hidden_dropout_prob: 0.5 })
    await using optimizer = new AdamW(model.parameters(), { lr: 0 })
    const plain = (await model.run(batch)).loss!
    model.train()
    const steps = [optimizer.step(model, batch), optimizer.step(model, batch)]
    model.eval()
    steps.push(optimizer.step(model, batch))
    const losses = (await Promise.all(steps)).map(({ loss }) => Math.abs(loss - plain))
    expect(losses.map((distance) => distance > 1e-5)).toEqual([true, true, false])
  })

  it('is what is asked for', async () => {
    for (const nothing of [null, {}, 'bert'] as never[]) {
      await expect(lossAndGradients(nothing, batch)).rejects.toThrow(/takes a model/)
      expect(() => new Trainer(nothing, { train: ['a text'] })).toThrow(/takes a model/)
      await using optimizer = new AdamW([parameter('w', [1])])
      await expect(optimizer.step(nothing, batch)).rejects.toThrow(/takes a model/)
    }
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
