import { applyOne } from '../apply.js'
import type { Dtype } from '../native.js'
import type { Tensor } from '../tensor.js'

// Binary ops take equal shapes, or a scalar [] or a row [width] as the second operand.

export const add = (a: Tensor, b: Tensor): Tensor => applyOne('add', [a, b])
export const sub = (a: Tensor, b: Tensor): Tensor => applyOne('sub', [a, b])
export const mul = (a: Tensor, b: Tensor): Tensor => applyOne('mul', [a, b])
export const div = (a: Tensor, b: Tensor): Tensor => applyOne('div', [a, b])
export const maximum = (a: Tensor, b: Tensor): Tensor => applyOne('maximum', [a, b])
export const minimum = (a: Tensor, b: Tensor): Tensor => applyOne('minimum', [a, b])

export const neg = (x: Tensor): Tensor => applyOne('neg', [x])
export const exp = (x: Tensor): Tensor => applyOne('exp', [x])
/** Natural logarithm. */
export const log = (x: Tensor): Tensor => applyOne('log', [x])
export const sqrt = (x: Tensor): Tensor => applyOne('sqrt', [x])
/** 1 / sqrt(x). */
export const rsqrt = (x: Tensor): Tensor => applyOne('rsqrt', [x])
export const square = (x: Tensor): Tensor => applyOne('square', [x])
export const abs = (x: Tensor): Tensor => applyOne('abs', [x])
export const tanh = (x: Tensor): Tensor => applyOne('tanh', [x])
export const sigmoid = (x: Tensor): Tensor => applyOne('sigmoid', [x])
export const relu = (x: Tensor): Tensor => applyOne('relu', [x])
/** x Φ(x) with the exact error function (Hendrycks and Gimpel 2016); Hugging Face's `gelu`. */
export const gelu = (x: Tensor): Tensor => applyOne('gelu', [x])
/** Its tanh approximation; Hugging Face's `gelu_new` and `gelu_pytorch_tanh`. */
export const geluTanh = (x: Tensor): Tensor => applyOne('geluTanh', [x])
/** x sigmoid(x), also called swish. */
export const silu = (x: Tensor): Tensor => applyOne('silu', [x])

/** x to a constant power. */
export const pow = (x: Tensor, exponent: number): Tensor => applyOne('pow', [x], { exponent })
export const clamp = (x: Tensor, range: { min?: number; max?: number }): Tensor =>
  applyOne('clamp', [x], range)
/** a where `condition` is not zero, else b. */
export const where = (condition: Tensor, a: Tensor, b: Tensor): Tensor => applyOne('where', [condition, a, b])
/** x times a constant. */
export const scale = (x: Tensor, factor: number): Tensor => applyOne('scale', [x], { factor })
export const cast = (x: Tensor, dtype: Dtype): Tensor => applyOne('cast', [x], { dtype })
