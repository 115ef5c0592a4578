import { cast } from '../ops/elementwise.js'
import { randomNormal, randomUniform } from '../ops/random.js'
import { full } from '../ops/shape.js'
import type { Dtype } from '../native.js'
import type { Initialiser } from '../parameter.js'
import type { Tensor } from '../tensor.js'

/** Normal numbers with this standard deviation, around `mean`. */
export const normal =
  (std: number, mean = 0): Initialiser =>
  (shape, dtype, place) =>
    held(randomNormal(shape, { std, mean, ...place }), dtype)

/** Uniform numbers in [min, max). */
export const uniform =
  (min: number, max: number): Initialiser =>
  (shape, dtype, place) =>
    held(randomUniform(shape, { min, max, ...place }), dtype)

/** One value everywhere. */
export const constant =
  (value: number): Initialiser =>
  (shape, dtype) =>
    full(shape, value, { dtype })

export const zeros: Initialiser = constant(0)
export const ones: Initialiser = constant(1)

/** PyTorch's draw of linear layers: uniform within ±1 / sqrt(inputs). */
export const kaimingUniform = (inputs: number): Initialiser =>
  uniform(-1 / Math.sqrt(inputs), 1 / Math.sqrt(inputs))

const held = (drawn: Tensor, dtype: Dtype): Tensor => (dtype === 'float32' ? drawn : cast(drawn, dtype))
