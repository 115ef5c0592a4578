import type { Initialiser, Tensor } from '@tiny/core'
import type { Weights } from '../parameters/weights.js'
import type { Activation } from './activations.js'
import { finish } from './attention.js'
import { drop } from './dropout.js'
import { Linear, type LinearOptions } from './linear.js'

export interface MlpOptions {
  readonly width: number
  readonly inner: number
  readonly activation: Activation
  readonly bias?: boolean
  readonly layout?: LinearOptions['layout']
  /** Shares that training drops: of the inner width, and of the output. */
  readonly dropout: { readonly inner?: number; readonly output: number }
  /** Names of the products and how they are drawn. With `gate`, activation(gate x) * (up x) as in GLU (Shazeer 2020). */
  readonly up: { readonly name: string; readonly weight: Initialiser }
  readonly gate?: { readonly name: string; readonly weight: Initialiser }
  readonly down: { readonly name: string; readonly weight: Initialiser }
}

/** The feed-forward part of a layer: [tokens, width] to [tokens, inner] and back. */
export class Mlp {
  readonly #options: MlpOptions
  readonly #gate: Linear | undefined
  readonly #up: Linear
  readonly #down: Linear

  constructor(weights: Weights, options: MlpOptions) {
    this.#options = options
    const { width, inner, bias = true, layout = 'linear', gate, up, down } = options
    const linear = (part: { name: string; weight: Initialiser }, from: number, to: number) =>
      new Linear(weights.at(part.name), from, to, { weight: part.weight, bias, layout })
    this.#gate = gate && linear(gate, width, inner)
    this.#up = linear(up, width, inner)
    this.#down = linear(down, inner, width)
  }

  apply(x: Tensor, residual?: Tensor): Tensor {
    const { activation, dropout } = this.#options
    const hidden = this.#gate
      ? this.#gate.apply(x, { activation: activation.fused }).mul(this.#up.apply(x))
      : this.#up.apply(x, { activation: activation.fused }) // [tokens, inner]
    return finish(this.#down, drop(hidden, dropout.inner ?? 0), dropout.output, residual)
  }
}
