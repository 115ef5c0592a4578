import { formatShape, type Dim } from './dim.js'
import { ShapeError } from './errors.js'
import { elementCount } from './host-data.js'

/** An argument's declared sizes and what was given: its shape, or only how many elements. */
export interface Bound {
  path: string
  dims: readonly Dim[]
  shape: readonly number[] | undefined
  count: number
}

/**
 * What the symbols of a call's arguments stand for. Each dimension of known length is an equation; an argument given
 * as bare elements is one for the product.
 *
 * @param given sizes that the caller names, for symbols that no argument determines.
 * @throws ShapeError naming the argument where lengths contradict each other, or the symbol that is left open.
 */
export function solveSizes(
  bounds: readonly Bound[],
  given: Readonly<Record<string, number>> = {},
): Record<string, number> {
  const sizes: Record<string, number> = {}
  for (const [symbol, size] of Object.entries(given)) set(sizes, symbol, size, 'sizes')
  let open = bounds.filter(({ dims }) => dims.some((dim) => dim.symbolic))
  for (let progress = true; progress && open.length > 0;) {
    progress = false
    for (const bound of open) progress = learn(bound, sizes) || progress
    open = open.filter(({ dims }) => dims.some((dim) => unknownsOf(dim, sizes).length > 0))
  }
  if (open.length > 0) {
    const { path, dims } = open[0]!
    const symbol = dims.flatMap((dim) => unknownsOf(dim, sizes))[0]!
    throw new ShapeError(
      `the size '${symbol}' of ${path} ${formatShape(dims)} does not follow from the arguments: give it in sizes, or give the argument as { shape, data }`,
      { size: symbol, argument: path },
    )
  }
  for (const bound of bounds) verify(bound, sizes)
  return sizes
}

/** Solves what one argument determines; says whether anything was learnt. */
function learn({ path, dims, shape, count }: Bound, sizes: Record<string, number>): boolean {
  let learnt = false
  if (shape !== undefined) {
    dims.forEach((dim, i) => {
      learnt = solve(dim, shape[i]!, sizes, path) || learnt
    })
    return learnt
  }
  const unknown = dims.filter((dim) => unknownsOf(dim, sizes).length > 0)
  if (unknown.length !== 1) return false
  const known = elementCount(dims.filter((dim) => dim !== unknown[0]).map((dim) => dim.bind(sizes)))
  if (known === 0) return false
  if (count % known !== 0) throw mismatch(path, dims, `${count} elements`)
  return solve(unknown[0]!, count / known, sizes, path)
}

function solve(dim: Dim, length: number, sizes: Record<string, number>, path: string): boolean {
  const [symbol, another] = unknownsOf(dim, sizes)
  if (symbol === undefined || another !== undefined) return false
  const rest = dim.bind({ ...sizes, [symbol]: 0 })
  const size = (length - rest) / dim.terms.get(symbol)!
  if (!Number.isInteger(size) || size < 0) throw mismatch(path, [dim], `length ${length}`)
  set(sizes, symbol, size, path)
  return true
}

function verify({ path, dims, shape, count }: Bound, sizes: Record<string, number>): void {
  const expected = dims.map((dim) => dim.bind(sizes))
  if (shape !== undefined) {
    if (expected.some((size, i) => size !== shape[i]))
      throw mismatch(path, dims, `shape ${formatShape(shape)}`, expected)
  } else if (elementCount(expected) !== count) {
    throw mismatch(path, dims, `${count} elements`, expected)
  }
}

const unknownsOf = (dim: Dim, sizes: Record<string, number>): string[] =>
  [...dim.terms.keys()].filter((symbol) => sizes[symbol] === undefined)

function set(sizes: Record<string, number>, symbol: string, size: number, path: string): void {
  if (!Number.isSafeInteger(size) || size < 0) {
    throw new ShapeError(`${path}: the size '${symbol}' cannot be ${size}`, { size: symbol })
  }
  sizes[symbol] = size
}

function mismatch(path: string, dims: readonly Dim[], what: string, expected?: number[]): ShapeError {
  const bound = expected && dims.some((dim) => dim.symbolic) ? ` = ${formatShape(expected)}` : ''
  return new ShapeError(`${path} is declared as ${formatShape(dims)}${bound}, but has ${what}`, {
    argument: path,
    expected: formatShape(expected ?? dims),
  })
}
