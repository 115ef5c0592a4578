import { OptionError } from '@tiny/core'

/**
 * Rejects what a call does not know, so that nothing is accepted and ignored. `elsewhere` explains names that people
 * bring from Python and that have another home here.
 *
 * @throws OptionError that names the right spelling where there is one.
 */
export function rejectUnknownOptions(
  call: string,
  options: object,
  known: readonly string[],
  elsewhere: Readonly<Record<string, string>> = {},
): void {
  if (typeof (options as unknown) !== 'object' || (options as unknown) === null) {
    throw new OptionError(`${call}: an object of options is needed, not ${describe(options)}`, { call })
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue
    const camel = name.replace(/_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
    const advice = known.includes(camel)
      ? `it is spelled ${camel} here`
      : (elsewhere[camel] ?? `known are ${known.join(', ')}`)
    throw new OptionError(`${call} has no option ${name}: ${advice}`, {
      call,
      option: name,
      known: [...known],
    })
  }
}

export function requireString(call: string, what: string, value: unknown): asserts value is string {
  if (typeof value === 'string') return
  throw new OptionError(`${call} takes a string as ${what}, not ${describe(value)}`, { call, argument: what })
}

export function requireStrings(
  call: string,
  what: string,
  value: unknown,
): asserts value is readonly string[] {
  if (!Array.isArray(value)) {
    throw new OptionError(`${call} takes an array of strings as ${what}, not ${describe(value)}`, {
      call,
      argument: what,
    })
  }
  for (let i = 0; i < value.length; i++) requireString(call, `${what}[${i}]`, value[i])
}

export function requireCount(
  call: string,
  option: string,
  value: unknown,
  least: number,
): asserts value is number {
  if (Number.isInteger(value) && (value as number) >= least) return
  throw new OptionError(
    `${call} takes an integer of at least ${least} as ${option}, not ${describe(value)}`,
    {
      call,
      option,
    },
  )
}

function describe(value: unknown): string {
  if (value === null || value === undefined || typeof value === 'number') return String(value)
  if (typeof value === 'string') return `'${value}'`
  return Array.isArray(value) ? 'an array' : `a value of type ${typeof value}`
}
