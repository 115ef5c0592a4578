import { applyOne } from '../apply.js'
import type { Tensor } from '../tensor.js'

/** What is reduced: the last axis ([.., w] to [..]), all rows ([.., w] to [w]), or everything (to a scalar). */
export type ReduceAxis = 'last' | 'rows' | 'all'

export const sum = (x: Tensor, axis: ReduceAxis = 'all'): Tensor => applyOne('sum', [x], { axis })
export const mean = (x: Tensor, axis: ReduceAxis = 'all'): Tensor => applyOne('mean', [x], { axis })
export const max = (x: Tensor, axis: ReduceAxis = 'all'): Tensor => applyOne('max', [x], { axis })
/** int32 index of the largest along the last axis; the first of equals. */
export const argmax = (x: Tensor): Tensor => applyOne('argmax', [x])
/** Sum of all squares over several tensors, a scalar: the squared global norm of gradients. */
export const sumSquares = (tensors: readonly Tensor[]): Tensor => applyOne('sumSquares', tensors)
/** 1 where every element of every tensor is finite, else 0. */
export const allFinite = (tensors: readonly Tensor[]): Tensor => applyOne('allFinite', tensors)

/** Over the last axis. */
export const softmax = (x: Tensor): Tensor => applyOne('softmax', [x])
/** Over the last axis. */
export const logSoftmax = (x: Tensor): Tensor => applyOne('logSoftmax', [x])
