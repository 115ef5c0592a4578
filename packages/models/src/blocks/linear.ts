import {
  cast,
  matmul,
  sliceColumns,
  type Initialiser,
  type MatmulOptions,
  type Parameter,
  type Tensor,
} from '@tiny/core'
import { zeros } from '../parameters/initialisers.js'
import type { Weights } from '../parameters/weights.js'

export interface LinearOptions {
  readonly bias?: boolean
  readonly weight: Initialiser
  /** How the file stores the weight: [out, in], or [in, out] as GPT's Conv1D does. */
  readonly layout?: 'linear' | 'conv1d'
}

export type Finish = Pick<MatmulOptions, 'activation' | 'residual'>

/** x Wᵀ + b. */
export class Linear {
  readonly weight: Parameter
  readonly bias: Parameter | undefined
  readonly #transposeB: boolean
  readonly #weights: Weights

  constructor(weights: Weights, inWidth: number, outWidth: number, options: LinearOptions) {
    const conv1d = options.layout === 'conv1d'
    this.weight = weights.declare(
      'weight',
      conv1d ? [inWidth, outWidth] : [outWidth, inWidth],
      options.weight,
    )
    this.bias = options.bias === false ? undefined : weights.declare('bias', [outWidth], zeros)
    this.#transposeB = !conv1d
    this.#weights = weights
  }

  /** [tokens, in] to [tokens, out]. */
  apply(x: Tensor, finish: Finish = {}): Tensor {
    return this.#multiply(x, this.bias, finish)
  }

  /**
   * The same where nothing depends on the bias (every score of a query moves alike with the keys'): its gradient is zero,
   * and not the rounding errors of a sum that vanishes, which Adam would turn into steps of full length.
   */
  applyInert(x: Tensor): Tensor {
    return this.#multiply(x, this.bias && plain(this.bias).detach().add(plain(this.bias).scale(0)), {})
  }

  #multiply(x: Tensor, bias: Tensor | undefined, finish: Finish): Tensor {
    return matmul(x, this.weight, {
      bias,
      transposeB: this.#transposeB,
      precision: this.#weights.precisionOf(this.weight),
      ...finish,
    })
  }
}

/** One product whose columns are several projections side by side, as GPT-2 stores query, key and value. */
export function applySplit(linear: Linear, x: Tensor, widths: readonly number[]): Tensor[] {
  const whole = linear.apply(x)
  let start = 0
  return widths.map((width) => sliceColumns(whole, (start += width) - width, width))
}

/** A norm's or a bias's elements in float32, in which everything but products is computed. */
export const plain = (parameter: Parameter): Tensor =>
  parameter.dtype === 'float32' || parameter.dtype === 'float64' ? parameter : cast(parameter, 'float32')
