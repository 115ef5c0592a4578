import { concat, rotate, sliceColumns, type Initialiser, type Tensor } from '@tiny/core'
import type { Weights } from '../parameters/weights.js'
import { finish, splitHeads, type AttendOptions } from './attention.js'
import { Linear } from './linear.js'
import type { Mixer } from './mixer.js'
import { RmsNorm } from './norms.js'

export interface LatentAttentionOptions {
  readonly width: number
  readonly heads: number
  /** Ranks of what queries, and keys with values, are made from; queries come from the tokens where it is undefined. */
  readonly queryRank: number | undefined
  readonly keyValueRank: number
  /** Columns of a head's query and key that are not rotated, that are, and of its value. */
  readonly plainDim: number
  readonly rotatedDim: number
  readonly valueDim: number
  readonly scale: number
  /** Rotated pairs are neighbours, not half of the rotated columns apart. */
  readonly interleaved: boolean
  /** Of the products that read tokens through a rank, and of the output. */
  readonly bias: boolean
  readonly weight: Initialiser
  /** Share of the weights that training drops. */
  readonly dropout: number
  readonly layer: number
}

/** transformers builds the norms of the ranks without the configuration's epsilon. */
const eps = 1e-6

/**
 * Multi-head latent attention (DeepSeek-AI 2024, arXiv 2405.04434): keys and values of all heads from one vector of
 * small rank, and one rotated key for all heads. Expanded keys and values are what meets the queries and what is kept.
 */
export class LatentAttention {
  readonly #options: LatentAttentionOptions
  readonly #query: (x: Tensor) => Tensor
  readonly #compress: Linear
  readonly #norm: RmsNorm
  readonly #expand: Linear
  readonly #output: Linear

  constructor(weights: Weights, options: LatentAttentionOptions) {
    this.#options = options
    const { width, heads, queryRank, keyValueRank, plainDim, rotatedDim, valueDim, weight, bias } = options
    const linear = (name: string, from: number, to: number, biased = false) =>
      new Linear(weights.at(name), from, to, { weight, bias: biased })
    const queries = heads * (plainDim + rotatedDim)
    if (queryRank === undefined) {
      const query = linear('q_proj', width, queries)
      this.#query = (x) => query.apply(x)
    } else {
      const compress = linear('q_a_proj', width, queryRank, bias)
      const norm = new RmsNorm(weights.at('q_a_layernorm'), queryRank, { eps })
      const expand = linear('q_b_proj', queryRank, queries)
      this.#query = (x) => expand.apply(norm.apply(compress.apply(x)))
    }
    this.#compress = linear('kv_a_proj_with_mqa', width, keyValueRank + rotatedDim, bias)
    this.#norm = new RmsNorm(weights.at('kv_a_layernorm'), keyValueRank, { eps })
    this.#expand = linear('kv_b_proj', keyValueRank, heads * (plainDim + valueDim))
    this.#output = linear('o_proj', heads * valueDim, width, bias)
  }

  attend(x: Tensor, mixer: Mixer, { rope, residual }: AttendOptions = {}): Tensor {
    const { heads, plainDim, rotatedDim, valueDim, scale, dropout, layer, interleaved } = this.#options
    const headDim = plainDim + rotatedDim
    const q = rotate(this.#query(x), rope!, { headDim, start: plainDim, interleaved }) // [tokens, heads * headDim]
    const [k, v] = this.#keysAndValues(x, rope!)
    const mixed = mixer.attend(layer, q, k, v, { heads, headDim, valueDim, scale, causal: true, dropout })
    return finish(this.#output, mixed, 0, residual)
  }

  /** [tokens, heads * headDim] and [tokens, heads * valueDim]. */
  #keysAndValues(x: Tensor, rope: Tensor): [k: Tensor, v: Tensor] {
    const { heads, keyValueRank, plainDim, rotatedDim, valueDim, interleaved } = this.#options
    const compressed = this.#compress.apply(x)
    const latent = this.#norm.apply(sliceColumns(compressed, 0, keyValueRank))
    const shared = sliceColumns(compressed, keyValueRank, rotatedDim)
    const rotated = rotate(shared, rope, { headDim: rotatedDim, interleaved }) // [tokens, rotatedDim]
    const [plain, v] = splitHeads(this.#expand.apply(latent), heads, [plainDim, valueDim])
    const rows = x.dim(0).mul(heads)
    const parts = [
      plain!.reshape([rows, plainDim]),
      concat(Array<Tensor>(heads).fill(rotated), 'last').reshape([rows, rotatedDim]),
    ]
    return [concat(parts, 'last').reshape([x.dim(0), heads * (plainDim + rotatedDim)]), v!]
  }
}
