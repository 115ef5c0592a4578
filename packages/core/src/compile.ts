import { startCancellable } from './cancellation.js'
import { Dim } from './dim.js'
import { DisposedError, OptionError } from './errors.js'
import { toTypedArray, type HostTensor, type TypedArray } from './host-data.js'
import { Input } from './input.js'
import { core, type Dtype, type PlanHandle, type PlanStep, type TensorHandle } from './native.js'
import { checkOptions } from './options.js'
import { flatten, mapTree, type Leaf } from './pytree.js'
import { solveSizes, type Bound } from './sizes.js'
import { Tensor } from './tensor.js'
import { whileTracing, refuseWhileTracing } from './trace.js'

/** A result that stays in native memory; see `native`. */
export class NativeResult {
  readonly tensor: Tensor
  constructor(tensor: Tensor) {
    this.tensor = tensor
  }
}

/** Marks a result of a compiled function that comes back as a Tensor, without a copy to JavaScript. */
export const native = (tensor: Tensor): NativeResult => new NativeResult(tensor)

/** What a call takes where the function reads `P`: a tensor, a variable or an `input` for every tensor. */
export type Arguments<P> = unknown extends P
  ? unknown
  : P extends Tensor
    ? Tensor | Input
    : P extends string | number | boolean | bigint | null | undefined | Dim
      ? P
      : { [K in keyof P]: Arguments<P[K]> }

/** What a call gives where the function returns `R`: elements in JavaScript's memory, or a Tensor for `native`. */
export type Delivered<R> = R extends NativeResult
  ? Tensor
  : R extends Tensor
    ? HostTensor
    : R extends string | number | boolean | bigint | null | undefined
      ? R
      : { [K in keyof R]: Delivered<R[K]> }

export interface CallOptions {
  signal?: AbortSignal | undefined
  /** Symbolic sizes that no argument determines. */
  sizes?: Readonly<Record<string, number>> | undefined
  /** Whatever else the traced graph depends on (training mode, adapters): another key is another plan. */
  key?: string | undefined
}

export interface CompileOptions {
  /** For messages; the function's own name unless given. */
  name?: string
  /** The `key` of calls that give none. */
  key?: () => string
}

/** A call under way: native results may be passed on at once, elements (empty until then) are there when `done` resolves. */
export interface Enqueued<R> {
  results: Delivered<R>
  done: Promise<void>
}

export interface CompiledFunction<P, R> {
  (args: Arguments<P>, options?: CallOptions): Promise<Delivered<R>>
  /** Starts a call without waiting. Calls run in the order in which they were started. */
  enqueue(args: Arguments<P>, options?: CallOptions): Enqueued<R>
  /** How many plans it holds: one per structure, static values, dtypes, declared sizes and key. */
  readonly plans: number
  /** The steps of every plan, in order. */
  describe(): PlanStep[][]
  /** Lets go of its plans; calls under way finish. */
  dispose(): void
  [Symbol.dispose](): void
}

interface Plan {
  handle: PlanHandle
  /** What `fn` returned, with an `Output` in place of every tensor. */
  template: unknown
}

class Output {
  constructor(
    readonly index: number,
    readonly kind: 'host' | 'native',
    readonly dtype: Dtype,
    readonly dims: readonly Dim[],
  ) {}
}

/**
 * Compiles a function of tensors: it runs once per structure of its arguments, with symbolic sizes, and from then on
 * a call is one crossing into native code. Parameters and variables that it captures are read anew by every call;
 * other tensors that it captures are constants. Each call's inputs are copied when it is made; calls may overlap and
 * run in order.
 *
 * `fn` must be synchronous and may not depend on sizes or elements: reading `shape` of a symbolic tensor throws.
 */
export function compile<P, R>(fn: (args: P) => R, options: CompileOptions = {}): CompiledFunction<P, R> {
  checkOptions(options, ['name', 'key'], 'compile')
  const name = options.name ?? (fn.name || 'compiled function')
  const plans = new Map<string, Plan>()
  let disposed = false

  function enqueue(args: Arguments<P>, call: CallOptions = {}): Enqueued<R> {
    checkOptions(call, ['signal', 'sizes', 'key'], name)
    if (disposed) throw new DisposedError(`${name} was disposed of`, { function: name })
    refuseWhileTracing(`a call of ${name}`)
    const { key: structure, leaves } = flatten(args)
    const sizes = solveSizes(leaves.map(boundOf), call.sizes)
    const key = `${structure}|${call.key ?? options.key?.() ?? ''}`
    let plan = plans.get(key)
    if (plan === undefined) plans.set(key, (plan = trace(name, fn, args, leaves)))
    const { handle, template } = plan
    const { done, outputs } = startCancellable(call.signal, (cancellation) =>
      core().run(handle, leaves.map(crossing), sizes, cancellation),
    )
    const { results, fill } = deliver(template, outputs, sizes)
    return { results: results as Delivered<R>, done: done.then(fill) }
  }

  const compiled = async (args: Arguments<P>, call?: CallOptions): Promise<Delivered<R>> => {
    const { results, done } = enqueue(args, call)
    await done
    return results
  }
  const dispose = (): void => {
    disposed = true
    for (const { handle } of plans.values()) handle.dispose()
    plans.clear()
  }
  const describe = (): PlanStep[][] => [...plans.values()].map(({ handle }) => handle.describe())
  Object.defineProperties(compiled, {
    name: { value: name },
    plans: { get: () => plans.size },
  })
  return Object.assign(compiled, {
    enqueue,
    describe,
    dispose,
    [Symbol.dispose]: dispose,
  }) as CompiledFunction<P, R>
}

function trace<P, R>(name: string, fn: (args: P) => R, args: Arguments<P>, leaves: readonly Leaf[]): Plan {
  return whileTracing(name, () => {
    core().beginTrace()
    let ended = false
    try {
      const placeholders = leaves.map(({ argument: { dtype, dims } }, index) => {
        const native = dims.map((dim) => dim.toNative())
        return new Tensor(core().placeholder(index, dtype, native), { dtype, dims })
      })
      const result = fn(mapTree(args, isArgument, () => placeholders.shift()) as P)
      const { template, handles, kinds } = collect(name, result)
      ended = true
      return { handle: core().endTrace(handles, kinds), template }
    } finally {
      if (!ended) core().abandonTrace()
    }
  })
}

function collect(name: string, result: unknown) {
  if (result instanceof Promise) {
    result.catch(() => {}) // it failed because of this, too
    throw new OptionError(`${name} returns a promise: a compiled function is synchronous`, { function: name })
  }
  const handles: TensorHandle[] = []
  const kinds: ('host' | 'native')[] = []
  const template = mapTree(result, isResult, (leaf) => {
    const tensor = leaf instanceof NativeResult ? leaf.tensor : leaf
    const kind = leaf instanceof NativeResult ? 'native' : 'host'
    kinds.push(kind)
    return new Output(handles.push(tensor.value()) - 1, kind, tensor.dtype, tensor.dims)
  })
  return { template, handles, kinds }
}

// Native results are there at once; elements are among the outputs when the call is done.
function deliver(
  template: unknown,
  outputs: readonly (ArrayBufferView | TensorHandle)[],
  sizes: Readonly<Record<string, number>>,
) {
  const open: { index: number; tensor: HostTensor<Dtype> }[] = []
  const results = mapTree(template, isOutput, ({ index, kind, dtype, dims }) => {
    const shape = dims.map((dim) => dim.bind(sizes))
    if (kind === 'native') {
      return new Tensor(outputs[index] as TensorHandle, { dtype, dims: shape.map((size) => new Dim(size)) })
    }
    const tensor: HostTensor<Dtype> = { dtype, shape, data: toTypedArray([], dtype) }
    open.push({ index, tensor })
    return tensor
  })
  const fill = (): void => {
    for (const { index, tensor } of open) tensor.data = outputs[index] as TypedArray
  }
  return { results, fill }
}

const isArgument = (value: object): value is Input | Tensor =>
  value instanceof Input || value instanceof Tensor
const isResult = (value: object): value is Tensor | NativeResult =>
  value instanceof Tensor || value instanceof NativeResult
const isOutput = (value: object): value is Output => value instanceof Output

function boundOf({ path, argument }: Leaf): Bound {
  if (argument instanceof Tensor) return { path, dims: argument.dims, shape: argument.shape, count: 0 }
  const { dims, shape, data } = argument
  return { path, dims, shape, count: data instanceof Tensor ? 0 : data.length }
}

const crossing = ({ argument }: Leaf): ArrayBufferView | Tensor['handle'] => {
  if (argument instanceof Tensor) return argument.handle
  return argument.data instanceof Tensor ? argument.data.handle : argument.data
}
