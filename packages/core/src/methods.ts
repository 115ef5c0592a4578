import type { Size } from './dim.js'
import type { Dtype } from './native.js'
import * as elementwise from './ops/elementwise.js'
import { matmul, type MatmulOptions } from './ops/matmul.js'
import { layerNorm, rmsNorm, type LayerNormOptions, type RmsNormOptions } from './ops/norm.js'
import * as reduce from './ops/reduce.js'
import type { ReduceAxis } from './ops/reduce.js'
import * as shapes from './ops/shape.js'
import { Tensor } from './tensor.js'

/** Ops as methods of a tensor; each is the function of the same name with the tensor as its first argument. */
export interface TensorMethods {
  add(other: Tensor): Tensor
  sub(other: Tensor): Tensor
  mul(other: Tensor): Tensor
  div(other: Tensor): Tensor
  maximum(other: Tensor): Tensor
  minimum(other: Tensor): Tensor
  neg(): Tensor
  exp(): Tensor
  log(): Tensor
  sqrt(): Tensor
  rsqrt(): Tensor
  square(): Tensor
  abs(): Tensor
  tanh(): Tensor
  sigmoid(): Tensor
  relu(): Tensor
  gelu(): Tensor
  geluTanh(): Tensor
  silu(): Tensor
  pow(exponent: number): Tensor
  clamp(range: { min?: number; max?: number }): Tensor
  scale(factor: number): Tensor
  cast(dtype: Dtype): Tensor
  matmul(other: Tensor, options?: MatmulOptions): Tensor
  layerNorm(options?: LayerNormOptions): Tensor
  rmsNorm(weight: Tensor, options?: RmsNormOptions): Tensor
  softmax(): Tensor
  logSoftmax(): Tensor
  sum(axis?: ReduceAxis): Tensor
  mean(axis?: ReduceAxis): Tensor
  max(axis?: ReduceAxis): Tensor
  argmax(): Tensor
  reshape(shape: readonly Size[]): Tensor
  sliceRows(start: Size, length: Size): Tensor
  sliceColumns(start: Size, length: Size): Tensor
  transpose(): Tensor
  contiguous(): Tensor
  detach(): Tensor
}

type Ops = {
  [K in keyof TensorMethods]: (x: Tensor, ...rest: Parameters<TensorMethods[K]>) => Tensor
}

const { softmax, logSoftmax, sum, mean, max, argmax } = reduce
const { reshape, sliceRows, sliceColumns, transpose, contiguous, detach } = shapes
const { where: _where, ...unaryAndBinary } = elementwise

const ops: Ops = {
  ...unaryAndBinary,
  matmul,
  layerNorm,
  rmsNorm,
  softmax,
  logSoftmax,
  sum,
  mean,
  max,
  argmax,
  reshape,
  sliceRows,
  sliceColumns,
  transpose,
  contiguous,
  detach,
}

for (const [name, op] of Object.entries(ops) as [string, (x: Tensor, ...rest: unknown[]) => Tensor][]) {
  Object.defineProperty(Tensor.prototype, name, {
    value(this: Tensor, ...rest: unknown[]): Tensor {
      return op(this, ...rest)
    },
    configurable: true,
    writable: true,
  })
}
