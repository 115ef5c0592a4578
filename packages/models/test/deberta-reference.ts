// DeBERTa v2 in float64 over a whole rectangle, padding and all, as modeling_deberta_v2.py goes about it.
import { activations, each, Layers, number, sum, type Rows, type Tensors } from './reference.js'

type Settings = Readonly<Record<string, unknown>>

export interface DebertaRow {
  readonly ids: readonly number[]
  readonly types?: readonly number[]
  /** 0 for padding. */
  readonly mask?: readonly number[]
}

/** make_log_bucket_position, or the distance itself. */
function relativePosition(distance: number, buckets: number, most: number): number {
  const middle = Math.floor(buckets / 2)
  const far = distance < middle && distance > -middle ? middle - 1 : Math.abs(distance)
  if (buckets <= 0 || far <= middle) return distance
  const logarithm = Math.log(far / middle) / Math.log((most - 1) / middle)
  return Math.sign(distance) * (Math.ceil(logarithm * (middle - 1)) + middle)
}

const masked = (x: Rows, mask: readonly number[]): Rows => x.map((row, i) => row.map((v) => v * mask[i]!))

function convolved(layer: Layers, x: Rows, groups: number): Rows {
  const { shape, data } = layer.get('conv.weight')
  const [width, inner, kernel] = shape as [number, number, number]
  const bias = layer.get('conv.bias').data
  return x.map((_, i) =>
    Float64Array.from({ length: width }, (_, o) => {
      const first = Math.floor(o / (width / groups)) * inner
      let total = bias[o]!
      for (let c = 0; c < inner; c++) {
        for (let t = 0; t < kernel; t++) {
          total += (x[i + t - (kernel - 1) / 2]?.[first + c] ?? 0) * data[(o * inner + c) * kernel + t]!
        }
      }
      return total
    }),
  )
}

/** Embeddings, what follows each layer (after the first, its convolution) and the last hidden state. */
export function debertaStates(
  body: Layers,
  config: Settings,
  { ids, types, mask = ids.map(() => 1) }: DebertaRow,
): { states: Rows[]; last: Rows } {
  const eps = number(config, 'layer_norm_eps', 1e-7)
  const heads = number(config, 'num_attention_heads')
  const given = config['pos_att_type'] as string | string[] | undefined
  const terms =
    typeof given === 'string'
      ? given
          .toLowerCase()
          .split('|')
          .map((word) => word.trim())
      : (given ?? [])
  const relative = config['relative_attention'] === true
  const buckets = number(config, 'position_buckets', -1)
  const asked = number(config, 'max_relative_positions', -1)
  const most = asked < 1 ? number(config, 'max_position_embeddings') : asked
  const span = buckets > 0 ? buckets : most
  const act = activations[(config['hidden_act'] as string | undefined) ?? 'gelu']!

  const embeddings = body.at('embeddings')
  const rows = (table: string, indices: readonly number[]): Rows =>
    indices.map((index) => embeddings.row(table, index))
  let x = rows('word_embeddings', ids)
  if (config['position_biased_input'] !== false)
    x = sum(
      x,
      rows(
        'position_embeddings',
        ids.map((_, i) => i),
      ),
    )
  if (number(config, 'type_vocab_size', 0) > 0)
    x = sum(x, rows('token_type_embeddings', types ?? ids.map(() => 0)))
  if (embeddings.find('embed_proj.weight') !== undefined) x = embeddings.linear('embed_proj', x)
  const embedded = masked(embeddings.norm('LayerNorm', x, eps), mask)

  const encoder = body.at('encoder')
  let table: Rows = relative
    ? Array.from({ length: 2 * span }, (_, i) => encoder.row('rel_embeddings', i))
    : []
  const norms = ((config['norm_rel_ebd'] as string | undefined) ?? 'none').split('|')
  if (relative && norms.includes('layer_norm')) table = encoder.norm('LayerNorm', table, eps)

  const attend = (layer: Layers, x: Rows): Rows => {
    const [q, k, v] = ['query', 'key', 'value'].map((name) => layer.linear(`self.${name}_proj`, x)) as [
      Rows,
      Rows,
      Rows,
    ]
    const own = config['share_att_key'] !== true
    const width = q[0]!.length / heads
    const scale = (width * (1 + terms.filter((term) => term !== 'p2p').length)) ** -0.5
    const dot = (a: Float64Array, b: Float64Array, h: number): number => {
      let total = 0
      for (let c = h * width; c < (h + 1) * width; c++) total += a[c]! * b[c]!
      return total
    }
    const keys =
      relative && terms.includes('c2p') ? layer.linear(`self.${own ? 'pos_key' : 'key'}_proj`, table) : []
    const queries =
      relative && terms.includes('p2c') ? layer.linear(`self.${own ? 'pos_query' : 'query'}_proj`, table) : []
    const clamp = (row: number): number => Math.min(2 * span - 1, Math.max(0, row))
    return q.map((query, i) => {
      const out = new Float64Array(query.length)
      for (let h = 0; h < heads; h++) {
        const scores = k.map((key, j) => {
          if (mask[i] === 0 || mask[j] === 0) return -1e30
          const c2p = keys[clamp(relativePosition(i - j, buckets, most) + span)]
          const p2c = queries[clamp(-relativePosition(j - i, buckets, most) + span)]
          const added = (c2p ? dot(query, c2p, h) : 0) + (p2c ? dot(key, p2c, h) : 0)
          return (dot(query, key, h) + added) * scale
        })
        const largest = Math.max(...scores)
        const weights = scores.map((score) => Math.exp(score - largest))
        const total = weights.reduce((a, w) => a + w, 0)
        for (let c = h * width; c < (h + 1) * width; c++)
          out[c] = weights.reduce((a, w, j) => a + (w / total) * v[j]![c]!, 0)
      }
      return out
    })
  }

  x = embedded
  const states = [embedded]
  for (let l = 0; l < number(config, 'num_hidden_layers'); l++) {
    const layer = encoder.at(`layer.${l}`)
    const mixed = layer.linear('attention.output.dense', attend(layer.at('attention'), x))
    x = layer.norm('attention.output.LayerNorm', sum(mixed, x), eps)
    const inner = each(layer.linear('intermediate.dense', x), act)
    x = layer.norm('output.LayerNorm', sum(layer.linear('output.dense', inner), x), eps)
    if (l === 0 && number(config, 'conv_kernel_size', 0) > 0) {
      const conv = encoder.at('conv')
      const out = masked(convolved(conv, embedded, number(config, 'conv_groups', 1)), mask)
      const activated = each(out, activations[(config['conv_act'] as string | undefined) ?? 'tanh']!)
      x = masked(conv.norm('LayerNorm', sum(x, activated), eps), mask)
    }
    states.push(x)
  }
  return { states, last: x }
}

export const debertaBody = (tensors: Tensors): Layers => new Layers(tensors).at('deberta')
