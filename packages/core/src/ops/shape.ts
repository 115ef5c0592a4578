import { applyOne } from '../apply.js'
import { Dim, type Size } from '../dim.js'
import type { Dtype } from '../native.js'
import { checkOptions } from '../options.js'
import type { Tensor } from '../tensor.js'

/** The same elements, row-major, in another shape. A window: no copy where the rows are contiguous. */
export const reshape = (x: Tensor, shape: readonly Size[]): Tensor => applyOne('reshape', [x], { shape })
/** Rows start .. start + length of the first axis. A window, no copy. */
export const sliceRows = (x: Tensor, start: Size, length: Size): Tensor =>
  applyOne('sliceRows', [x], { start: Dim.of(start), length: Dim.of(length) })
/** Columns start .. start + length of the last axis. A window, no copy. */
export const sliceColumns = (x: Tensor, start: Size, length: Size): Tensor =>
  applyOne('sliceColumns', [x], { start: Dim.of(start), length: Dim.of(length) })
/** Tensors end to end, along the rows (the first axis) or the last axis. */
export const concat = (tensors: readonly Tensor[], axis: 'rows' | 'last'): Tensor =>
  applyOne('concat', tensors, { axis })
/** [n, m] as [m, n], a copy. matmul has flags instead. */
export const transpose = (x: Tensor): Tensor => applyOne('transpose', [x])
/** A copy whose rows lie end to end; itself where they do. */
export const contiguous = (x: Tensor): Tensor => applyOne('contiguous', [x])

/** The same elements, but a constant to whoever differentiates: no gradient flows past it. A window, no copy. */
export const detach = (x: Tensor): Tensor => applyOne('detach', [x])

/** A tensor of one value. */
export function full(shape: readonly Size[], value: number, options: { dtype?: Dtype } = {}): Tensor {
  checkOptions(options, ['dtype'], 'full')
  return applyOne('full', [], { shape, value, dtype: options.dtype ?? 'float32' })
}

export const zeros = (shape: readonly Size[], options: { dtype?: Dtype } = {}): Tensor =>
  full(shape, 0, options)
export const ones = (shape: readonly Size[], options: { dtype?: Dtype } = {}): Tensor =>
  full(shape, 1, options)
