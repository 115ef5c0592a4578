import { zeros, type Parameter, type Tensor } from '@tiny/core'
import type { Activation } from '../blocks/activations.js'
import {
  DisentangledAttention,
  distanceTable,
  type Distances,
  type DistanceOptions,
} from '../blocks/disentangled-attention.js'
import { drop } from '../blocks/dropout.js'
import { Embedding } from '../blocks/embeddings.js'
import { Linear, plain } from '../blocks/linear.js'
import type { Mixer } from '../blocks/mixer.js'
import { Mlp } from '../blocks/mlp.js'
import { LayerNorm } from '../blocks/norms.js'
import { runLayer } from '../blocks/recompute.js'
import type { SingleBackbone, Stack, StackContext } from '../blocks/stack.js'
import { TokenConvolution } from '../blocks/token-convolution.js'
import type { Batch } from '../inputs/batch.js'
import { normal, normalWithZeroRow } from '../parameters/initialisers.js'
import type { Constant, Weights } from '../parameters/weights.js'

export interface DebertaOptions {
  readonly vocabSize: number
  readonly width: number
  /** Of the tables of tokens, positions and types. */
  readonly embeddingWidth: number
  readonly layers: number
  readonly heads: number
  readonly inner: number
  readonly activation: Activation
  readonly eps: number
  readonly std: number
  readonly paddingIdx: number | undefined
  readonly dropout: { readonly hidden: number; readonly weights: number }
  /** Rows of the table of positions, where they are added to the tokens. */
  readonly positions?: number | undefined
  readonly typeVocabSize?: number | undefined
  readonly contentToPosition: boolean
  readonly positionToContent: boolean
  /** Relative attention. */
  readonly relative?: (DistanceOptions & { readonly shared: boolean }) | undefined
  /** Whether there is a norm of the table of distances; it may be there without the table. */
  readonly normalised: boolean
  readonly convolution?:
    | { readonly kernel: number; readonly groups: number; readonly activation: Activation }
    | undefined
}

/** Without what transformers multiplies by zero: padding, where it is computed. */
const realTokens = (x: Tensor, mixer: Mixer): Tensor => {
  const { real } = mixer.recur(0)
  return real === undefined ? x : x.mul(real)
}

class DebertaEmbeddings {
  readonly words: Embedding
  readonly #positions: Embedding | undefined
  readonly #types: Embedding | undefined
  readonly #projection: Linear | undefined
  readonly #norm: LayerNorm
  readonly #dropout: number

  constructor(weights: Weights, options: DebertaOptions) {
    const { vocabSize, width, embeddingWidth, std, paddingIdx, positions, typeVocabSize, eps } = options
    const weight = normal(std)
    const table = (name: string, rows: number | undefined) =>
      rows === undefined ? undefined : new Embedding(weights.at(name), rows, embeddingWidth, { weight })
    this.words = new Embedding(weights.at('word_embeddings'), vocabSize, embeddingWidth, {
      weight: normalWithZeroRow(std, paddingIdx),
      paddingIdx,
    })
    this.#positions = table('position_embeddings', positions)
    this.#types = table('token_type_embeddings', typeVocabSize)
    this.#projection =
      embeddingWidth === width
        ? undefined
        : new Linear(weights.at('embed_proj'), embeddingWidth, width, { weight, bias: false })
    this.#norm = new LayerNorm(weights.at('LayerNorm'), width, { eps })
    this.#dropout = options.dropout.hidden
  }

  apply({ inputIds, positions, tokenTypeIds }: Batch<Tensor>, mixer: Mixer): Tensor {
    const words = this.words.apply(inputIds)
    const placed = this.#positions === undefined ? words : words.add(this.#positions.apply(positions))
    const typed =
      this.#types === undefined
        ? placed
        : placed.add(this.#types.apply(tokenTypeIds ?? zeros(inputIds.dims, { dtype: 'int32' })))
    const projected = this.#projection?.apply(typed) ?? typed // [tokens, width]
    return drop(realTokens(this.#norm.apply(projected), mixer), this.#dropout)
  }
}

/** x = LN(x + attention(x)), x = LN(x + mlp(x)). */
class DebertaLayer {
  readonly #attention: DisentangledAttention
  readonly #attentionNorm: LayerNorm
  readonly #mlp: Mlp
  readonly #mlpNorm: LayerNorm

  constructor(weights: Weights, options: DebertaOptions, layer: number) {
    const { width, heads, inner, activation, eps, dropout, relative } = options
    const { contentToPosition, positionToContent } = options
    const weight = normal(options.std)
    this.#attention = new DisentangledAttention(weights.at('attention'), {
      width,
      heads,
      layer,
      weight,
      contentToPosition,
      positionToContent,
      distances: relative === undefined ? 'none' : relative.shared ? 'shared' : 'own',
      dropout: { weights: dropout.weights, output: dropout.hidden, distances: dropout.hidden },
    })
    this.#attentionNorm = new LayerNorm(weights.at('attention.output.LayerNorm'), width, { eps })
    this.#mlp = new Mlp(weights, {
      width,
      inner,
      activation,
      dropout: { output: dropout.hidden },
      up: { name: 'intermediate.dense', weight },
      down: { name: 'output.dense', weight },
    })
    this.#mlpNorm = new LayerNorm(weights.at('output.LayerNorm'), width, { eps })
  }

  apply(x: Tensor, mixer: Mixer, distances: Distances | undefined): Tensor {
    const attended = this.#attentionNorm.applySum(this.#attention.attend(x, mixer, distances), x)
    return this.#mlpNorm.applySum(this.#mlp.apply(attended), attended)
  }
}

/** Neighbouring tokens of the embeddings, added to what the first layer makes of them. */
class ConvolutionLayer {
  readonly #convolution: TokenConvolution
  readonly #norm: LayerNorm
  readonly #activation: Activation
  readonly #dropout: number

  constructor(weights: Weights, options: DebertaOptions, { kernel, groups, activation }: Convolution) {
    const { width, std, eps, dropout } = options
    this.#convolution = new TokenConvolution(weights.at('conv'), {
      width,
      kernel,
      groups,
      weight: normal(std),
    })
    this.#norm = new LayerNorm(weights.at('LayerNorm'), width, { eps })
    this.#activation = activation
    this.#dropout = dropout.hidden
  }

  apply(embedded: Tensor, x: Tensor, batch: Batch<Tensor>, mixer: Mixer): Tensor {
    const mixed = realTokens(this.#convolution.apply(embedded, batch), mixer)
    return realTokens(this.#norm.applySum(this.#activation.apply(drop(mixed, this.#dropout)), x), mixer)
  }
}

type Convolution = NonNullable<DebertaOptions['convolution']>

/** DeBERTa (He et al. 2021): contents and relative positions attend apart. */
export class DebertaEncoder implements SingleBackbone, Stack {
  readonly width: number
  readonly #embeddings: DebertaEmbeddings
  readonly #layers: readonly DebertaLayer[]
  readonly #distances: { readonly weight: Parameter; readonly rows: Constant } | undefined
  readonly #distanceNorm: LayerNorm | undefined
  readonly #convolution: ConvolutionLayer | undefined

  constructor(weights: Weights, options: DebertaOptions) {
    const { width, relative, normalised, convolution, eps, std } = options
    this.width = width
    this.#embeddings = new DebertaEmbeddings(weights.at('embeddings'), options)
    const encoder = weights.at('encoder')
    this.#layers = Array.from(
      { length: options.layers },
      (_, layer) => new DebertaLayer(encoder.at('layer').at(layer), options, layer),
    )
    this.#distances = relative && {
      weight: encoder.declare('rel_embeddings.weight', [2 * relative.span, width], normal(std)),
      rows: distanceTable(encoder, relative),
    }
    this.#distanceNorm = normalised ? new LayerNorm(encoder.at('LayerNorm'), width, { eps }) : undefined
    this.#convolution = convolution && new ConvolutionLayer(encoder.at('conv'), options, convolution)
  }

  get stack(): Stack {
    return this
  }

  get embeddings(): Parameter {
    return this.#embeddings.words.weight
  }

  forward(batch: Batch<Tensor>, mixer: Mixer, { states }: StackContext = {}): Tensor {
    const embedded = this.#embeddings.apply(batch, mixer)
    const table = this.#distances && plain(this.#distances.weight)
    const distances = table && (this.#distanceNorm?.apply(table) ?? table) // [2 span, width]
    const rows = this.#distances?.rows.value
    let x = embedded
    states?.push(x)
    this.#layers.forEach((layer, i) => {
      x =
        distances === undefined
          ? runLayer((x) => layer.apply(x, mixer, undefined), x)
          : runLayer((x, embeddings) => layer.apply(x, mixer, { embeddings, rows: rows! }), x, distances)
      if (i === 0) x = this.#convolution?.apply(embedded, x, batch, mixer) ?? x
      states?.push(x)
    })
    return x // [tokens, width]
  }
}
