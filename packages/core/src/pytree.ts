import { Dim, formatShape } from './dim.js'
import { OptionError } from './errors.js'
import { Input } from './input.js'
import { Tensor } from './tensor.js'

/** An argument that holds a tensor: where it stands, and what it is. */
export interface Leaf {
  path: string
  argument: Input | Tensor
}

/**
 * The tensors of a nesting of arrays and plain objects in a fixed order, and a key that two nestings share when one
 * plan fits both: the same structure, static values, dtypes and sizes. Keys of objects are sorted.
 *
 * @throws OptionError for anything that is neither a tensor nor a plain value.
 */
export function flatten(args: unknown): { key: string; leaves: Leaf[] } {
  const leaves: Leaf[] = []
  const key = describe(args, 'args', leaves)
  return { key, leaves }
}

function describe(value: unknown, path: string, leaves: Leaf[]): string {
  if (value instanceof Input || value instanceof Tensor) {
    leaves.push({ path, argument: value })
    return value.dtype + formatShape(value.dims)
  }
  if (value instanceof Dim) return `<${value.toString()}>`
  if (Array.isArray(value))
    return `[${value.map((inner, i) => describe(inner, `${path}[${i}]`, leaves)).join()}]`
  if (isPlainObject(value)) {
    const parts = entries(value).map(([name, inner]) => {
      return `${JSON.stringify(name)}:${describe(inner, `${path}.${name}`, leaves)}`
    })
    return `{${parts.join()}}`
  }
  return describeStatic(value, path)
}

function describeStatic(value: unknown, path: string): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (Object.is(value, -0)) return '-0'
  if (typeof value === 'bigint') return `${value}n`
  if (value == null || typeof value === 'number' || typeof value === 'boolean') return String(value)
  const what = typeof value === 'object' ? `a ${value.constructor?.name}` : `a ${typeof value}`
  const advice = ArrayBuffer.isView(value) ? '; wrap it in input(dtype, dims, data)' : ''
  throw new OptionError(
    `${path} is ${what}: a compiled function takes tensors, inputs and plain values${advice}`,
    {
      argument: path,
    },
  )
}

/**
 * The same nesting with every leaf replaced, in the order of `flatten`.
 *
 * @throws OptionError for an object that is neither a leaf nor plain.
 */
export function mapTree<L extends object>(
  value: unknown,
  isLeaf: (value: object) => value is L,
  replace: (leaf: L) => unknown,
): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Dim) return value
  if (isLeaf(value)) return replace(value)
  if (Array.isArray(value)) return value.map((inner) => mapTree(inner, isLeaf, replace))
  if (!isPlainObject(value)) {
    throw new OptionError(
      `a compiled function returns tensors and plain values in arrays and plain objects, not a ${value.constructor?.name}`,
    )
  }
  const mapped = new Map(entries(value).map(([name, inner]) => [name, mapTree(inner, isLeaf, replace)]))
  const names = Object.keys(value).filter((name) => mapped.has(name))
  return Object.fromEntries(names.map((name) => [name, mapped.get(name)]))
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

// Absent and undefined are one.
const entries = (value: Record<string, unknown>): [string, unknown][] =>
  Object.keys(value)
    .sort()
    .filter((name) => value[name] !== undefined)
    .map((name) => [name, value[name]])
