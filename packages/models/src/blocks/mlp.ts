import type { Initialiser, Tensor } from '@tiny/core'
import type { Weights } from '../parameters/weights.js'
import { activated, type Activation } from './activations.js'
import { finish } from './attention.js'
import { drop } from './dropout.js'
import { applySplit, Linear, type LinearOptions } from './linear.js'

export interface MlpOptions {
  readonly width: number
  readonly inner: number
  readonly activation: Activation
  readonly bias?: boolean
  readonly layout?: LinearOptions['layout']
  /** Shares that training drops: of the inner width, and of the output. */
  readonly dropout: { readonly inner?: number; readonly output: number }
  /**
   * Names of the products and how they are drawn. With `gate`, activation(gate x) * (up x) as in GLU (Shazeer 2020);
   * where `gate` is 'first half', one product has the gate's columns, then the others.
   */
  readonly up: MlpProduct
  readonly gate?: MlpProduct | 'first half'
  readonly down: MlpProduct
}

export interface MlpProduct {
  readonly name: string
  readonly weight: Initialiser
}

/** The feed-forward part of a layer: [tokens, width] to [tokens, inner] and back. */
export class Mlp {
  readonly #options: MlpOptions
  readonly #inner: (x: Tensor) => Tensor // [tokens, inner]
  readonly #down: Linear

  constructor(weights: Weights, options: MlpOptions) {
    this.#options = options
    const { width, inner, activation, bias = true, layout = 'linear', gate, up, down } = options
    const linear = (part: MlpProduct, from: number, to: number) =>
      new Linear(weights.at(part.name), from, to, { weight: part.weight, bias, layout })
    if (gate === 'first half') {
      const both = linear(up, width, 2 * inner)
      this.#inner = (x) => {
        const [gated, rest] = applySplit(both, x, [inner, inner])
        return activation.apply(gated!).mul(rest!)
      }
    } else if (gate !== undefined) {
      const gates = linear(gate, width, inner)
      const ups = linear(up, width, inner)
      this.#inner = (x) => activated(gates, x, activation).mul(ups.apply(x))
    } else {
      const ups = linear(up, width, inner)
      this.#inner = (x) => activated(ups, x, activation)
    }
    this.#down = linear(down, inner, width)
  }

  apply(x: Tensor, residual?: Tensor): Tensor {
    const { dropout } = this.#options
    return finish(this.#down, drop(this.#inner(x), dropout.inner ?? 0), dropout.output, residual)
  }
}
