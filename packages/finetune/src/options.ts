import { OptionError } from '@tiny/core'

export interface Bounds {
  readonly least?: number
  readonly most?: number
  /** Whether `least` itself is refused. */
  readonly above?: boolean
  readonly integer?: boolean
}

/**
 * Refuses a value that is not a number within bounds; `undefined` is left to the option's default.
 *
 * @throws OptionError naming the call, the option and what it takes.
 */
export function requireNumber(where: string, option: string, value: unknown, bounds: Bounds): void {
  if (value === undefined) return
  const { least = -Infinity, most = Infinity, above = false, integer = false } = bounds
  const fits =
    typeof value === 'number' &&
    (integer ? Number.isInteger(value) : Number.isFinite(value)) &&
    (above ? value > least : value >= least) &&
    value <= most
  if (fits) return
  const low = least === -Infinity ? '' : above ? ` above ${least}` : ` of at least ${least}`
  const high = most === Infinity ? '' : `${low === '' ? ' of' : ' and'} at most ${most}`
  const kind = integer ? 'an integer' : 'a number'
  throw new OptionError(`${where}: ${option} must be ${kind}${low}${high}, not ${describe(value)}`, {
    where,
    option,
    value,
  })
}

/** Refuses what is neither true nor false nor undefined. @throws OptionError */
export function requireFlag(where: string, option: string, value: unknown): void {
  if (value === undefined || typeof value === 'boolean') return
  throw new OptionError(`${where}: ${option} must be true or false, not ${describe(value)}`, {
    where,
    option,
    value,
  })
}

/** A value as an error message shows it. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`
  if (value === null || typeof value !== 'object') return String(value)
  return Array.isArray(value) ? 'an array' : 'an object'
}
