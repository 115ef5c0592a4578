import { ShapeError } from './errors.js'
import type { NativeDim } from './native.js'

/** A size: a number, an expression such as `'tokens'`, `'sequences + 1'` or `'2*tokens'`, or a Dim. */
export type Size = number | string | Dim

/**
 * One dimension: a number, or an affine form over sizes that are known only when a compiled function is called
 * (tokens, sequences + 1). It can be added to, subtracted from and scaled, but not compared: while a function is
 * traced there is no number yet.
 */
export class Dim {
  readonly constant: number
  /** Factor of each symbol; none is zero. */
  readonly terms: ReadonlyMap<string, number>

  constructor(constant: number, terms: Iterable<readonly [string, number]> = []) {
    if (!Number.isSafeInteger(constant)) {
      throw new ShapeError(`a size must be an integer, not ${constant}`, { size: String(constant) })
    }
    this.constant = constant
    this.terms = new Map([...terms].filter(([, factor]) => factor !== 0))
  }

  /** @throws ShapeError for a text that is no affine form. */
  static of(size: Size): Dim {
    if (size instanceof Dim) return size
    return typeof size === 'number' ? new Dim(size) : parse(size)
  }

  static fromNative(dim: NativeDim): Dim {
    return typeof dim === 'number' ? new Dim(dim) : new Dim(dim.constant, dim.terms)
  }

  get symbolic(): boolean {
    return this.terms.size > 0
  }

  /** @throws ShapeError for a symbolic size. */
  get value(): number {
    if (!this.symbolic) return this.constant
    throw new ShapeError(
      `the size '${this.toString()}' is symbolic inside compile(): its value is not known while the function is traced; use dim(i) in shapes, or pass the number as an argument`,
      { size: this.toString() },
    )
  }

  add(other: Size): Dim {
    const { constant, terms } = Dim.of(other)
    const sum = new Map(this.terms)
    for (const [symbol, factor] of terms) sum.set(symbol, (sum.get(symbol) ?? 0) + factor)
    return new Dim(this.constant + constant, sum)
  }

  sub(other: Size): Dim {
    return this.add(Dim.of(other).mul(-1))
  }

  /** @throws ShapeError for the product of two symbolic sizes, which is no affine form. */
  mul(other: Size): Dim {
    const factor = Dim.of(other)
    if (!factor.symbolic) return this.#times(factor.constant)
    if (!this.symbolic) return factor.#times(this.constant)
    throw new ShapeError(
      `the product of the symbolic sizes ${this.toString()} and ${factor.toString()} has no affine form`,
    )
  }

  #times(factor: number): Dim {
    return new Dim(
      this.constant * factor,
      [...this.terms].map(([symbol, own]) => [symbol, own * factor] as const),
    )
  }

  /** The number under the sizes of a call. @throws ShapeError for a symbol that they lack. */
  bind(sizes: Readonly<Record<string, number>>): number {
    let total = this.constant
    for (const [symbol, factor] of this.terms) {
      const size = sizes[symbol]
      if (size === undefined) throw new ShapeError(`the size '${symbol}' was not given`, { size: symbol })
      total += factor * size
    }
    return total
  }

  equals(other: Size): boolean {
    const { constant, terms } = Dim.of(other)
    return (
      constant === this.constant &&
      terms.size === this.terms.size &&
      [...terms].every(([symbol, factor]) => this.terms.get(symbol) === factor)
    )
  }

  toNative(): NativeDim {
    return this.symbolic ? { constant: this.constant, terms: [...this.terms] } : this.constant
  }

  /** As native messages write it: `2*tokens + 1`. */
  toString(): string {
    let text = ''
    for (const [symbol, factor] of this.terms) {
      const sign = factor < 0 ? (text ? ' - ' : '-') : text ? ' + ' : ''
      text += sign + (Math.abs(factor) === 1 ? '' : `${Math.abs(factor)}*`) + symbol
    }
    if (text === '') return String(this.constant)
    if (this.constant === 0) return text
    return `${text} ${this.constant < 0 ? '-' : '+'} ${Math.abs(this.constant)}`
  }

  /** Comparisons and arithmetic with operators end here. */
  [Symbol.toPrimitive](hint: string): string {
    if (hint === 'string') return this.toString()
    throw new ShapeError(
      `the size '${this.toString()}' was compared or calculated with: use add, sub and mul, or .value where it is a number`,
      { size: this.toString() },
    )
  }
}

const term = /\s*([+-])?\s*(?:(\d+)\s*\*\s*)?([A-Za-z_]\w*|\d+)\s*/y

function parse(text: string): Dim {
  let sum = new Dim(0)
  term.lastIndex = 0
  for (let at = 0; at < text.length || at === 0; at = term.lastIndex) {
    const match = term.exec(text)
    if (!match || (at > 0 && match[1] === undefined)) {
      throw new ShapeError(
        `'${text}' is no size: it is a sum such as 'tokens', 'sequences + 1' or '2*tokens'`,
        {
          size: text,
        },
      )
    }
    const factor = (match[1] === '-' ? -1 : 1) * Number(match[2] ?? 1)
    const name = match[3]!
    sum = sum.add(/^\d/.test(name) ? factor * Number(name) : new Dim(0, [[name, factor]]))
  }
  return sum
}

/** `[tokens, 768]`. */
export function formatShape(dims: readonly Size[]): string {
  return `[${dims.join(', ')}]`
}
