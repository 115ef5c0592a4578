// Granite's hybrid in float64, from the equations of transformers' modelling file: blocks of tokens, decays between them
// and the states at their borders, as its naive path has them.
import type { Settings } from './decoder-descriptions.js'
import { activations, attention, each, Layers, number, sum, type Rows, type Tensors } from './reference.js'
import { ropeFrequencies } from './rope-reference.js'

type Row = Float64Array
type Step = readonly number[]

const softplus = (x: number): number => Math.log1p(Math.exp(x))
const silu = activations['silu']!

export interface HybridResult {
  /** The embeddings, what follows each layer, and the last norm in place of the last layer's. */
  readonly states: readonly Rows[]
  readonly logits: Rows
}

/** One row of tokens. @param mask 0 at padding, which recurrences see as zeros. */
export function hybridForward(
  tensors: Tensors,
  config: Settings,
  ids: readonly number[],
  mask: readonly number[] = ids.map(() => 1),
): HybridResult {
  const model = new Layers(tensors, 'model.')
  const eps = number(config, 'rms_norm_eps', 1e-6)
  const factor = (name: string): number => number(config, name, 1)
  const count = number(config, 'num_hidden_layers')
  const kinds = config['layer_types'] as readonly string[]
  const act = activations[(config['hidden_act'] as string | undefined) ?? 'silu']!
  const residual = (x: Rows, branch: Rows): Rows =>
    sum(
      x,
      each(branch, (v) => v * factor('residual_multiplier')),
    )
  let x: Rows = ids.map((id) => model.row('embed_tokens', id).map((v) => v * factor('embedding_multiplier')))
  const states: Rows[] = []
  for (let i = 0; i < count; i++) {
    states.push(x)
    const layer = model.at(`layers.${i}`)
    const normed = layer.norm('input_layernorm', x, eps)
    x = residual(
      x,
      kinds[i] === 'mamba'
        ? mamba(layer.at('mamba'), config, normed, mask)
        : attend(layer.at('self_attn'), config, normed),
    )
    const inner = layer.norm('post_attention_layernorm', x, eps)
    const dense = gated(layer.at('shared_mlp').linear('input_linear', inner), act)
    const shared = layer.at('shared_mlp').linear('output_linear', dense)
    const experts = number(config, 'num_local_experts', 8)
    x = residual(
      x,
      experts === 0 ? shared : sum(shared, mixture(layer.at('block_sparse_moe'), config, inner, act)),
    )
  }
  const last = model.norm('norm', x, eps)
  states.push(last)
  const own = tensors.has('lm_head.weight')
  const logits = own
    ? new Layers(tensors).linear('lm_head', last)
    : new Layers(new Map([['out.weight', tensors.get('model.embed_tokens.weight')!]])).linear('out', last)
  return { states, logits: each(logits, (v) => v / factor('logits_scaling')) }
}

/** act(first half) * second half of each row. */
const gated = (both: Rows, act: (x: number) => number): Rows =>
  both.map((row) => {
    const half = row.length / 2
    return row.slice(0, half).map((v, i) => act(v) * row[half + i]!)
  })

function mixture(moe: Layers, config: Settings, x: Rows, act: (x: number) => number): Rows {
  const gateUp = moe.get('experts.gate_up_proj')
  const down = moe.get('experts.down_proj')
  const product = ({ shape, data }: typeof gateUp, expert: number, row: Row): Row => {
    const [, out, inner] = shape as [number, number, number]
    return Float64Array.from({ length: out }, (_, o) =>
      row.reduce((total, v, i) => total + v * data[(expert * out + o) * inner + i]!, 0),
    )
  }
  const logits = moe.linear('router', x)
  return x.map((row, t) => {
    const best = [...logits[t]!.keys()].sort((a, b) => logits[t]![b]! - logits[t]![a]! || a - b)
    const chosen = best.slice(0, number(config, 'num_experts_per_tok', 2))
    const most = logits[t]![chosen[0]!]!
    const weights = chosen.map((e) => Math.exp(logits[t]![e]! - most))
    const total = weights.reduce((a, b) => a + b, 0)
    const out = new Float64Array(row.length)
    chosen.forEach((e, j) => {
      const inner = gated([product(gateUp, e, row)], act)[0]!
      product(down, e, inner).forEach((v, i) => (out[i]! += (v * weights[j]!) / total))
    })
    return out
  })
}

function attend(part: Layers, config: Settings, x: Rows): Rows {
  const heads = number(config, 'num_attention_heads')
  const kvHeads = number(config, 'num_key_value_heads', heads)
  const headDim = number(config, 'head_dim', number(config, 'hidden_size') / heads)
  const theta = { rope_theta: 10_000, ...(config['rope_parameters'] as object | undefined) }
  const rotated = (rows: Rows): Rows => {
    if (config['position_embedding_type'] !== 'rope') return rows
    return rows.map((row, t) => {
      const { each: angles } = ropeFrequencies(theta, headDim, 64, rows.length)
      const out = row.slice()
      for (let h = 0; h < row.length; h += headDim) {
        angles.forEach((f, i) => {
          const [a, b] = [row[h + i]!, row[h + angles.length + i]!]
          out[h + i] = a * Math.cos(t * f) - b * Math.sin(t * f)
          out[h + angles.length + i] = b * Math.cos(t * f) + a * Math.sin(t * f)
        })
      }
      return out
    })
  }
  const repeated = (rows: Rows): Rows =>
    rows.map((row) =>
      Float64Array.from({ length: heads * headDim }, (_, i) => {
        const head = Math.floor(Math.floor(i / headDim) / (heads / kvHeads))
        return row[head * headDim + (i % headDim)]!
      }),
    )
  const q = rotated(part.linear('q_proj', x))
  const k = repeated(rotated(part.linear('k_proj', x)))
  const v = repeated(part.linear('v_proj', x))
  const scale = number(config, 'attention_multiplier', 1)
  return part.linear('o_proj', attention(q, k, v, { heads, scale, causal: true }))
}

function mamba(part: Layers, config: Settings, x: Rows, mask: readonly number[]): Rows {
  const heads = number(config, 'mamba_n_heads')
  const groups = number(config, 'mamba_n_groups', 1)
  const size = number(config, 'mamba_d_state')
  const inner = number(config, 'mamba_expand', 2) * number(config, 'hidden_size')
  const width = inner / heads
  const entering = groups * size
  const act = activations[(config['hidden_act'] as string | undefined) ?? 'silu']!
  const masked = (rows: Rows): Rows => rows.map((row, t) => row.map((v) => v * mask[t]!))
  const projected = part.linear('in_proj', masked(x))
  const gate = projected.map((row) => row.slice(0, inner))
  const toConvolve = projected.map((row) => row.slice(inner, 2 * inner + 2 * entering))
  const steps = projected.map((row) => row.slice(2 * inner + 2 * entering))

  const { shape, data: taps } = part.get('conv1d.weight')
  const bias = part.find('conv1d.bias')?.data
  const last = shape[2]! - 1
  const convolved = masked(
    toConvolve.map((row, t) =>
      row.map((_, i) => {
        let total = bias?.[i] ?? 0
        for (let k = 0; k <= last; k++)
          total += (toConvolve[t - last + k]?.[i] ?? 0) * taps[i * (last + 1) + k]!
        return act(total)
      }),
    ),
  )

  const [least, most] = (config['time_step_limit'] as [number, number] | undefined) ?? [0, Infinity]
  const stepBias = part.get('dt_bias').data
  const dt: Step[] = steps.map((row) =>
    Array.from(row, (v, h) => Math.min(Math.max(softplus(v + stepBias[h]!), least), most)),
  )
  const logA = part.get('A_log').data
  const skip = part.get('D').data
  const y: Rows = x.map(() => new Float64Array(inner))
  for (let h = 0; h < heads; h++) {
    const group = Math.floor(h / (heads / groups)) * size
    const a = -Math.exp(logA[h]!)
    const of = (t: number) => ({
      x: convolved[t]!.slice(h * width, (h + 1) * width).map((v) => v * dt[t]![h]!),
      b: convolved[t]!.slice(inner + group, inner + group + size),
      c: convolved[t]!.slice(inner + entering + group, inner + entering + group + size),
    })
    scanInBlocks(
      dt.map((step) => a * step[h]!),
      of,
      [width, size],
      number(config, 'mamba_chunk_size', 256),
    ).forEach((row, t) => {
      row.forEach((v, p) => (y[t]![h * width + p] = v + skip[h]! * convolved[t]![h * width + p]!))
    })
  }
  const normed = y.map((row, t) => row.map((v, i) => v * silu(gate[t]![i]!)))
  return part.linear('out_proj', part.norm('norm', normed, number(config, 'rms_norm_eps', 1e-6)))
}

/** One head: within a block by the products of all pairs of its tokens, between blocks by their states. */
function scanInBlocks(
  logDecay: readonly number[],
  of: (t: number) => { x: Row; b: Row; c: Row },
  [width, size]: readonly [number, number],
  block: number,
): Rows {
  const dot = (a: Row, b: Row): number => a.reduce((total, v, i) => total + v * b[i]!, 0)
  const between = (from: number, to: number): number =>
    Math.exp(logDecay.slice(from + 1, to + 1).reduce((total, v) => total + v, 0))
  const y: Rows = logDecay.map(() => new Float64Array(width))
  let state = new Float64Array(width * size)
  for (let start = 0; start < logDecay.length; start += block) {
    const end = Math.min(start + block, logDecay.length)
    const next = state.map((v) => v * between(start - 1, end - 1))
    for (let t = start; t < end; t++) {
      const { x, b, c } = of(t)
      for (let p = 0; p < width; p++) {
        for (let n = 0; n < size; n++) {
          y[t]![p]! += c[n]! * state[p * size + n]! * between(start - 1, t)
          next[p * size + n]! += x[p]! * b[n]! * between(t, end - 1)
        }
      }
      for (let s = start; s <= t; s++) {
        const { x: earlier, b: written } = of(s)
        const weight = dot(c, written) * between(s, t)
        for (let p = 0; p < width; p++) y[t]![p]! += weight * earlier[p]!
      }
    }
    state = next
  }
  return y
}
