import { Dim, formatShape } from './dim.js'
import { OptionError, ShapeError } from './errors.js'
import {
  dtypeOf,
  elementAsNumber,
  elementCount,
  flattenNested,
  toTypedArray,
  type ArrayTypes,
  type HostTensor,
  type NestedNumbers,
  type NumericDtype,
} from './host-data.js'
import type { TensorMethods } from './methods.js'
import { core, type Dtype, type TensorHandle, type VariableHandle } from './native.js'
import { checkOptions } from './options.js'
import { refuseWhileTracing } from './trace.js'

// oxlint-disable typescript/no-unsafe-declaration-merging -- methods.ts defines what the interface below promises

/**
 * A value of the graph: what is known of it is its dtype and shape; its elements are computed off the event loop when
 * they are asked for. Has every op as a method (`x.matmul(w).add(b)`).
 */
export class Tensor {
  #handle: TensorHandle | VariableHandle | undefined
  #dtype: Dtype | undefined
  #dims: readonly Dim[] | undefined

  /** @internal Tensors are made by ops, `tensor()` and files. */
  constructor(handle?: TensorHandle | VariableHandle, type?: { dtype: Dtype; dims: readonly Dim[] }) {
    this.#handle = handle
    this.#dtype = type?.dtype
    this.#dims = type?.dims
  }

  /** @internal The native object behind it. */
  get handle(): TensorHandle | VariableHandle {
    return this.#handle!
  }

  /** @internal */
  protected adopt(handle: VariableHandle): void {
    this.#handle = handle
    this.#dtype = undefined
  }

  get dtype(): Dtype {
    return (this.#dtype ??= this.handle.dtype())
  }

  /** Every size, symbolic ones included. */
  get dims(): readonly Dim[] {
    return (this.#dims ??= this.handle.dims().map((dim) => Dim.fromNative(dim)))
  }

  /** @throws ShapeError where a size is symbolic: a function is being traced and its sizes are not known. */
  get shape(): number[] {
    return this.dims.map((dim) => dim.value)
  }

  get rank(): number {
    return this.dims.length
  }

  /** One size; negative indices count from the end. @throws ShapeError for a dimension that there is not. */
  dim(index: number): Dim {
    const dim = this.dims.at(index)
    if (dim !== undefined) return dim
    throw new ShapeError(`a tensor of shape ${formatShape(this.dims)} has no dimension ${index}`, {
      shape: formatShape(this.dims),
      index,
    })
  }

  /**
   * Computes the elements off the event loop and returns a copy, row-major. bfloat16 and float16 come as raw bits.
   * The type parameter says which dtype the caller knows it has.
   */
  async data<D extends Dtype = NumericDtype>(): Promise<ArrayTypes[D]> {
    refuseWhileTracing('data()')
    return (await core().read(this.value())) as ArrayTypes[D]
  }

  /** The number in a tensor of one element. @throws ShapeError for more or fewer. */
  async item(): Promise<number> {
    if (elementCount(this.shape) !== 1) {
      throw new ShapeError(`item() reads one element; this tensor has shape ${formatShape(this.dims)}`, {
        shape: formatShape(this.dims),
      })
    }
    return elementAsNumber(await this.data<Dtype>(), 0, this.dtype)
  }

  /** @internal The value, for calls that take no variables. */
  value(): TensorHandle {
    const handle = this.handle
    return 'read' in handle ? handle.read() : handle
  }

  /** Frees its memory at once; twice is harmless. What was built from it and not computed yet can no longer be. */
  dispose(): void {
    this.#handle?.dispose()
  }

  get disposed(): boolean {
    return this.#handle?.disposed() ?? false
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  toString(): string {
    return `Tensor ${this.dtype} ${formatShape(this.dims)}`
  }

  get [Symbol.toStringTag](): string {
    return 'Tensor'
  }
}

// The methods are put on the prototype by methods.ts: ops make tensors, so tensors cannot import ops.
export interface Tensor extends TensorMethods {}

/** What a tensor is made from: nested numbers, a typed array (flat), or both its shape and its elements. */
export type TensorData =
  | NestedNumbers
  | ArrayBufferView
  | {
      readonly shape: readonly number[]
      readonly data: ArrayBufferView | readonly number[]
      readonly dtype?: Dtype
    }

/**
 * A tensor from numbers; its data is copied now.
 *
 * dtype defaults to that of a typed array, else float32; a Uint16Array holds the bits of `dtype` bfloat16 or float16.
 * shape defaults to that of the nesting; a typed array is one row.
 *
 * @throws ShapeError where shape and number of elements disagree, DTypeError for elements that `dtype` cannot hold.
 */
export function tensor(data: TensorData, options: { dtype?: Dtype; shape?: readonly number[] } = {}): Tensor {
  checkOptions(options, ['dtype', 'shape'], 'tensor')
  const { dtype, shape, data: elements } = toHost(data, options)
  return new Tensor(core().fromData(dtype, shape, elements), {
    dtype,
    dims: shape.map((size) => new Dim(size)),
  })
}

/** @internal Elements, dtype and shape of what a tensor is made from. */
export function toHost(
  source: TensorData,
  options: { dtype?: Dtype; shape?: readonly number[] } = {},
): HostTensor<Dtype> {
  const given = typeof source === 'object' && source !== null && 'data' in source ? source : undefined
  const data = given ? given.data : (source as NestedNumbers | ArrayBufferView)
  const nested = ArrayBuffer.isView(data) ? undefined : flattenNested(data)
  const elements = ArrayBuffer.isView(data) ? data : nested!.numbers
  const dtype =
    options.dtype ?? given?.dtype ?? (ArrayBuffer.isView(data) ? dtypeOf(data) : ('float32' as const))
  if (dtype === undefined) {
    throw new OptionError(`the dtype of a ${data.constructor.name} must be given`, { option: 'dtype' })
  }
  const typed = toTypedArray(elements, dtype)
  const shape = [...(options.shape ?? given?.shape ?? nested?.shape ?? [typed.length])]
  const count = elementCount(shape)
  if (count !== typed.length || shape.some((size) => !(Number.isInteger(size) && size >= 0))) {
    throw new ShapeError(`${typed.length} elements do not fill shape ${formatShape(shape)}`, {
      shape: formatShape(shape),
      elements: typed.length,
    })
  }
  return { dtype, shape, data: typed }
}
