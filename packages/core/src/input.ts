import { Dim, type Size } from './dim.js'
import { ShapeError } from './errors.js'
import { toTypedArray, type TypedArray } from './host-data.js'
import type { Dtype } from './native.js'
import { Tensor } from './tensor.js'

/** What an input holds: elements, row-major, or a tensor. */
export type InputData =
  | ArrayBufferView
  | readonly number[]
  | { readonly shape: readonly number[]; readonly data: ArrayBufferView | readonly number[] }
  | Tensor

/** An argument of a compiled function: its type with symbolic sizes, and what it holds in this call. */
export class Input {
  readonly dtype: Dtype
  readonly dims: readonly Dim[]
  readonly data: TypedArray | Tensor
  /** Its actual shape, where known; elements alone give only their number. */
  readonly shape: readonly number[] | undefined

  constructor(dtype: Dtype, dims: readonly Size[], data: InputData) {
    this.dtype = dtype
    this.dims = dims.map((dim) => Dim.of(dim))
    if (data instanceof Tensor) {
      this.data = data
      this.shape = data.shape
    } else {
      const shaped = 'data' in data ? data : undefined
      this.data = toTypedArray(shaped ? shaped.data : (data as ArrayBufferView), dtype)
      this.shape = shaped?.shape
    }
    if (this.shape && this.shape.length !== dims.length) {
      throw new ShapeError(
        `an input of shape [${dims.join(', ')}] was given one of [${this.shape.join(', ')}]`,
      )
    }
  }
}

/**
 * An argument of a compiled function. `dims` are numbers or expressions ('tokens', 'sequences + 1'), whose values the
 * call takes from the actual lengths. Data is copied when the function is called.
 */
export const input = (dtype: Dtype, dims: readonly Size[], data: InputData): Input =>
  new Input(dtype, dims, data)

/** A float32 scalar argument: a learning rate, a clipping factor. */
export const scalarInput = (value: number): Input => new Input('float32', [], Float32Array.of(value))
