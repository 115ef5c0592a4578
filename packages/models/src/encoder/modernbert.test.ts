import { describe, expect, it } from 'vitest'
import { ids, make, off, vocabulary } from '../../test/encoder-models.js'
import { layerNorm, modernBertStates } from '../../test/modernbert-reference.js'
import { activations, each, Layers, type Rows, type Tensors } from '../../test/reference.js'
import { truncatedNormal } from '../parameters/initialisers.js'

const small = {
  model_type: 'modernbert',
  vocab_size: vocabulary,
  hidden_size: 24,
  num_hidden_layers: 4,
  num_attention_heads: 3,
  intermediate_size: 19,
  local_attention: 8,
  pad_token_id: 3,
}
const thetas = { full_attention: 160_000, sliding_attention: 10_000 }
const bar = 1e-4

interface Options {
  readonly changes?: Record<string, unknown>
  readonly expected?: Record<string, number>
}
const variants: Record<string, Options> = {
  'its defaults': {},
  'every bias there is': {
    changes: { norm_bias: true, attention_bias: true, mlp_bias: true, classifier_bias: true, norm_eps: 1e-3 },
  },
  'no bias of the decoder': { changes: { decoder_bias: false } },
  'a head of its own': { changes: { tie_word_embeddings: false, classifier_activation: 'silu' } },
  'an odd window and every second layer full': {
    changes: { local_attention: 5, global_attn_every_n_layers: 2, hidden_activation: 'relu' },
  },
  'layers by name': { changes: { layer_types: ['sliding_attention', ...Array(3).fill('full_attention')] } },
  'older bases': {
    changes: { global_rope_theta: 500, local_rope_theta: 70 },
    expected: { full_attention: 500, sliding_attention: 70 },
  },
  'no base of its own for windows': {
    changes: { global_rope_theta: 500, local_rope_theta: null },
    expected: { full_attention: 500, sliding_attention: 500 },
  },
  'newer bases': {
    changes: {
      rope_parameters: {
        full_attention: { rope_type: 'default', rope_theta: 900 },
        sliding_attention: { rope_type: 'default', rope_theta: 30 },
      },
    },
    expected: { full_attention: 900, sliding_attention: 30 },
  },
  'a newer base for one kind': {
    changes: { rope_parameters: { sliding_attention: { rope_type: 'default', rope_theta: 30 } } },
    expected: { ...thetas, sliding_attention: 30 },
  },
  'sparse prediction': { changes: { sparse_prediction: true } },
}

function head(tensors: Tensors, config: Record<string, unknown>, x: Rows): Rows {
  const layers = new Layers(tensors)
  const act = activations[(config['classifier_activation'] as string | undefined) ?? 'gelu']!
  const eps = (config['norm_eps'] as number | undefined) ?? 1e-5
  return layerNorm(layers, 'head.norm', each(layers.linear('head.dense', x), act), eps)
}

const body = (tensors: Tensors): Layers => new Layers(tensors).at('model')

describe('ModernBERT', () => {
  it.each(Object.entries(variants))('with %s', async (_, { changes = {}, expected = thetas }) => {
    const config = { ...small, ...changes }
    const { model, tensors } = await make('MaskedLM', config)
    const out = await model.run({ inputIds: [ids] }, { outputHiddenStates: true, outputAttentions: true })
    const states = modernBertStates(body(tensors), config, { ids }, expected)
    expect([out.hiddenStates!.length, out.attentions!.length]).toEqual([5, 4])
    states.forEach((state, i) => expect(off(out.hiddenStates![i], state)).toBeLessThan(bar))
    const layers = new Layers(tensors)
    const own = tensors.has('decoder.weight')
    expect(own).toBe((config as { tie_word_embeddings?: boolean }).tie_word_embeddings === false)
    const added = own ? undefined : tensors.get('decoder.bias')?.data
    const logits = layers
      .linear(own ? 'decoder' : 'model.embeddings.tok_embeddings', head(tensors, config, states.at(-1)!))
      .map((row) => row.map((x, j) => x + (added?.[j] ?? 0)))
    expect(off(out.logits, logits)).toBeLessThan(bar)
    await model.dispose()
  })

  it('counts columns where a mask has holes, in windows and angles', async () => {
    const { model, tensors } = await make('', small)
    const mask = ids.map((_, i) => (i < 3 || i % 4 === 0 ? 0 : 1))
    const columns = ids.map((_, i) => i).filter((i) => mask[i] === 1)
    const { lastHiddenState } = await model.run({ inputIds: [ids], attentionMask: [mask] })
    const real = columns.map((i) => ids[i]!)
    const states = modernBertStates(new Layers(tensors), small, { ids: real, columns }, thetas)
    states.at(-1)!.forEach((row, i) => {
      const got = lastHiddenState!.data.subarray(columns[i]! * 24, (columns[i]! + 1) * 24)
      row.forEach((x, j) => expect(Math.abs(got[j]! - x)).toBeLessThan(bar))
    })
    await model.dispose()
  })

  it.each([
    ['SequenceClassification', 'cls'],
    ['SequenceClassification', 'mean'],
    ['MultipleChoice', 'cls'],
    ['MultipleChoice', 'mean'],
    ['TokenClassification', 'cls'],
    ['QuestionAnswering', 'mean'],
  ] as const)('has its head before the product of %s (%s)', async (task, classifier_pooling) => {
    const config = { ...small, classifier_pooling, classifier_bias: true, norm_bias: true, num_labels: 2 }
    const { model, tensors } = await make(task, config)
    const inputIds = task === 'MultipleChoice' ? [[ids]] : [ids]
    const out = await model.run({ inputIds } as never)
    const last = modernBertStates(body(tensors), config, { ids }, thetas).at(-1)!
    const whole = task === 'TokenClassification' || task === 'QuestionAnswering'
    const mean = last[0]!.map((_, j) => last.reduce((a, row) => a + row[j]!, 0) / last.length)
    const rows = whole ? last : classifier_pooling === 'cls' ? [last[0]!] : [mean]
    const want = new Layers(tensors).linear('classifier', head(tensors, config, rows))
    const edge = (column: number) => want.map((row) => row.slice(column, column + 1))
    const differences =
      task === 'QuestionAnswering'
        ? [off(out.startLogits, edge(0)), off(out.endLogits, edge(1))]
        : [off(out.logits, want)]
    expect(Math.max(...differences)).toBeLessThan(bar)
    await model.dispose()
  })

  it('is drawn from a normal distribution that is cut off', async () => {
    for (const cutoff of [0.7, 1.5, 2]) {
      const drawn = (await truncatedNormal(0.5, cutoff)([300, 100], 'float32', {
        seed: 3,
        site: 9,
      }).data()) as Float32Array
      const most = drawn.reduce((a, x) => Math.max(a, Math.abs(x)), 0)
      const std = Math.sqrt(drawn.reduce((a, x) => a + x * x, 0) / drawn.length)
      // σ² (1 - 2 c φ(c) / (2 Φ(c) - 1))
      const expected = { 0.7: 0.193, 1.5: 0.371, 2: 0.44 }[cutoff]!
      expect(most).toBeLessThanOrEqual(0.5 * cutoff)
      expect(most).toBeGreaterThan(0.5 * cutoff * 0.99)
      expect(std).toBeCloseTo(expected, 2)
    }
  })

  it.each([
    [{ sparse_prediction: true, sparse_pred_ignore_index: 0 }, 'sparse_pred_ignore_index'],
    [{ classifier_pooling: 'max' }, 'classifier_pooling'],
    [{ layer_types: ['full_attention'] }, 'layer_types'],
    [{ num_attention_heads: 5 }, 'hidden_size'],
  ])('refuses %o by name', async (changes, key) => {
    await expect(make('MaskedLM', { ...small, ...changes })).rejects.toThrow(key)
  })
})

// Angles and windows go by distances, so padding before a text moves nothing by itself.
it.each([
  ['scores of choices are read from the first token', 'MultipleChoice', true],
  ['classes are read from the first column', 'SequenceClassification', false],
] as const)('%s, as in transformers', async (_, task, same) => {
  const { model } = await make(task, small)
  const nest = (row: number[]) => (task === 'MultipleChoice' ? [[row]] : [row])
  const padded = { inputIds: nest([3, 3, 7, 9, 11]), attentionMask: nest([0, 0, 1, 1, 1]) }
  const { logits } = await model.run(padded as never)
  const alone = await model.run({ inputIds: nest([7, 9, 11]) } as never)
  expect(off(logits, [Float64Array.from(alone.logits!.data)]) < bar).toBe(same)
  await model.dispose()
})

it.each([
  ['dynamic', { factor: 4 }, false],
  ['linear', { factor: 4 }, true],
] as const)(
  '%s frequencies may follow the padded length, as in transformers',
  async (rope_type, more, same) => {
    const { model } = await make('MaskedLM', {
      ...small,
      max_position_embeddings: 4,
      rope_parameters: {
        full_attention: { rope_type, ...more },
        sliding_attention: { rope_type: 'default' },
      },
    })
    const [row, padding] = [
      [7, 9, 11, 13],
      [3, 3, 3, 3],
    ]
    const attentionMask = [[1, 1, 1, 1, 0, 0, 0, 0]]
    const { logits } = await model.run({ inputIds: [[...row!, ...padding!]], attentionMask })
    const alone = await model.run({ inputIds: [row!] })
    const kept = { ...logits!, data: logits!.data.subarray(0, alone.logits!.data.length) }
    expect(off(kept, [Float64Array.from(alone.logits!.data)]) < bar).toBe(same)
    await model.dispose()
  },
)
