import { Parameter, type Initialiser, type Tensor } from '@tiny/core'

/**
 * What happens where a file lacks the tensor. Of the backbone: an error. Of a head: drawn where the caller asks for a
 * new one, else an error. Optional: the model does without, unless a new head is asked for. Computed: its initialiser
 * says what it is.
 */
export type Role = 'backbone' | 'head' | 'optional' | 'computed'

/** What products multiply in; undefined follows the weight: bfloat16 for bfloat16 weights. */
export type Precision = 'float32' | 'bfloat16'

export interface Weight {
  readonly name: string
  readonly parameter: Parameter
  readonly role: Role
  /** Loaded and saved like a parameter, but not trained and none of the model's parameters. */
  readonly buffer: boolean
}

/** What follows from the configuration alone: made at its first use, freed with the model. */
export class Constant {
  readonly #make: () => Tensor
  #value: Tensor | undefined

  constructor(make: () => Tensor) {
    this.#make = make
  }

  get value(): Tensor {
    return (this.#value ??= this.#make())
  }

  dispose(): void {
    this.#value?.dispose()
  }
}

interface Declared {
  readonly weights: Weight[]
  readonly constants: Constant[]
  readonly holds?: ((name: string) => boolean) | undefined
  readonly differs?: ((name: string) => boolean) | undefined
}

/**
 * Where a model's parts declare their parameters, under the names that transformers gives them. Nothing has memory
 * until the model is loaded or drawn.
 */
export class Weights {
  readonly #model: Declared
  readonly #prefix: string
  readonly #role: Role
  readonly #precision: Precision | undefined

  private constructor(model: Declared, prefix: string, role: Role, precision: Precision | undefined) {
    this.#model = model
    this.#prefix = prefix
    this.#role = role
    this.#precision = precision
  }

  /**
   * @param options `holds`: whether the file that will be loaded has a tensor for a parameter of this name; `differs`:
   *   whether it has a table of this name that is not the one which it repeats in other files.
   */
  static root(
    options: { precision?: Precision | undefined } & Pick<Declared, 'holds' | 'differs'> = {},
  ): Weights {
    const { precision, holds, differs } = options
    return new Weights({ weights: [], constants: [], holds, differs }, '', 'backbone', precision)
  }

  /** The part `name` of this one; '' is this one. */
  at(name: string | number): Weights {
    if (name === '') return this
    return new Weights(this.#model, `${this.#prefix}${name}.`, this.#role, this.#precision)
  }

  /** The same place, for parameters of another role. */
  as(role: Role): Weights {
    return new Weights(this.#model, this.#prefix, role, this.#precision)
  }

  /** What a product by this weight multiplies in. */
  precisionOf(weight: Parameter): Precision {
    return this.#precision ?? (weight.dtype === 'bfloat16' ? 'bfloat16' : 'float32')
  }

  /** Declares a parameter: its name within this part, its shape as stored, and how it is drawn. */
  declare(name: string, shape: readonly number[], initialiser: Initialiser): Parameter {
    return this.#declare(name, shape, initialiser, false)
  }

  /** Declares what a file stores beside the parameters and training leaves alone (PyTorch's persistent buffers). */
  buffer(name: string, shape: readonly number[], initialiser: Initialiser): Parameter {
    const buffer = this.#declare(name, shape, initialiser, true)
    buffer.requiresGrad = false
    return buffer
  }

  /** Declares a parameter that is not trained unless the caller unfreezes it. */
  frozen(name: string, shape: readonly number[], initialiser: Initialiser): Parameter {
    const parameter = this.#declare(name, shape, initialiser, false)
    parameter.requiresGrad = false
    return parameter
  }

  #declare(name: string, shape: readonly number[], initialiser: Initialiser, buffer: boolean): Parameter {
    const full = this.#prefix + name
    const parameter = Parameter.declare(shape, initialiser, { name: full })
    this.#model.weights.push({ name: full, parameter, role: this.#role, buffer })
    return parameter
  }

  /**
   * Whether the file that will be loaded stores `name` of this part. Where files have one of two forms, parameters are
   * declared as this one has them.
   */
  stores(name: string): boolean {
    return this.#model.holds?.(this.#prefix + name) === true
  }

  /** Whether that file stores the table `name` of this part beside the one that it repeats elsewhere, and differing. */
  differs(name: string): boolean {
    return this.#model.differs?.(this.#prefix + name) === true
  }

  /** Declares a tensor that is neither loaded nor trained. */
  constant(make: () => Tensor): Constant {
    const constant = new Constant(make)
    this.#model.constants.push(constant)
    return constant
  }

  /** Every parameter, in the order in which PyTorch's modules would list them. */
  get all(): readonly Weight[] {
    return this.#model.weights
  }

  get constants(): readonly Constant[] {
    return this.#model.constants
  }
}
