import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { trainTokenizer } from '@tiny/finetune'
import { AutoModelForMaskedLM, type PreTrainedModel } from '@tiny/models'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { examine, fineTune, freshClassifier, pretrainedClassifier } from './classifier.js'
import type { Mail } from './mail.js'

const mails: Mail[] = Array.from({ length: 48 }, (_, i) => ({
  id: String(i),
  subject: i % 2 === 1 ? 'win a prize' : 'patch for the kernel',
  body: `message ${i % 5} of ${i % 7}`,
  label: i % 2 === 1 ? 1 : 0,
}))
const { signal } = new AbortController()
let folder: string
let saved: PreTrainedModel

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tiny-classifier-'))
  const texts = mails.map(({ subject, body }) => `${subject} . ${body}`)
  const tokenizer = await trainTokenizer(texts, { model: 'wordpiece', vocabSize: 120, modelMaxLength: 32 })
  const config = {
    model_type: 'bert',
    vocab_size: tokenizer.vocabSize,
    hidden_size: 16,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    intermediate_size: 32,
    max_position_embeddings: 32,
  }
  saved = await AutoModelForMaskedLM.fromConfig(config, { seed: 9 })
  await saved.savePretrained(folder, { tokenizer })
})

afterAll(async () => {
  await saved.dispose()
  await rm(folder, { recursive: true, force: true })
})

async function weight(model: PreTrainedModel, name: string): Promise<Float32Array> {
  const parameter = new Map(model.namedParameters()).get(name)!
  return (await parameter.data()) as Float32Array
}

const words = 'bert.embeddings.word_embeddings.weight'

it('takes the saved weights under a new head, or none of them', async () => {
  const pretrained = await pretrainedClassifier(folder, 1)
  const again = await pretrainedClassifier(folder, 1)
  const other = await pretrainedClassifier(folder, 2)
  const fresh = await freshClassifier(folder, 1)
  const [a, b, c, d] = [pretrained, again, other, fresh].map(({ model }) => model)
  expect(await weight(a, words)).toEqual(await weight(saved, words))
  expect(await weight(d, words)).not.toEqual(await weight(saved, words))
  expect(await weight(a, 'classifier.weight')).toEqual(await weight(b, 'classifier.weight'))
  expect(await weight(a, 'classifier.weight')).not.toEqual(await weight(c, 'classifier.weight'))
  expect(a.config.id2label).toEqual(['ham', 'spam'])
  const shapes = (model: PreTrainedModel) =>
    [...model.namedParameters()].map(([name, { shape }]) => [name, shape])
  expect(shapes(d)).toEqual(shapes(a))
  await Promise.all([a, b, c, d].map((model) => model.dispose()))
})

it('learns from labels, the same on every run, and shows where tokens look', async () => {
  const run = async () => {
    const classifier = await pretrainedClassifier(folder, 3)
    try {
      const { score, result } = await fineTune(classifier, mails.slice(16), mails.slice(0, 16), 3, signal)
      return {
        score,
        losses: result.history.map(({ loss }) => loss),
        ...(await examine(classifier, 'win a prize', signal)),
      }
    } finally {
      await classifier.model.dispose()
    }
  }
  const { score, losses, spam, attention } = await run()
  expect(await run()).toEqual({ score, losses, spam, attention })
  expect(losses.filter((loss) => loss !== undefined)).toHaveLength(4)
  expect(score.accuracy).toBeGreaterThanOrEqual(0)
  expect(spam).toBeGreaterThan(0)
  expect(spam).toBeLessThan(1)
  const { tokens, heads } = attention
  expect([tokens[0], tokens.at(-1)]).toEqual(['[CLS]', '[SEP]'])
  expect(heads.map(({ name }) => name)).toEqual([
    'layer 1, head 1',
    'layer 1, head 2',
    'layer 2, head 1',
    'layer 2, head 2',
  ])
  for (const { weights } of heads) {
    expect(weights).toHaveLength(tokens.length ** 2)
    for (let row = 0; row < tokens.length; row++) {
      const sum = Array.from(weights)
        .slice(row * tokens.length, (row + 1) * tokens.length)
        .reduce((a, b) => a + b)
      expect(sum).toBeCloseTo(1, 5)
    }
  }
})
