import { OptionError } from '../errors.js'
import { dropout } from '../ops/random.js'
import { nextRandomSite } from '../random-key.js'
import type { Tensor } from '../tensor.js'
import { Module } from './module.js'

/** Zeroes the share p of its input while training, inside `withRandomKey`; otherwise passes it on. */
export class Dropout extends Module {
  readonly p: number

  constructor(p: number) {
    super()
    if (!(p >= 0 && p < 1)) throw new OptionError(`dropout takes a share of at least 0 and below 1, not ${p}`)
    this.p = p
  }

  /** @throws OptionError while training without a random key. */
  forward(x: Tensor): Tensor {
    if (!this.training || this.p === 0) return x
    const { key, site } = nextRandomSite('Dropout')
    return dropout(x, key, { p: this.p, site })
  }
}
