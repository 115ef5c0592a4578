import { checkOptions } from '../options.js'
import { addLayerNorm, layerNorm, rmsNorm } from '../ops/norm.js'
import { Parameter } from '../parameter.js'
import type { Tensor } from '../tensor.js'
import { ones, zeros } from './initialisers.js'
import { Module } from './module.js'

/** (x - mean) / sqrt(variance + eps) * weight + bias over the last axis. */
export class LayerNorm extends Module {
  readonly weight: Parameter // [width]
  readonly bias: Parameter | null // [width]
  readonly eps: number

  constructor(width: number, options: { eps?: number; bias?: boolean } = {}) {
    super()
    checkOptions(options, ['eps', 'bias'], 'LayerNorm')
    this.eps = options.eps ?? 1e-5
    this.weight = Parameter.declare([width], ones)
    this.bias = (options.bias ?? true) ? Parameter.declare([width], zeros) : null
  }

  forward(x: Tensor): Tensor {
    return layerNorm(x, { weight: this.weight, bias: this.bias, eps: this.eps })
  }

  /** Of x + residual, in one pass: the normalised sum and the sum itself. */
  forwardSum(x: Tensor, residual: Tensor): [normalised: Tensor, sum: Tensor] {
    return addLayerNorm(x, residual, { weight: this.weight, bias: this.bias, eps: this.eps })
  }
}

/** x / sqrt(mean(x²) + eps) * weight over the last axis. */
export class RMSNorm extends Module {
  readonly weight: Parameter // [width]
  readonly eps: number
  readonly zeroCentred: boolean

  /** `zeroCentred` multiplies by 1 + weight, as Gemma does; the weight then starts at zero. */
  constructor(width: number, options: { eps?: number; zeroCentred?: boolean } = {}) {
    super()
    checkOptions(options, ['eps', 'zeroCentred'], 'RMSNorm')
    this.eps = options.eps ?? 1e-6
    this.zeroCentred = options.zeroCentred ?? false
    this.weight = Parameter.declare([width], this.zeroCentred ? zeros : ones)
  }

  forward(x: Tensor): Tensor {
    return rmsNorm(x, this.weight, { eps: this.eps, zeroCentred: this.zeroCentred })
  }
}
