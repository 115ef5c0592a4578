// What transformers' modelling files say of each decoder, for decoder-reference.ts.
import { ropeFrequencies, type Frequencies } from './rope-reference.js'

export type Settings = Readonly<Record<string, unknown>>

/** What tells one family from another. Functions take the layer. */
export interface Description {
  readonly base: string
  readonly embed?: string
  readonly layers?: string
  readonly final?: string | undefined
  readonly attention: string
  readonly q?: string
  readonly k?: string
  readonly v?: string
  readonly fused?: { readonly name: string; readonly columns: 'parts' | 'heads' }
  readonly o: string
  readonly mlp: {
    readonly gate?: string
    readonly up: string
    readonly down: string
    readonly fused?: boolean
  }
  readonly activation: string
  readonly eps: number
  readonly onePlus?: boolean
  /** RMS norms subtract no mean. */
  readonly rms: boolean
  readonly norms: readonly [before?: string, after?: string, beforeMlp?: string, afterMlp?: string]
  readonly order?: 'pre' | 'parallel' | 'post'
  readonly conv1d?: boolean
  readonly rope?: (layer: number, length: number) => Frequencies | undefined
  readonly interleaved?: boolean
  readonly window?: (layer: number) => number | undefined
  readonly bothSides?: boolean
  readonly scale?: number
  readonly softcap?: number | undefined
  readonly qk?: 'head' | 'all' | 'own' | 'each' | undefined
  readonly qkNames?: readonly [string, string]
  readonly embedScale?: number
  readonly residual?: number
  readonly logits?: (logit: number) => number
  readonly positions?: { readonly name: string; readonly offset: number }
  readonly project?: boolean
}

export interface Shapes {
  readonly width: number
  readonly layers: number
  readonly heads: number
  readonly kvHeads: number
  readonly headDim: number
}

export function shapesOf(config: Settings): Shapes {
  const number = (...names: string[]): number => {
    const found = names.map((name) => config[name]).find((value) => typeof value === 'number')
    return found as number
  }
  const width = number('hidden_size', 'n_embd')
  const heads = number('num_attention_heads', 'n_head')
  return {
    width,
    heads,
    layers: number('num_hidden_layers', 'n_layer'),
    kvHeads: (config['model_type'] === 'gpt_neox' ? undefined : number('num_key_value_heads')) ?? heads,
    headDim: number('head_dim') ?? width / heads,
  }
}

/** A family's choices, read off its configuration. */
export function describeDecoder(config: Settings): Description {
  const { headDim, layers } = shapesOf(config)
  const get = <T>(name: string, otherwise: T): T => (config[name] as T | undefined) ?? otherwise
  const most = get('max_position_embeddings', 2048)
  const parameters = get<Settings>('rope_parameters', {
    rope_theta: get('rope_theta', 10_000),
    ...get<Settings>('rope_scaling', {}),
  })
  const rope = (share: number) => {
    const part = Math.trunc(headDim * ((parameters['partial_rotary_factor'] as number | undefined) ?? share))
    return (_: number, length: number) => ropeFrequencies(parameters, part, most, length)
  }
  const types = get<string[]>('layer_types', [])
  const window = get<number | undefined>('sliding_window', undefined)
  const byType = (rule: (layer: number) => boolean) => (layer: number) =>
    (types.length > 0 ? types[layer] === 'sliding_attention' : rule(layer)) ? window : undefined
  const llama: Description = {
    base: 'model',
    final: 'norm',
    attention: 'self_attn',
    q: 'q_proj',
    k: 'k_proj',
    v: 'v_proj',
    o: 'o_proj',
    mlp: { gate: 'mlp.gate_proj', up: 'mlp.up_proj', down: 'mlp.down_proj' },
    activation: get('hidden_act', 'silu'),
    eps: get('rms_norm_eps', 1e-6),
    rms: true,
    norms: ['input_layernorm', undefined, 'post_attention_layernorm'],
    rope: rope(1),
  }
  const gemma: Description = {
    ...llama,
    activation: get('hidden_activation', get('hidden_act', 'gelu_pytorch_tanh')),
    onePlus: true,
    embedScale: Math.sqrt(get('hidden_size', NaN)),
  }
  const sandwich: Description['norms'] = [
    'input_layernorm',
    'post_attention_layernorm',
    'pre_feedforward_layernorm',
    'post_feedforward_layernorm',
  ]
  const cap = (at: number | undefined) => (logit: number) =>
    at === undefined ? logit : at * Math.tanh(logit / at)
  const gpt = { attention: 'attn', o: 'c_proj', layers: 'h', base: 'transformer' }
  switch (config['model_type']) {
    case 'llama':
      return llama
    case 'mistral':
      return { ...llama, window: () => window }
    case 'ministral':
      return { ...llama, window: byType(() => true) }
    case 'qwen2':
    case 'qwen3': {
      const from = get('max_window_layers', 28)
      const used = byType((layer) => layer >= from)
      return {
        ...llama,
        qk: config['model_type'] === 'qwen3' ? 'head' : undefined,
        window: get('use_sliding_window', false) ? used : () => undefined,
      }
    }
    case 'granite':
      return {
        ...llama,
        embedScale: get('embedding_multiplier', 1),
        residual: get('residual_multiplier', 1),
        scale: get('attention_multiplier', 1),
        logits: (logit) => logit / get('logits_scaling', 1),
      }
    case 'smollm3': {
      const every = get('no_rope_layer_interval', 4)
      const rotates = (layer: number) =>
        get<number[] | undefined>('no_rope_layers', undefined)?.[layer] ?? (layer + 1) % every
      const theta = { rope_theta: 2_000_000, ...(config['rope_parameters'] as Settings | undefined) }
      return {
        ...llama,
        rope: (layer) => (rotates(layer) === 0 ? undefined : ropeFrequencies(theta, headDim, most)),
        window: byType((layer) => get('use_sliding_window', false) && rotates(layer) === 0),
      }
    }
    case 'gemma':
      return gemma
    case 'gemma2':
      return {
        ...gemma,
        norms: sandwich,
        scale: get('query_pre_attn_scalar', 256) ** -0.5,
        softcap: get('attn_logit_softcapping', 50),
        logits: cap(get('final_logit_softcapping', 30)),
        window: byType((layer) => layer % 2 === 0),
      }
    case 'gemma3_text': {
      const every = get('sliding_window_pattern', 6)
      const slides = byType((layer) => (layer + 1) % every !== 0)
      const full = { rope_theta: get('rope_theta', 1e6), ...get<Settings>('rope_scaling', {}) }
      const local = { rope_theta: get('rope_local_base_freq', 1e4) }
      return {
        ...gemma,
        norms: sandwich,
        qk: 'head',
        scale: get('query_pre_attn_scalar', 256) ** -0.5,
        softcap: get<number | undefined>('attn_logit_softcapping', undefined),
        logits: cap(get<number | undefined>('final_logit_softcapping', undefined)),
        window: slides,
        bothSides: get('use_bidirectional_attention', false),
        rope: (layer) => ropeFrequencies(slides(layer) === undefined ? full : local, headDim, most),
      }
    }
    case 'phi3':
      return {
        ...llama,
        eps: get('rms_norm_eps', 1e-5),
        fused: { name: 'qkv_proj', columns: 'parts' },
        mlp: { up: 'mlp.gate_up_proj', down: 'mlp.down_proj', fused: true },
        window: () => window,
        rope: (_, length) => {
          const type = parameters['rope_type'] ?? parameters['type']
          const original = get('original_max_position_embeddings', 4096)
          const named = type === 'su' || type === 'yarn' ? 'longrope' : (type ?? 'default')
          const all = { ...parameters, rope_type: named, original_max_position_embeddings: original }
          return ropeFrequencies(all, Math.trunc(headDim * get('partial_rotary_factor', 1)), most, length)
        },
      }
    case 'olmo2':
      return {
        ...llama,
        eps: get('rms_norm_eps', 1e-5),
        norms: [undefined, 'post_attention_layernorm', undefined, 'post_feedforward_layernorm'],
        qk: 'all',
      }
    case 'starcoder2':
      return {
        ...llama,
        rms: false,
        eps: get('norm_epsilon', 1e-5),
        activation: get('hidden_act', 'gelu_pytorch_tanh'),
        mlp: { up: 'mlp.c_fc', down: 'mlp.c_proj' },
        window: () => window,
      }
    case 'stablelm': {
      const parallel = get('use_parallel_residual', false)
      return {
        ...llama,
        rms: false,
        eps: get('layer_norm_eps', 1e-5),
        order: parallel ? 'parallel' : 'pre',
        norms: ['input_layernorm', undefined, parallel ? undefined : 'post_attention_layernorm'],
        qk: get('qk_layernorm', false) ? 'each' : undefined,
        qkNames: ['q_layernorm', 'k_layernorm'],
        rope: rope(get('partial_rotary_factor', 0.25)),
      }
    }
    case 'cohere':
      return {
        ...llama,
        rms: false,
        eps: get('layer_norm_eps', 1e-5),
        order: 'parallel',
        norms: ['input_layernorm'],
        interleaved: true,
        qk: get('use_qk_norm', false) ? 'own' : undefined,
        logits: (logit) => logit * get('logit_scale', 0.0625),
      }
    case 'gpt_neox':
      return {
        ...llama,
        base: 'gpt_neox',
        embed: 'embed_in',
        final: 'final_layer_norm',
        attention: 'attention',
        fused: { name: 'query_key_value', columns: 'heads' },
        o: 'dense',
        rms: false,
        eps: get('layer_norm_eps', 1e-5),
        activation: get('hidden_act', 'gelu'),
        mlp: { up: 'mlp.dense_h_to_4h', down: 'mlp.dense_4h_to_h' },
        order: get('use_parallel_residual', true) ? 'parallel' : 'pre',
        rope: (_, length) =>
          ropeFrequencies(
            { rope_theta: get('rotary_emb_base', 10_000), ...get<Settings>('rope_parameters', {}) },
            Math.trunc(headDim * get('rotary_pct', 0.25)),
            most,
            length,
          ),
      }
    case 'gptj':
      return {
        ...llama,
        ...gpt,
        embed: 'wte',
        final: 'ln_f',
        o: 'out_proj',
        rms: false,
        eps: get('layer_norm_epsilon', 1e-5),
        order: 'parallel',
        norms: ['ln_1'],
        activation: get('activation_function', 'gelu_new'),
        mlp: { up: 'mlp.fc_in', down: 'mlp.fc_out' },
        interleaved: true,
        rope: () => ropeFrequencies({}, get('rotary_dim', 64), most),
      }
    case 'openai-gpt':
      return {
        ...gpt,
        embed: 'tokens_embed',
        fused: { name: 'c_attn', columns: 'parts' },
        conv1d: true,
        rms: false,
        eps: get('layer_norm_epsilon', 1e-5),
        order: 'post',
        norms: [undefined, 'ln_1', undefined, 'ln_2'],
        activation: get('afn', 'gelu') === 'gelu' ? 'gelu_new' : get('afn', 'gelu'),
        mlp: { up: 'mlp.c_fc', down: 'mlp.c_proj' },
        positions: { name: 'positions_embed', offset: 0 },
      }
    case 'opt': {
      const before = get('do_layer_norm_before', true)
      return {
        ...llama,
        base: 'model.decoder',
        o: 'out_proj',
        rope: () => undefined,
        rms: false,
        eps: 1e-5,
        final: before && !get('_remove_final_layer_norm', false) ? 'final_layer_norm' : undefined,
        order: before ? 'pre' : 'post',
        norms: before
          ? ['self_attn_layer_norm', undefined, 'final_layer_norm']
          : [undefined, 'self_attn_layer_norm', undefined, 'final_layer_norm'],
        activation: get('activation_function', 'relu'),
        mlp: { up: 'fc1', down: 'fc2' },
        positions: { name: 'embed_positions', offset: 2 },
        project: get<number | undefined>('word_embed_proj_dim', undefined) !== undefined,
      }
    }
    default:
      throw new Error(`no reference for ${String(config['model_type'])} with ${layers} layers`)
  }
}
