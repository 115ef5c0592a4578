import { ConfigError, zeros, type Initialiser, type Parameter, type Tensor } from '@tiny/core'
import type { Activation } from '../blocks/activations.js'
import { Attention } from '../blocks/attention.js'
import { drop } from '../blocks/dropout.js'
import { Embedding } from '../blocks/embeddings.js'
import { Linear } from '../blocks/linear.js'
import type { Mixer, Scores } from '../blocks/mixer.js'
import { Mlp } from '../blocks/mlp.js'
import { LayerNorm } from '../blocks/norms.js'
import { RelativeBias } from '../blocks/relative-bias.js'
import { runLayer } from '../blocks/recompute.js'
import type { CacheShape, SingleBackbone, Stack, StackContext } from '../blocks/stack.js'
import { firstRows } from '../blocks/pooling.js'
import type { Batch } from '../inputs/batch.js'
import { normal, normalWithZeroRow } from '../parameters/initialisers.js'
import type { Role, Weights } from '../parameters/weights.js'

/** An encoder of BERT's kind: sizes, and what the family calls its parts. */
export interface PostNormOptions {
  readonly vocabSize: number
  readonly width: number
  /** Width of the embeddings, where a product leads from there to the layers'. */
  readonly embedding?: { readonly width: number; readonly projection: string } | undefined
  readonly heads: number
  readonly inner: number
  readonly activation: Activation
  readonly eps: number
  readonly std: number
  readonly maxPositions: number
  /** How positions are drawn, where not like everything else. */
  readonly positions?: Initialiser
  readonly typeVocabSize?: number
  /** Rows of the tables of tokens and of positions that looking up never trains. */
  readonly padding: { readonly token?: number | undefined; readonly position?: number | undefined }
  readonly dropout: {
    readonly embeddings: number
    readonly weights: number
    readonly attention: number
    readonly mlp: number
  }
  /** Places of the layers in the order in which they run; equal ones are one layer. */
  readonly layers: readonly string[]
  readonly names: LayerNames
  /** T5's relative positions, one table for all layers. */
  readonly relative?: { readonly name: string; readonly buckets: number; readonly rows: number }
  /** Tokens see those before them alone, and a cache keeps them. */
  readonly causal?: boolean
  /** The product of the pooler, whose activation is tanh. */
  readonly pooler?: { readonly name: string; readonly role: Role } | undefined
}

export interface LayerNames {
  readonly query: string
  readonly key: string
  readonly value: string
  readonly output: string
  readonly attentionNorm: string
  readonly up: string
  readonly down: string
  readonly mlpNorm: string
}

/** BERT's own names. */
export const bertLayer: LayerNames = {
  query: 'attention.self.query',
  key: 'attention.self.key',
  value: 'attention.self.value',
  output: 'attention.output.dense',
  attentionNorm: 'attention.output.LayerNorm',
  up: 'intermediate.dense',
  down: 'output.dense',
  mlpNorm: 'output.LayerNorm',
}

/** `encoder.layer.0`, `encoder.layer.1`, … */
export const numberedLayers = (place: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${place}.${i}`)

/** Token, position and (where there are any) type embeddings, summed and normalised. */
class PostNormEmbeddings {
  readonly words: Embedding
  readonly #positions: Embedding
  readonly #types: Embedding | undefined
  readonly #norm: LayerNorm
  readonly #dropout: number

  constructor(weights: Weights, width: number, options: PostNormOptions) {
    const { std, padding, typeVocabSize, positions } = options
    const weight = normal(std)
    this.words = new Embedding(weights.at('word_embeddings'), options.vocabSize, width, {
      weight: normalWithZeroRow(std, padding.token),
      paddingIdx: padding.token,
    })
    this.#positions = new Embedding(weights.at('position_embeddings'), options.maxPositions, width, {
      weight: positions ?? normalWithZeroRow(std, padding.position),
      paddingIdx: padding.position,
    })
    this.#types =
      typeVocabSize === undefined
        ? undefined
        : new Embedding(weights.at('token_type_embeddings'), typeVocabSize, width, { weight })
    this.#norm = new LayerNorm(weights.at('LayerNorm'), width, { eps: options.eps })
    this.#dropout = options.dropout.embeddings
  }

  apply({ inputIds, positions, tokenTypeIds }: Batch<Tensor>): Tensor {
    const words = this.words.apply(inputIds)
    const typed = this.#types
      ? words.add(this.#types.apply(tokenTypeIds ?? zeros(inputIds.dims, { dtype: 'int32' })))
      : words
    return drop(this.#norm.applySum(typed, this.#positions.apply(positions)), this.#dropout) // [tokens, width]
  }
}

/** x = LN(x + attention(x)), x = LN(x + mlp(x)). */
class PostNormLayer {
  readonly #attention: Attention
  readonly #attentionNorm: LayerNorm
  readonly #mlp: Mlp
  readonly #mlpNorm: LayerNorm

  constructor(weights: Weights, options: PostNormOptions, layer: number) {
    const { width, heads, inner, activation, eps, dropout, names, causal = false } = options
    const weight = normal(options.std)
    const headDim = width / heads
    this.#attention = new Attention(weights, {
      width,
      heads,
      headDim,
      layer,
      causal,
      scale: headDim ** -0.5,
      dropout: { weights: dropout.weights, output: dropout.attention },
      projections: {
        query: { name: names.query, weight },
        key: { name: names.key, weight },
        value: { name: names.value, weight },
      },
      output: { name: names.output, weight },
    })
    this.#attentionNorm = new LayerNorm(weights.at(names.attentionNorm), width, { eps })
    this.#mlp = new Mlp(weights, {
      width,
      inner,
      activation,
      dropout: { output: dropout.mlp },
      up: { name: names.up, weight },
      down: { name: names.down, weight },
    })
    this.#mlpNorm = new LayerNorm(weights.at(names.mlpNorm), width, { eps })
  }

  apply(x: Tensor, mixer: Mixer, relative: Scores['relative']): Tensor {
    const attended = this.#attentionNorm.applySum(this.#attention.attend(x, mixer, { relative }), x)
    return this.#mlpNorm.applySum(this.#mlp.apply(attended), attended)
  }
}

/** BERT (Devlin et al. 2019) and those that are like it: norms stand behind the sums. */
export class PostNormEncoder implements SingleBackbone, Stack {
  readonly width: number
  readonly cache?: CacheShape
  readonly #embeddings: PostNormEmbeddings
  readonly #projection: Linear | undefined
  readonly #layers: readonly PostNormLayer[]
  readonly #relative: RelativeBias | undefined
  readonly #pooler: Linear | undefined

  constructor(weights: Weights, options: PostNormOptions) {
    const { width, embedding, layers, relative, pooler } = options
    const weight = normal(options.std)
    const embeddingWidth = embedding?.width ?? width
    this.width = width
    if (options.causal === true) this.cache = { layers: layers.length, keyWidth: width, valueWidth: width }
    this.#embeddings = new PostNormEmbeddings(weights.at('embeddings'), embeddingWidth, options)
    this.#projection =
      embedding && new Linear(weights.at(embedding.projection), embeddingWidth, width, { weight })
    const made = new Map<string, PostNormLayer>()
    this.#layers = layers.map((place, i) => {
      const layer = made.get(place) ?? new PostNormLayer(weights.at(place), options, i)
      made.set(place, layer)
      return layer
    })
    this.#relative =
      relative &&
      new RelativeBias(weights.at(relative.name), options.heads, {
        buckets: relative.buckets,
        rows: relative.rows,
        maxDistance: 128,
        bidirectional: true,
        std: options.std,
      })
    this.#pooler = pooler && new Linear(weights.as(pooler.role).at(pooler.name), width, width, { weight })
  }

  get stack(): Stack {
    return this
  }

  get embeddings(): Parameter {
    return this.#embeddings.words.weight
  }

  forward(batch: Batch<Tensor>, mixer: Mixer, { states }: StackContext = {}): Tensor {
    const relative = this.#relative?.scores()
    const embedded = this.#embeddings.apply(batch)
    let x = this.#projection?.apply(embedded) ?? embedded
    states?.push(x)
    for (const layer of this.#layers) {
      x = runLayer((x) => layer.apply(x, mixer, relative), x)
      states?.push(x)
    }
    return x // [tokens, width]
  }

  pool(hidden: Tensor, batch: Batch<Tensor>): Tensor | undefined {
    if (this.#pooler?.weight.materialised !== true) return undefined
    return this.#pooler.apply(firstRows(hidden, batch), { activation: 'tanh' }) // [sequences, width]
  }
}

/** @throws ConfigError unless the heads share the width evenly. */
export function requireHeads(
  width: number,
  heads: number,
  [widthKey, headsKey]: readonly [string, string] = ['hidden_size', 'num_attention_heads'],
): void {
  if (width % heads === 0) return
  throw new ConfigError(`${widthKey} ${width} is not a multiple of ${headsKey} ${heads}`, { key: widthKey })
}
