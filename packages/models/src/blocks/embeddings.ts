import { bfloat16Bits, embedding, scale, type Initialiser, type Parameter, type Tensor } from '@tiny/core'
import type { Batch } from '../inputs/batch.js'
import { paddingRow, withZeroRow } from '../parameters/initialisers.js'
import type { Weights } from '../parameters/weights.js'
import { drop } from './dropout.js'
import { Linear } from './linear.js'

/** A table of rows, looked up by id. */
export class Embedding {
  readonly weight: Parameter // [rows, width]
  readonly #paddingIdx: number | undefined

  /** @param options `paddingIdx`: a row that looking up never trains, as in `nn.Embedding`. */
  constructor(
    weights: Weights,
    rows: number,
    width: number,
    options: { weight: Initialiser; paddingIdx?: number | undefined },
  ) {
    this.weight = weights.declare('weight', [rows, width], options.weight)
    this.#paddingIdx = paddingRow(options.paddingIdx, rows)
  }

  /** int32 [tokens] to float32 [tokens, width]. */
  apply(ids: Tensor): Tensor {
    return embedding(this.weight, ids, this.#paddingIdx === undefined ? {} : { paddingIdx: this.#paddingIdx })
  }
}

export interface TokenEmbeddingOptions {
  readonly name: string
  readonly rows: number
  readonly width: number
  readonly weight: Initialiser
  readonly paddingIdx?: number | undefined
  /** Factor of the looked-up rows. */
  readonly scale?: number
  /** Whether that factor is a tensor of the table's dtype in transformers (Gemma), and rounded to it. */
  readonly scaleRounded?: boolean
  /** A product without bias to another width, before positions are added. */
  readonly projection?: { readonly name: string; readonly width: number } | undefined
  /** A learned row for each position. */
  readonly positions?: { readonly name: string; readonly rows: number }
  readonly dropout?: number
}

/** What enters a decoder: token embeddings, scaled, with positions where they are learned. */
export class TokenEmbeddings {
  readonly #options: TokenEmbeddingOptions
  readonly #tokens: Embedding
  readonly #positions: Embedding | undefined
  readonly #projection: Linear | undefined

  constructor(weights: Weights, options: TokenEmbeddingOptions) {
    this.#options = options
    const { name, rows, width, weight, paddingIdx, projection, positions } = options
    const table = withZeroRow(weight, paddingIdx)
    this.#tokens = new Embedding(weights.at(name), rows, width, { weight: table, paddingIdx })
    const inner = projection?.width ?? width
    this.#positions =
      positions && new Embedding(weights.at(positions.name), positions.rows, inner, { weight })
    this.#projection =
      projection && new Linear(weights.at(projection.name), width, inner, { weight, bias: false })
  }

  get weight(): Parameter {
    return this.#tokens.weight
  }

  /** [tokens, width] */
  apply({ inputIds, positions }: Batch<Tensor>): Tensor {
    const { dropout = 0 } = this.#options
    const factor = this.#factor
    const rows = this.#tokens.apply(inputIds)
    const scaled = factor === 1 ? rows : scale(rows, factor)
    const inner = this.#projection === undefined ? scaled : this.#projection.apply(scaled)
    return drop(this.#positions === undefined ? inner : inner.add(this.#positions.apply(positions)), dropout)
  }
  get #factor(): number {
    const { scale: factor = 1, scaleRounded = false } = this.#options
    return scaleRounded && this.weight.dtype === 'bfloat16' ? asBfloat16(factor) : factor
  }
}

function asBfloat16(value: number): number {
  return new Float32Array(Uint32Array.of(bfloat16Bits(value) << 16).buffer)[0]!
}
