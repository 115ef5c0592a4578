import { compile } from '@tiny/core'
import { describe, expect, it } from 'vitest'
import {
  families,
  folderOf,
  inputs,
  readConfig,
  tensorsOf,
  write,
  type Config,
  type Tensors,
} from '../../test/experts.js'
import { difference, readGolden, type GoldenTensor } from '../../test/golden.js'
import { AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification } from '../auto.js'
import { packTrainingBatch, trainingLoss } from '../training.js'

describe('Qwen2-MoE', () => {
  it('is Mixtral where what they share gives nothing', async () => {
    const tensors: Tensors = {}
    for (const [name, value] of Object.entries(tensorsOf(folderOf('mixtral')))) {
      const own = name
        .replace('block_sparse_moe', 'mlp')
        .replace('.w1.', '.gate_proj.')
        .replace('.w3.', '.up_proj.')
        .replace('.w2.', '.down_proj.')
      tensors[own] = value
    }
    const filled = (shape: number[], by: number): GoldenTensor => ({
      shape,
      data: new Float32Array(shape[0]! * shape[1]!).fill(by),
    })
    for (const layer of [0, 1]) {
      const mlp = `model.layers.${layer}.mlp`
      tensors[`${mlp}.shared_expert_gate.weight`] = filled([1, 32], 0.3)
      tensors[`${mlp}.shared_expert.gate_proj.weight`] = filled([20, 32], 0.1)
      tensors[`${mlp}.shared_expert.up_proj.weight`] = filled([20, 32], 0.1)
      tensors[`${mlp}.shared_expert.down_proj.weight`] = filled([32, 20], 0)
    }
    const { head_dim: _, num_local_experts: __, router_jitter_noise: ___, ...rest } = readConfig('mixtral')
    const config = {
      ...rest,
      model_type: 'qwen2_moe',
      num_experts: 4,
      moe_intermediate_size: 64,
      shared_expert_intermediate_size: 20,
      norm_topk_prob: true,
      qkv_bias: false,
    }
    const logitsOf = async (changes: Config) => {
      const folder = write({ ...config, ...changes }, tensors)
      await using model = await AutoModelForCausalLM.fromPretrained(folder)
      return (await model.run(inputs('mixtral'))).logits!.data
    }
    const { logits } = readGolden(`${folderOf('mixtral')}/expected.safetensors`)
    const mask = (inputs('mixtral') as unknown as { attentionMask: number[][] }).attentionMask.flat()
    const real = (i: number) => mask[Math.floor(i / 96)] === 1
    expect(difference(await logitsOf({}), logits!.data, real)).toBeLessThan(1e-4)
    const sliding = { use_sliding_window: true, sliding_window: 3, max_window_layers: 2 }
    expect(difference(await logitsOf(sliding), logits!.data, real)).toBeGreaterThan(1e-3)
    const never = { ...sliding, max_window_layers: 0 }
    expect(difference(await logitsOf(never), logits!.data, real)).toBeLessThan(1e-4)
  })
})

describe('other dtypes and heads', () => {
  it.each(families)('of %s', async (family) => {
    const folder = folderOf(family)
    await using exact = await AutoModelForCausalLM.fromPretrained(folder)
    const want = (await exact.run(inputs(family))).logits!.data
    for (const [dtype, bar] of [
      ['float16', 0.02],
      ['bfloat16', 0.2],
    ] as const) {
      await using half = await AutoModelForCausalLM.fromPretrained(folder, { dtype })
      const found = (await half.run(inputs(family))).logits!.data
      const squares = found.reduce((sum, x, i) => sum + (x - want[i]!) ** 2, 0)
      expect(Math.sqrt(squares / want.reduce((sum, x) => sum + x ** 2, 0))).toBeLessThan(bar)
    }
    if (family.startsWith('granite')) return // has no other head
    await using classifier = await AutoModelForSequenceClassification.fromPretrained(folder, { numLabels: 3 })
    expect(classifier.loadReport.drawn).toEqual(['score.weight'])
    expect(
      (
        await classifier.run({
          inputIds: [
            [5, 6],
            [7, 8],
          ],
        })
      ).logits!.shape,
    ).toEqual([2, 3])
  })
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
      expect(await logitsOf(family, { ...newer, rope_scaling: {} })).toEqual(stretched)
      const { mscale_all_dim: _, ...cool } = yarn
      const cooler = {
        rope_parameters: { rope_theta: 5000, rope_type: 'yarn', attention_factor: 1, ...cool },
      }
      expect(difference(await logitsOf(family, cooler), stretched)).toBeGreaterThan(1e-3)
    }
  })

  it('of gpt-oss stretch their positions where they say nothing', async () => {
    const usual = await logitsOf('gpt_oss', {})
    expect(await logitsOf('gpt_oss', {}, ['rope_parameters'])).toEqual(usual)
    expect(await logitsOf('gpt_oss', { rope_scaling: {} }, ['rope_parameters'])).toEqual(usual)
    const plain = { rope_parameters: { rope_theta: 150000, rope_type: 'default' } }
    expect(difference(await logitsOf('gpt_oss', plain), usual)).toBeGreaterThan(1e-4)
  })

  it('change what is computed', async () => {
    const changes: [string, Config][] = [
      ['qwen3_moe', { norm_topk_prob: false }],
      ['qwen3_moe', { num_experts_per_tok: 3 }],
      ['qwen3_moe', { use_sliding_window: true, sliding_window: 3 }],
      ['mixtral', { sliding_window: 3 }],
      ['deepseek_v2', { topk_method: 'group_limited_greedy', n_group: 4, topk_group: 1 }],
      ['deepseek_v2', { topk_method: 'group_limited_greedy', n_group: 8, topk_group: 1 }],
      ['deepseek_v2', { routed_scaling_factor: 4 }],
      ['deepseek_v3', { topk_group: 1 }],
      ['deepseek_v3', { norm_topk_prob: false }],
      ['deepseek_v3', { rope_interleave: false }],
      ['deepseek_v3', { rope_interleave: null }],
      ['deepseek_v3', { norm_topk_prob: null }],
      ['granitemoehybrid', { position_embedding_type: null }],
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
      ['gpt_oss', { swiglu_limit: 5 }, /swiglu_limit of the configuration must be 7, not 5/],
      ['qwen3_moe', { mlp_only_layers: 'all' }, /mlp_only_layers/],
      ['qwen3_moe', { num_experts: undefined, num_local_experts: 1 }, /num_experts_per_tok 2 is more than/],
      ['qwen3_moe', { mlp_only_layers: [0, 1], output_router_logits: true }, /no layer has a router/],
      ['qwen2_moe', { use_sliding_window: false, sliding_window: 0 }, /sliding_attention, but .* no window/],
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
    await using dense = await AutoModelForCausalLM.fromConfig({ ...base, num_local_experts: 0 })
    expect([...dense.namedParameters()].some(([name]) => name.includes('experts'))).toBe(false)

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

  it('of the hub are understood', async () => {
    const hub: Config[] = [
      {
        model_type: 'deepseek_v2',
        attention_bias: false,
        aux_loss_alpha: 0.001,
        auto_map: { AutoConfig: 'configuration_deepseek.DeepseekV2Config' },
        ep_size: 1,
        first_k_dense_replace: 1,
        moe_layer_freq: 1,
        n_group: 8,
        n_routed_experts: 160,
        n_shared_experts: 2,
        norm_topk_prob: false,
        num_attention_heads: 16,
        num_experts_per_tok: 6,
        num_key_value_heads: 16,
        q_lora_rank: null,
        rope_scaling: {
          type: 'yarn',
          factor: 40,
          mscale: 0.707,
          mscale_all_dim: 0.707,
          beta_fast: 32,
          beta_slow: 1,
        },
        rope_theta: 10000,
        scoring_func: 'softmax',
        seq_aux: true,
        topk_group: 3,
        topk_method: 'group_limited_greedy',
        torch_dtype: 'bfloat16',
      },
      {
        model_type: 'deepseek_v3',
        num_nextn_predict_layers: 1,
        num_mtp_layers: 1,
        scoring_func: 'sigmoid',
        topk_method: 'noaux_tc',
      },
      {
        model_type: 'qwen2_moe',
        max_window_layers: 21,
        num_experts: 60,
        num_experts_per_tok: 4,
        rope_theta: 1e6,
      },
      { model_type: 'qwen2_moe', num_experts: 60, sliding_window: 0, use_sliding_window: false },
      {
        model_type: 'qwen3_moe',
        max_window_layers: 48,
        mlp_only_layers: [],
        num_experts: 128,
        qkv_bias: false,
        shared_expert_intermediate_size: 0,
        sliding_window: null,
        use_qk_norm: true,
      },
      { model_type: 'gpt_oss', experts_per_token: 4, initial_context_length: 4096, swiglu_limit: 7 },
      {
        model_type: 'granitemoe',
        num_local_experts: 40,
        num_experts_per_tok: 8,
        router_aux_loss_coef: 0.001,
      },
      { model_type: 'mixtral', num_local_experts: 8, output_router_logits: false, sliding_window: null },
    ]
    for (const json of hub) {
      const config = await AutoConfig.fromPretrained(write(json, {}))
      expect(config.modelType).toBe(json['model_type'])
    }
  })

  it('are read without a model', async () => {
    const config = await AutoConfig.fromPretrained(folderOf('mixtral'))
    expect(config).toMatchObject({ numLocalExperts: 4, numExperts: 4, numExpertsPerTok: 2 })
  })
})
