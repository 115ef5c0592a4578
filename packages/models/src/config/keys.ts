import { ConfigError } from '@tiny/core'

/** How one key of config.json is read: what it may hold, and what transformers assumes where it is absent. */
export interface Key<T> {
  readonly fallback: T
  /** Throws ConfigError naming the key for a value that cannot be. */
  read(value: unknown, name: string): T
  /** Whether `null` means none; elsewhere it means the fallback. */
  readonly nullable?: boolean
  /** The name that transformers' `attribute_map` gives the same value, in camelCase. */
  readonly alias?: string
}

export type Keys = Readonly<Record<string, Key<unknown>>>

/** The typed view that a table of keys describes. */
export type ValuesOf<K extends Keys> = { readonly [N in keyof K]: K[N] extends Key<infer T> ? T : never }

export const integer = <T = number>(fallback: number | T, alias?: string): Key<number | T> =>
  between(0, 2 ** 31 - 1, fallback, alias)

/** The id of padding; −1 in files that had none. */
export const paddingId = (): Key<number | undefined> => optional(between(-1, 2 ** 31 - 1, 0))

/** A width, a number of heads or of rows in a table. */
export const size = <T = number>(fallback: number | T, alias?: string): Key<number | T> =>
  between(1, 2 ** 31 - 1, fallback, alias)

/** How many layers there are: each is built before the checkpoint is looked at, so a file cannot ask for any number. */
export const layers = <T = number>(fallback: number | T, alias?: string): Key<number | T> =>
  between(0, 10_000, fallback, alias)

const between = <T>(least: number, most: number, fallback: number | T, alias?: string): Key<number | T> =>
  key(
    fallback,
    alias,
    `an integer from ${least} to ${most}`,
    (value) => Number.isInteger(value) && (value as number) >= least && (value as number) <= most,
  )

export const real = <T = number>(fallback: number | T, alias?: string): Key<number | T> =>
  key(fallback, alias, 'a number', (value) => typeof value === 'number' && Number.isFinite(value))

/** An epsilon, a standard deviation, a factor of one. */
export const nonNegative = <T = number>(fallback: number | T, alias?: string): Key<number | T> =>
  key(
    fallback,
    alias,
    'a number of at least 0',
    (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0,
  )

/** A share that dropout drops. */
export const share = <T = number>(fallback: number | T): Key<number | T> =>
  key(
    fallback,
    undefined,
    'a number of at least 0 and below 1',
    (value) => typeof value === 'number' && value >= 0 && value < 1,
  )

export const flag = <T = boolean>(fallback: boolean | T): Key<boolean | T> =>
  key(fallback, undefined, 'true or false', (value) => typeof value === 'boolean')

export const text = <T = string>(fallback: string | T, alias?: string): Key<string | T> =>
  key(fallback, alias, 'a string', (value) => typeof value === 'string')

/** One of several words; anything else is named in the error with the words that are known. */
export const oneOf = <const W extends string>(words: readonly W[], fallback: W): Key<W> =>
  key<W>(fallback, undefined, `one of ${words.join(', ')}`, (value) => words.includes(value as W))

/** A key that has one value: any other would ask for what is not computed. */
export const only = <const T extends number | boolean>(value: T): Key<T> =>
  key<T>(value, undefined, String(value), (given) => given === value)

/** A token id, several of them, or none. */
export const tokenIds = (): Key<number | readonly number[] | undefined> =>
  optional(
    key<number | readonly number[]>(
      0,
      undefined,
      'a token id or a list of them',
      (value) => Number.isInteger(value) || (Array.isArray(value) && value.every(Number.isInteger)),
    ),
  )

/** None where it is absent or `null`. */
export const optional = <T>(inner: Key<T>): Key<T | undefined> => ({
  ...inner,
  fallback: undefined,
  nullable: true,
})

/** The fallback where it is absent, none where it is `null`. */
export const orNone = <T>(inner: Key<T>): Key<T | undefined> => ({ ...inner, nullable: true })

function key<T>(
  fallback: T,
  alias: string | undefined,
  expected: string,
  holds: (value: unknown) => boolean,
): Key<T> {
  return {
    fallback,
    ...(alias === undefined ? {} : { alias }),
    read(value, name) {
      if (holds(value)) return value as T
      throw new ConfigError(
        `${name} of the configuration must be ${expected}, not ${JSON.stringify(value)}`,
        {
          key: name,
          value,
        },
      )
    },
  }
}

/** hiddenSize → hidden_size, the spelling of config.json. */
export function toSnake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

/** hidden_size → hiddenSize. A leading underscore stays, as in `_name_or_path`. */
export function toCamel(name: string): string {
  return name.replace(/(?<=[^_])_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
}
