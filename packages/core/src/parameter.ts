import { apply } from './apply.js'
import { Dim, formatShape } from './dim.js'
import { DTypeError, OptionError, ShapeError } from './errors.js'
import { isFloating } from './host-data.js'
import { core, type Dtype, type VariableHandle } from './native.js'
import { checkOptions } from './options.js'
import { Tensor, tensor, toHost, type TensorData } from './tensor.js'

/**
 * State that ops can update: an optimizer moment, a cache. Reading it gives its newest version; an update is an op of
 * the graph, runs exactly once, and writes in place after every read of the old version.
 */
export class Variable extends Tensor {
  #name: string

  /** @internal Use `variable()`. */
  constructor(
    name: string,
    handle: VariableHandle | undefined,
    type: { dtype: Dtype; dims: readonly Dim[] },
  ) {
    super(handle, type)
    this.#name = name
  }

  get name(): string {
    return this.#name
  }

  /** @internal */
  protected rename(name: string): void {
    this.#name = name
  }

  override get handle(): VariableHandle {
    return super.handle as VariableHandle
  }

  /**
   * Makes `value` its contents: an update of the graph, which runs with the next evaluation that needs it or
   * `evaluate(variable)`. Inside a compiled function it runs with every call.
   *
   * @throws ShapeError or DTypeError unless shape and dtype are its own.
   */
  assign(value: Tensor | TensorData): this {
    const source = value instanceof Tensor ? value : tensor(value, { dtype: this.dtype, shape: this.shape })
    this.thaw()
    apply('assign', [this, source])
    return this
  }

  /** @internal From now on updates write it: its plain form is kept in place of one packed for reading. */
  thaw(): void {
    if (this.handle.frozen()) this.handle.freeze(false)
  }

  /** Bytes that its contents take. */
  get bytes(): number {
    return this.handle.bytes()
  }

  override toString(): string {
    return `${this.constructor.name} '${this.name}' ${this.dtype} ${formatShape(this.dims)}`
  }
}

/** Where a random tensor stands in the stream of a seed. */
export interface RandomPlace {
  seed: number
  site: number
}

/** Draws or makes a parameter's first contents: a graph of the shape and dtype asked for. */
export type Initialiser = (shape: readonly number[], dtype: Dtype, place: RandomPlace) => Tensor

/** A trainable weight. Declared with its shape first, it gets its memory when it is loaded or drawn. */
export class Parameter extends Variable {
  readonly initialiser: Initialiser | undefined
  #materialised: boolean
  #requiresGrad = true

  /** @internal Use `parameter()` or `Parameter.declare()`. */
  constructor(
    name: string,
    handle: VariableHandle | undefined,
    type: { dtype: Dtype; dims: readonly Dim[] },
    initialiser?: Initialiser,
  ) {
    super(name, handle, type)
    this.initialiser = initialiser
    this.#materialised = handle !== undefined
  }

  /** A parameter without memory yet: its shape, how it is drawn, and its dtype when drawn. */
  static declare(
    shape: readonly number[],
    initialiser: Initialiser,
    options: { dtype?: Dtype; name?: string } = {},
  ): Parameter {
    checkOptions(options, ['dtype', 'name'], 'Parameter.declare')
    const { dtype = 'float32', name = '' } = options
    return new Parameter(name, undefined, { dtype, dims: shape.map((size) => new Dim(size)) }, initialiser)
  }

  /** Whether it has been loaded or drawn. */
  get materialised(): boolean {
    return this.#materialised
  }

  override get handle(): VariableHandle {
    if (this.#materialised) return super.handle
    throw new OptionError(
      `the parameter '${this.name}' ${formatShape(this.dims)} has no contents yet: load it or draw it`,
      { parameter: this.name },
    )
  }

  /**
   * Gives a declared parameter its contents: takes over the memory of a tensor that was computed or lies in a file,
   * without a copy, and its dtype. `name` replaces its name.
   *
   * @throws ShapeError naming both shapes, DTypeError for integers.
   */
  materialise(contents: Tensor, name: string = this.name): this {
    if (this.#materialised)
      throw new OptionError(`the parameter '${this.name}' has its contents already: assign to it`)
    if (formatShape(contents.dims) !== formatShape(this.dims)) {
      throw new ShapeError(
        `the parameter '${name}' has shape ${formatShape(this.dims)}, its contents have ${formatShape(contents.dims)}`,
        { parameter: name, expected: formatShape(this.dims), shape: formatShape(contents.dims) },
      )
    }
    if (!isFloating(contents.dtype)) {
      throw new DTypeError(`the parameter '${name}' cannot hold ${contents.dtype}`, {
        parameter: name,
        dtype: contents.dtype,
      })
    }
    this.rename(name)
    this.adopt(core().variableFrom(name, contents.value()))
    this.#materialised = true
    if (!this.#requiresGrad) this.handle.freeze(true)
    return this
  }

  /**
   * Whether training updates it (true unless said otherwise). A frozen weight may be kept packed for its kernels, an
   * updated one is kept plain.
   */
  get requiresGrad(): boolean {
    return this.#requiresGrad
  }

  set requiresGrad(requiresGrad: boolean) {
    this.#requiresGrad = requiresGrad
    if (!requiresGrad && this.#materialised) this.handle.freeze(true)
  }

  override dispose(): void {
    if (this.#materialised) super.dispose()
  }

  override get disposed(): boolean {
    return this.#materialised && super.disposed
  }
}

export interface VariableOptions {
  dtype?: Dtype
  shape?: readonly number[]
}

/** Non-trainable state from data (copied now), or of zeros where there is a `shape` and null in place of data. */
export function variable(name: string, data: TensorData | null, options: VariableOptions = {}): Variable {
  checkOptions(options, ['dtype', 'shape'], 'variable')
  const { handle, type } = create(name, data, options)
  return new Variable(name, handle, type)
}

/** A trainable weight from data (copied now), or of zeros where there is a `shape` and null in place of data. */
export function parameter(name: string, data: TensorData | null, options: VariableOptions = {}): Parameter {
  checkOptions(options, ['dtype', 'shape'], 'parameter')
  const { handle, type } = create(name, data, options)
  if (!isFloating(type.dtype)) {
    throw new DTypeError(
      `the parameter '${name}' cannot hold ${type.dtype}; variable() makes state that is not trained`,
      {
        parameter: name,
        dtype: type.dtype,
      },
    )
  }
  return new Parameter(name, handle, type)
}

function create(name: string, data: TensorData | null, options: VariableOptions) {
  if (data === null) {
    const { dtype = 'float32', shape } = options
    if (shape === undefined)
      throw new OptionError(`'${name}' needs a shape where it has no data`, { option: 'shape' })
    const dims = shape.map((size) => new Dim(size))
    return { handle: core().createVariable(name, dtype, [...shape], null), type: { dtype, dims } }
  }
  const host = toHost(data, options)
  return {
    handle: core().createVariable(name, host.dtype, host.shape, host.data),
    type: { dtype: host.dtype, dims: host.shape.map((size) => new Dim(size)) },
  }
}
