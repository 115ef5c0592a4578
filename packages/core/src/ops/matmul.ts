import { applyOne } from '../apply.js'
import type { Dtype } from '../native.js'
import type { Tensor } from '../tensor.js'

export interface MatmulOptions {
  /** [n], added to every row. */
  bias?: Tensor | null | undefined
  /** Of the result's shape, added after the activation. */
  residual?: Tensor | null | undefined
  transposeA?: boolean
  /** b is [n, k], as linear layers store their weights. */
  transposeB?: boolean
  activation?: 'none' | 'gelu' | 'gelu_tanh' | 'relu' | 'silu' | 'tanh'
  /** Factor of the product, before the bias. */
  alpha?: number
  /** What the product multiplies in, accumulating in float32; bfloat16 where `a` is, else float32. */
  precision?: 'float32' | 'bfloat16'
  /** Of the result; `a`'s unless given. */
  dtype?: Dtype
}

/**
 * activation(alpha a b + bias) + residual in one pass. a is [.., k] (its leading sizes together are rows), b is
 * [k, n]; the result is [.., n].
 *
 * @throws ShapeError naming both shapes.
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  const { bias, residual, ...attributes } = options
  return applyOne('matmul', [a, b, bias, residual], attributes)
}

export interface HeadProductOptions {
  heads: number
  transposeA?: boolean
  transposeB?: boolean
  /** Factor of the products. */
  scale?: number
}

/**
 * Products of matrices whose columns are heads side by side, each head by itself: a [m, heads * k] with b
 * [k, heads * n], or [n, heads * k] with `transposeB`, is [m, heads * n]. With `transposeA`, a is [k, heads * m].
 *
 * @throws ShapeError naming both shapes.
 */
export const headProducts = (a: Tensor, b: Tensor, options: HeadProductOptions): Tensor =>
  applyOne('headProducts', [a, b], { ...options })
