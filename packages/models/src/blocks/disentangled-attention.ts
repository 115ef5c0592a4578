import { headProducts, tensor, type Initialiser, type Tensor } from '@tiny/core'
import type { Constant, Weights } from '../parameters/weights.js'
import { finish } from './attention.js'
import { drop } from './dropout.js'
import { Linear } from './linear.js'
import type { Mixer } from './mixer.js'

export interface DistanceOptions {
  /** Half of the rows of the table of distances. */
  readonly span: number
  /** Where distances share rows, logarithmically: how many of them to either side. */
  readonly buckets?: number | undefined
  /** The distance that the last of those buckets is for. */
  readonly maxDistance: number
}

/** Distances beyond it are those at its end: more tokens than attention is computed over. */
const farthest = 2 ** 17

/**
 * The row of each distance j - i (DeBERTa, He et al. 2021): i - j + span, or the bucket of i - j in its place, within the
 * 2 span rows. As long as it has to be for distances beyond it to have the rows of its ends.
 */
export function distanceRows({ span, buckets, maxDistance }: DistanceOptions): Int32Array {
  const bucket = buckets === undefined ? (distance: number) => distance : logarithmic(buckets, maxDistance)
  const row = (distance: number): number =>
    Math.min(2 * span - 1, Math.max(0, Math.trunc(bucket(-distance)) + span))
  let reach = span
  while (reach < farthest && (row(reach) !== row(2 * farthest) || row(-reach) !== row(-2 * farthest))) {
    reach = Math.min(farthest, 2 * reach)
  }
  return Int32Array.from({ length: 2 * reach + 1 }, (_, i) => row(i - reach))
}

// In float32, step by step as PyTorch does: a distance on the edge of two buckets falls as it does there.
function logarithmic(buckets: number, maxDistance: number): (distance: number) => number {
  const { fround } = Math
  const middle = Math.floor(buckets / 2)
  const whole = fround(Math.log(fround((maxDistance - 1) / middle)))
  return (distance) => {
    const far = Math.abs(distance)
    if (far <= middle) return distance
    const ratio = fround(fround(Math.log(fround(far / middle))) / whole)
    const bucket = Math.ceil(fround(ratio * (middle - 1))) + middle
    // What is no number becomes the smallest integer there.
    return Number.isFinite(bucket) ? Math.sign(distance) * bucket : -Infinity
  }
}

/** Embeddings of distances, [2 span, width], and which of them a distance has. */
export interface Distances {
  readonly embeddings: Tensor
  readonly rows: Tensor // int32 [2 * reach + 1]
}

export interface DisentangledOptions {
  readonly width: number
  readonly heads: number
  readonly layer: number
  readonly weight: Initialiser
  /** Whether contents look at positions (c2p), and positions at contents (p2c). */
  readonly contentToPosition: boolean
  readonly positionToContent: boolean
  /** How distances become keys and queries: by the products of the contents, by their own, or there are none. */
  readonly distances: 'shared' | 'own' | 'none'
  /** Shares that training drops: of weights, of the output, of the embeddings of distances. */
  readonly dropout: { readonly weights: number; readonly output: number; readonly distances: number }
}

/**
 * Disentangled attention (He et al. 2021): scores (q_i·k_j + q_i·r_δ(i,j) + k_j·s_δ(j,i)) / √(d n), where r and s are keys
 * and queries of distances and n counts the terms that a configuration names.
 */
export class DisentangledAttention {
  readonly #options: DisentangledOptions
  readonly #query: Linear
  readonly #key: Linear
  readonly #value: Linear
  readonly #positionKey: Linear | undefined
  readonly #positionQuery: Linear | undefined
  readonly #output: Linear

  constructor(weights: Weights, options: DisentangledOptions) {
    this.#options = options
    const { width, weight, distances, contentToPosition, positionToContent } = options
    const linear = (name: string) => new Linear(weights.at(name), width, width, { weight })
    const own = distances === 'own'
    this.#query = linear('self.query_proj')
    this.#key = linear('self.key_proj')
    this.#value = linear('self.value_proj')
    this.#positionKey = own && contentToPosition ? linear('self.pos_key_proj') : undefined
    this.#positionQuery = own && positionToContent ? linear('self.pos_query_proj') : undefined
    this.#output = linear('output.dense')
  }

  /** [tokens, width] to the same. */
  attend(x: Tensor, mixer: Mixer, distances: Distances | undefined): Tensor {
    const { width, heads, layer, dropout, contentToPosition, positionToContent } = this.#options
    const scale = ((width / heads) * (1 + Number(contentToPosition) + Number(positionToContent))) ** -0.5
    const q = this.#query.apply(x)
    // Positions alone ask keys for their bias: it moves all of a query's scores of contents alike.
    const counts = positionToContent && distances !== undefined
    const k = counts ? this.#key.apply(x) : this.#key.applyInert(x)
    const mixed = mixer.attend(layer, q, k, this.#value.apply(x), {
      heads,
      headDim: width / heads,
      scale,
      causal: false,
      dropout: dropout.weights,
      paddingSeesNothing: true,
      ...(distances === undefined ? {} : { terms: this.#terms(q, k, distances, scale) }),
    })
    return finish(this.#output, mixed, dropout.output, undefined)
  }

  #terms(q: Tensor, k: Tensor, { embeddings, rows }: Distances, scale: number) {
    const { heads, contentToPosition, positionToContent, dropout } = this.#options
    const kept = drop(embeddings, dropout.distances) // [2 span, width]
    const products = { heads, transposeB: true, scale }
    const queryTerms = () => headProducts(q, (this.#positionKey ?? this.#key).applyInert(kept), products)
    const keyTerms = () => headProducts(k, (this.#positionQuery ?? this.#query).apply(kept), products)
    return {
      ...(contentToPosition ? { queryTerms: queryTerms(), queryTable: rows } : {}), // [tokens, heads * 2 span]
      // A key's distance to a query, -δ, has the row that the query's has: buckets are odd in δ.
      ...(positionToContent ? { keyTerms: keyTerms(), keyTable: rows } : {}),
    }
  }
}

/** The rows of `distanceRows` as a constant of every plan. */
export const distanceTable = (weights: Weights, options: DistanceOptions): Constant =>
  weights.constant(() => tensor(distanceRows(options)))
