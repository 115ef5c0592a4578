import { compile, gradients, type Tensor } from '@tiny/core'
import { describe, expect, it } from 'vitest'
import { difference } from '../../test/golden.js'
import { hybridForward } from '../../test/mamba-reference.js'
import { shake } from '../../test/shake.js'
import { AutoModelForCausalLM } from '../auto.js'
import type { GenerativeModel } from '../generation/generative-model.js'
import { packTrainingBatch, trainingLoss } from '../training.js'

const vocabulary = 31
const small = {
  model_type: 'granitemoehybrid',
  vocab_size: vocabulary,
  hidden_size: 16,
  intermediate_size: 10,
  shared_intermediate_size: 14,
  num_hidden_layers: 3,
  layer_types: ['mamba', 'attention', 'mamba'],
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 64,
  num_local_experts: 0,
  mamba_n_heads: 4,
  mamba_d_state: 5,
  mamba_d_head: 8,
  mamba_chunk_size: 4,
  pad_token_id: null,
  bos_token_id: null,
  eos_token_id: null,
}
const changes = [
  {},
  {
    embedding_multiplier: 3,
    logits_scaling: 5,
    residual_multiplier: 0.4,
    attention_multiplier: 0.3,
    position_embedding_type: 'rope',
    rope_parameters: { rope_type: 'default', rope_theta: 500 },
    attention_bias: true,
  },
  { num_local_experts: 3, num_experts_per_tok: 2, mamba_n_groups: 2, position_embedding_type: 'nope' },
  { mamba_proj_bias: true, mamba_conv_bias: false, mamba_d_conv: 2, mamba_d_head: 'auto', mamba_n_heads: 2 },
  { mamba_expand: 3, mamba_n_heads: 2, mamba_d_head: 24, mamba_d_state: 21, hidden_act: 'gelu' },
  { time_step_limit: [0.3, 0.9], mamba_d_conv: 1, tie_word_embeddings: true },
  { time_step_limit: [0.5, { __float__: 'Infinity' }], layer_types: ['mamba', 'mamba', 'mamba'] },
]
const cases = changes.map(
  (own) => [JSON.stringify(own), { ...small, ...own } as Record<string, unknown>] as const,
)
const row = (length: number, first: number) =>
  Array.from({ length }, (_, i) => (first * (i + 2) + i * i) % vocabulary)
const ids = row(21, 5)

/** As the reference reads it. */
const plain = (config: Record<string, unknown>): Record<string, unknown> =>
  JSON.stringify(config).includes('__float__') ? { ...config, time_step_limit: [0.5, Infinity] } : config

describe('results', () => {
  it.each(cases)('of %s', async (_, config) => {
    await using model = await AutoModelForCausalLM.fromConfig(config)
    const tensors = shake(model)
    const want = hybridForward(tensors, plain(config), ids)
    const { logits, hiddenStates } = await model.run({ inputIds: [ids] }, { outputHiddenStates: true })
    const flat = (rows: readonly Float64Array[]) => rows.flatMap((values) => [...values])
    expect(difference(logits!.data, flat(want.logits))).toBeLessThan(1e-4)
    expect(hiddenStates).toHaveLength(want.states.length)
    want.states.forEach((state, i) =>
      expect(difference(hiddenStates![i]!.data, flat(state))).toBeLessThan(1e-4),
    )
  })

  it('of a row are the same bits alone, in company and beside padding', async () => {
    await using model = await AutoModelForCausalLM.fromConfig(cases[1]![1])
    shake(model)
    const rows = [ids, row(1, 3), row(70, 7), row(5, 11)]
    const together = (await model.run({ inputIds: rows })).logits!
    const longest = 70 * vocabulary
    for (const [r, one] of rows.entries()) {
      const alone = (await model.run({ inputIds: [one] })).logits!.data
      const found = together.data.slice(r * longest, r * longest + one.length * vocabulary)
      expect(found).toEqual(alone)
    }
    const inputIds = [[9, 9, 9, ...row(5, 11)], row(8, 7)]
    const attentionMask = [[0, 0, 0, 1, 1, 1, 1, 1], row(8, 7).map(() => 1)]
    const padded = (await model.run({ inputIds, attentionMask })).logits!.data
    const free = (await model.run({ inputIds: [row(5, 11)] })).logits!.data
    expect(difference(padded.slice(3 * vocabulary, 8 * vocabulary), free)).toBeLessThan(1e-5)
  })

  it('at padding on the left, where a loss needs them, leave the real tokens as they are', async () => {
    await using model = await AutoModelForCausalLM.fromConfig({
      ...small,
      layer_types: Array(3).fill('mamba'),
    })
    shake(model)
    const real = row(5, 11)
    const labels = [[9, 9, 9, ...real], row(8, 7)]
    const attentionMask = [[0, 0, 0, 1, 1, 1, 1, 1], row(8, 7).map(() => 1)]
    const padded = (await model.run({ inputIds: labels, attentionMask, labels })).logits!.data
    const free = (await model.run({ inputIds: [real] })).logits!.data
    expect(padded.slice(3 * vocabulary, 8 * vocabulary)).toEqual(free)
  })
})

describe('generation', () => {
  /** Greedy tokens by running the whole text anew for each of them. */
  async function slowly(model: GenerativeModel, prompt: readonly number[], count: number): Promise<number[]> {
    const text = [...prompt]
    for (let i = 0; i < count; i++) {
      const { data } = (await model.run({ inputIds: [text] }, { outputLogits: 'last' })).logits!
      text.push(data.indexOf(Math.max(...data)))
    }
    return text
  }

  it.each(cases)('by states and cache gives the tokens of the whole text: %s', async (_, config) => {
    await using model = await AutoModelForCausalLM.fromConfig(config)
    shake(model)
    const prompts = [row(2, 3), row(40, 2), row(1, 4)]
    const { sequences } = await model.generate({ inputIds: prompts }, { maxNewTokens: 11 })
    for (const [r, prompt] of prompts.entries()) expect(sequences[r]).toEqual(await slowly(model, prompt, 11))
  })

  it('goes on as the cache grows and rows end', async () => {
    await using model = await AutoModelForCausalLM.fromConfig(cases[0]![1])
    shake(model)
    const prompts = [row(60, 3), row(7, 2), row(130, 4)]
    const { sequences: whole } = await model.generate({ inputIds: prompts }, { maxNewTokens: 300 })
    const eosTokenId = whole[1]![7 + 20]!
    const { sequences } = await model.generate({ inputIds: prompts }, { maxNewTokens: 300, eosTokenId })
    for (const [r, prompt] of prompts.entries()) {
      const end = whole[r]!.indexOf(eosTokenId, prompt.length)
      expect(sequences[r]).toEqual(end < 0 ? whole[r] : whole[r]!.slice(0, end + 1))
      const alone = await model.generate({ inputIds: [prompt] }, { maxNewTokens: 300, eosTokenId })
      expect(alone.sequences[0]).toEqual(sequences[r])
    }
  })

  it('ignores padding on the left', async () => {
    await using model = await AutoModelForCausalLM.fromConfig(cases[1]![1])
    shake(model)
    const inputIds = [[9, 9, ...row(5, 11)], row(7, 7)]
    const attentionMask = [[0, 0, 1, 1, 1, 1, 1], row(7, 7).map(() => 1)]
    const { sequences } = await model.generate({ inputIds, attentionMask }, { maxNewTokens: 8 })
    const alone = await model.generate({ inputIds: [row(5, 11)] }, { maxNewTokens: 8 })
    expect(sequences[0]!.slice(2)).toEqual(alone.sequences[0])
  })
})

describe('gradients', () => {
  /** Mean cross-entropy of each token's successor, in float64. */
  function lossOf(
    tensors: Parameters<typeof hybridForward>[0],
    config: Record<string, unknown>,
    text: number[],
  ) {
    const { logits } = hybridForward(tensors, plain(config), text)
    const losses = text.slice(1).map((next, t) => {
      const most = Math.max(...logits[t]!)
      return most + Math.log(logits[t]!.reduce((sum, v) => sum + Math.exp(v - most), 0)) - logits[t]![next]!
    })
    return losses.reduce((a, b) => a + b, 0) / losses.length
  }

  it.each(cases.slice(0, 6))('of every parameter are differences of the loss: %s', async (_, config) => {
    const text = ids.slice(0, 9)
    await using model = await AutoModelForCausalLM.fromConfig(config)
    const tensors = shake(model)
    const names = [...model.namedParameters()].map(([name]) => name)
    using compiled = compile((batch: { batch: Record<string, Tensor> }) => {
      const { lossSum, count } = trainingLoss(model, batch)
      return [...gradients(lossSum.div(count), model.parameters())].map(([, gradient]) => gradient)
    })
    const found = await compiled(packTrainingBatch(model, { inputIds: [text], labels: [text] }) as never)
    const short: string[] = []
    names.forEach((name, n) => {
      const { shape, data } = tensors.get(name)!
      const direction = Array.from(data, (_, i) => ((i * i * 31 + i * 7) % 11 < 5 ? 1 : -1))
      const moved = (step: number) => Array.from(data, (v, i) => v + step * direction[i]!)
      const along = (step: number) =>
        lossOf(new Map([...tensors, [name, { shape, data: moved(step) }]]), config, text)
      const want = (along(1e-5) - along(-1e-5)) / 2e-5
      const gradient = found[n]!.data as Float32Array
      const got = gradient.reduce((sum, v, i) => sum + v * direction[i]!, 0)
      const scale = Math.hypot(...gradient) * Math.sqrt(gradient.length)
      if (!(Math.abs(got - want) <= 1e-4 * scale + 1e-6)) short.push(`${name}: ${got}, not ${want}`)
    })
    expect(short).toEqual([])
  })
})

describe('a configuration', () => {
  const refused: [object, string][] = [
    [{ layer_types: ['mamba', 'attention'] }, 'layer_types'],
    [{ layer_types: ['mamba', 'attention', 'conv'] }, 'layer_types'],
    [{ mamba_d_head: 7 }, 'mamba_d_head'],
    [{ mamba_n_groups: 3 }, 'mamba_n_groups'],
    [{ time_step_limit: [1, 0.5] }, 'time_step_limit'],
    [{ position_embedding_type: 'alibi' }, 'position_embedding_type'],
    [{ num_local_experts: 1, num_experts_per_tok: 2 }, 'num_experts_per_tok'],
    [{ mamba_gate_norm: true }, 'mamba_gate_norm'],
  ]
  it.each(refused)('with %o is refused by the name of the key', async (own, key) => {
    await expect(AutoModelForCausalLM.fromConfig({ ...small, ...own })).rejects.toMatchObject({
      name: 'ConfigError',
      facts: { key },
    })
  })
})
