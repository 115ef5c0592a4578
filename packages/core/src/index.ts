import './methods.js'

export * from './errors.js'
export { blas } from './blas.js'
export { requireSignal, throwIfAborted } from './cancellation.js'
export { Checkpoint, openCheckpoint, saveCheckpoint, type TensorInfo } from './checkpoint.js'
export {
  compile,
  native,
  NativeResult,
  type Arguments,
  type CallOptions,
  type CompiledFunction,
  type CompileOptions,
  type Delivered,
  type Enqueued,
} from './compile.js'
export { cpu, type CpuInfo, type Peaks } from './cpu.js'
export { Dim, formatShape, type Size } from './dim.js'
export { evaluate } from './evaluate.js'
export { gradients, valueAndGrad } from './grad.js'
export {
  bfloat16Bits,
  elementAsNumber,
  float16Bits,
  type ArrayTypes,
  type HostTensor,
  type NestedNumbers,
  type NumericDtype,
  type TypedArray,
} from './host-data.js'
export { Input, input, scalarInput, type InputData } from './input.js'
export { memory } from './memory.js'
export type { Dtype, PlanStep } from './native.js'
export * as nn from './nn/index.js'
export * from './ops/attention.js'
export * from './ops/elementwise.js'
export * from './ops/experts.js'
export * from './ops/gather.js'
export * from './ops/loss.js'
export * from './ops/matmul.js'
export * from './ops/norm.js'
export * from './ops/optimizer.js'
export * from './ops/random.js'
export * from './ops/reduce.js'
export * from './ops/rope.js'
export * from './ops/score-edits.js'
export * from './ops/shape.js'
export * from './ops/state-space.js'
export { checkOptions, nearestName } from './options.js'
export {
  Parameter,
  parameter,
  Variable,
  variable,
  type Initialiser,
  type RandomPlace,
  type VariableOptions,
} from './parameter.js'
export { profile } from './profile.js'
export { hasRandomKey, nextRandomSite, randomKey, withRandomKey } from './random-key.js'
export { checkpoint } from './recompute.js'
export { Tensor, tensor, type TensorData } from './tensor.js'
export { threads } from './threads.js'
