// Decoders in float64, one token, one head and one number at a time: what families and options without a golden case
// compare with. Written from transformers' modelling files, not from the blocks.
import { activations, type Rows, type Tensors } from './reference.js'
import { ropeFrequencies, type Frequencies } from './rope-reference.js'

type Settings = Readonly<Record<string, unknown>>
type Row = Float64Array

/** What tells one family from another. Functions take the layer. */
interface Description {
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

/** Logits of every token. */
export function decoderLogits(tensors: Tensors, config: Settings, ids: readonly number[]): Rows {
  const family = describe(config)
  const { layers, heads, kvHeads, headDim } = shapesOf(config)
  const at = (name: string): { shape: readonly number[]; data: ArrayLike<number> } => {
    const found = tensors.get(name)
    if (found === undefined) throw new Error(`no ${name}`)
    return found
  }
  const rowOf = (name: string, index: number): Row => {
    const { shape, data } = at(name)
    return Float64Array.from({ length: shape[1]! }, (_, j) => data[index * shape[1]! + j]!)
  }
  const linear = (name: string, x: Row): Row => {
    const { shape, data } = at(`${name}.weight`)
    const bias = tensors.get(`${name}.bias`)?.data
    const [out, inner] = family.conv1d === true ? [shape[1]!, shape[0]!] : [shape[0]!, shape[1]!]
    return Float64Array.from({ length: out }, (_, j) => {
      let sum = bias?.[j] ?? 0
      for (let i = 0; i < inner; i++)
        sum += x[i]! * data[family.conv1d === true ? i * out + j : j * inner + i]!
      return sum
    })
  }
  const normalised = (x: Row, rms: boolean): Row => {
    const mean = rms ? 0 : x.reduce((a, b) => a + b, 0) / x.length
    const variance = x.reduce((a, b) => a + (b - mean) ** 2, 0) / x.length
    return x.map((v) => (v - mean) / Math.sqrt(variance + family.eps))
  }
  const norm = (name: string, x: Row): Row => {
    const weight = tensors.get(`${name}.weight`)?.data
    const bias = tensors.get(`${name}.bias`)?.data
    const plus = family.onePlus === true ? 1 : 0
    return normalised(x, family.rms).map((v, i) => v * ((weight?.[i] ?? 1) + plus) + (bias?.[i] ?? 0))
  }
  const perHead = (x: Row, f: (head: Row, index: number) => Row): Row =>
    Float64Array.from({ length: x.length / headDim }, (_, h) => h).reduce<Row>((out, h) => {
      out.set(f(x.slice(h * headDim, (h + 1) * headDim), h), h * headDim)
      return out
    }, new Float64Array(x.length))
  const qkNorm = (name: string, x: Row): Row => {
    switch (family.qk) {
      case 'head':
        return perHead(x, (head) => norm(name, head))
      case 'all':
        return norm(name, x)
      case 'own':
        return perHead(x, (head, h) =>
          normalised(head, false).map((v, i) => v * at(`${name}.weight`).data[h * headDim + i]!),
        )
      case 'each':
        return perHead(x, (head, h) =>
          normalised(head, false).map((v, i) => v * at(`${name}.norms.${h}.weight`).data[i]!),
        )
      default:
        return x
    }
  }
  const rotated = (x: Row, position: number, rope: Frequencies | undefined): Row =>
    rope === undefined
      ? x
      : perHead(x, (head) => {
          const out = head.slice()
          rope.each.forEach((f, i) => {
            const [a, b] = family.interleaved === true ? [2 * i, 2 * i + 1] : [i, i + rope.each.length]
            const [c, s] = [Math.cos(position * f) * rope.scaling, Math.sin(position * f) * rope.scaling]
            out[a] = head[a]! * c - head[b]! * s
            out[b] = head[b]! * c + head[a]! * s
          })
          return out
        })

  const mix = (layer: string, index: number, x: Rows): Rows => {
    const name = `${layer}.${family.attention}`
    const widths = [heads * headDim, kvHeads * headDim, kvHeads * headDim]
    const projected = x.map((row): [Row, Row, Row] => {
      const { fused } = family
      if (fused === undefined) {
        return [family.q!, family.k!, family.v!].map((part) => linear(`${name}.${part}`, row)) as [
          Row,
          Row,
          Row,
        ]
      }
      const all = linear(`${name}.${fused.name}`, row)
      if (fused.columns === 'parts') {
        let start = 0
        return widths.map((width) => all.slice(start, (start += width))) as [Row, Row, Row]
      }
      return [0, 1, 2].map((part) =>
        Float64Array.from({ length: heads * headDim }, (_, i) => {
          const [h, c] = [Math.floor(i / headDim), i % headDim]
          return all[(h * 3 + part) * headDim + c]!
        }),
      ) as [Row, Row, Row]
    })
    const rope = family.rope?.(index, x.length)
    const [qName, kName] = family.qkNames ?? ['q_norm', 'k_norm']
    const q = projected.map(([row], t) => rotated(qkNorm(`${name}.${qName}`, row), t, rope))
    const k = projected.map(([, row], t) => rotated(qkNorm(`${name}.${kName}`, row), t, rope))
    const window = family.window?.(index) ?? Infinity
    const scale = family.scale ?? headDim ** -0.5
    return q.map((query, t) => {
      const out = new Float64Array(heads * headDim)
      for (let h = 0; h < heads; h++) {
        const shared = Math.floor(h / (heads / kvHeads)) * headDim
        const scores = k.map((key, j) => {
          const seen =
            family.bothSides === true ? Math.abs(j - t) <= Math.floor(window / 2) : j <= t && j > t - window
          if (!seen) return -Infinity
          let dot = 0
          for (let c = 0; c < headDim; c++) dot += query[h * headDim + c]! * key[shared + c]!
          const score = dot * scale
          return family.softcap === undefined ? score : family.softcap * Math.tanh(score / family.softcap)
        })
        const most = Math.max(...scores)
        const weights = scores.map((score) => Math.exp(score - most))
        const total = weights.reduce((a, b) => a + b, 0)
        for (let c = 0; c < headDim; c++) {
          out[h * headDim + c] = weights.reduce(
            (sum, w, j) => sum + (w / total) * projected[j]![2][shared + c]!,
            0,
          )
        }
      }
      return linear(`${name}.${family.o}`, out)
    })
  }

  const feed = (layer: string, x: Row): Row => {
    const { gate, up, down, fused } = family.mlp
    const act = activations[family.activation]!
    const name = (part: string) => `${layer}.${part}`
    const ups = linear(name(up), x)
    if (fused === true) {
      const half = ups.length / 2
      return linear(
        name(down),
        ups.slice(0, half).map((v, i) => act(v) * ups[half + i]!),
      )
    }
    if (gate === undefined) return linear(name(down), ups.map(act))
    return linear(
      name(down),
      linear(name(gate), x).map((v, i) => act(v) * ups[i]!),
    )
  }

  const { base } = family
  const [before, after, beforeMlp, afterMlp] = family.norms
  const sum = (a: Row, b: Row, factor = 1): Row => a.map((v, i) => v + b[i]! * factor)
  let x: Rows = ids.map((id, t) => {
    const row = rowOf(`${base}.${family.embed ?? 'embed_tokens'}.weight`, id).map(
      (v) => v * (family.embedScale ?? 1),
    )
    const inner = family.project === true ? linear(`${base}.project_in`, row) : row
    const { positions } = family
    return positions === undefined
      ? inner
      : sum(inner, rowOf(`${base}.${positions.name}.weight`, t + positions.offset))
  })
  for (let index = 0; index < layers; index++) {
    const layer = `${base}.${family.layers ?? 'layers'}.${index}`
    const through = (name: string | undefined, row: Row): Row =>
      name === undefined ? row : norm(`${layer}.${name}`, row)
    const factor = family.residual ?? 1
    if (family.order === 'post') {
      const mixed = mix(layer, index, x)
      x = x.map((row, t) => {
        const summed = through(after, sum(row, mixed[t]!))
        return through(afterMlp, sum(summed, feed(layer, summed)))
      })
      continue
    }
    const entered = x.map((row) => through(before, row))
    const mixed = mix(layer, index, entered)
    x = x.map((row, t) => {
      const attended = sum(row, through(after, mixed[t]!), factor)
      const inner =
        family.order === 'parallel'
          ? beforeMlp === undefined
            ? entered[t]!
            : through(beforeMlp, row)
          : through(beforeMlp, attended)
      return sum(attended, through(afterMlp, feed(layer, inner)), factor)
    })
  }
  return x.map((row) => {
    const last = family.final === undefined ? row : norm(`${base}.${family.final}`, row)
    const outer = family.project === true ? linear(`${base}.project_out`, last) : last
    const head = tensors.has('lm_head.weight')
      ? 'lm_head.weight'
      : `${base}.${family.embed ?? 'embed_tokens'}.weight`
    const { shape } = at(head)
    const bias = tensors.get('lm_head.bias')?.data
    return Float64Array.from({ length: shape[0]! }, (_, j) => {
      const weight = rowOf(head, j)
      const logit = outer.reduce((total, v, i) => total + v * weight[i]!, bias?.[j] ?? 0)
      return family.logits?.(logit) ?? logit
    })
  })
}

function shapesOf(config: Settings): Shapes {
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

function describe(config: Settings): Description {
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
