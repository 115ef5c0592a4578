import { compile, randomKey, withRandomKey, type Tensor } from '@tiny/core'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { difference, readGolden, safetensorsBytes, type GoldenTensor } from '../../test/golden.js'
import * as auto from '../auto.js'
import type { ModelClass } from '../auto.js'
import type { ConfigJson } from '../config/config.js'
import { generationConfigOf } from '../generation/defaults.js'
import type { GenerativeModel } from '../generation/generative-model.js'
import type { ModelInputs } from '../inputs/pack.js'
import type { PreTrainedModel } from '../model.js'
import { familyOf } from '../registry.js'
import { packTrainingBatch, trainingLoss } from '../training.js'

const bartConfig = {
  vocab_size: 23,
  d_model: 16,
  encoder_layers: 2,
  decoder_layers: 1,
  encoder_attention_heads: 2,
  decoder_attention_heads: 4,
  encoder_ffn_dim: 12,
  decoder_ffn_dim: 20,
  max_position_embeddings: 12,
  pad_token_id: 1,
  eos_token_id: 2,
  decoder_start_token_id: 2,
  encoder_layerdrop: 0,
  decoder_layerdrop: 0,
  init_std: 0.4,
}
const t5Config = {
  vocab_size: 23,
  d_model: 16,
  d_kv: 6,
  d_ff: 12,
  num_layers: 2,
  num_decoder_layers: 2,
  num_heads: 3,
  relative_attention_num_buckets: 8,
  relative_attention_max_distance: 12,
  decoder_start_token_id: 0,
  feed_forward_proj: 'gated-gelu',
}

type Classes = Record<string, string>
const headed = (name: string, ...tasks: string[]): Classes =>
  Object.fromEntries(tasks.map((task) => [task, `${name}For${task}`]))
const t5Classes = (name: string): Classes => ({
  Base: `${name}Model`,
  Seq2SeqLM: `${name}ForConditionalGeneration`,
  TextEncoding: `${name}EncoderModel`,
  ...headed(name, 'SequenceClassification', 'TokenClassification', 'QuestionAnswering'),
})
const bartClasses = (name: string, ...tasks: string[]): Classes => ({
  Base: `${name}Model`,
  Seq2SeqLM: `${name}ForConditionalGeneration`,
  ...headed(name, ...tasks),
})

const families: Readonly<Record<string, { config: ConfigJson; classes: Classes }>> = {
  bart: { config: bartConfig, classes: bartClasses('Bart', 'SequenceClassification', 'QuestionAnswering') },
  blenderbot: { config: bartConfig, classes: bartClasses('Blenderbot') },
  m2m_100: { config: bartConfig, classes: bartClasses('M2M100') },
  marian: { config: bartConfig, classes: { Base: 'MarianModel', Seq2SeqLM: 'MarianMTModel' } },
  mbart: { config: bartConfig, classes: bartClasses('MBart', 'SequenceClassification', 'QuestionAnswering') },
  mt5: { config: t5Config, classes: t5Classes('MT5') },
  pegasus: { config: bartConfig, classes: bartClasses('Pegasus') },
  t5: { config: t5Config, classes: t5Classes('T5') },
  umt5: { config: t5Config, classes: t5Classes('UMT5') },
}

const source = [
  [5, 6, 7, 8, 9, 2, 10, 2],
  [11, 12, 2, 13, 2],
]
const target = [
  [3, 4, 5, 2],
  [6, 7, 2, -100],
]
const inputs: Readonly<Record<string, ModelInputs>> = {
  Base: { inputIds: source, decoderInputIds: target.map((row) => row.map((id) => Math.abs(id) % 23)) },
  TextEncoding: { inputIds: source },
  Seq2SeqLM: { inputIds: source, labels: target },
  SequenceClassification: { inputIds: source.map((row) => [...row.slice(0, -1), 1, 2]), labels: [2, 0] },
  TokenClassification: { inputIds: [source[1]!], labels: [[0, 1, 2, -100, 1]] },
  QuestionAnswering: { inputIds: source, startPositions: [1, 2], endPositions: [3, 4] },
}

const classFor = (task: string) =>
  (auto as unknown as Record<string, ModelClass<PreTrainedModel>>)[
    task === 'Base' ? 'AutoModel' : `AutoModelFor${task}`
  ]!
const configOf = (modelType: string, changes: ConfigJson = {}): ConfigJson => ({
  model_type: modelType,
  ...families[modelType]!.config,
  num_labels: 3,
  // Where the class stands: T5's end is 1 unless given.
  eos_token_id: 2,
  ...changes,
})

let folder: string
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'tiny-seq2seq-'))))
afterAll(() => rm(folder, { recursive: true }))

const fresh = (task: string, modelType: string, changes: ConfigJson = {}) =>
  classFor(task).fromConfig(configOf(modelType, changes), { seed: 7 })
const logitsOf = async (model: PreTrainedModel, task: string) => (await model.run(inputs[task]!)).logits!.data

type Tensors = Record<string, GoldenTensor>

/** The same weights in another form: its configuration's changes, and its file's. */
async function converted(
  model: PreTrainedModel,
  changes: ConfigJson,
  convert: (tensors: Tensors) => Tensors = (tensors) => tensors,
): Promise<string> {
  const place = await mkdtemp(join(folder, 'converted-'))
  await model.savePretrained(place)
  const file = join(place, 'model.safetensors')
  const config = JSON.parse(await readFile(join(place, 'config.json'), 'utf8')) as object
  await writeFile(join(place, 'config.json'), JSON.stringify({ ...config, ...changes }))
  await writeFile(file, safetensorsBytes(convert(readGolden(file))))
  return place
}

const renamed = (tensors: Tensors, rename: (name: string) => string): Tensors =>
  Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [rename(name), tensor]))

describe.each(Object.entries(families))('%s', (modelType, { classes }) => {
  it('has the classes of transformers', async () => {
    expect((await familyOf(modelType, 'this test')).classes).toEqual(classes)
  })

  it.each(Object.keys(classes))('runs, saves and loads again: %s', async (task) => {
    await using model = await fresh(task, modelType)
    const { loss, logits, startLogits, lastHiddenState } = await model.run(inputs[task]!)
    const results = [logits, startLogits, lastHiddenState].filter((result) => result !== undefined)
    expect(results).toHaveLength(1)
    expect(loss === undefined || loss > 0).toBe(true)
    const place = await mkdtemp(join(folder, 'saved-'))
    await model.savePretrained(place)
    await using again = await classFor(task).fromPretrained(place)
    expect(again.loadReport).toEqual({ drawn: [], absent: [], unread: [] })
    expect(await again.run(inputs[task]!)).toEqual(await model.run(inputs[task]!))
  })

  it('gives its body to the class of any other task', async () => {
    await using model = await fresh('Seq2SeqLM', modelType)
    const place = await converted(model, {})
    for (const task of Object.keys(classes).filter((one) => one !== 'Seq2SeqLM')) {
      await using other = await classFor(task).fromPretrained(place, { newHead: true })
      expect(other.loadReport.drawn.every((name) => /^(class|qa_)/.test(name))).toBe(true)
      const again = await converted(other, {})
      if (task === 'TextEncoding' || task === 'TokenClassification') continue // without a decoder
      await using back = await auto.AutoModelForSeq2SeqLM.fromPretrained(again)
      expect(await logitsOf(back, 'Seq2SeqLM')).toEqual(await logitsOf(model, 'Seq2SeqLM'))
    }
  })

  it('writes what running the whole text for every token gives', async () => {
    await using model = (await fresh('Seq2SeqLM', modelType, { pad_token_id: 22 })) as GenerativeModel
    const { sequences } = await model.generate(
      { inputIds: source },
      {
        maxNewTokens: 6,
        eosTokenId: [],
        suppressTokens: [22],
        forcedEosTokenId: null,
        encoderNoRepeatNgramSize: 0,
      },
    )
    for (const [row, ids] of sequences.entries()) {
      const decoderInputIds = [ids.slice(0, -1)]
      const { data, shape } = (await model.run({ inputIds: [source[row]!], decoderInputIds })).logits!
      const chosen = decoderInputIds[0]!.map((_, i) => {
        const scores = data.slice(i * shape[2]!, (i + 1) * shape[2]!)
        scores[22] = -Infinity
        return scores.indexOf(Math.max(...scores))
      })
      expect(ids.slice(1)).toEqual(chosen)
    }
  })
})

describe('families that are alike', () => {
  it('Blenderbot is Pegasus with a table of positions', async () => {
    await using pegasus = await fresh('Seq2SeqLM', 'pegasus', { scale_embedding: true })
    const rows = 12
    const sinusoid = Float32Array.from({ length: rows * 16 }, (_, i) => {
      const angle = Math.floor(i / 16) / 10000 ** ((2 * (i % 8)) / 16)
      return i % 16 < 8 ? Math.sin(angle) : Math.cos(angle)
    })
    const positions = { shape: [rows, 16], data: sinusoid }
    const place = await converted(pegasus, { model_type: 'blenderbot' }, (tensors) => ({
      ...tensors,
      'model.encoder.embed_positions.weight': positions,
      'model.decoder.embed_positions.weight': positions,
    }))
    await using blenderbot = await auto.AutoModelForSeq2SeqLM.fromPretrained(place)
    expect(await logitsOf(blenderbot, 'Seq2SeqLM')).toEqual(await logitsOf(pegasus, 'Seq2SeqLM'))
  })

  it('UMT5 is a scaled T5 whose layers all have the same relative positions', async () => {
    await using t5 = await fresh('Seq2SeqLM', 't5')
    const place = await converted(t5, { model_type: 'umt5' }, (tensors) => ({
      ...tensors,
      ...renamed(
        Object.fromEntries(Object.entries(tensors).filter(([name]) => name.includes('relative'))),
        (name) => name.replace('block.0', 'block.1'),
      ),
    }))
    await using umt5 = await auto.AutoModelForSeq2SeqLM.fromPretrained(place)
    expect(await logitsOf(umt5, 'Seq2SeqLM')).toEqual(await logitsOf(t5, 'Seq2SeqLM'))
    // Each layer reads its own.
    const other = await converted(umt5, {}, (tensors) => {
      const name = Object.keys(tensors).find((key) => /decoder\.block\.1.*relative/.test(key))!
      const { shape, data } = tensors[name]!
      return { ...tensors, [name]: { shape, data: Float32Array.from(data, (x) => x + (x > 0 ? 1 : -1)) } }
    })
    await using changed = await auto.AutoModelForSeq2SeqLM.fromPretrained(other)
    expect(await logitsOf(changed, 'Seq2SeqLM')).not.toEqual(await logitsOf(t5, 'Seq2SeqLM'))
  })

  it('mT5 is a T5 that scales nothing', async () => {
    await using t5 = await fresh('Seq2SeqLM', 't5', { scale_decoder_outputs: false })
    await using mt5 = await auto.AutoModelForSeq2SeqLM.fromPretrained(
      await converted(t5, { model_type: 'mt5', scale_decoder_outputs: undefined }),
    )
    expect(await logitsOf(mt5, 'Seq2SeqLM')).toEqual(await logitsOf(t5, 'Seq2SeqLM'))
  })

  it('Marian may have a vocabulary for each side', async () => {
    await using shared = await fresh('Seq2SeqLM', 'marian')
    const changes = { share_encoder_decoder_embeddings: false, decoder_vocab_size: 15 }
    const place = await converted(shared, changes, ({ 'model.shared.weight': words, ...tensors }) => ({
      ...tensors,
      'model.encoder.embed_tokens.weight': words!,
      'model.decoder.embed_tokens.weight': { shape: [15, 16], data: words!.data.slice(0, 15 * 16) },
      final_logits_bias: { shape: [1, 15], data: tensors['final_logits_bias']!.data.slice(0, 15) },
    }))
    await using apart = await auto.AutoModelForSeq2SeqLM.fromPretrained(place)
    expect(
      [...apart.namedParameters()].map(([name]) => name).filter((name) => /embed|shared|lm_head/.test(name)),
    ).toEqual(['model.encoder.embed_tokens.weight', 'model.decoder.embed_tokens.weight'])
    const { shape, data } = (await apart.run(inputs['Seq2SeqLM']!)).logits!
    expect(shape).toEqual([2, 4, 15])
    const all = await logitsOf(shared, 'Seq2SeqLM')
    const cut = all.filter((_, i) => i % 23 < 15)
    expect(difference(data, cut)).toBeLessThan(1e-6)
    await expect(
      apart.run({
        inputIds: source,
        labels: [
          [3, 15],
          [1, 2],
        ],
      }),
    ).rejects.toThrow(/15 is neither one of 15/)
    await expect(apart.run({ inputIds: [[22]], decoderInputIds: [[15]] })).rejects.toThrow(/vocabulary of 15/)
    const { sequences } = await apart.generate(
      { inputIds: [[22, 2]] },
      { maxNewTokens: 4, encoderRepetitionPenalty: 2 },
    )
    expect(Math.max(...sequences[0]!)).toBeLessThan(15)
  })

  it('BART without ties has a table for each side and a head', async () => {
    await using tied = await fresh('Seq2SeqLM', 'bart')
    const changes = { tie_word_embeddings: false }
    const split = ({ 'model.shared.weight': words, ...tensors }: Tensors): Tensors => ({
      ...tensors,
      'model.encoder.embed_tokens.weight': words!,
      'model.decoder.embed_tokens.weight': words!,
      'lm_head.weight': words!,
    })
    await using apart = await auto.AutoModelForSeq2SeqLM.fromPretrained(await converted(tied, changes, split))
    expect(await logitsOf(apart, 'Seq2SeqLM')).toEqual(await logitsOf(tied, 'Seq2SeqLM'))
    // Older files have the shared table alone even then.
    const older = (tensors: Tensors) => ({ ...tensors, 'lm_head.weight': tensors['model.shared.weight']! })
    await using shared = await auto.AutoModelForSeq2SeqLM.fromPretrained(
      await converted(tied, changes, older),
    )
    expect(await logitsOf(shared, 'Seq2SeqLM')).toEqual(await logitsOf(tied, 'Seq2SeqLM'))
    // A file may hold the head alone, or the encoder's table; and other tasks' files no prefix.
    const names: ((name: string) => string)[] = [
      (name) => name.replace('model.shared', 'lm_head'),
      (name) => name.replace('model.shared', 'model.encoder.embed_tokens'),
      (name) => name.replace(/^model\./, ''),
    ]
    for (const name of names) {
      const place = await converted(tied, {}, (tensors) => renamed(tensors, name))
      await using again = await auto.AutoModelForSeq2SeqLM.fromPretrained(place)
      expect(await logitsOf(again, 'Seq2SeqLM')).toEqual(await logitsOf(tied, 'Seq2SeqLM'))
    }
  })

  it('stored sinusoids of older files are ignored', async () => {
    await using marian = await fresh('Seq2SeqLM', 'marian')
    const place = await converted(
      marian,
      { static_position_embeddings: true, normalize_before: false },
      (tensors) => ({
        ...tensors,
        'model.encoder.embed_positions.weight': { shape: [12, 16], data: new Float32Array(12 * 16) },
      }),
    )
    await using again = await auto.AutoModelForSeq2SeqLM.fromPretrained(place)
    expect(again.loadReport.unread).toEqual([])
    expect(await logitsOf(again, 'Seq2SeqLM')).toEqual(await logitsOf(marian, 'Seq2SeqLM'))
  })
})

describe('heads', () => {
  it.each(['t5', 'bart', 'mbart'])(
    'of %s stand on a decoder that reads the encoder’s ids moved by one',
    async (type) => {
      await using classifier = await fresh('SequenceClassification', type)
      const place = await converted(classifier, {})
      await using base = await auto.AutoModel.fromPretrained(place)
      const tensors = readGolden(join(place, 'model.safetensors'))
      const ids = inputs['SequenceClassification']!.inputIds as number[][]
      const first = type === 'mbart' ? ids.map((row) => row.filter((id) => id !== 1).length - 1) : undefined
      const decoderInputIds = ids.map((row, i) => [
        first === undefined ? (type === 't5' ? 0 : 2) : row[first[i]!]!,
        ...row.slice(0, -1),
      ])
      const { data, shape } = (await base.run({ inputIds: ids, decoderInputIds })).lastHiddenState!
      const [, columns, width] = shape as [number, number, number]
      const apply = (name: string, x: number[], act: (y: number) => number) =>
        Array.from(tensors[`${name}.bias`]!.data, (bias, o) =>
          act(x.reduce((sum, xi, i) => sum + xi * tensors[`${name}.weight`]!.data[o * x.length + i]!, bias)),
        )
      const want = ids.flatMap((row, i) => {
        const at = (i * columns + row.lastIndexOf(2)) * width
        const dense = apply('classification_head.dense', [...data.slice(at, at + width)], Math.tanh)
        return apply('classification_head.out_proj', dense, (y) => y)
      })
      expect(difference(await logitsOf(classifier, 'SequenceClassification'), want)).toBeLessThan(1e-5)
    },
  )

  it('of T5 for tokens stand on the encoder alone', async () => {
    await using t5 = await fresh('Seq2SeqLM', 't5')
    const place = await converted(t5, {})
    await using encoder = await auto.AutoModelForTextEncoding.fromPretrained(place)
    const { lastHiddenState } = await encoder.run({ inputIds: source })
    const { encoderLastHiddenState } = await t5.run(inputs['Seq2SeqLM']!)
    expect(lastHiddenState).toEqual(encoderLastHiddenState)
    await using tokens = await classFor('TokenClassification').fromPretrained(place, { newHead: true })
    const names = [...tokens.namedParameters()].map(([name]) => name)
    expect(names.some((name) => name.includes('decoder'))).toBe(false)
    expect(names[0]).toBe('transformer.shared.weight')
  })
})

describe('configurations', () => {
  it('say what generation begins with, where generation_config.json does not', async () => {
    const model = async (modelType: string, changes: ConfigJson) => {
      await using made = await fresh('Seq2SeqLM', modelType, changes)
      return generationConfigOf(made.config)
    }
    expect(await model('bart', { num_beams: 4, no_repeat_ngram_size: 3 })).toMatchObject({
      forced_eos_token_id: 2,
      num_beams: 4,
      no_repeat_ngram_size: 3,
    })
    expect(await model('bart', { forced_eos_token_id: null })).not.toHaveProperty('forced_eos_token_id')
    expect(await model('blenderbot', {})).toMatchObject({ encoder_no_repeat_ngram_size: 3 })
    expect(await model('m2m_100', {})).not.toHaveProperty('forced_eos_token_id')
  })

  it('have three classes for BART where they name none, two for others', async () => {
    const { num_labels: _, ...bart } = configOf('bart')
    const { num_labels: __, ...t5 } = configOf('t5')
    expect((await auto.AutoConfig.fromConfig(bart)).numLabels).toBe(3)
    expect((await auto.AutoConfig.fromConfig(t5)).numLabels).toBe(2)
  })

  it('of what is nearly one of these name it', async () => {
    await expect(auto.AutoConfig.fromConfig({ model_type: 'blenderbot-small' })).rejects.toThrow(
      /nearest that is supported is 'blenderbot'/,
    )
    await expect(
      auto.AutoConfig.fromConfig(configOf('bart', { encoder_attention_heads: 3 })),
    ).rejects.toThrow(/encoder_attention_heads 3/)
  })
})

describe('training', () => {
  const lossWith = async (modelType: string, changes: ConfigJson): Promise<number> => {
    await using model = await fresh('Seq2SeqLM', modelType, changes)
    model.train()
    using step = compile(({ packed, key }: { packed: object; key: Tensor }) =>
      withRandomKey(key, () => trainingLoss(model, packed)),
    )
    const args = { packed: packTrainingBatch(model, inputs['Seq2SeqLM']!), key: randomKey(3, 1) }
    const { lossSum, count } = await step(args as never)
    return lossSum.data[0]! / count.data[0]!
  }

  it('drops what the configuration says, layers among it', async () => {
    const none = {
      dropout: 0,
      attention_dropout: 0,
      activation_dropout: 0,
      encoder_layerdrop: 0,
      decoder_layerdrop: 0,
    }
    const plain = await lossWith('m2m_100', none)
    await using model = await fresh('Seq2SeqLM', 'm2m_100', none)
    expect(plain).toBeCloseTo((await model.run(inputs['Seq2SeqLM']!)).loss!, 5)
    for (const name of ['dropout', 'attention_dropout', 'activation_dropout']) {
      expect(Math.abs((await lossWith('m2m_100', { ...none, [name]: 0.4 })) - plain)).toBeGreaterThan(1e-5)
    }
    // Nearly always left out: as if the layers were not there.
    const left = await lossWith('m2m_100', {
      ...none,
      encoder_layerdrop: 0.999999,
      decoder_layerdrop: 0.999999,
    })
    expect(left).toBeCloseTo(await lossWith('m2m_100', { ...none, encoder_layers: 0, decoder_layers: 0 }), 5)
  })
})
