import { addLayerNorm, layerNorm, rmsNorm, type Parameter, type Tensor } from '@tiny/core'
import { ones, zeros } from '../parameters/initialisers.js'
import type { Weights } from '../parameters/weights.js'
import { plain } from './linear.js'

export interface Norm {
  apply(x: Tensor): Tensor
  /** The norm of x + residual, in one pass. */
  applySum(x: Tensor, residual: Tensor): Tensor
}

/** Ba et al. 2016. */
export class LayerNorm implements Norm {
  readonly weight: Parameter
  readonly bias: Parameter | undefined
  readonly #eps: number

  constructor(weights: Weights, width: number, options: { eps: number; bias?: boolean }) {
    this.weight = weights.declare('weight', [width], ones)
    this.bias = options.bias === false ? undefined : weights.declare('bias', [width], zeros)
    this.#eps = options.eps
  }

  apply(x: Tensor): Tensor {
    return layerNorm(x, this.#options())
  }

  applySum(x: Tensor, residual: Tensor): Tensor {
    return addLayerNorm(x, residual, this.#options())[0]
  }

  #options() {
    return { weight: plain(this.weight), bias: this.bias && plain(this.bias), eps: this.#eps }
  }
}

/** Zhang and Sennrich 2019; T5 calls it LayerNorm. */
export class RmsNorm implements Norm {
  readonly weight: Parameter
  readonly #eps: number

  constructor(weights: Weights, width: number, options: { eps: number }) {
    this.weight = weights.declare('weight', [width], ones)
    this.#eps = options.eps
  }

  apply(x: Tensor): Tensor {
    return rmsNorm(x, plain(this.weight), { eps: this.#eps })
  }

  applySum(x: Tensor, residual: Tensor): Tensor {
    return this.apply(x.add(residual))
  }
}
