import { ConfigError } from '@tiny/core'
import { describe, expect, it } from 'vitest'
import { AutoConfig } from '../auto.js'
import { bert } from '../encoder/bert.js'
import { gpt2 } from '../decoder/gpt2.js'
import { t5 } from '../seq2seq/t5.js'
import { createConfig } from './config.js'
import { toCamel, toSnake } from './keys.js'

describe('spellings', () => {
  it('turn into each other', () => {
    for (const name of ['hidden_size', 'attention_probs_dropout_prob', 'n_embd', 'd_kv', 'vocab_size']) {
      expect(toSnake(toCamel(name))).toBe(name)
    }
    expect(toCamel('_name_or_path')).toBe('_nameOrPath')
  })

  it('are taken alike, with those of attribute_map', async () => {
    const snake = await AutoConfig.fromConfig({ model_type: 'gpt2', n_embd: 64, n_head: 4 })
    const camel = await AutoConfig.fromConfig({ modelType: 'gpt2', hiddenSize: 64, numAttentionHeads: 4 })
    const mapped = await AutoConfig.fromConfig({
      model_type: 'gpt2',
      hidden_size: 64,
      num_attention_heads: 4,
    })
    for (const config of [snake, camel, mapped]) {
      expect(config).toMatchObject({ nEmbd: 64, hiddenSize: 64, nHead: 4 })
    }
    for (const config of [snake, camel]) {
      expect(config.toJSON()).toEqual({ model_type: 'gpt2', n_embd: 64, n_head: 4 })
    }
    expect(mapped.toJSON()).toEqual({ model_type: 'gpt2', hidden_size: 64, num_attention_heads: 4 })
  })

  it('must not contradict each other', () => {
    expect(() => createConfig(bert.schema, { hidden_size: 64, hiddenSize: 32 })).toThrow(ConfigError)
  })
})

describe('a file', () => {
  const file = {
    model_type: 'bert',
    torch_dtype: 'float32',
    hidden_size: 64,
    num_attention_heads: 4,
    my_note: 'kept',
    classifier_dropout: null,
    id2label: { 0: 'no', 1: 'yes', 2: 'maybe' },
    label2id: { no: 0, yes: 1, maybe: 2 },
  }

  it('comes back as it is', () => {
    const config = createConfig(bert.schema, file)
    expect(config.toJSON()).toEqual(file)
    expect(config).toMatchObject({
      dtype: 'float32',
      hiddenSize: 64,
      padTokenId: 0,
      numLabels: 3,
      classifierDropout: undefined,
    })
    expect(config.id2label).toEqual(['no', 'yes', 'maybe'])
  })

  it('takes other labels', () => {
    const config = createConfig(bert.schema, file)
    expect(config.with({ numLabels: 2 }).toJSON()).toMatchObject({
      my_note: 'kept',
      id2label: { 0: 'LABEL_0', 1: 'LABEL_1' },
    })
    expect(config.with({ id2label: ['spam', 'ham'] })).toMatchObject({
      numLabels: 2,
      label2id: { spam: 0, ham: 1 },
    })
    expect(config.with({}).toJSON()).toEqual(file)
    expect(config.with({ label2id: { ham: 1, spam: 0 } }).id2label).toEqual(['spam', 'ham'])
    expect(() => config.with({ label2id: { ham: 1, spam: 2 } })).toThrow(/without a gap/)
    expect(() => config.with({ id2label: { 1: 'a', 2: 'b' } })).toThrow(/without a gap/)
    expect(() => config.with({ numLabels: 2, id2label: ['a', 'b', 'c'] })).toThrow(ConfigError)
  })
})

describe('files that older versions wrote', () => {
  const generation = {
    bad_words_ids: null,
    decoder_start_token_id: null,
    do_sample: false,
    early_stopping: false,
    eos_token_ids: null,
    is_decoder: false,
    length_penalty: 1,
    max_length: 20,
    min_length: 0,
    no_repeat_ngram_size: 0,
    num_beams: 1,
    num_return_sequences: 1,
    output_attentions: false,
    output_hidden_states: false,
    output_past: true,
    pruned_heads: {},
    repetition_penalty: 1,
    temperature: 1,
    top_k: 50,
    top_p: 1,
    torchscript: false,
    use_bfloat16: false,
    xla_device: null,
  }
  const labels = { id2label: { 0: 'LABEL_0' }, label2id: { LABEL_0: 0 }, _num_labels: 1, num_labels: 1 }

  it.each([
    [
      'distilled GPT-2',
      gpt2.schema,
      {
        activation_function: 'gelu_new',
        n_ctx: 1024,
        summary_activation: null,
        summary_first_dropout: 0.1,
        summary_proj_to_labels: true,
        summary_type: 'cls_index',
        summary_use_proj: true,
        task_specific_params: { 'text-generation': { do_sample: true, max_length: 50 } },
        ...labels,
      },
    ],
    [
      'multilingual BERT',
      bert.schema,
      {
        chunk_size_feed_forward: 2,
        directionality: 'bidi',
        finetuning_task: null,
        gradient_checkpointing: false,
        pooler_fc_size: 768,
        pooler_num_attention_heads: 12,
        pooler_num_fc_layers: 3,
        pooler_size_per_head: 128,
        pooler_type: 'first_token_transform',
        ...labels,
      },
    ],
    [
      'T5',
      t5.schema,
      { n_positions: 512, prefix: 'summarize: ', task_specific_params: { summarization: { num_beams: 4 } } },
    ],
  ])('of %s are read', (_, schema, json) => {
    expect(createConfig(schema as typeof bert.schema, { ...generation, ...json }).toJSON()).toMatchObject(
      json,
    )
  })
})

describe('what is not understood', () => {
  it.each([
    ['sliding_window', 128],
    ['rope_scaling', { type: 'linear', factor: 2 }],
    ['attn_logit_softcapping', 50],
    ['num_key_value_heads', 2],
    ['add_cross_attention', true],
    ['quantization_config', { bits: 4 }],
    ['pruned_heads', { 1: [0] }],
    ['position_embedding_type', 'relative_key'],
  ])('%s changes the maths and is refused by name', (key, value) => {
    expect(() => createConfig(bert.schema, { [key]: value })).toThrow(
      expect.objectContaining({ code: 'CONFIG', key }),
    )
  })

  it('is kept where it changes nothing or is switched off', () => {
    const json = {
      sliding_window: null,
      is_decoder: false,
      position_embedding_type: 'absolute',
      task_specific_params: { x: 1 },
      author: 'me',
      pruned_heads: {},
    }
    expect(createConfig(gpt2.schema, json).toJSON()).toMatchObject(json)
  })

  it.each([
    ['hidden_size', -1],
    ['hidden_size', '64'],
    ['hidden_dropout_prob', 'a'],
    ['num_hidden_layers', 1.5],
    ['num_hidden_layers', 1e9],
    ['num_labels', 1e9],
    ['hidden_size', 0],
    ['intermediate_size', 1e12],
    ['hidden_dropout_prob', 2],
    ['classifier_dropout', -1],
    ['layer_norm_eps', -1],
    ['id2label', 'abc'],
  ])('%s: %s is named', (key, value) => {
    expect(() => createConfig(bert.schema, { [key]: value })).toThrow(
      expect.objectContaining({ code: 'CONFIG', key }),
    )
  })

  it.each(['slidingWindow', 'rotaryDim', 'hiddenSizes'])('%s is refused in camelCase, too', (key) => {
    expect(() => createConfig(bert.schema, { [key]: 8 })).toThrow(expect.objectContaining({ key }))
  })

  it.each([
    { feed_forward_proj: 'gated-gelu-new' },
    { feed_forward_proj: 'gelu-gated' },
    { relative_attention_max_distance: 16 },
    { relative_attention_max_distance: 2 ** 31 - 1 },
    { relative_attention_num_buckets: 3 },
  ])('T5: %j cannot be', (json) => {
    const key = Object.keys(json).at(-1)
    expect(() => createConfig(t5.schema, json)).toThrow(expect.objectContaining({ code: 'CONFIG', key }))
  })

  it('T5 takes what transformers derives from feed_forward_proj', () => {
    const derived = { feed_forward_proj: 'gated-gelu', dense_act_fn: 'gelu_new', is_gated_act: true }
    expect(createConfig(t5.schema, derived).toJSON()).toMatchObject(derived)
  })

  it('null takes the default', () => {
    expect(createConfig(bert.schema, { layer_norm_eps: null }).layerNormEps).toBe(1e-12)
  })

  it('combinations that cannot be are named', () => {
    expect(() => createConfig(bert.schema, { hidden_size: 30, num_attention_heads: 4 })).toThrow(
      /multiple of num_attention_heads/,
    )
    expect(() => createConfig(gpt2.schema, { n_embd: 30, n_head: 4 })).toThrow(/multiple of n_head/)
    expect(() => createConfig(t5.schema, { feed_forward_proj: 'swish-gelu' })).toThrow(/feed_forward_proj/)
  })

  it.each([
    ['deberta', 'deberta-v2'],
    ['falcon', 'gpt2'],
    ['glm4_moe', 'deepseek_v3'],
    ['longt5', 't5'],
    ['lama', 'llama'],
  ])('model_type %s: the nearest supported is %s', async (modelType, nearest) => {
    await expect(AutoConfig.fromConfig({ model_type: modelType })).rejects.toMatchObject({
      code: 'CONFIG',
      modelType,
      nearest,
    })
  })

  it('no model_type at all is named', async () => {
    await expect(AutoConfig.fromConfig({})).rejects.toMatchObject({ code: 'CONFIG', key: 'model_type' })
  })
})
