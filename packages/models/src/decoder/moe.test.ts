import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compile, evaluate, gradients, type Tensor } from '@tiny/core'
import { afterAll, describe, expect, it } from 'vitest'
import {
  difference,
  goldenFolder,
  inputsOf,
  readGolden,
  relative,
  safetensorsBytes,
  type GoldenTensor,
} from '../../test/golden.js'
import { AutoConfig, AutoModelForCausalLM } from '../auto.js'
import { recordRouters } from '../blocks/router.js'
import { packInputs, type ModelInputs } from '../inputs/pack.js'
import { packTrainingBatch, trainingLoss } from '../training.js'

const families = ['mixtral', 'granitemoe', 'qwen3_moe', 'gpt_oss', 'deepseek_v2', 'deepseek_v3'] as const
/** Families whose files have a tensor for each expert, and what they call its matrices. */
const separate: Readonly<Record<string, readonly [gate: string, up: string, down: string]>> = {
  mixtral: ['w1', 'w3', 'w2'],
  qwen3_moe: ['gate_proj', 'up_proj', 'down_proj'],
  deepseek_v2: ['gate_proj', 'up_proj', 'down_proj'],
  deepseek_v3: ['gate_proj', 'up_proj', 'down_proj'],
}

type Tensors = Record<string, GoldenTensor>
type Config = Record<string, unknown>
const folderOf = (family: string) => goldenFolder(`decoder/${family}`)
const readConfig = (family: string) =>
  JSON.parse(readFileSync(`${folderOf(family)}/config.json`, 'utf8')) as Config
const tensorsOf = (folder: string): Tensors => readGolden(`${folder}/model.safetensors`)
const inputs = (family: string) =>
  inputsOf(readGolden(`${folderOf(family)}/expected.safetensors`)) as unknown as ModelInputs

const temporary = mkdtempSync(join(tmpdir(), 'tiny-moe-'))
afterAll(() => rmSync(temporary, { recursive: true }))
let folders = 0

/** A folder with this configuration and these tensors. */
function write(config: Config, tensors: Tensors): string {
  const folder = mkdtempSync(join(temporary, `${folders++}-`))
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
  writeFileSync(join(folder, 'model.safetensors'), safetensorsBytes(tensors))
  return folder
}

/** Matrices of one shape as a stack; each of several parts, so that gates and ups stand below one another. */
function stack(parts: readonly GoldenTensor[][]): GoldenTensor {
  const [rows, width] = parts[0]![0]!.shape as [number, number]
  const data = parts.flatMap((matrices) => matrices.flatMap(({ data: values }) => [...values]))
  return { shape: [parts.length, rows * parts[0]!.length, width], data: Float32Array.from(data) }
}

/** The tensors of a file under the names, and in the form, that the modules of transformers 5 have. */
function stacked(family: string, tensors: Readonly<Record<string, GoldenTensor>>): Tensors {
  const [gate, up, down] = separate[family]!
  const found: Tensors = {}
  for (const [name, value] of Object.entries(tensors)) {
    const own = name.replace('block_sparse_moe', 'mlp')
    const match = /^(.*\.experts)\.0\.(.*)\.weight$/.exec(name)
    if (match === null && !/\.experts\.\d+\./.test(name)) found[own] = value
    if (match?.[2] !== gate && match?.[2] !== down) continue
    const parts: GoldenTensor[][] = []
    for (let e = 0; tensors[`${match[1]}.${e}.${gate}.weight`] !== undefined; e++) {
      const names = match[2] === gate ? [gate, up] : [down]
      parts.push(names.map((part) => tensors[`${match[1]}.${e}.${part}.weight`]!))
    }
    const to = match[2] === gate ? 'gate_up_proj' : 'down_proj'
    found[`${match[1]!.replace('block_sparse_moe', 'mlp')}.${to}`] = stack(parts)
  }
  return found
}

describe.each(families)('%s', (family) => {
  it("has the experts' gradients that PyTorch has", async () => {
    const golden = readGolden(`${folderOf(family)}/expected.safetensors`)
    await using model = await AutoModelForCausalLM.fromPretrained(folderOf(family))
    const named = [...model.namedParameters()]
    using compiled = compile((batch: { batch: Record<string, Tensor> }) => {
      const { lossSum, count } = trainingLoss(model, batch)
      return [...gradients(lossSum.div(count), model.parameters())].map(([, gradient]) => gradient)
    })
    const results = await compiled(packTrainingBatch(model, inputs(family)) as never)
    const found = Object.fromEntries(
      named.map(([name], i) => [name, results[i] as unknown as GoldenTensor] as const),
    )
    const form = family in separate ? stacked(family, found) : found
    const wanted = Object.keys(golden).filter((key) => /^grad\..*experts/.test(key) && !/shared/.test(key))
    expect(wanted.length).toBeGreaterThan(0)
    for (const key of wanted) {
      const got = form[key.slice('grad.'.length)]!
      expect(got.shape).toEqual(golden[key]!.shape)
      expect(relative(got.data, golden[key]!.data)).toBeLessThan(1e-3)
    }
  })

  it('is saved as it was loaded', async () => {
    const folder = mkdtempSync(join(temporary, 'saved-'))
    await using model = await AutoModelForCausalLM.fromPretrained(folderOf(family))
    await model.savePretrained(folder)
    expect(tensorsOf(folder)).toEqual(tensorsOf(folderOf(family)))
  })

  it('writes the same tokens alone and in company', async () => {
    await using model = await AutoModelForCausalLM.fromPretrained(folderOf(family))
    const prompts = [[5, 17, 23, 4, 60], [7], [9, 9, 31, 80, 2, 14, 3], [41, 6]]
    const options = { maxNewTokens: 9, minNewTokens: 9, doSample: false } as const
    const together = await model.generate({ inputIds: prompts }, options)
    for (const [i, prompt] of prompts.entries()) {
      const alone = await model.generate({ inputIds: [prompt] }, options)
      expect(alone.sequences[0]).toEqual(together.sequences[i])
    }
  })
})

describe.each(Object.keys(separate))('%s with its experts in stacks', (family) => {
  it('computes the same, and is saved so', async () => {
    const tensors = stacked(family, tensorsOf(folderOf(family)))
    const folder = write(readConfig(family), tensors)
    await using each = await AutoModelForCausalLM.fromPretrained(folderOf(family))
    await using together = await AutoModelForCausalLM.fromPretrained(folder)
    expect(together.loadReport).toEqual({ drawn: [], absent: [], unread: [] })
    const [one, other] = [await each.run(inputs(family)), await together.run(inputs(family))]
    expect(difference(other.logits!.data, one.logits!.data)).toBeLessThan(1e-6)
    const saved = mkdtempSync(join(temporary, 'stacks-'))
    await together.savePretrained(saved)
    const found = tensorsOf(saved)
    const renamed = Object.entries(tensors).map(
      ([name, value]) =>
        [
          name.replace('.mlp.gate.', `.${family === 'mixtral' ? 'block_sparse_moe' : 'mlp'}.gate.`),
          value,
        ] as const,
    )
    expect(found).toEqual(Object.fromEntries(renamed))
  })
})

describe('balance', () => {
  it.each(['mixtral', 'granitemoe', 'qwen3_moe', 'gpt_oss'])(
    'joins the loss of %s where it is asked for',
    async (family) => {
      const config = { ...readConfig(family), output_router_logits: true, router_aux_loss_coef: 0.7 }
      const folder = write(config, tensorsOf(folderOf(family)))
      await using plain = await AutoModelForCausalLM.fromPretrained(folderOf(family))
      await using balanced = await AutoModelForCausalLM.fromPretrained(folder)
      const input = inputs(family) as { inputIds: number[][]; attentionMask: number[][] }
      const [without, withIt] = [await plain.run(input), await balanced.run(input)]
      expect(withIt.logits!.data).toEqual(without.logits!.data)

      // Of real tokens alone, whatever padding the loss looks at.
      const { inputIds, attentionMask } = input
      const { logits } = recordRouters(() =>
        plain.forward(packInputs({ inputIds, attentionMask }, plain.packSpec).batch),
      )
      await evaluate([...logits])
      let [experts, tokens] = [0, 0]
      const chosen: number[] = []
      const probabilities: number[] = []
      for (const layer of logits) {
        experts = layer.shape[1]!
        const data = await layer.data()
        for (let t = 0; t < layer.shape[0]!; t++, tokens++) {
          const row = Array.from({ length: experts }, (_, e) => Math.exp(Number(data[t * experts + e])))
          const total = row.reduce((sum, value) => sum + value)
          const best = row
            .map((_, e) => e)
            .sort((a, b) => row[b]! - row[a]!)
            .slice(0, 2)
          row.forEach((value, e) => {
            probabilities[e] = (probabilities[e] ?? 0) + value / total
            chosen[e] = (chosen[e] ?? 0) + (best.includes(e) ? 1 : 0)
          })
        }
      }
      expect(tokens).toBe(2 * attentionMask.flat().filter(Boolean).length)
      const auxiliary =
        chosen.reduce((sum, count, e) => sum + (count / tokens) * (probabilities[e]! / tokens), 0) * experts
      expect(withIt.loss! - without.loss!).toBeCloseTo(0.7 * auxiliary, 4)
    },
  )
})

describe('configurations', () => {
  const load = async (family: string, changes: Config, removed: string[] = []) => {
    const config = { ...readConfig(family), ...changes }
    for (const key of removed) delete config[key]
    return AutoModelForCausalLM.fromPretrained(write(config, tensorsOf(folderOf(family))))
  }
  const logitsOf = async (family: string, changes: Config, removed: string[] = []) => {
    await using model = await load(family, changes, removed)
    const { logits } = await model.run(inputs(family))
    return logits!.data
  }

  it('have older spellings', async () => {
    const older = { num_experts: 4, rope_theta: 10000, rope_scaling: null, torch_dtype: 'float32' }
    const removed = ['num_local_experts', 'rope_parameters', 'dtype']
    expect(await logitsOf('qwen3_moe', older, removed)).toEqual(await logitsOf('qwen3_moe', {}))
    const yarn = {
      factor: 40,
      beta_fast: 32,
      beta_slow: 1,
      mscale: 0.707,
      mscale_all_dim: 0.8,
      original_max_position_embeddings: 16,
    }
    for (const family of ['deepseek_v2', 'deepseek_v3']) {
      const newer = { rope_parameters: { rope_theta: 5000, rope_type: 'yarn', ...yarn } }
      const old = { rope_theta: 5000, rope_scaling: { type: 'yarn', ...yarn } }
      const stretched = await logitsOf(family, newer)
      expect(await logitsOf(family, old, ['rope_parameters'])).toEqual(stretched)
      const { mscale_all_dim: _, ...cool } = yarn
      const cooler = {
        rope_parameters: { rope_theta: 5000, rope_type: 'yarn', attention_factor: 1, ...cool },
      }
      expect(difference(await logitsOf(family, cooler), stretched)).toBeGreaterThan(1e-3)
    }
  })

  it('of gpt-oss stretch their positions where they say nothing', async () => {
    expect(await logitsOf('gpt_oss', {}, ['rope_parameters'])).toEqual(await logitsOf('gpt_oss', {}))
    const plain = { rope_parameters: { rope_theta: 150000, rope_type: 'default' } }
    expect(difference(await logitsOf('gpt_oss', plain), await logitsOf('gpt_oss', {}))).toBeGreaterThan(1e-4)
    const tight = await logitsOf('gpt_oss', { swiglu_limit: 0.01 })
    expect(difference(tight, await logitsOf('gpt_oss', {}))).toBeGreaterThan(1e-3)
  })

  it('change what is computed', async () => {
    const changes: [string, Config][] = [
      ['qwen3_moe', { norm_topk_prob: false }],
      ['qwen3_moe', { num_experts_per_tok: 3 }],
      ['qwen3_moe', { use_sliding_window: true, sliding_window: 3 }],
      ['mixtral', { sliding_window: 3 }],
      ['deepseek_v2', { topk_method: 'group_limited_greedy', n_group: 4, topk_group: 1 }],
      ['deepseek_v2', { routed_scaling_factor: 4 }],
      ['deepseek_v3', { topk_group: 1 }],
      ['deepseek_v3', { norm_topk_prob: false }],
      ['deepseek_v3', { rope_interleave: false }],
      ['granitemoe', { residual_multiplier: 1 }],
    ]
    for (const [family, change] of changes) {
      const off = difference(await logitsOf(family, change), await logitsOf(family, {}))
      expect({ family, change, moves: off > 1e-4 }).toEqual({ family, change, moves: true })
    }
  })

  it('that cannot be are refused by name', async () => {
    const wrong: [string, Config, RegExp][] = [
      ['mixtral', { num_experts_per_tok: 5 }, /num_experts_per_tok 5 is more than the 4 experts/],
      ['deepseek_v3', { n_group: 3 }, /n_group.*8 experts do not divide into 3/],
      ['deepseek_v3', { n_group: 8, topk_group: 8 }, /n_group.*at least two experts/],
      ['deepseek_v3', { topk_group: 5 }, /topk_group/],
      ['deepseek_v3', { scoring_func: 'softmax' }, /scoring_func/],
      ['deepseek_v2', { topk_method: 'noaux_tc' }, /topk_method/],
      ['deepseek_v2', { num_key_value_heads: 2 }, /num_key_value_heads/],
      ['deepseek_v2', { moe_layer_freq: 2 }, /moe_layer_freq/],
      ['gpt_oss', { quantization_config: { quant_method: 'mxfp4' } }, /quantization_config/],
      ['gpt_oss', { layer_types: ['full_attention'] }, /layer_types lists 1 layers/],
      ['qwen3_moe', { mlp_only_layers: 'all' }, /mlp_only_layers/],
    ]
    for (const [family, change, message] of wrong) {
      await expect(load(family, change)).rejects.toThrow(message)
    }
  })

  it('of Mixtral with jitter run, but are not trained', async () => {
    await using model = await load('mixtral', { router_jitter_noise: 0.1 })
    expect((await model.run(inputs('mixtral'))).logits!.data).toEqual(await logitsOf('mixtral', {}))
    const loss = compile((batch: never) => trainingLoss(model, batch, { training: true }).lossSum)
    const step = loss(packTrainingBatch(model, inputs('mixtral')) as never)
    await expect(step).rejects.toThrow(/router_jitter_noise/)
  })

  it('of DeepSeek leave out the layers that predict further tokens', async () => {
    const own = tensorsOf(folderOf('deepseek_v3'))
    const further = { 'model.layers.2.eh_proj.weight': { shape: [2, 2], data: new Float32Array(4) } }
    const folder = write(readConfig('deepseek_v3'), { ...own, ...further })
    await using model = await AutoModelForCausalLM.fromPretrained(folder)
    expect(model.loadReport.unread).toEqual([])
  })

  it('without experts in some layers, and Qwen2-MoE with a shared one', async () => {
    const base = {
      ...readConfig('qwen3_moe'),
      num_hidden_layers: 4,
      decoder_sparse_step: 2,
      mlp_only_layers: [3],
    } as Config
    await using sparse = await AutoModelForCausalLM.fromConfig(base)
    const names = [...sparse.namedParameters()].map(([name]) => name)
    const layersWith = (part: string) =>
      [...new Set(names.filter((name) => name.includes(part)).map((name) => name.split('.')[2]))].join()
    expect(layersWith('.mlp.experts.')).toBe('1')
    expect(layersWith('.mlp.gate_proj.')).toBe('0,2,3')

    const { head_dim: _, attention_bias: __, num_local_experts: ___, ...rest } = readConfig('qwen3_moe')
    const config = { ...rest, model_type: 'qwen2_moe', num_experts: 4, shared_expert_intermediate_size: 20 }
    await using shared = await AutoModelForCausalLM.fromConfig(config)
    expect(shared.className).toBe('Qwen2MoeForCausalLM')
    const own = [...shared.namedParameters()].map(([name]) => name.replace('model.layers.0.', ''))
    for (const name of [
      'self_attn.q_proj.bias',
      'mlp.gate.weight',
      'mlp.experts.3.up_proj.weight',
      'mlp.shared_expert.down_proj.weight',
      'mlp.shared_expert_gate.weight',
    ]) {
      expect(own).toContain(name)
    }
    expect(own).not.toContain('self_attn.o_proj.bias')
    const { sequences } = await shared.generate({ inputIds: [[5, 6, 7]] }, { maxNewTokens: 3 })
    expect(sequences[0]!.length).toBeGreaterThan(3)
  })

  it('are read without a model', async () => {
    const config = await AutoConfig.fromPretrained(folderOf('mixtral'))
    expect(config).toMatchObject({ numLocalExperts: 4, numExperts: 4, numExpertsPerTok: 2 })
  })
})
