import { applyOne } from '../apply.js'
import type { Size } from '../dim.js'
import type { Dtype } from '../native.js'
import type { Tensor } from '../tensor.js'

/**
 * Zeroes the share p of x and scales the rest by 1 / (1 - p). What is dropped follows from the random key int32 [2]
 * (seed, step) and the site alone, so the gradient draws the same.
 */
export const dropout = (x: Tensor, key: Tensor, attributes: { p: number; site: number }): Tensor =>
  applyOne('dropout', [x, key], attributes)

/** Independent normal numbers, a function of seed and site alone. float32 unless given. */
export const randomNormal = (
  shape: readonly Size[],
  attributes: { mean?: number; std?: number; seed: number; site?: number; dtype?: Dtype },
): Tensor => applyOne('randomNormal', [], { mean: 0, std: 1, site: 0, ...attributes, shape })

/** Independent uniform numbers in [min, max), a function of seed and site alone. float32 unless given. */
export const randomUniform = (
  shape: readonly Size[],
  attributes: { min?: number; max?: number; seed: number; site?: number; dtype?: Dtype },
): Tensor => applyOne('randomUniform', [], { min: 0, max: 1, site: 0, ...attributes, shape })
