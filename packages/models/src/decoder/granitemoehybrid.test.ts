import { compile, gradients, type Tensor } from '@tiny/core'
import { describe, expect, it } from 'vitest'
import { emptyFolder, tensorsOf } from '../../test/experts.js'
import { difference } from '../../test/golden.js'
import { hybridForward } from '../../test/mamba-reference.js'
import { shake } from '../../test/shake.js'
import { AutoModelForCausalLM } from '../auto.js'
import { withRecomputation } from '../blocks/recompute.js'
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
  { layer_types: Array(3).fill('attention'), num_experts_per_tok: 0, mamba_n_heads: 128, mamba_d_head: 64 },
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

it('computes layers again for the same gradients', async () => {
  await using model = await AutoModelForCausalLM.fromConfig(cases[2]![1])
  shake(model)
  const step = (again: boolean) =>
    compile((batch: { batch: Record<string, Tensor> }) => {
      const { result } = again
        ? withRecomputation(() => trainingLoss(model, batch))
        : { result: trainingLoss(model, batch) }
      return [...gradients(result.lossSum.div(result.count), model.parameters())].map(
        ([, gradient]) => gradient,
      )
    })
  const inputs = { inputIds: [ids, row(40, 3)], labels: [ids, row(40, 3)] }
  using plainly = step(false)
  using again = step(true)
  const [kept, computed] = [
    await plainly(packTrainingBatch(model, inputs) as never),
    await again(packTrainingBatch(model, inputs) as never),
  ]
  kept.forEach((gradient, i) => expect(computed[i]!.data).toEqual(gradient.data))
})

describe('a file', () => {
  const config = { ...small, num_local_experts: 3, time_step_limit: [0.1, { __float__: 'Infinity' }] }

  it('has the names and the limits that transformers writes', async () => {
    await using model = await AutoModelForCausalLM.fromConfig(config)
    shake(model)
    const folder = emptyFolder()
    await model.savePretrained(folder)
    const stored = tensorsOf(folder)
    const mamba = ['A_log', 'D', 'conv1d.bias', 'conv1d.weight', 'dt_bias', 'in_proj.weight', 'norm.weight']
    const [first, second] = [0, 1].map((layer) =>
      Object.keys(stored)
        .filter((name) => name.startsWith(`model.layers.${layer}.`))
        .map((name) => name.slice('model.layers.0.'.length))
        .sort(),
    )
    const common = [
      'block_sparse_moe.input_linear.weight',
      'block_sparse_moe.output_linear.weight',
      'block_sparse_moe.router.layer.weight',
      'input_layernorm.weight',
      'post_attention_layernorm.weight',
      'shared_mlp.input_linear.weight',
      'shared_mlp.output_linear.weight',
    ]
    expect(first).toEqual([...common, ...[...mamba, 'out_proj.weight'].map((name) => `mamba.${name}`)].sort())
    expect(second).toEqual(
      [...common, ...['q', 'k', 'v', 'o'].map((name) => `self_attn.${name}_proj.weight`)].sort(),
    )
    expect(stored['model.layers.0.mamba.conv1d.weight']!.shape).toEqual([42, 1, 4])

    await using again = await AutoModelForCausalLM.fromPretrained(folder)
    expect(again.loadReport).toEqual({ drawn: [], absent: [], unread: [] })
    expect(again.className).toBe('GraniteMoeHybridForCausalLM')
    expect(again.config.toJSON()).toMatchObject({ time_step_limit: config.time_step_limit })
    const [one, other] = [await model.run({ inputIds: [ids] }), await again.run({ inputIds: [ids] })]
    expect(other.logits!.data).toEqual(one.logits!.data)
  })

  it('draws rates as Mamba does, and computes with weights of 16 bits', async () => {
    await using exact = await AutoModelForCausalLM.fromConfig(small)
    const rates = [...exact.namedParameters()].find(([name]) => name.endsWith('A_log'))![1]
    expect(await rates.data()).toEqual(Float32Array.from([0, Math.log(2), Math.log(3), Math.log(4)]))
    const want = (await exact.run({ inputIds: [ids] })).logits!.data
    await using model = await AutoModelForCausalLM.fromConfig(small, {
      dtype: 'bfloat16',
      precision: 'float32',
    })
    expect(difference((await model.run({ inputIds: [ids] })).logits!.data, want)).toBeLessThan(2e-2)
    const { sequences } = await model.generate({ inputIds: [[3, 4]] }, { maxNewTokens: 4 })
    expect(sequences[0]).toHaveLength(6)
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
    [{ num_local_experts: 1, num_experts_per_tok: 0 }, 'num_experts_per_tok'],
    [{ mamba_gate_norm: true }, 'mamba_gate_norm'],
  ]
  it.each(refused)('with %o is refused by the name of the key', async (own, key) => {
    await expect(AutoModelForCausalLM.fromConfig({ ...small, ...own })).rejects.toMatchObject({
      name: 'ConfigError',
      facts: { key },
    })
  })
})
