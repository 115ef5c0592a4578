import type { Initialiser, Tensor } from '@tiny/core'
import { activated, type Activation } from '../blocks/activations.js'
import { drop } from '../blocks/dropout.js'
import { Linear } from '../blocks/linear.js'
import { LayerNorm } from '../blocks/norms.js'
import type { Weights } from '../parameters/weights.js'

/** What a head does before its last product: dropout, a dense layer, an activation, a norm; each where there is one. */
export interface TransformOptions {
  /** Share of the input that training drops. */
  readonly dropout?: number
  readonly dense?: {
    readonly name: string
    readonly weight: Initialiser
    readonly bias?: boolean
    /** The backbone's unless given. */
    readonly width?: number
  }
  readonly activation?: Activation | undefined
  readonly norm?: { readonly name: string; readonly eps: number; readonly bias?: boolean }
}

export class Transform {
  /** Of what comes out. */
  readonly width: number
  readonly #options: TransformOptions
  readonly #dense: Linear | undefined
  readonly #norm: LayerNorm | undefined

  constructor(weights: Weights, width: number, options: TransformOptions = {}) {
    const { dense, norm } = options
    this.#options = options
    this.width = dense?.width ?? width
    this.#dense =
      dense &&
      new Linear(weights.at(dense.name), width, this.width, {
        weight: dense.weight,
        bias: dense.bias ?? true,
      })
    this.#norm =
      norm && new LayerNorm(weights.at(norm.name), this.width, { eps: norm.eps, bias: norm.bias ?? true })
  }

  /** [rows, width of the backbone] to [rows, width]. */
  apply(hidden: Tensor): Tensor {
    const { dropout = 0, activation } = this.#options
    const kept = drop(hidden, dropout)
    const dense = this.#dense
    const inner =
      dense === undefined
        ? (activation?.apply(kept) ?? kept)
        : activation === undefined
          ? dense.apply(kept)
          : activated(dense, kept, activation)
    return this.#norm?.apply(inner) ?? inner
  }
}
