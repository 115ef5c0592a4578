import { compile, gradients, type Tensor } from '@tiny/core'
import { describe, expect, it } from 'vitest'
import { decoderLogits } from '../../test/decoder-reference.js'
import { difference } from '../../test/golden.js'
import type { Tensors } from '../../test/reference.js'
import { shake } from '../../test/shake.js'
import { AutoModelForCausalLM } from '../auto.js'
import type { GenerativeModel } from '../generation/generative-model.js'
import { packTrainingBatch, trainingLoss } from '../training.js'

// Families and options that no golden case has, against a float64 reference. Sizes are odd and small.
const vocabulary = 29
const ids = Array.from({ length: 21 }, (_, i) => (i * i + 3 * i + 5) % vocabulary)
const small = {
  vocab_size: vocabulary,
  hidden_size: 24,
  intermediate_size: 19,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 64,
  pad_token_id: null,
  bos_token_id: null,
  eos_token_id: null,
}
const gpt = {
  vocab_size: vocabulary,
  n_positions: 40,
  n_embd: 24,
  n_layer: 2,
  n_head: 4,
  eos_token_id: null,
}
const { intermediate_size: _, num_key_value_heads: __, ...facebook } = { ...small, ffn_dim: 17 }
const ends = [3, 1.5, 1]

const variants: Readonly<Record<string, readonly object[]>> = {
  llama: [
    { ...small, attention_bias: true, mlp_bias: true, head_dim: 10, rms_norm_eps: 1e-2 },
    { ...small, num_key_value_heads: 1, hidden_act: 'gelu', tie_word_embeddings: true, rope_theta: 500 },
    { ...small, num_key_value_heads: null, rope_scaling: { type: 'linear', factor: 3 } },
    { ...small, max_position_embeddings: 9, rope_scaling: { rope_type: 'dynamic', factor: 2.5 } },
    {
      ...small,
      rope_parameters: {
        rope_type: 'yarn',
        factor: 4,
        original_max_position_embeddings: 16,
        rope_theta: 900,
      },
    },
  ],
  mistral: [
    { ...small, sliding_window: 3 },
    { ...small, sliding_window: null, head_dim: 8 },
    { ...small, sliding_window: 1 },
  ],
  ministral: [{ ...small, sliding_window: 5, layer_types: ['full_attention', 'sliding_attention'] }],
  qwen2: [
    { ...small, use_sliding_window: true, sliding_window: 4, max_window_layers: 1 },
    {
      ...small,
      use_sliding_window: false,
      sliding_window: 4,
      max_window_layers: 0,
      tie_word_embeddings: true,
    },
  ],
  qwen3: [
    { ...small, head_dim: 10, attention_bias: true },
    {
      ...small,
      head_dim: 6,
      use_sliding_window: true,
      sliding_window: 2,
      layer_types: ['sliding_attention', 'full_attention'],
    },
  ],
  granite: [
    {
      ...small,
      embedding_multiplier: 3,
      logits_scaling: 5,
      residual_multiplier: 0.4,
      attention_multiplier: 0.3,
    },
    { ...small, attention_bias: true, mlp_bias: true },
  ],
  smollm3: [
    { ...small, num_hidden_layers: 5 },
    { ...small, no_rope_layers: [0, 1], use_sliding_window: true, sliding_window: 4 },
    { ...small, num_hidden_layers: 3, no_rope_layer_interval: 2, tie_word_embeddings: false },
  ],
  gemma: [{ ...small, head_dim: 10, num_key_value_heads: 1 }],
  gemma2: [
    { ...small, num_hidden_layers: 3, head_dim: 8, sliding_window: 4, query_pre_attn_scalar: 20 },
    { ...small, head_dim: 6, attn_logit_softcapping: 2, final_logit_softcapping: 1.5, sliding_window: 64 },
  ],
  gemma3_text: [
    { ...small, num_hidden_layers: 4, head_dim: 8, sliding_window: 4, sliding_window_pattern: 3 },
    {
      ...small,
      head_dim: 8,
      sliding_window_pattern: 2,
      sliding_window: 5,
      rope_theta: 5000,
      rope_local_base_freq: 70,
      rope_scaling: { rope_type: 'linear', factor: 8 },
      final_logit_softcapping: 2,
    },
    {
      ...small,
      head_dim: 8,
      sliding_window: 5,
      sliding_window_pattern: 2,
      use_bidirectional_attention: true,
    },
  ],
  phi3: [
    { ...small, sliding_window: 5 },
    {
      ...small,
      original_max_position_embeddings: 8,
      rope_scaling: { type: 'su', short_factor: [1, 1.1, 1.2], long_factor: ends },
    },
    {
      ...small,
      original_max_position_embeddings: 32,
      partial_rotary_factor: 0.67,
      rope_scaling: { type: 'longrope', short_factor: [1.5, 2], long_factor: [5, 6] },
    },
  ],
  olmo2: [
    { ...small, attention_bias: true },
    { ...small, num_key_value_heads: null, rope_theta: 300 },
  ],
  starcoder2: [
    { ...small, sliding_window: 4 },
    { ...small, use_bias: false, tie_word_embeddings: false, norm_epsilon: 1e-2, hidden_act: 'relu' },
  ],
  stablelm: [
    { ...small, hidden_size: 32, use_qkv_bias: true },
    { ...small, partial_rotary_factor: 0.67, use_parallel_residual: true, qk_layernorm: true },
  ],
  cohere: [
    { ...small, logit_scale: 0.3, rope_theta: 200 },
    { ...small, use_qk_norm: true, attention_bias: true, rope_parameters: { rope_theta: 50 } },
  ],
  gpt_neox: [
    { ...small, use_parallel_residual: false, rotary_pct: 0.67, rotary_emb_base: 100 },
    { ...small, attention_bias: false, rotary_pct: 1, tie_word_embeddings: true },
  ],
  gptj: [
    { ...gpt, rotary_dim: 4 },
    { ...gpt, rotary_dim: 6, n_inner: 13, activation_function: 'relu', tie_word_embeddings: true },
  ],
  'openai-gpt': [gpt, { ...gpt, afn: 'relu', layer_norm_epsilon: 1e-2 }],
  opt: [
    facebook,
    { ...facebook, do_layer_norm_before: false, word_embed_proj_dim: 10 },
    {
      ...facebook,
      enable_bias: false,
      layer_norm_elementwise_affine: false,
      activation_function: 'gelu',
    },
    { ...facebook, _remove_final_layer_norm: true },
  ],
}
const cases = Object.entries(variants).flatMap(([model_type, all]) =>
  all.map((changes) => ({ model_type, ...changes }) as Record<string, unknown>),
)
const titled = cases.map((config) => {
  const common = Object.entries({ ...small, ...gpt })
  const own = Object.entries(config).filter(
    ([key, value]) => !common.some(([k, v]) => k === key && v === value),
  )
  return [JSON.stringify(Object.fromEntries(own)), config] as const
})

const usual = (model_type: string) => cases.find((config) => config['model_type'] === model_type)!

describe('logits', () => {
  it.each(titled)('%s', async (_, config) => {
    await using model = await AutoModelForCausalLM.fromConfig(config)
    const tensors = shake(model)
    const { logits } = await model.run({ inputIds: [ids] })
    const want = decoderLogits(tensors, config, ids).flatMap((row) => [...row])
    expect(difference(logits!.data, want)).toBeLessThan(1e-4)
  })
})

/** Greedy tokens by running the whole text anew for each of them. */
async function slowly(model: GenerativeModel, prompt: readonly number[], count: number): Promise<number[]> {
  const row = [...prompt]
  for (let i = 0; i < count; i++) {
    const { data } = (await model.run({ inputIds: [row] }, { outputLogits: 'last' })).logits!
    row.push(data.indexOf(Math.max(...data)))
  }
  return row
}

describe('generation', () => {
  // Dynamic frequencies are those of the length at which a key was made.
  const steady = titled.filter(([title]) => !/dynamic|bidirectional/.test(title))
  it.each(steady)('by the cache gives the tokens of the whole text: %s', async (_, config) => {
    await using model = await AutoModelForCausalLM.fromConfig(config)
    shake(model)
    const prompts = [ids.slice(0, 3), ids.slice(2, 11)]
    const { sequences } = await model.generate({ inputIds: prompts }, { maxNewTokens: 9 })
    for (const [row, prompt] of prompts.entries())
      expect(sequences[row]).toEqual(await slowly(model, prompt, 9))
  })
})

it.each(['mistral', 'gemma2', 'gemma3_text'])(
  'windows of %s reach over blocks of the cache',
  async (modelType) => {
    const config = { ...usual(modelType), sliding_window: 70, max_position_embeddings: 200 }
    await using model = await AutoModelForCausalLM.fromConfig(config)
    shake(model)
    const prompts = [90, 126].map((length) =>
      Array.from({ length }, (_, i) => (i * i + 3 * i + (i % 5)) % vocabulary),
    )
    const { sequences } = await model.generate({ inputIds: prompts }, { maxNewTokens: 6 })
    for (const [row, prompt] of prompts.entries())
      expect(sequences[row]).toEqual(await slowly(model, prompt, 6))
  },
)

describe('gradients', () => {
  /** Mean cross-entropy of each token's successor, in float64. */
  function lossOf(tensors: Tensors, config: Record<string, unknown>, row: readonly number[]): number {
    const logits = decoderLogits(tensors, config, row)
    const losses = row.slice(1).map((next, t) => {
      const most = Math.max(...logits[t]!)
      return most + Math.log(logits[t]!.reduce((sum, v) => sum + Math.exp(v - most), 0)) - logits[t]![next]!
    })
    return losses.reduce((a, b) => a + b, 0) / losses.length
  }

  it.each(['gptj', 'opt', 'ministral', 'olmo2', 'starcoder2', 'stablelm', 'cohere'])(
    'of every parameter of %s are differences of the loss',
    async (modelType) => {
      const config = cases.filter((one) => one['model_type'] === modelType).at(-1)!
      const row = ids.slice(0, 9)
      await using model = await AutoModelForCausalLM.fromConfig(config)
      const tensors = shake(model)
      const names = [...model.namedParameters()].map(([name]) => name)
      using compiled = compile((batch: { batch: Record<string, Tensor> }) => {
        const { lossSum, count } = trainingLoss(model, batch)
        return [...gradients(lossSum.div(count), model.parameters())].map(([, gradient]) => gradient)
      })
      const inputs = { inputIds: [row], labels: [row] }
      const found = await compiled(packTrainingBatch(model, inputs) as never)
      const short: string[] = []
      names.forEach((name, n) => {
        const { shape, data } = tensors.get(name)!
        const direction = Array.from(data, (_, i) => ((i * i * 31 + i * 7) % 11 < 5 ? 1 : -1))
        const along = (step: number) =>
          lossOf(
            new Map([
              ...tensors,
              [name, { shape, data: Array.from(data, (v, i) => v + step * direction[i]!) }],
            ]),
            config,
            row,
          )
        const want = (along(1e-5) - along(-1e-5)) / 2e-5
        const gradient = found[n]!.data as Float32Array
        const got = gradient.reduce((sum, v, i) => sum + v * direction[i]!, 0)
        const scale = Math.hypot(...gradient) * Math.sqrt(gradient.length)
        if (!(Math.abs(got - want) <= 1e-4 * scale + 1e-6)) short.push(`${name}: ${got}, not ${want}`)
      })
      expect(short).toEqual([])
    },
  )
})

it('rotates new tokens by the length of their time where frequencies are dynamic, and leaves the cache', async () => {
  const config = cases.find((one) => JSON.stringify(one).includes('dynamic'))!
  await using model = await AutoModelForCausalLM.fromConfig(config)
  const tensors = shake(model)
  const prompt = ids.slice(0, 5)
  const row = [...prompt]
  for (let i = 0; i < 12; i++) {
    const last = decoderLogits(tensors, config, row, prompt.length).at(-1)!
    row.push(last.indexOf(Math.max(...last)))
  }
  const { sequences } = await model.generate({ inputIds: [prompt] }, { maxNewTokens: 12 })
  expect(sequences[0]).toEqual(row)
  expect(sequences[0]).not.toEqual(await slowly(model, prompt, 12))
})

it('counts real tokens as positions of OPT, whatever the padding', async () => {
  await using model = await AutoModelForCausalLM.fromConfig(usual('opt'))
  shake(model)
  const alone = (await model.run({ inputIds: [ids] })).logits!.data
  const padding = [1, 1, 1]
  const inputs = { inputIds: [[...padding, ...ids]], attentionMask: [[0, 0, 0, ...ids.map(() => 1)]] }
  const padded = (await model.run(inputs)).logits!.data
  expect(padded.slice(padding.length * vocabulary)).toEqual(alone)
})

it('takes the frequencies of GPT-NeoX from its own keys and rope_parameters alone, as transformers does', async () => {
  const config = usual('gpt_neox')
  const others = { ...config, rope_theta: 333, partial_rotary_factor: 0.34 }
  const [own, same] = await Promise.all(
    [config, others].map(async (json) => {
      await using model = await AutoModelForCausalLM.fromConfig(json, { seed: 3 })
      return (await model.run({ inputIds: [ids] })).logits!.data
    }),
  )
  expect(same).toEqual(own)
})

it.each(['llama', 'gemma2', 'cohere', 'gpt_neox'])(
  '%s computes with weights of 16 bits',
  async (modelType) => {
    const config = usual(modelType)
    await using exact = await AutoModelForCausalLM.fromConfig(config)
    const want = (await exact.run({ inputIds: [ids] })).logits!.data
    for (const dtype of ['bfloat16', 'float16'] as const) {
      await using model = await AutoModelForCausalLM.fromConfig(config, { dtype, precision: 'float32' })
      const { logits } = await model.run({ inputIds: [ids] })
      expect(difference(logits!.data, want)).toBeLessThan(dtype === 'float16' ? 3e-3 : 2e-2)
    }
  },
)

it('padding of -1 is the last row, which no lookup trains', async () => {
  const config = { ...usual('qwen2'), pad_token_id: -1 }
  await using model = await AutoModelForCausalLM.fromConfig(config)
  const table = [...model.namedParameters()].find(([name]) => name === 'model.embed_tokens.weight')![1]
  const last = (await table.data()).slice(-small.hidden_size)
  expect([...last].every((value) => value === 0)).toBe(true)
})

it('tokens that see what follows them do not generate', async () => {
  await using model = await AutoModelForCausalLM.fromConfig({ ...usual('qwen2'), is_causal: false })
  await expect(model.generate({ inputIds: [ids] }, { maxNewTokens: 1 })).rejects.toThrow(
    /see what follows them does not generate/,
  )
})

describe('configurations', () => {
  it.each([
    ['llama', { num_key_value_heads: 3 }, /num_attention_heads 4 is not a multiple of num_key_value_heads 3/],
    [
      'llama',
      { rope_scaling: { type: 'mrope', factor: 2 } },
      /rope_scaling\.rope_type: there is no type 'mrope'/,
    ],
    ['llama', { sliding_window: 4 }, /llama does not know the key sliding_window/],
    ['ministral', { layer_types: ['full_attention'] }, /layer_types lists 1 layers, num_hidden_layers is 2/],
    [
      'qwen2',
      { layer_types: ['chunked_attention', 'full_attention'] },
      /layer_types: there is no 'chunked_attention'/,
    ],
    ['smollm3', { no_rope_layers: [1], num_hidden_layers: 2 }, /no_rope_layers lists 1 layers/],
    ['opt', { layerdrop: 0.1 }, /layerdrop 0\.1/],
    [
      'qwen2',
      { use_sliding_window: false, layer_types: ['full_attention', 'sliding_attention'] },
      /no window/,
    ],
    ['opt', { is_causal: false }, /is_causal: false/],
    ['gpt2', { model_type: 'gpt2', is_causal: false }, /is_causal: false/],
    ['deepseek_v3', { model_type: 'deepseek_v3', is_causal: false }, /is_causal: false/],
    ['stablelm', { hidden_size: 26 }, /hidden_size 26 is not a multiple of/],
    ['stablelm', { head_dim: 10 }, /head_dim 10 is not hidden_size/],
    ['qwen2', { hidden_size: 3 }, /hidden_size 3 has no column for each of num_attention_heads 4/],
    ['gptj', { rotary_dim: 5 }, /rotary_dim 5/],
  ])('of %s with %j are refused', async (modelType, changes, message) => {
    const config = { ...usual(modelType), ...changes }
    await expect(AutoModelForCausalLM.fromConfig(config)).rejects.toThrow(message)
  })
})
