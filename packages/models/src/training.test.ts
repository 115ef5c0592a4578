import { compile, randomKey, withRandomKey, type Tensor } from '@tiny/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  AutoModelForCausalLM,
  AutoModelForMaskedLM,
  AutoModelForQuestionAnswering,
  AutoModelForSeq2SeqLM,
} from './auto.js'
import { pack } from './inputs/pack-for.js'
import type { ModelInputs } from './inputs/pack.js'
import type { PreTrainedModel } from './model.js'
import { packTrainingBatch, trainingLoss } from './training.js'

const sizes = {
  vocab_size: 30,
  hidden_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  max_position_embeddings: 40,
}
const inputs: ModelInputs = {
  inputIds: [
    [3, 4, 5, 6],
    [7, 8],
  ],
  labels: [
    [-100, 4, 5, -100],
    [7, -100],
  ],
}

const models: PreTrainedModel[] = []
beforeAll(async () => {
  models.push(
    await AutoModelForMaskedLM.fromConfig({
      model_type: 'bert',
      intermediate_size: 32,
      ...sizes,
      initializer_range: 0.3,
    }),
    await AutoModelForCausalLM.fromConfig({ model_type: 'gpt2', ...sizes, initializer_range: 0.3 }),
    await AutoModelForSeq2SeqLM.fromConfig({
      model_type: 't5',
      vocab_size: 30,
      d_model: 16,
      d_kv: 8,
      d_ff: 32,
      num_layers: 2,
      num_heads: 2,
      decoder_start_token_id: 0,
    }),
  )
})
afterAll(async () => {
  for (const model of models) await model.dispose()
})

/** A training step's loss under a random key. */
async function lossOf(
  model: PreTrainedModel,
  batch: ModelInputs,
  seed: number,
  options = {},
): Promise<number> {
  using step = compile(({ packed, key }: { packed: object; key: Tensor }) =>
    withRandomKey(key, () => trainingLoss(model, packed, options)),
  )
  const { lossSum, count } = await step({
    packed: packTrainingBatch(model, batch),
    key: randomKey(seed, 1),
  } as never)
  return lossSum.data[0]! / count.data[0]!
}

describe('the training loss', () => {
  it('drops in training mode alone, by its key', async () => {
    for (const model of models) {
      const plain = (await model.run(inputs)).loss!
      expect(await lossOf(model, inputs, 1)).toBeCloseTo(plain, 5)
      model.train()
      const dropped = await lossOf(model, inputs, 1)
      expect(Math.abs(dropped - plain)).toBeGreaterThan(1e-4)
      expect(await lossOf(model, inputs, 1)).toBe(dropped)
      expect(await lossOf(model, inputs, 2)).not.toBe(dropped)
      expect((await model.run(inputs)).loss).toBe(plain)
      model.eval()
    }
  })

  it('of two halves is that of the whole, over all labels', async () => {
    for (const model of models) {
      const { inputIds, labels } = inputs as { inputIds: number[][]; labels: number[][] }
      const parts = inputIds.map((ids, i) => ({ inputIds: [ids], labels: [labels[i]!] }))
      using sums = compile((packed: object) => trainingLoss(model, packed))
      const whole = await sums(packTrainingBatch(model, inputs) as never)
      let lossSum = 0
      let count = 0
      for (const part of parts) {
        const one = await sums(packTrainingBatch(model, part) as never)
        lossSum += one.lossSum.data[0]!
        count += one.count.data[0]!
      }
      expect(whole.count.data[0]).toBe(count)
      expect(whole.lossSum.data[0]).toBeCloseTo(lossSum, 4)
    }
  })

  it('smooths labels over the vocabulary', async () => {
    const [model] = models as [PreTrainedModel]
    const { logits } = await model.run(inputs)
    const rows = [1, 2, 4].map((row) => [...logits!.data.subarray(row * 30, row * 30 + 30)])
    const labels = [4, 5, 7]
    const expected = rows.reduce((sum, scores, i) => {
      const lse = Math.log(scores.reduce((total, x) => total + Math.exp(x), 0))
      const even = lse - scores.reduce((total, x) => total + x, 0) / 30
      return sum + 0.9 * (lse - scores[labels[i]!]!) + 0.1 * even
    }, 0)
    expect(await lossOf(model, inputs, 1, { labelSmoothing: 0.1 })).toBeCloseTo(expected / 3, 4)
  })

  it('needs labels', async () => {
    expect(() => packTrainingBatch(models[0]!, { inputIds: [[1]] })).toThrow(/needs labels/)
    await using answers = await AutoModelForQuestionAnswering.fromConfig({
      model_type: 'bert',
      intermediate_size: 32,
      ...sizes,
    })
    expect(() => packTrainingBatch(answers, { inputIds: [[1]] })).toThrow(/needs startPositions/)
  })
})

describe('forward', () => {
  it('is run as a graph', async () => {
    for (const model of models) {
      const given = {
        ...inputs,
        labels: undefined,
        ...(model.task === 'Seq2SeqLM'
          ? {
              decoderInputIds: [
                [0, 1],
                [0, 2],
              ],
            }
          : {}),
      }
      const { logits, hidden } = model.forward(pack(given, model))
      const out = await model.run(given)
      const tokens = model.task === 'Seq2SeqLM' ? 4 : 6
      expect(logits!.shape).toEqual([tokens, 30])
      expect(hidden.shape).toEqual([tokens, 16])
      expect([...(await logits!.data())].slice(0, 60)).toEqual([...out.logits!.data.subarray(0, 60)])
    }
  })
})
