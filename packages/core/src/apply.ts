import { Dim, type Size } from './dim.js'
import { core, type AttributeValue } from './native.js'
import { Tensor } from './tensor.js'

/** An attribute of an op; what is undefined is left out. */
export type Attribute = boolean | number | string | Dim | readonly Size[] | undefined

/**
 * Makes the node of an op and returns its outputs. Absent optional inputs are null or undefined.
 *
 * @throws ShapeError, DTypeError, OptionError or DisposedError of the op, before anything is computed.
 */
export function apply(
  op: string,
  inputs: readonly (Tensor | null | undefined)[],
  attributes: object = {},
): Tensor[] {
  const crossing: Record<string, AttributeValue> = {}
  for (const [name, value] of Object.entries(attributes as Record<string, Attribute>)) {
    if (value !== undefined) crossing[name] = toNative(value)
  }
  return core()
    .apply(
      op,
      inputs.map((input) => input?.handle ?? null),
      crossing,
    )
    .map((handle) => new Tensor(handle))
}

/** `apply` for an op of one output. */
export function applyOne(
  op: string,
  inputs: readonly (Tensor | null | undefined)[],
  attributes: object = {},
): Tensor {
  return apply(op, inputs, attributes)[0]!
}

function toNative(value: Exclude<Attribute, undefined>): AttributeValue {
  if (value instanceof Dim) return value.toNative()
  if (typeof value !== 'object') return value
  return value.map((size) => (typeof size === 'number' ? size : Dim.of(size).toNative()))
}
