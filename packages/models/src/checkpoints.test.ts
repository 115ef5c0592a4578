import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { goldenFolder, readGolden, safetensorsBytes, type GoldenTensor } from '../test/golden.js'
import * as auto from './auto.js'
import type { FromPretrainedOptions } from './build.js'
import { BertForMaskedLM, BertForSequenceClassification } from './families/bert.js'
import type { PreTrainedModel } from './model.js'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tiny-checkpoints-'))
})
afterAll(() => rm(folder, { recursive: true }))

let made = 0
type Tensors = Record<string, GoldenTensor>

/** A golden checkpoint with other tensors or another configuration. */
async function variant(
  name: string,
  change: (tensors: Tensors) => Tensors,
  config: Record<string, unknown> = {},
): Promise<string> {
  const to = join(folder, `variant-${made++}`)
  await cp(goldenFolder(name), to, { recursive: true })
  await writeFile(
    join(to, 'model.safetensors'),
    safetensorsBytes(change(readGolden(join(to, 'model.safetensors')))),
  )
  const json = { ...(JSON.parse(await readFile(join(to, 'config.json'), 'utf8')) as object), ...config }
  await writeFile(join(to, 'config.json'), JSON.stringify(json))
  return to
}

const renamed = (tensors: Tensors, rename: (name: string) => string): Tensors =>
  Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [rename(name), tensor]))
const without = (tensors: Tensors, ...names: string[]): Tensors =>
  Object.fromEntries(Object.entries(tensors).filter(([name]) => !names.includes(name)))

const ids = {
  inputIds: [
    [5, 9, 13],
    [2, 30],
  ],
}
const inputsOf = (model: PreTrainedModel) =>
  model.task === 'Seq2SeqLM' ? { ...ids, decoderInputIds: [[0, 4], [0]] } : ids
const logits = async (model: PreTrainedModel) => [...(await model.run(inputsOf(model))).logits!.data]

const cases = [
  ['encoder/bert', auto.AutoModelForMaskedLM],
  ['encoder/bert-TokenClassification', auto.AutoModelForTokenClassification],
  ['decoder/gpt2', auto.AutoModelForCausalLM],
  ['seq2seq/t5', auto.AutoModelForSeq2SeqLM],
  ['seq2seq/t5-gated', auto.AutoModelForSeq2SeqLM],
] as const

describe('saving', () => {
  it.each(cases)('%s loads again with the same logits, names and configuration', async (name, AutoClass) => {
    await using model = await AutoClass.fromPretrained(goldenFolder(name))
    const to = join(folder, name.replace('/', '-'))
    await model.savePretrained(to)
    const [stored, saved] = [
      readGolden(join(goldenFolder(name), 'model.safetensors')),
      readGolden(join(to, 'model.safetensors')),
    ]
    expect(Object.keys(saved).sort()).toEqual(Object.keys(stored).sort())
    expect(saved).toEqual(stored)
    const config = JSON.parse(await readFile(join(to, 'config.json'), 'utf8')) as object
    expect(config).toEqual(JSON.parse(await readFile(join(goldenFolder(name), 'config.json'), 'utf8')))
    await using again = await AutoClass.fromPretrained(to)
    expect(await logits(again)).toEqual(await logits(model))
    expect(again.generationConfig).toEqual(model.generationConfig)
  })

  it('keeps a head of its own and other labels', async () => {
    const id2label = { 0: 'no', 1: 'maybe', 2: 'yes' }
    await using model = await auto.AutoModelForSequenceClassification.fromPretrained(
      goldenFolder('encoder/bert'),
      { id2label, seed: 3 },
    )
    expect(model.loadReport.drawn).toEqual([
      'bert.pooler.dense.weight',
      'bert.pooler.dense.bias',
      'classifier.weight',
      'classifier.bias',
    ])
    expect(model.loadReport.unread).toContain('cls.predictions.bias')
    const to = join(folder, 'new-head')
    await model.savePretrained(to)
    await using again = await auto.AutoModelForSequenceClassification.fromPretrained(to)
    expect(again.config).toMatchObject({
      id2label: ['no', 'maybe', 'yes'],
      architectures: ['BertForSequenceClassification'],
    })
    expect(await logits(again)).toEqual(await logits(model))
  })

  it('writes generation_config.json for models that generate alone', async () => {
    const from = goldenFolder('decoder/gpt2')
    for (const [i, Auto] of [auto.AutoModelForCausalLM, auto.AutoModel].entries()) {
      await using model = await Auto.fromPretrained(from)
      const to = join(folder, `generates-${i}`)
      await model.savePretrained(to)
      expect((await readdir(to)).includes('generation_config.json')).toBe(i === 0)
    }
  })

  it('spells numbers as transformers requires', async () => {
    await using model = await auto.AutoModelForCausalLM.fromPretrained(goldenFolder('decoder/gemma2'))
    const to = join(folder, 'floats')
    await model.savePretrained(to)
    const text = (name: string) => readFile(join(to, name), 'utf8')
    expect(await text('config.json')).toMatch(/"attn_logit_softcapping": \d+\.0,/)
    expect(await text('config.json')).toMatch(/"rope_theta": 10000\.0/)
    expect(await text('config.json')).toMatch(/"hidden_size": \d+,/)
  })

  it('takes another problem type than the file has', async () => {
    const load = (from: string, problemType: string) =>
      auto.AutoModelForSequenceClassification.fromPretrained(from, { problemType, newHead: true })
    await using model = await load(goldenFolder('encoder/bert'), 'regression')
    const to = join(folder, 'problem-type')
    await model.savePretrained(to)
    await using again = await load(to, 'multi_label_classification')
    expect(again.config.problemType).toBe('multi_label_classification')
    expect(again.config.toJSON()).toMatchObject({ problem_type: 'multi_label_classification' })
  })

  it('keeps a dtype', async () => {
    await using model = await auto.AutoModelForCausalLM.fromPretrained(goldenFolder('decoder/gpt2'), {
      dtype: 'bfloat16',
    })
    const to = join(folder, 'bfloat16')
    await model.savePretrained(to)
    await using again = await auto.AutoModelForCausalLM.fromPretrained(to)
    expect([...again.parameters()].every(({ dtype }) => dtype === 'bfloat16')).toBe(true)
    expect(again.config.dtype).toBe('bfloat16')
    expect(await logits(again)).toEqual(await logits(model))
    await using wide = await auto.AutoModelForCausalLM.fromPretrained(to, { dtype: 'float32' })
    expect([...wide.parameters()].every(({ dtype }) => dtype === 'float32')).toBe(true)
  })
})

describe('loading', () => {
  const load = (to: string, options: FromPretrainedOptions = {}) =>
    auto.AutoModelForMaskedLM.fromPretrained(to, options)
  const base = goldenFolder('encoder/bert')
  const norm = 'bert.encoder.layer.0.output.LayerNorm'

  it.each([
    [
      'gamma and beta',
      (t: Tensors) =>
        renamed(t, (n) =>
          n.replace('LayerNorm.weight', 'LayerNorm.gamma').replace('LayerNorm.bias', 'LayerNorm.beta'),
        ),
    ],
    ['no prefix', (t: Tensors) => renamed(t, (n) => n.replace(/^bert\./, ''))],
    ['the prefix before every name', (t: Tensors) => renamed(t, (n) => `bert.${n}`)],
    [
      "a decoder's bias",
      (t: Tensors) => renamed(t, (n) => n.replace('cls.predictions.bias', 'cls.predictions.decoder.bias')),
    ],
    [
      'buffers of older versions',
      (t: Tensors) => ({
        ...t,
        'bert.embeddings.position_ids': { shape: [1, 48], data: Array.from({ length: 48 }, (_, i) => i) },
      }),
    ],
    [
      'a decoder that repeats the embeddings',
      (t: Tensors) => ({
        ...t,
        'cls.predictions.decoder.weight': t['bert.embeddings.word_embeddings.weight']!,
      }),
    ],
    [
      'the decoder in place of the embeddings',
      (t: Tensors) =>
        renamed(t, (n) =>
          n.replace('bert.embeddings.word_embeddings.weight', 'cls.predictions.decoder.weight'),
        ),
    ],
  ])('understands %s', async (_, change) => {
    await using model = await load(await variant('encoder/bert', change))
    await using golden = await load(base)
    expect(await logits(model)).toEqual(await logits(golden))
    expect(model.loadReport).toEqual({ drawn: [], absent: [], unread: [] })
    expect([...model.namedParameters()].length).toBe([...golden.namedParameters()].length)
  })

  it('does not tie a decoder that differs', async () => {
    const change = (t: Tensors): Tensors => {
      const { shape, data } = t['bert.embeddings.word_embeddings.weight']!
      return {
        ...t,
        'cls.predictions.decoder.weight': { shape, data: Float32Array.from(data, (x) => 2 * x) },
      }
    }
    await using model = await load(await variant('encoder/bert', change))
    await using golden = await load(base)
    expect([...model.namedParameters()].map(([name]) => name)).toContain('cls.predictions.decoder.weight')
    expect(await logits(model)).not.toEqual(await logits(golden))
  })

  it('gives T5 the head that its file has, scaled as it says', async () => {
    const to = await variant(
      'seq2seq/t5',
      (t) => ({
        ...t,
        'lm_head.weight': {
          shape: [96, 32],
          data: Float32Array.from(t['shared.weight']!.data, (x) => 3 * x),
        },
      }),
      {
        tie_word_embeddings: false,
        scale_decoder_outputs: null,
      },
    )
    await using model = await auto.AutoModelForSeq2SeqLM.fromPretrained(to)
    await using golden = await auto.AutoModelForSeq2SeqLM.fromPretrained(goldenFolder('seq2seq/t5'))
    const [own, tied] = [await logits(model), await logits(golden)]
    own.forEach((x, i) => expect(Math.abs(x - tied[i]! * 3 * Math.sqrt(32))).toBeLessThan(1e-3))
  })

  it('loads a base model out of one with a head, and the reverse', async () => {
    await using encoder = await auto.AutoModel.fromPretrained(base)
    expect(encoder.loadReport.absent).toEqual(['pooler.dense.weight', 'pooler.dense.bias'])
    const { lastHiddenState, poolerOutput } = await encoder.run(ids)
    expect(poolerOutput).toBeUndefined()
    await using masked = await load(base)
    const { hiddenStates } = await masked.run(ids, { outputHiddenStates: true })
    expect(lastHiddenState!.data).toEqual(hiddenStates!.at(-1)!.data)
    const to = join(folder, 'base')
    await encoder.savePretrained(to)
    await expect(load(to)).rejects.toMatchObject({
      code: 'CHECKPOINT',
      tensor: expect.stringMatching(/^cls\.predictions/),
      role: 'head',
    })
    await using drawn = await load(to, { newHead: true })
    expect(drawn.loadReport.drawn.every((name) => name.startsWith('cls.'))).toBe(true)
  })

  it.each([
    [
      'a missing tensor',
      (t: Tensors) => without(t, `${norm}.weight`),
      { tensor: `${norm}.weight`, role: 'backbone' },
    ],
    [
      'a misshapen tensor',
      (t: Tensors) => ({ ...t, [`${norm}.weight`]: { shape: [31], data: new Float32Array(31) } }),
      { tensor: `${norm}.weight`, shape: [31], expected: [32] },
    ],
    [
      'a missing head',
      (t: Tensors) => without(t, 'cls.predictions.transform.dense.bias'),
      { tensor: 'cls.predictions.transform.dense.bias' },
    ],
  ])('%s is named', async (_, change, facts) => {
    const to = await variant('encoder/bert', change)
    await expect(load(to)).rejects.toMatchObject({ code: 'CHECKPOINT', ...facts })
  })

  it('draws no backbone, whatever is asked for', async () => {
    const to = await variant('encoder/bert', (t) => without(t, `${norm}.bias`))
    await expect(load(to, { newHead: true })).rejects.toMatchObject({
      code: 'CHECKPOINT',
      tensor: `${norm}.bias`,
    })
  })

  it('draws a head of another size only where it is asked for', async () => {
    const from = goldenFolder('encoder/bert-SequenceClassification')
    const to = await variant('encoder/bert-SequenceClassification', (t) => t, {
      id2label: { 0: 'a', 1: 'b' },
      label2id: { a: 0, b: 1 },
    })
    await expect(BertForSequenceClassification.fromPretrained(to)).rejects.toMatchObject({
      tensor: 'classifier.weight',
      shape: [3, 32],
      expected: [2, 32],
    })
    await using model = await BertForSequenceClassification.fromPretrained(from, { numLabels: 5 })
    expect(model.loadReport.drawn).toEqual(['classifier.weight', 'classifier.bias'])
    expect((await model.run(ids)).logits!.shape).toEqual([2, 5])
  })

  it('refuses what is not there, by name', async () => {
    await expect(load(join(folder, 'nowhere'))).rejects.toMatchObject({
      code: 'CHECKPOINT',
      path: join(folder, 'nowhere'),
    })
    await expect(load(folder)).rejects.toThrow(/no config\.json/)
    await expect(load('model.gguf')).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    await expect(load(base, { dtype: 'int8' as never })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      option: 'dtype',
    })
    await expect(load(base, { dtype: 'float' as never })).rejects.toMatchObject({
      code: 'OPTION',
      option: 'dtype',
    })
    await expect(load(base, { revision: 'main' })).rejects.toMatchObject({
      code: 'OPTION',
      option: 'revision',
    })
    await expect(load(base, { torch_dtype: 'float32' } as never)).rejects.toMatchObject({ code: 'OPTION' })
    await expect(auto.AutoModelForSeq2SeqLM.fromPretrained(base)).rejects.toMatchObject({
      code: 'CONFIG',
      task: 'Seq2SeqLM',
    })
    await expect(BertForMaskedLM.fromPretrained(goldenFolder('decoder/gpt2'))).rejects.toMatchObject({
      code: 'CONFIG',
      key: 'model_type',
    })
    const unknown = await variant('encoder/bert', (t) => t, { rotary_pct: 0.5 })
    await expect(load(unknown)).rejects.toMatchObject({ code: 'CONFIG', key: 'rotary_pct' })
    const broken = await variant('encoder/bert', (t) => t)
    await writeFile(join(broken, 'config.json'), '{')
    await expect(load(broken)).rejects.toThrow(/config\.json is not JSON/)
  })
})

describe('a model', () => {
  it('is what its class says', async () => {
    await using model = await BertForMaskedLM.fromPretrained(goldenFolder('encoder/bert'))
    expect(model instanceof BertForMaskedLM).toBe(true)
    expect(model instanceof BertForSequenceClassification).toBe(false)
    expect(model instanceof auto.AutoModelForMaskedLM).toBe(true)
  })

  it('is disposed of once calls under way are done', async () => {
    const model = await BertForMaskedLM.fromPretrained(goldenFolder('encoder/bert'))
    const running = model.run(ids)
    await model.dispose()
    expect((await running).logits!.shape).toEqual([2, 3, 96])
    await model.dispose()
    await expect(model.run(ids)).rejects.toMatchObject({ code: 'DISPOSED' })
    expect(() => model.forward({} as never)).toThrow(expect.objectContaining({ code: 'DISPOSED' }))
  })
})
