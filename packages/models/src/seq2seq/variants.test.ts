import { compile, randomKey, withRandomKey, type Tensor } from '@tiny/core'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { difference, readGolden } from '../../test/golden.js'
import {
  classFor,
  configOf,
  converted,
  fresh,
  inputs,
  logitsOf,
  renamed,
  source,
  type Tensors,
} from '../../test/seq2seq-models.js'
import * as auto from '../auto.js'
import type { ConfigJson } from '../config/config.js'
import { generationConfigOf } from '../generation/defaults.js'
import { packTrainingBatch, trainingLoss } from '../training.js'

let folder: string
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'tiny-seq2seq-'))))
afterAll(() => rm(folder, { recursive: true }))

describe('families that are alike', () => {
  it('Blenderbot is Pegasus with a table of positions', async () => {
    await using pegasus = await fresh('Seq2SeqLM', 'pegasus', { scale_embedding: true })
    const rows = 12
    const sinusoid = Float32Array.from({ length: rows * 16 }, (_, i) => {
      const angle = Math.floor(i / 16) / 10000 ** ((2 * (i % 8)) / 16)
      return i % 16 < 8 ? Math.sin(angle) : Math.cos(angle)
    })
    const positions = { shape: [rows, 16], data: sinusoid }
    const place = await converted(folder, pegasus, { model_type: 'blenderbot' }, (tensors) => ({
      ...tensors,
      'model.encoder.embed_positions.weight': positions,
      'model.decoder.embed_positions.weight': positions,
    }))
    await using blenderbot = await auto.AutoModelForSeq2SeqLM.fromPretrained(place)
    expect(await logitsOf(blenderbot, 'Seq2SeqLM')).toEqual(await logitsOf(pegasus, 'Seq2SeqLM'))
  })

  it('UMT5 is a scaled T5 whose layers all have the same relative positions', async () => {
    await using t5 = await fresh('Seq2SeqLM', 't5')
    const place = await converted(folder, t5, { model_type: 'umt5' }, (tensors) => ({
      ...tensors,
      ...renamed(
        Object.fromEntries(Object.entries(tensors).filter(([name]) => name.includes('relative'))),
        (name) => name.replace('block.0', 'block.1'),
      ),
    }))
    await using umt5 = await auto.AutoModelForSeq2SeqLM.fromPretrained(place)
    expect(await logitsOf(umt5, 'Seq2SeqLM')).toEqual(await logitsOf(t5, 'Seq2SeqLM'))
    // Each layer reads its own.
    const other = await converted(folder, umt5, {}, (tensors) => {
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
      await converted(folder, t5, { model_type: 'mt5', scale_decoder_outputs: undefined }),
    )
    expect(await logitsOf(mt5, 'Seq2SeqLM')).toEqual(await logitsOf(t5, 'Seq2SeqLM'))
  })

  it('Marian may have a vocabulary for each side', async () => {
    await using shared = await fresh('Seq2SeqLM', 'marian')
    const changes = { share_encoder_decoder_embeddings: false, decoder_vocab_size: 15 }
    const place = await converted(
      folder,
      shared,
      changes,
      ({ 'model.shared.weight': words, ...tensors }) => ({
        ...tensors,
        'model.encoder.embed_tokens.weight': words!,
        'model.decoder.embed_tokens.weight': { shape: [15, 16], data: words!.data.slice(0, 15 * 16) },
        final_logits_bias: { shape: [1, 15], data: tensors['final_logits_bias']!.data.slice(0, 15) },
      }),
    )
    await using apart = await auto.AutoModelForSeq2SeqLM.fromPretrained(place)
    expect(
      [...apart.namedParameters()]
        .map(([name]) => name)
        .filter((name) => /embed_tokens|shared|lm_head/.test(name)),
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
    await using apart = await auto.AutoModelForSeq2SeqLM.fromPretrained(
      await converted(folder, tied, changes, split),
    )
    expect(await logitsOf(apart, 'Seq2SeqLM')).toEqual(await logitsOf(tied, 'Seq2SeqLM'))
    // Older files have the shared table alone even then.
    const older = (tensors: Tensors) => ({ ...tensors, 'lm_head.weight': tensors['model.shared.weight']! })
    await using shared = await auto.AutoModelForSeq2SeqLM.fromPretrained(
      await converted(folder, tied, changes, older),
    )
    expect(await logitsOf(shared, 'Seq2SeqLM')).toEqual(await logitsOf(tied, 'Seq2SeqLM'))
    // A file may hold the head alone, or the encoder's table; and other tasks' files no prefix.
    const names: ((name: string) => string)[] = [
      (name) => name.replace('model.shared', 'lm_head'),
      (name) => name.replace('model.shared', 'model.encoder.embed_tokens'),
      (name) => name.replace(/^model\./, ''),
    ]
    for (const name of names) {
      const place = await converted(folder, tied, {}, (tensors) => renamed(tensors, name))
      await using again = await auto.AutoModelForSeq2SeqLM.fromPretrained(place)
      expect(await logitsOf(again, 'Seq2SeqLM')).toEqual(await logitsOf(tied, 'Seq2SeqLM'))
    }
  })

  const sinusoids = 'model.encoder.embed_positions.weight'
  const zeros = { shape: [12, 16], data: new Float32Array(12 * 16) }

  it.each([
    ['marian', false],
    ['m2m_100', true],
  ])('sinusoids that a file of %s holds are ignored: %s', async (type, ignored) => {
    await using model = await fresh('Seq2SeqLM', type)
    const place = await converted(
      folder,
      model,
      type === 'marian' ? { static_position_embeddings: true, normalize_before: false } : {},
      (tensors) => ({ ...tensors, [sinusoids]: zeros }),
    )
    await using again = await auto.AutoModelForSeq2SeqLM.fromPretrained(place)
    expect(again.loadReport).toEqual({ drawn: [], absent: [], unread: [] })
    const [got, own] = [await logitsOf(again, 'Seq2SeqLM'), await logitsOf(model, 'Seq2SeqLM')]
    expect(got.every((logit, i) => logit === own[i])).toBe(ignored)
  })

  it.each([
    ['Seq2SeqLM', 'marian', false],
    ['Base', 'marian', true],
    ['CausalLM', 'pegasus', true],
    ['Seq2SeqLM', 'pegasus', true],
    ['Seq2SeqLM', 'm2m_100', false],
  ] as const)('sinusoids are saved where transformers saves them: %s of %s %s', async (task, type, saved) => {
    await using model = await fresh(task, type)
    const place = await converted(folder, model, {})
    const names = Object.keys(readGolden(join(place, 'model.safetensors')))
    expect(names.some((name) => name.endsWith('decoder.embed_positions.weight'))).toBe(saved)
    const tables = [...model.namedParameters()].filter(([name]) => name.includes('embed_positions'))
    expect(tables.every(([, table]) => !table.requiresGrad)).toBe(true)
    expect(tables.length > 0).toBe(type !== 'm2m_100')
  })
})

describe('heads', () => {
  it.each(['t5', 'bart', 'mbart'])(
    'of %s stand on a decoder that reads the encoder’s ids moved by one',
    async (type) => {
      await using classifier = await fresh('SequenceClassification', type)
      const place = await converted(folder, classifier, {})
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
        const dense = apply('classification_head.dense', Array.from(data.subarray(at, at + width)), Math.tanh)
        return apply('classification_head.out_proj', dense, (y) => y)
      })
      expect(difference(await logitsOf(classifier, 'SequenceClassification'), want)).toBeLessThan(1e-5)
    },
  )

  it('of causal language models stand on the decoder alone, and labels at their own tokens', async () => {
    await using whole = await fresh('Seq2SeqLM', 'mbart')
    // Without what comes from the encoder the decoder is the same.
    const place = await converted(folder, whole, {}, (tensors) =>
      Object.fromEntries(
        Object.entries(tensors).map(([name, { shape, data }]) => [
          name,
          { shape, data: name.includes('encoder_attn.out_proj') ? new Float32Array(data.length) : data },
        ]),
      ),
    )
    await using deaf = await auto.AutoModelForSeq2SeqLM.fromPretrained(place)
    await using causal = await auto.AutoModelForCausalLM.fromPretrained(place)
    expect([...causal.namedParameters()][0]![0]).toBe('model.decoder.embed_tokens.weight')
    const inputIds = [[2, 5, 6, 7]]
    const labels = [[5, -100, 7, 8]]
    const out = await causal.run({ inputIds, labels })
    const expected = await deaf.run({ inputIds: [[9]], decoderInputIds: inputIds, labels })
    expect(out.logits!.data).toEqual(expected.logits!.data)
    expect(out.loss).toBeCloseTo(expected.loss!, 6)
    const { sequences } = await causal.generate({ inputIds }, { maxNewTokens: 1, forcedEosTokenId: null })
    const { data, shape } = out.logits!
    const last = data.subarray(3 * shape[2]!)
    expect(sequences[0]!.at(-1)).toBe(last.indexOf(Math.max(...last)))
  })

  it('of T5 for tokens stand on the encoder alone', async () => {
    await using t5 = await fresh('Seq2SeqLM', 't5')
    const place = await converted(folder, t5, {})
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

  it.each([
    [
      'bart',
      { normalize_before: false, normalize_embedding: true, add_bias_logits: false, classif_dropout: 0.1 },
    ],
    [
      'blenderbot',
      { layernorm_variant: 'prelayernorm', do_blenderbot_90_layernorm: true, extra_pos_embeddings: 0 },
    ],
    [
      'pegasus',
      { static_position_embeddings: true, add_final_layer_norm: true, num_beams: 8, length_penalty: 0.8 },
    ],
    ['marian', { bad_words_ids: [[22]], num_hidden_layers: 2, _num_labels: 3 }],
    [
      't5',
      { n_positions: 512, output_past: true, task_specific_params: { summarization: { num_beams: 4 } } },
    ],
    ['umt5', { scalable_attention: true, tie_word_embeddings: false }],
  ])('of the hub are understood: %s with %j', async (modelType, keys) => {
    const { modelType: found } = await auto.AutoConfig.fromConfig(configOf(modelType, keys))
    expect(found).toBe(modelType)
  })

  it('have three classes for BART where they name none, two for others', async () => {
    const { num_labels: _, ...bart } = configOf('bart')
    const { num_labels: __, ...t5 } = configOf('t5')
    expect((await auto.AutoConfig.fromConfig(bart)).numLabels).toBe(3)
    expect((await auto.AutoConfig.fromConfig(t5)).numLabels).toBe(2)
  })

  it('of what is nearly one of these name it', async () => {
    await expect(auto.AutoConfig.fromConfig({ model_type: 'plbart' })).rejects.toThrow(
      /nearest that is supported is 'bart'/,
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
