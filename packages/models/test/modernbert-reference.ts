// ModernBERT in float64, one row at a time, as modeling_modernbert.py goes about it.
import { activations, attention, each, number, sum, type Layers, type Rows } from './reference.js'

type Settings = Readonly<Record<string, unknown>>

export interface ModernBertRow {
  readonly ids: readonly number[]
  /** Columns, where they are not 0, 1, 2, …. */
  readonly columns?: readonly number[]
}

/** LayerNorm with or without a bias. */
export function layerNorm(layers: Layers, name: string, x: Rows, eps: number): Rows {
  const weight = layers.get(`${name}.weight`).data
  const bias = layers.find(`${name}.bias`)?.data
  return x.map((row) => {
    const mean = row.reduce((a, v) => a + v, 0) / row.length
    const variance = row.reduce((a, v) => a + (v - mean) ** 2, 0) / row.length
    return row.map((v, j) => ((v - mean) / Math.sqrt(variance + eps)) * weight[j]! + (bias?.[j] ?? 0))
  })
}

const rotated = (x: Rows, columns: readonly number[], heads: number, theta: number): Rows =>
  x.map((row, i) => {
    const width = row.length / heads
    return row.map((v, c) => {
      const [head, d] = [Math.floor(c / width), c % width]
      const half = width / 2
      const angle = columns[i]! * theta ** (-(2 * (d % half)) / width)
      const other = row[head * width + ((d + half) % width)]!
      return v * Math.cos(angle) + (d < half ? -other : other) * Math.sin(angle)
    })
  })

/** Embeddings, what follows each layer, and at the end the last norm's. */
export function modernBertStates(
  body: Layers,
  config: Settings,
  { ids, columns = ids.map((_, i) => i) }: ModernBertRow,
  thetas: Readonly<Record<string, number>>,
): Rows[] {
  const eps = number(config, 'norm_eps', 1e-5)
  const heads = number(config, 'num_attention_heads')
  const inner = number(config, 'intermediate_size')
  const width = number(config, 'hidden_size')
  const reach = Math.floor(number(config, 'local_attention', 128) / 2)
  const every = number(config, 'global_attn_every_n_layers', 3)
  const act = activations[(config['hidden_activation'] as string | undefined) ?? 'gelu']!
  const embeddings = body.at('embeddings')
  let x = layerNorm(
    embeddings,
    'norm',
    ids.map((id) => embeddings.row('tok_embeddings', id)),
    eps,
  )
  const states = [x]
  for (let l = 0; l < number(config, 'num_hidden_layers'); l++) {
    const layer = body.at(`layers.${l}`)
    const type =
      (config['layer_types'] as string[] | undefined)?.[l] ??
      (l % every === 0 ? 'full_attention' : 'sliding_attention')
    const entering = l === 0 ? x : layerNorm(layer, 'attn_norm', x, eps)
    const all = layer.linear('attn.Wqkv', entering)
    const [q, k, v] = [0, 1, 2].map((part) => all.map((row) => row.slice(part * width, (part + 1) * width)))
    const [placedQ, placedK] = [q!, k!].map((rows) => rotated(rows, columns, heads, thetas[type]!))
    const bias = (_: number, i: number, j: number): number =>
      type === 'sliding_attention' && Math.abs(columns[i]! - columns[j]!) > reach ? -Infinity : 0
    const scale = (width / heads) ** -0.5
    x = sum(x, layer.linear('attn.Wo', attention(placedQ!, placedK!, v!, { heads, scale, bias })))
    const both = layer.linear('mlp.Wi', layerNorm(layer, 'mlp_norm', x, eps))
    const gated = each(
      both.map((row) => row.slice(0, inner)),
      act,
    ).map((row, i) => row.map((g, j) => g * both[i]![inner + j]!))
    x = sum(x, layer.linear('mlp.Wo', gated))
    states.push(x)
  }
  states[states.length - 1] = layerNorm(body, 'final_norm', x, eps)
  return states
}
