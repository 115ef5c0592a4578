import { OptionError } from '../errors.js'
import { evaluate } from '../evaluate.js'
import { elementCount } from '../host-data.js'
import { Parameter } from '../parameter.js'
import type { Tensor } from '../tensor.js'

/** Bytes of contents that are computed at once while loading: what a cast or draw holds besides the parameters. */
const loadingBytes = 256 * 2 ** 20

/**
 * A part of a model. Assigning a Parameter or another module to a property makes it a part of this one; names are
 * PyTorch's, the properties' names joined by dots in the order of their definition. A property in camelCase has its
 * name in snake_case (`embedTokens` is `embed_tokens`), one that begins with a capital keeps it (`LayerNorm`).
 */
export abstract class Module {
  training = false;

  /** This module's direct parts: `[name, part]`. Private (`#`) properties are not among them. */
  *parts(): Generator<[name: string, part: Module | Parameter]> {
    for (const [property, value] of Object.entries(this)) {
      if (value instanceof Module || value instanceof Parameter) yield [torchName(property), value]
      else if (
        Array.isArray(value) &&
        value.some((item) => item instanceof Module || item instanceof Parameter)
      ) {
        throw new OptionError(`${this.constructor.name}.${property} is an array of parts: use a ModuleList`, {
          property,
        })
      }
    }
  }

  *children(): Generator<Module> {
    for (const [, part] of this.parts()) if (part instanceof Module) yield part
  }

  /** This module ('') and all inside it, each once, outer ones first. */
  *namedModules(prefix = '', seen: Set<Module> = new Set()): Generator<[name: string, module: Module]> {
    if (seen.has(this)) return
    seen.add(this)
    yield [prefix, this]
    for (const [name, part] of this.parts()) {
      if (part instanceof Module) yield* part.namedModules(join(prefix, name), seen)
    }
  }

  /** Every parameter once, in definition order; a tied one under its first name. */
  *namedParameters(): Generator<[name: string, parameter: Parameter]> {
    const seen = new Set<Parameter>()
    for (const [prefix, module] of this.namedModules()) {
      for (const [name, part] of module.parts()) {
        if (!(part instanceof Parameter) || seen.has(part)) continue
        seen.add(part)
        yield [join(prefix, name), part]
      }
    }
  }

  *parameters(): Generator<Parameter> {
    for (const [, parameter] of this.namedParameters()) yield parameter
  }

  /** Training mode: dropout drops, and weights that are trained are kept in the form that updates write. */
  train(mode = true): this {
    for (const [, module] of this.namedModules()) module.training = mode
    for (const parameter of this.parameters()) {
      if (parameter.materialised && parameter.requiresGrad) parameter.handle.freeze(!mode)
    }
    return this
  }

  /** Inference: nothing drops, and weights may be kept packed for their kernels. */
  eval(): this {
    return this.train(false)
  }

  /**
   * Gives parameters their contents from `source`, which returns undefined for those it lacks. Tensors over a mapped
   * file are taken as they are, without a copy; others are computed first.
   *
   * @returns names of the parameters that are still without contents.
   * @throws ShapeError naming the parameter and both shapes.
   */
  async load(source: (name: string, parameter: Parameter) => Tensor | undefined): Promise<string[]> {
    const missing: string[] = []
    await this.#materialise(([name, parameter]) => {
      const contents = source(name, parameter)
      if (contents === undefined) missing.push(name)
      return contents
    })
    return missing
  }

  /**
   * Draws every parameter that has no contents yet. What a parameter gets depends on the seed and on its place in the
   * module alone, not on which others were loaded.
   *
   * @returns the names of those drawn.
   */
  async draw(options: { seed: number }): Promise<string[]> {
    const drawn: string[] = []
    await this.#materialise(([name, parameter], site) => {
      if (parameter.initialiser === undefined) throw new OptionError(`nothing says how to draw '${name}'`)
      drawn.push(name)
      return parameter.initialiser(parameter.shape, parameter.dtype, { seed: options.seed, site })
    })
    return drawn
  }

  async #materialise(make: (named: [string, Parameter], site: number) => Tensor | undefined): Promise<void> {
    let batch: { name: string; parameter: Parameter; contents: Tensor }[] = []
    let bytes = 0
    const flush = async (): Promise<void> => {
      await evaluate(batch.map(({ contents }) => contents))
      for (const { name, parameter, contents } of batch) parameter.materialise(contents, name)
      batch = []
      bytes = 0
    }
    for (const [site, [name, parameter]] of [...this.namedParameters()].entries()) {
      if (parameter.materialised) continue
      const contents = make([name, parameter], site)
      if (contents === undefined) continue
      batch.push({ name, parameter, contents })
      bytes += elementCount(parameter.shape) * 4
      if (bytes >= loadingBytes) await flush()
    }
    await flush()
  }

  /** Frees every parameter's memory; tied ones once, twice is harmless. */
  disposeParameters(): void {
    for (const parameter of this.parameters()) parameter.dispose()
  }
}

/** Modules in a row, named by their index. */
export class ModuleList<M extends Module = Module> extends Module implements Iterable<M> {
  readonly #items: M[]

  constructor(items: Iterable<M> = []) {
    super()
    this.#items = [...items]
  }

  get length(): number {
    return this.#items.length
  }

  /** Negative indices count from the end. */
  at(index: number): M | undefined {
    return this.#items.at(index)
  }

  push(...items: M[]): void {
    this.#items.push(...items)
  }

  map<T>(fn: (item: M, index: number) => T): T[] {
    return this.#items.map(fn)
  }

  [Symbol.iterator](): IterableIterator<M> {
    return this.#items[Symbol.iterator]()
  }

  override *parts(): Generator<[name: string, part: Module]> {
    for (const [index, item] of this.#items.entries()) yield [String(index), item]
  }
}

const join = (prefix: string, name: string): string => (prefix === '' ? name : `${prefix}.${name}`)

const torchName = (property: string): string =>
  /^[a-z]/.test(property) ? property.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`) : property
