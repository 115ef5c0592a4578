import { checkOptions } from '../options.js'
import { embedding } from '../ops/gather.js'
import { Parameter, type Initialiser } from '../parameter.js'
import type { Tensor } from '../tensor.js'
import { normal } from './initialisers.js'
import { Module } from './module.js'

/** A row of a table for each id. */
export class Embedding extends Module {
  readonly weight: Parameter // [count, width]
  /** The row that gets no gradient. */
  readonly paddingIdx: number | undefined

  constructor(count: number, width: number, options: { weightInit?: Initialiser; paddingIdx?: number } = {}) {
    super()
    checkOptions(options, ['weightInit', 'paddingIdx'], 'Embedding')
    this.paddingIdx = options.paddingIdx
    this.weight = Parameter.declare([count, width], options.weightInit ?? normal(1))
  }

  /** int32 ids [..] to [.., width]. */
  forward(ids: Tensor): Tensor {
    return embedding(this.weight, ids, { paddingIdx: this.paddingIdx })
  }
}
