// GPT-2 and T5 in float64, one row at a time and nothing fused: what variants without a golden case compare with.

export type Rows = Float64Array[] // [tokens, width]
export interface Contents {
  readonly shape: readonly number[]
  readonly data: ArrayLike<number>
}
export type Tensors = ReadonlyMap<string, Contents>
export type Activation = (x: number) => number
type Settings = Readonly<Record<string, unknown>>

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))
const tanhGelu = (x: number): number =>
  0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))

/** erf by its series, which is exact enough for |x| < 6. */
function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x)
  let term = x
  let sum = x
  for (let n = 1; Math.abs(term) > 1e-18; n++) {
    term *= (-x * x) / n
    sum += term / (2 * n + 1)
  }
  return (2 / Math.sqrt(Math.PI)) * sum
}

export const activations: Readonly<Record<string, Activation>> = {
  gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  gelu_new: tanhGelu,
  gelu_pytorch_tanh: tanhGelu,
  relu: (x) => Math.max(0, x),
  silu: (x) => x * sigmoid(x),
  tanh: Math.tanh,
  gelu_10: (x) => Math.min(10, Math.max(-10, 0.5 * x * (1 + erf(x / Math.SQRT2)))),
  quick_gelu: (x) => x * sigmoid(1.702 * x),
  relu2: (x) => Math.max(0, x) ** 2,
  relu6: (x) => Math.min(6, Math.max(0, x)),
  hardswish: (x) => (x * Math.min(6, Math.max(0, x + 3))) / 6,
  leaky_relu: (x) => (x < 0 ? 0.01 * x : x),
  linear: (x) => x,
  mish: (x) => x * Math.tanh(Math.log1p(Math.exp(x))),
  sigmoid,
}

export const number = (config: Settings, key: string, otherwise = NaN): number =>
  (config[key] as number | undefined) ?? otherwise
export const each = (x: Rows, f: Activation): Rows => x.map((row) => row.map(f))
export const sum = (a: Rows, b: Rows): Rows => a.map((row, i) => row.map((v, j) => v + b[i]![j]!))

export class Layers {
  readonly #tensors: Tensors
  readonly #prefix: string

  constructor(tensors: Tensors, prefix = '') {
    this.#tensors = tensors
    this.#prefix = prefix
  }

  at(name: string): Layers {
    return new Layers(this.#tensors, `${this.#prefix}${name}.`)
  }

  find(name: string): Contents | undefined {
    return this.#tensors.get(this.#prefix + name)
  }

  get(name: string): Contents {
    const found = this.find(name)
    if (found === undefined) throw new Error(`no ${this.#prefix}${name}`)
    return found
  }

  row(table: string, index: number): Float64Array {
    const { shape, data } = this.get(`${table}.weight`)
    return Float64Array.from({ length: shape[1]! }, (_, j) => data[index * shape[1]! + j]!)
  }

  /** x W + b, W stored [out, in] or, as Conv1D does, [in, out]. */
  linear(name: string, x: Rows, conv1d = false): Rows {
    const { shape, data } = this.get(`${name}.weight`)
    const [out, inner] = conv1d ? [shape[1]!, shape[0]!] : [shape[0]!, shape[1]!]
    const bias = this.find(`${name}.bias`)?.data
    return x.map((row) =>
      Float64Array.from({ length: out }, (_, j) => {
        let total = bias?.[j] ?? 0
        for (let i = 0; i < inner; i++) total += row[i]! * data[conv1d ? i * out + j : j * inner + i]!
        return total
      }),
    )
  }

  /** LayerNorm where there is a bias, else RMSNorm. */
  norm(name: string, x: Rows, eps: number): Rows {
    const { data: weight } = this.get(`${name}.weight`)
    const bias = this.find(`${name}.bias`)?.data
    return x.map((row) => {
      const mean = bias === undefined ? 0 : row.reduce((a, v) => a + v, 0) / row.length
      const variance = row.reduce((a, v) => a + (v - mean) ** 2, 0) / row.length
      return row.map((v, j) => ((v - mean) / Math.sqrt(variance + eps)) * weight[j]! + (bias?.[j] ?? 0))
    })
  }
}

export interface Heads {
  readonly heads: number
  readonly scale: number
  readonly causal?: boolean
  readonly bias?: (head: number, query: number, key: number) => number
}

export function attention(q: Rows, k: Rows, v: Rows, { heads, scale, causal = false, bias }: Heads): Rows {
  const width = q[0]!.length / heads
  return q.map((query, i) => {
    const out = new Float64Array(query.length)
    for (let h = 0; h < heads; h++) {
      const scores = k.slice(0, causal ? i + 1 : k.length).map((key, j) => {
        let dot = 0
        for (let c = h * width; c < (h + 1) * width; c++) dot += query[c]! * key[c]!
        return dot * scale + (bias?.(h, i, j) ?? 0)
      })
      const most = Math.max(...scores)
      const weights = scores.map((score) => Math.exp(score - most))
      const total = weights.reduce((a, w) => a + w, 0)
      for (let c = h * width; c < (h + 1) * width; c++)
        out[c] = weights.reduce((a, w, j) => a + (w / total) * v[j]![c]!, 0)
    }
    return out
  })
}

export function gpt2Logits(tensors: Tensors, config: Settings, ids: readonly number[]): Rows {
  const layers = new Layers(tensors)
  const body = layers.at('transformer')
  const eps = number(config, 'layer_norm_epsilon', 1e-5)
  const act = activations[(config['activation_function'] as string | undefined) ?? 'gelu_new']!
  const [width, heads] = [number(config, 'n_embd'), number(config, 'n_head')]
  let x: Rows = ids.map((id, i) => body.row('wte', id).map((v, j) => v + body.row('wpe', i)[j]!))
  for (let l = 0; l < number(config, 'n_layer'); l++) {
    const block = body.at(`h.${l}`)
    const all = block.linear('attn.c_attn', block.norm('ln_1', x, eps), true)
    const [q, k, v] = [0, 1, 2].map((part) => all.map((row) => row.slice(part * width, (part + 1) * width)))
    const scaled = config['scale_attn_weights'] === false ? 1 : (width / heads) ** -0.5
    const scale = config['scale_attn_by_inverse_layer_idx'] === true ? scaled / (l + 1) : scaled
    x = sum(x, block.linear('attn.c_proj', attention(q!, k!, v!, { heads, scale, causal: true }), true))
    const inner = each(block.linear('mlp.c_fc', block.norm('ln_2', x, eps), true), act)
    x = sum(x, block.linear('mlp.c_proj', inner, true))
  }
  return project(layers, 'lm_head', 'transformer.wte', body.norm('ln_f', x, eps))
}

/** transformers' `_relative_position_bucket`. */
export function bucket(distance: number, buckets: number, most: number, bidirectional: boolean): number {
  const side = bidirectional ? buckets / 2 : buckets
  const offset = bidirectional && distance > 0 ? side : 0
  const far = bidirectional ? Math.abs(distance) : Math.max(0, -distance)
  const exact = Math.floor(side / 2)
  if (far < exact) return offset + far
  const logarithmic = Math.trunc((Math.log(far / exact) / Math.log(most / exact)) * (side - exact))
  return offset + Math.min(side - 1, exact + logarithmic)
}

export function t5Logits(
  tensors: Tensors,
  config: Settings,
  ids: readonly number[],
  decoderIds: readonly number[],
): Rows {
  const layers = new Layers(tensors)
  const heads = number(config, 'num_heads')
  const eps = number(config, 'layer_norm_epsilon', 1e-6)
  const proj = (config['feed_forward_proj'] as string | undefined) ?? 'relu'
  const gated = proj.startsWith('gated-')
  const act = activations[proj === 'gated-gelu' ? 'gelu_new' : proj.replace('gated-', '')]!
  const [buckets, most] = [
    number(config, 'relative_attention_num_buckets', 32),
    number(config, 'relative_attention_max_distance', 128),
  ]

  const stack = (name: string, tokens: readonly number[], depth: number, encoded?: Rows): Rows => {
    const causal = encoded !== undefined
    const table = layers.get(`${name}.block.0.layer.0.SelfAttention.relative_attention_bias.weight`).data
    const bias = (h: number, i: number, j: number): number =>
      table[bucket(j - i, buckets, most, !causal) * heads + h]!
    let x: Rows = tokens.map((id) => layers.row('shared', id))
    for (let l = 0; l < depth; l++) {
      const block = layers.at(`${name}.block.${l}`)
      const mix = (part: string, to: Rows, options: Partial<Heads>): void => {
        const own = block.norm(`layer.${part[0]}.layer_norm`, x, eps)
        const keys = to === x ? own : to
        const [q, k, v] = [
          block.linear(`layer.${part}.q`, own),
          block.linear(`layer.${part}.k`, keys),
          block.linear(`layer.${part}.v`, keys),
        ]
        x = sum(x, block.linear(`layer.${part}.o`, attention(q, k, v, { heads, scale: 1, ...options })))
      }
      mix('0.SelfAttention', x, { bias, causal })
      if (encoded !== undefined) mix('1.EncDecAttention', encoded, {})
      const last = block.at(`layer.${causal ? 2 : 1}`)
      const y = last.norm('layer_norm', x, eps)
      const inner = each(last.linear(`DenseReluDense.${gated ? 'wi_0' : 'wi'}`, y), act)
      const up = gated ? last.linear('DenseReluDense.wi_1', y) : undefined
      const product = inner.map((row, i) => row.map((v, j) => v * (up?.[i]![j] ?? 1)))
      x = sum(x, last.linear('DenseReluDense.wo', product))
    }
    return layers.norm(`${name}.final_layer_norm`, x, eps)
  }

  const depth = number(config, 'num_layers')
  const encoded = stack('encoder', ids, depth)
  const decoded = stack('decoder', decoderIds, number(config, 'num_decoder_layers', depth), encoded)
  const scales = config['scale_decoder_outputs'] ?? config['tie_word_embeddings'] ?? true
  const scaled = each(decoded, (v) => v * (scales === true ? number(config, 'd_model') ** -0.5 : 1))
  return project(layers, 'lm_head', 'shared', scaled)
}

/** A head of its own, or the embeddings it is tied to. */
export function project(layers: Layers, head: string, embeddings: string, x: Rows): Rows {
  return layers.linear(layers.find(`${head}.weight`) === undefined ? embeddings : head, x)
}
