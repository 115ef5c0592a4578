import { describe, expect, it } from 'vitest'
import {
  bar,
  configs,
  ids,
  make,
  off,
  types,
  vocabulary,
  vocabularyLogits,
} from '../../test/encoder-models.js'
import { applySteps, crossEntropy, encoderStates, type Step } from '../../test/encoder-reference.js'
import { difference } from '../../test/golden.js'
import type { Rows } from '../../test/reference.js'

// Heads that no golden case has, against a float64 reference.
const tanhPooler = (name: string): Step[] => [name, { act: 'tanh' }]
const first = (rows: Rows): Rows => rows.slice(0, 1)
const poolers: Record<string, Step[]> = {
  bert: tanhPooler('bert.pooler.dense'),
  roberta: tanhPooler('roberta.pooler.dense'),
  mpnet: tanhPooler('mpnet.pooler.dense'),
  albert: tanhPooler('albert.pooler'),
}

describe('sequence classifiers', () => {
  const heads: Record<string, Step[]> = {
    bert: [...poolers['bert']!, 'classifier'],
    albert: [...poolers['albert']!, 'classifier'],
    roberta: [...tanhPooler('classifier.dense'), 'classifier.out_proj'],
    mpnet: [...tanhPooler('classifier.dense'), 'classifier.out_proj'],
    electra: ['classifier.dense', { act: 'gelu' }, 'classifier.out_proj'],
    distilbert: ['pre_classifier', { act: 'relu' }, 'classifier'],
  }
  it.each(Object.keys(heads))('of %s', async (name) => {
    const config = { ...configs[name]!, num_labels: 4 }
    const { model, tensors } = await make('SequenceClassification', config)
    const { logits, loss } = await model.run({ inputIds: [ids], labels: [2] })
    const want = applySteps(tensors, heads[name]!, first(encoderStates(tensors, config, { ids })))
    expect(off(logits, want)).toBeLessThan(bar)
    expect(loss).toBeCloseTo(crossEntropy(want[0]!, 2), 4)
    const several = await model.run({ inputIds: [ids], labels: [[1, 0, 0, 1]] })
    const each = [...want[0]!].map((x, j) => Math.log(1 + Math.exp(x)) - (j % 3 === 0 ? x : 0))
    expect(several.loss).toBeCloseTo(each.reduce((a, b) => a + b) / 4, 4)
    await model.dispose()
  })

  it('of one label regress', async () => {
    const config = { ...configs['roberta']!, num_labels: 1 }
    const { model } = await make('SequenceClassification', config)
    const { logits, loss } = await model.run({ inputIds: [ids, [3, 4]], labels: [0.5, -1] })
    const [a, b] = logits!.data as unknown as [number, number]
    expect(loss).toBeCloseTo(((a - 0.5) ** 2 + (b + 1) ** 2) / 2, 4)
    await model.dispose()
  })
})

describe('multiple choice', () => {
  const heads: Record<string, Step[]> = {
    bert: [...poolers['bert']!, 'classifier'],
    roberta: [...poolers['roberta']!, 'classifier'],
    mpnet: [...poolers['mpnet']!, 'classifier'],
    albert: [...poolers['albert']!, 'classifier'],
    electra: ['sequence_summary.summary', { act: 'gelu' }, 'classifier'],
    distilbert: ['pre_classifier', { act: 'relu' }, 'classifier'],
  }
  const examples = [
    [ids.slice(0, 5), ids.slice(2, 11), ids.slice(4, 6)],
    [ids.slice(7, 9), ids.slice(1, 2), ids.slice(3, 20)],
  ]
  it.each(Object.keys(heads))('of %s: a score for each choice, a softmax over an example', async (name) => {
    const config = configs[name]!
    const { model, tensors } = await make('MultipleChoice', config)
    const { logits, loss } = await model.run({ inputIds: examples, labels: [2, 0] })
    const want = examples.map((choices) =>
      Float64Array.from(
        choices,
        (choice) =>
          applySteps(tensors, heads[name]!, first(encoderStates(tensors, config, { ids: choice })))[0]![0]!,
      ),
    )
    expect(logits!.shape).toEqual([2, 3])
    expect(off(logits, want)).toBeLessThan(bar)
    const losses = [crossEntropy(want[0]!, 2), crossEntropy(want[1]!, 0)]
    expect(loss).toBeCloseTo((losses[0]! + losses[1]!) / 2, 4)
    const one = await model.run({ inputIds: examples, labels: [-100, 0] })
    expect(one.loss).toBeCloseTo(losses[1]!, 4)
    await model.dispose()
  })

  it('takes a flat array with its shape, and masks and types of the same rank', async () => {
    const { model } = await make('MultipleChoice', configs['bert']!)
    const shape = [2, 2, 3]
    const flat = [4, 5, 6, 7, 8, 0, 9, 3, 0, 2, 1, 4]
    const mask = flat.map((id) => (id === 0 ? 0 : 1))
    const kinds = flat.map((_, i) => i % 2)
    const nest = (data: number[]) => [0, 6].map((i) => [data.slice(i, i + 3), data.slice(i + 3, i + 6)])
    const nested = await model.run({
      inputIds: nest(flat),
      attentionMask: nest(mask),
      tokenTypeIds: nest(kinds),
    })
    const shaped = await model.run({
      inputIds: { shape, data: BigInt64Array.from(flat, BigInt) },
      attentionMask: { shape, data: mask },
      tokenTypeIds: { shape, data: Int32Array.from(kinds) },
    })
    expect(shaped.logits).toEqual(nested.logits)
    await expect(model.run({ inputIds: [[1, 2]] })).rejects.toThrow(/rank 3/)
    await expect(model.run({ inputIds: [[[1], [2]], [[1]]] })).rejects.toThrow(/example 1 has 1 choices/)
    await expect(model.run({ inputIds: [[[1], [2]]], labels: [2] })).rejects.toThrow(
      /2 is neither one of 2 classes/,
    )
    await model.dispose()
  })

  it.each([
    { summary_type: 'last', summary_use_proj: false },
    { summary_type: 'mean', summary_activation: 'tanh' },
    { summary_type: 'cls_index', summary_activation: null },
    { summary_type: 'first', summary_use_proj: false, summary_activation: null },
    { summary_type: 'first', summary_activation: '' },
  ])('of ELECTRA with %j looks at padding as transformers does', async (changes) => {
    const config = { ...configs['electra']!, ...changes } as Record<string, unknown>
    const { model, tensors } = await make('MultipleChoice', config)
    const rows = [
      { ids: [4, 5, 6, 0, 0], mask: [1, 1, 1, 0, 0] },
      { ids: [0, 7, 8, 9, 3], mask: [0, 1, 1, 1, 1] },
    ]
    const { logits } = await model.run({
      inputIds: [rows.map((row) => row.ids)],
      attentionMask: [rows.map((row) => row.mask)],
    })
    const pooled: Rows = rows.flatMap((row) => {
      const states = encoderStates(tensors, config, row)
      if (config['summary_type'] !== 'mean') {
        return config['summary_type'] === 'first' ? first(states) : states.slice(-1)
      }
      return [Float64Array.from(states[0]!, (_, j) => states.reduce((a, r) => a + r[j]!, 0) / states.length)]
    })
    const act =
      config['summary_activation'] === undefined ? 'gelu' : (config['summary_activation'] as string | null)
    const steps: Step[] = [
      ...(config['summary_use_proj'] === false ? [] : ['sequence_summary.summary']),
      ...(act ? [{ act }] : []),
      'classifier',
    ]
    expect(off(logits, applySteps(tensors, steps, pooled))).toBeLessThan(bar)
    await model.dispose()
  })
})

describe('token classifiers and question answering', () => {
  it.each(Object.keys(configs))('of %s', async (name) => {
    const config = { ...configs[name]!, num_labels: 3 }
    const tokens = await make('TokenClassification', config)
    const { logits } = await tokens.model.run({ inputIds: [ids] })
    const states = encoderStates(tokens.tensors, config, { ids })
    expect(off(logits, applySteps(tokens.tensors, ['classifier'], states))).toBeLessThan(bar)
    await tokens.model.dispose()
    const spans = await make('QuestionAnswering', config)
    const out = await spans.model.run({ inputIds: [ids] })
    const both = applySteps(spans.tensors, ['qa_outputs'], encoderStates(spans.tensors, config, { ids }))
    expect(out.startLogits!.shape).toEqual([1, ids.length])
    expect(
      off(
        out.startLogits,
        both.map((row) => row.slice(0, 1)),
      ),
    ).toBeLessThan(bar)
    expect(
      off(
        out.endLogits,
        both.map((row) => row.slice(1)),
      ),
    ).toBeLessThan(bar)
    await spans.model.dispose()
  })
})

describe('pretraining', () => {
  const labels = ids.map((id, i) => (i % 4 === 0 ? (id + 1) % vocabulary : -100))
  const wordLoss = (logits: Rows) => {
    const losses = labels.flatMap((label, i) => (label < 0 ? [] : [crossEntropy(logits[i]!, label)]))
    return losses.reduce((a, b) => a + b) / losses.length
  }

  it.each([
    {
      name: 'bert',
      label: 'nextSentenceLabel',
      output: 'seqRelationshipLogits',
      head: 'cls.seq_relationship',
    },
    { name: 'albert', label: 'sentenceOrderLabel', output: 'sopLogits', head: 'sop_classifier.classifier' },
  ] as const)('of $name: masked tokens and pairs of sentences', async ({ name, label, output, head }) => {
    const config = configs[name]!
    const { model, tensors } = await make('PreTraining', config)
    const inputs = { inputIds: [ids], tokenTypeIds: [types] }
    const out = await model.run({ ...inputs, labels: [labels], [label]: [1] })
    const states = encoderStates(tensors, config, { ids, types })
    const words = vocabularyLogits(tensors, config, states)
    const pairs = applySteps(tensors, [...poolers[name]!, head], first(states))
    expect(out.predictionLogits!.shape).toEqual([1, ids.length, vocabulary])
    expect(off(out.predictionLogits, words)).toBeLessThan(bar)
    expect(off(out[output], pairs)).toBeLessThan(bar)
    expect(out.logits).toBeUndefined()
    expect(out.loss).toBeCloseTo(wordLoss(words) + crossEntropy(pairs[0]!, 1), 4)
    await expect(model.run({ ...inputs, labels: [labels] })).rejects.toThrow(/belong together/)
    await model.dispose()
  })

  it('of BERT says whether a sentence is the next one', async () => {
    const config = configs['bert']!
    const { model, tensors } = await make('NextSentencePrediction', config)
    const out = await model.run({
      inputIds: [ids, ids.slice(4, 9)],
      tokenTypeIds: [types, [0, 0, 1, 1, 1]],
      labels: [0, 1],
    })
    const steps: Step[] = [...poolers['bert']!, 'cls.seq_relationship']
    const want = [
      { ids, types },
      { ids: ids.slice(4, 9), types: [0, 0, 1, 1, 1] },
    ].map((row) => applySteps(tensors, steps, first(encoderStates(tensors, config, row)))[0]!)
    expect(off(out.logits, want)).toBeLessThan(bar)
    expect(out.loss).toBeCloseTo((crossEntropy(want[0]!, 0) + crossEntropy(want[1]!, 1)) / 2, 4)
    await model.dispose()
  })

  it('of ELECTRA tells replaced tokens, and real ones alone count', async () => {
    const config = { ...configs['electra']!, hidden_act: 'relu' }
    const { model, tensors } = await make('PreTraining', config)
    const row = { ids: [4, 5, 6, 0], mask: [1, 1, 1, 0] }
    const replaced = [1, 0, 0]
    const out = await model.run({
      inputIds: [row.ids],
      attentionMask: [row.mask],
      labels: [[...replaced, -100]],
    })
    const steps: Step[] = [
      'discriminator_predictions.dense',
      { act: 'relu' },
      'discriminator_predictions.dense_prediction',
    ]
    const want = applySteps(tensors, steps, encoderStates(tensors, config, row))
    expect(out.logits!.shape).toEqual([1, 4])
    expect(
      difference(
        out.logits!.data,
        want.map((r) => r[0]!),
        (i) => i < 3,
      ),
    ).toBeLessThan(bar)
    const losses = replaced.map((y, i) => Math.log(1 + Math.exp(want[i]![0]!)) - y * want[i]![0]!)
    expect(out.loss).toBeCloseTo(losses.reduce((a, b) => a + b) / 3, 4)
    await expect(model.run({ inputIds: [[1, 2]], labels: [[0, 2]] })).rejects.toThrow(
      /column 1: 1 is for replaced/,
    )
    await model.dispose()
  })
})
