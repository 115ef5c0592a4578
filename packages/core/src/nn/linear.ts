import { checkOptions } from '../options.js'
import { matmul, type MatmulOptions } from '../ops/matmul.js'
import { Parameter, type Initialiser } from '../parameter.js'
import type { Tensor } from '../tensor.js'
import { kaimingUniform } from './initialisers.js'
import { Module } from './module.js'

/** x weightᵀ + bias. */
export class Linear extends Module {
  readonly weight: Parameter // [outFeatures, inFeatures]
  readonly bias: Parameter | null // [outFeatures]

  constructor(
    inFeatures: number,
    outFeatures: number,
    options: { bias?: boolean; weightInit?: Initialiser; biasInit?: Initialiser } = {},
  ) {
    super()
    checkOptions(options, ['bias', 'weightInit', 'biasInit'], 'Linear')
    const usual = kaimingUniform(inFeatures)
    const { bias = true, weightInit = usual, biasInit = usual } = options
    this.weight = Parameter.declare([outFeatures, inFeatures], weightInit)
    this.bias = bias ? Parameter.declare([outFeatures], biasInit) : null
  }

  /** x [.., inFeatures] to [.., outFeatures]; an activation and a residual are fused into the product. */
  forward(x: Tensor, options: Pick<MatmulOptions, 'activation' | 'residual'> = {}): Tensor {
    checkOptions(options, ['activation', 'residual'], 'Linear.forward')
    return matmul(x, this.weight, { ...options, bias: this.bias, transposeB: true })
  }
}
