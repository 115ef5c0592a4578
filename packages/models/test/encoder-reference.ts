// Encoders of BERT's kind in float64, one row at a time: the sequence of their operations, and what each calls its parts.
import {
  activations,
  attention,
  bucket,
  each,
  Layers,
  number,
  sum,
  type Rows,
  type Tensors,
} from './reference.js'

type Settings = Readonly<Record<string, unknown>>

interface Names {
  readonly prefix: string
  readonly q: string
  readonly k: string
  readonly v: string
  readonly o: string
  readonly attentionNorm: string
  readonly up: string
  readonly down: string
  readonly norm: string
  /** Of layer `i`. */
  place(config: Settings, i: number): string
}

const bert: Omit<Names, 'prefix'> = {
  q: 'attention.self.query',
  k: 'attention.self.key',
  v: 'attention.self.value',
  o: 'attention.output.dense',
  attentionNorm: 'attention.output.LayerNorm',
  up: 'intermediate.dense',
  down: 'output.dense',
  norm: 'output.LayerNorm',
  place: (_, i) => `encoder.layer.${i}`,
}

const families: Readonly<Record<string, Names>> = {
  bert: { prefix: 'bert', ...bert },
  roberta: { prefix: 'roberta', ...bert },
  'xlm-roberta': { prefix: 'roberta', ...bert },
  camembert: { prefix: 'roberta', ...bert },
  electra: { prefix: 'electra', ...bert },
  mpnet: {
    ...bert,
    prefix: 'mpnet',
    q: 'attention.attn.q',
    k: 'attention.attn.k',
    v: 'attention.attn.v',
    o: 'attention.attn.o',
    attentionNorm: 'attention.LayerNorm',
  },
  distilbert: {
    prefix: 'distilbert',
    q: 'attention.q_lin',
    k: 'attention.k_lin',
    v: 'attention.v_lin',
    o: 'attention.out_lin',
    attentionNorm: 'sa_layer_norm',
    up: 'ffn.lin1',
    down: 'ffn.lin2',
    norm: 'output_layer_norm',
    place: (_, i) => `transformer.layer.${i}`,
  },
  albert: {
    prefix: 'albert',
    q: 'attention.query',
    k: 'attention.key',
    v: 'attention.value',
    o: 'attention.dense',
    attentionNorm: 'attention.LayerNorm',
    up: 'ffn',
    down: 'ffn_output',
    norm: 'full_layer_layer_norm',
    place(config, i) {
      const inner = number(config, 'inner_group_num', 1)
      const perGroup = number(config, 'num_hidden_layers') / number(config, 'num_hidden_groups', 1)
      const group = Math.floor(Math.floor(i / inner) / perGroup)
      return `encoder.albert_layer_groups.${group}.albert_layers.${i % inner}`
    },
  },
}

export interface Row {
  readonly ids: readonly number[]
  readonly types?: readonly number[]
  /** Where they are not the model's own. */
  readonly positions?: readonly number[]
  /** 0 for columns that are no keys. */
  readonly mask?: readonly number[]
}

/** RoBERTa's `create_position_ids_from_input_ids`. */
function positionsOf(modelType: string, config: Settings, ids: readonly number[]): number[] {
  const fixed = modelType === 'mpnet' ? 1 : undefined
  const counts = ['roberta', 'xlm-roberta', 'camembert', 'mpnet'].includes(modelType)
  const pad = fixed ?? number(config, 'pad_token_id', 1)
  let count = 0
  return ids.map((id, i) => (!counts ? i : id === pad ? pad : (count++, pad + count)))
}

/** Hidden states of every column, after the last layer. */
export function encoderStates(
  tensors: Tensors,
  config: Settings,
  { ids, types, mask, positions }: Row,
  base = false,
): Rows {
  const modelType = config['model_type'] as string
  const names = families[modelType]!
  const layers = new Layers(tensors)
  const body = base ? layers : layers.at(names.prefix)
  const eps = modelType === 'distilbert' ? 1e-12 : number(config, 'layer_norm_eps', 1e-12)
  const act = activations[(config['hidden_act'] ?? config['activation'] ?? 'gelu') as string]!
  const heads = number(config, 'num_attention_heads', number(config, 'n_heads'))
  const embeddings = body.at('embeddings')
  const rows = (table: string, indices: readonly number[]) => indices.map((i) => embeddings.row(table, i))

  const placed = sum(
    rows('word_embeddings', ids),
    rows('position_embeddings', positions ?? positionsOf(modelType, config, ids)),
  )
  const hasTypes = embeddings.find('token_type_embeddings.weight') !== undefined
  const typed = hasTypes ? sum(placed, rows('token_type_embeddings', types ?? ids.map(() => 0))) : placed
  let x = embeddings.norm('LayerNorm', typed, eps)
  for (const projection of ['embeddings_project', 'encoder.embedding_hidden_mapping_in']) {
    if (body.find(`${projection}.weight`) !== undefined) x = body.linear(projection, x)
  }

  const relative = body.find('encoder.relative_attention_bias.weight')?.data
  const bias = (h: number, i: number, j: number): number => {
    if (mask?.[j] === 0) return -Infinity
    if (config['is_decoder'] === true && j > i) return -Infinity
    return relative === undefined ? 0 : relative[bucket(j - i, 32, 128, true) * heads + h]!
  }
  const scale = (x[0]!.length / heads) ** -0.5
  const depth =
    number(config, 'num_hidden_layers', number(config, 'n_layers')) * number(config, 'inner_group_num', 1)
  for (let l = 0; l < depth; l++) {
    const layer = body.at(names.place(config, l))
    const [q, k, v] = [names.q, names.k, names.v].map((name) => layer.linear(name, x))
    const mixed = layer.linear(names.o, attention(q!, k!, v!, { heads, scale, bias }))
    x = layer.norm(names.attentionNorm, sum(mixed, x), eps)
    const inner = each(layer.linear(names.up, x), act)
    x = layer.norm(names.norm, sum(layer.linear(names.down, inner), x), eps)
  }
  return x
}

/** Products, activations and norms by name, one after another: what a head is. */
export type Step = string | { readonly norm: string; readonly eps: number } | { readonly act: string }

export function applySteps(tensors: Tensors, steps: readonly Step[], x: Rows): Rows {
  const layers = new Layers(tensors)
  for (const step of steps) {
    if (typeof step === 'string') x = layers.linear(step, x)
    else if ('norm' in step) x = layers.norm(step.norm, x, step.eps)
    else x = each(x, activations[step.act]!)
  }
  return x
}

/** -log softmax(scores)[label]. */
export function crossEntropy(scores: ArrayLike<number>, label: number): number {
  const all = Array.from(scores)
  const most = Math.max(...all)
  return most + Math.log(all.reduce((total, x) => total + Math.exp(x - most), 0)) - all[label]!
}
