import { describe, expect, it } from 'vitest'
import { debertaBody, debertaStates } from '../../test/deberta-reference.js'
import { ids, make, off, types, vocabulary } from '../../test/encoder-models.js'
import { applySteps, crossEntropy } from '../../test/encoder-reference.js'
import { Layers } from '../../test/reference.js'
import { distanceRows } from '../blocks/disentangled-attention.js'

const small = {
  model_type: 'deberta-v2',
  vocab_size: vocabulary,
  hidden_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 3,
  intermediate_size: 19,
  max_position_embeddings: 50,
  relative_attention: true,
  position_biased_input: false,
}
const both = { pos_att_type: ['c2p', 'p2c'] }
const v3 = { ...both, position_buckets: 8, share_att_key: true, norm_rel_ebd: 'layer_norm' }
const bar = 1e-4

const variants: Record<string, Record<string, unknown>> = {
  'version 3': v3,
  'own keys and queries of distances': { ...v3, share_att_key: false },
  'contents to positions alone': { ...v3, pos_att_type: 'c2p' },
  'positions to contents alone': { ...v3, pos_att_type: ['p2c'], share_att_key: false },
  'words with bars, p2p left out': { ...v3, pos_att_type: 'P2C | c2p|p2p' },
  'no terms': { ...v3, pos_att_type: null },
  'plain distances beyond the table': { ...both, max_relative_positions: 6 },
  'plain distances, as many as positions': { ...both, share_att_key: true, max_relative_positions: -1 },
  'an odd number of buckets': { ...v3, position_buckets: 7, max_relative_positions: 20 },
  'two buckets': { ...v3, position_buckets: 2 },
  'no relative attention, but its scale': { ...both, relative_attention: false },
  'no relative attention, but the norm of its table, and no convolution': {
    ...v3,
    relative_attention: false,
    conv_kernel_size: -1,
  },
  'positions and types added': { ...v3, position_biased_input: true, type_vocab_size: 2 },
  'narrow embeddings': { ...v3, embedding_size: 10, position_biased_input: true, type_vocab_size: 3 },
  'a convolution': { ...v3, conv_kernel_size: 3, conv_act: 'gelu' },
  'a wide convolution in groups': { ...v3, conv_kernel_size: 5, conv_groups: 4, attention_head_size: 8 },
  'a convolution after the only layer': { ...v3, conv_kernel_size: 3, num_hidden_layers: 1 },
  'other activations and norms': { ...v3, hidden_act: 'gelu_new', layer_norm_eps: 1e-3 },
}

describe('DeBERTa', () => {
  it.each(Object.entries(variants))('with %s', async (_, changes) => {
    const config = { ...small, ...changes }
    const { model, tensors } = await make('MaskedLM', config)
    expect(tensors.has('deberta.encoder.LayerNorm.weight')).toBe('norm_rel_ebd' in config)
    const out = await model.run(
      { inputIds: [ids], tokenTypeIds: [types] },
      { outputHiddenStates: true, outputAttentions: true },
    )
    const { states, last } = debertaStates(debertaBody(tensors), config, { ids, types })
    expect(out.hiddenStates!.length).toBe(states.length)
    states.forEach((state, i) => expect(off(out.hiddenStates![i], state)).toBeLessThan(bar))
    const prepared = applySteps(
      tensors,
      [
        'cls.predictions.transform.dense',
        { act: (config as { hidden_act?: string }).hidden_act ?? 'gelu' },
        {
          norm: 'cls.predictions.transform.LayerNorm',
          eps: (config as { layer_norm_eps?: number }).layer_norm_eps ?? 1e-7,
        },
      ],
      last,
    )
    const added = tensors.get('cls.predictions.bias')!.data
    const logits = new Layers(tensors)
      .linear('deberta.embeddings.word_embeddings', prepared)
      .map((row) => row.map((x, j) => x + added[j]!))
    expect(off(out.logits, logits)).toBeLessThan(bar)
    // Rows of a softmax, of every head of every layer.
    for (const { data, shape } of out.attentions!) {
      const keys = shape.at(-1)!
      for (let at = 0; at < data.length; at += keys)
        expect(data.subarray(at, at + keys).reduce((sum, x) => sum + x, 0)).toBeCloseTo(1, 5)
    }
    await model.dispose()
  })

  it.each([
    ['on the left', ids.map((_, i) => (i < 5 ? 0 : 1))],
    ['with holes', ids.map((_, i) => (i % 5 === 3 || i > 19 ? 0 : 1))],
  ])('measures distances in columns where a mask is %s, in the convolution, too', async (_, mask) => {
    const config = { ...small, ...v3, conv_kernel_size: 5, position_biased_input: true }
    const { model, tensors } = await make('', config)
    const { lastHiddenState } = await model.run({ inputIds: [ids], attentionMask: [mask] })
    const { last } = debertaStates(new Layers(tensors), config, { ids, mask })
    const width = config.hidden_size
    last.forEach((row, i) => {
      if (mask[i] === 0) return
      const got = lastHiddenState!.data.subarray(i * width, (i + 1) * width)
      row.forEach((x, j) => expect(Math.abs(got[j]! - x)).toBeLessThan(bar))
    })
    await model.dispose()
  })

  it('computes padding as transformers does where labels stand there', async () => {
    const config = { ...small, ...v3, conv_kernel_size: 3 }
    const { model, tensors } = await make('MaskedLM', config)
    const mask = ids.map((_, i) => (i < 2 || i > 17 ? 0 : 1))
    const labels = ids.map((id, i) => (i % 3 === 0 ? id : -100)) // some of them at padding
    const { loss } = await model.run({ inputIds: [ids], attentionMask: [mask], labels: [labels] })
    const { last } = debertaStates(debertaBody(tensors), config, { ids, mask })
    const prepared = applySteps(
      tensors,
      [
        'cls.predictions.transform.dense',
        { act: 'gelu' },
        { norm: 'cls.predictions.transform.LayerNorm', eps: 1e-7 },
      ],
      last,
    )
    const added = tensors.get('cls.predictions.bias')!.data
    const each = new Layers(tensors).linear('deberta.embeddings.word_embeddings', prepared).map((row, i) =>
      labels[i]! < 0
        ? 0
        : crossEntropy(
            row.map((x, j) => x + added[j]!),
            labels[i]!,
          ),
    )
    const count = labels.filter((label) => label >= 0).length
    expect(loss).toBeCloseTo(each.reduce((a, b) => a + b, 0) / count, 4)
    await model.dispose()
  })

  it('has the newer language-model head, always of its embeddings', async () => {
    const config = { ...small, ...v3, legacy: false, tie_word_embeddings: false }
    const { model, tensors } = await make('MaskedLM', config)
    const names = [...tensors.keys()].filter((name) => !name.startsWith('deberta.'))
    expect(names.sort()).toEqual(
      ['LayerNorm.bias', 'LayerNorm.weight', 'bias', 'dense.bias', 'dense.weight'].map(
        (name) => `lm_predictions.lm_head.${name}`,
      ),
    )
    const { logits } = await model.run({ inputIds: [ids] })
    const place = 'lm_predictions.lm_head'
    const prepared = applySteps(
      tensors,
      [`${place}.dense`, { act: 'gelu' }, { norm: `${place}.LayerNorm`, eps: 1e-7 }],
      debertaStates(debertaBody(tensors), config, { ids }).last,
    )
    const added = tensors.get(`${place}.bias`)!.data
    const want = new Layers(tensors)
      .linear('deberta.embeddings.word_embeddings', prepared)
      .map((row) => row.map((x, j) => x + added[j]!))
    expect(off(logits, want)).toBeLessThan(bar)
    await model.dispose()
  })

  it.each([
    ['SequenceClassification', 'tanh'],
    ['MultipleChoice', 'gelu'],
  ] as const)('pools the first token for %s', async (task, act) => {
    const config = {
      ...small,
      ...v3,
      pooler_hidden_act: act,
      pooler_hidden_size: 24,
      cls_dropout: 0.3,
      num_labels: 4,
    }
    const { model, tensors } = await make(task, config)
    const other = [...ids].reverse().slice(0, 9)
    const inputIds = task === 'MultipleChoice' ? [[ids, other]] : [ids, other]
    const { logits } = await model.run({ inputIds } as never)
    const firsts = [ids, other].map((ids) => debertaStates(debertaBody(tensors), config, { ids }).last[0]!)
    const want = applySteps(tensors, ['pooler.dense', { act }, 'classifier'], firsts)
    expect(off(logits, want)).toBeLessThan(bar)
    await model.dispose()
  })

  it('takes rows of labels as shares of classes, unless the configuration says otherwise', async () => {
    const config = { ...small, ...v3, num_labels: 3 }
    const inputs = {
      inputIds: [ids, ids.slice(4)],
      labels: [
        [0.2, 0.5, 0.3],
        [0, 1, 1],
      ],
    }
    const lossOf = async (changes: object) => {
      const { model } = await make('SequenceClassification', { ...config, ...changes })
      const { loss, logits } = await model.run(inputs)
      await model.dispose()
      return { loss: loss!, rows: [0, 1].map((i) => [...logits!.data.subarray(3 * i, 3 * i + 3)]) }
    }
    const shares = await lossOf({})
    const each = shares.rows.map((row, i) =>
      row.reduce((total, _, label) => total + inputs.labels[i]![label]! * crossEntropy(row, label), 0),
    )
    expect(shares.loss).toBeCloseTo((each[0]! + each[1]!) / 2, 5)
    const several = await lossOf({ problem_type: 'multi_label_classification' })
    const binary = several.rows.flatMap((row, i) =>
      row.map((x, label) => Math.log1p(Math.exp(x)) - x * inputs.labels[i]![label]!),
    )
    expect(several.loss).toBeCloseTo(binary.reduce((a, b) => a + b, 0) / 6, 5)
  })

  it('counts distances in buckets as PyTorch does', () => {
    const rows = distanceRows({ span: 256, buckets: 256, maxDistance: 512 })
    const reach = (rows.length - 1) / 2
    const row = (queryMinusKey: number) => rows[reach - queryMinusKey]
    // make_log_bucket_position(d, 256, 512) + 256
    expect([0, 1, -1, 127, 128, 129, 511].map(row)).toEqual([256, 257, 255, 383, 384, 385, 511])
    expect([-128, -129, -511, -512].map(row)).toEqual([128, 127, 1, 0])
    expect(rows.at(0)).toBe(511)
    expect(rows.at(-1)).toBe(0)
  })

  it.each([
    [{ attention_head_size: 9 }, 'attention_head_size'],
    [{ conv_kernel_size: 4 }, 'conv_kernel_size'],
    [{ conv_kernel_size: 3, conv_groups: 5 }, 'conv_groups'],
    [{ pos_att_type: ['c2q'] }, 'pos_att_type'],
    [{ position_buckets: 1 }, 'position_buckets'],
    [{ legacy: false, embedding_size: 8 }, 'legacy'],
    [{ num_attention_heads: 5 }, 'hidden_size'],
  ])('refuses %o by name', async (changes, key) => {
    await expect(make('MaskedLM', { ...small, ...v3, ...changes })).rejects.toThrow(key)
  })

  it('refuses a pooler of another width where there is a pooler', async () => {
    const config = { ...small, ...v3, pooler_hidden_size: 12 }
    await expect(make('SequenceClassification', config)).rejects.toThrow('pooler_hidden_size')
    const { model } = await make('TokenClassification', config)
    await model.dispose()
  })
})
