import { OptionError } from '@tiny/core'

/** Options of `generate` that change scores before a token is chosen, and choose nothing themselves. */
export interface ProcessorOptions {
  /** Added to the score of a sequence's last token behind its others: [[ids, bias], …]. */
  readonly sequenceBias?: readonly (readonly [ids: readonly number[], bias: number])[] | undefined
  /** Above 1 prefers what the source (a decoder's prompt) holds. */
  readonly encoderRepetitionPenalty?: number | undefined
  /** Above 1 makes what the text holds already less likely (Keskar et al. 2019). */
  readonly repetitionPenalty?: number | undefined
  /** No sequence of so many tokens twice; 0 allows all. */
  readonly noRepeatNgramSize?: number | undefined
  /** None that the source (a decoder's prompt) holds. */
  readonly encoderNoRepeatNgramSize?: number | undefined
  /** Sequences that are not written. */
  readonly badWordsIds?: readonly (readonly number[])[] | undefined
  /** No end before the text, a decoder's prompt included, has this many tokens. `minNewTokens` wins. */
  readonly minLength?: number | undefined
  /** No end before this many new tokens. */
  readonly minNewTokens?: number | undefined
  /** The token behind the first one: a translation's language. */
  readonly forcedBosTokenId?: number | null | undefined
  /** The last token where a row reaches its greatest length. */
  readonly forcedEosTokenId?: number | readonly number[] | null | undefined
  /** Takes NaN for 0 and infinities for the largest numbers. */
  readonly removeInvalidValues?: boolean | undefined
  /** From `start` new tokens on an end gets more likely, by `factor` to the power of the tokens since. */
  readonly exponentialDecayLengthPenalty?: readonly [start: number, factor: number] | null | undefined
  readonly suppressTokens?: readonly number[] | undefined
  /** Not as the first new token. */
  readonly beginSuppressTokens?: readonly number[] | undefined
}

/** The same, read: what asks for nothing is 1, 0, false, empty or undefined. */
export interface ProcessorSettings {
  readonly sequenceBias: readonly (readonly [ids: readonly number[], bias: number])[]
  readonly encoderRepetitionPenalty: number
  readonly repetitionPenalty: number
  readonly noRepeatNgramSize: number
  readonly encoderNoRepeatNgramSize: number
  readonly badWordsIds: readonly (readonly number[])[]
  readonly minLength: number
  readonly minNewTokens: number
  readonly forcedBosTokenId: number | undefined
  readonly forcedEosTokenIds: readonly number[]
  readonly removeInvalidValues: boolean
  readonly exponentialDecayLengthPenalty: readonly [start: number, factor: number] | undefined
  readonly suppressTokens: readonly number[]
  readonly beginSuppressTokens: readonly number[]
  readonly eosTokenIds: readonly number[]
}

export const processorOptions = [
  'sequenceBias',
  'encoderRepetitionPenalty',
  'repetitionPenalty',
  'noRepeatNgramSize',
  'encoderNoRepeatNgramSize',
  'badWordsIds',
  'minLength',
  'minNewTokens',
  'forcedBosTokenId',
  'forcedEosTokenId',
  'removeInvalidValues',
  'exponentialDecayLengthPenalty',
  'suppressTokens',
  'beginSuppressTokens',
] as const satisfies readonly (keyof ProcessorOptions)[]

/**
 * @param valueOf an option of the call or of the file.
 * @throws OptionError naming the option for a value that cannot be.
 */
export function readProcessorSettings(
  valueOf: (name: keyof ProcessorOptions) => unknown,
  vocabSize: number,
  eosTokenIds: readonly number[],
): ProcessorSettings {
  const value = <T>(
    name: keyof ProcessorOptions,
    otherwise: T,
    is: (value: unknown) => boolean,
    what: string,
  ): T => {
    const given = valueOf(name) ?? undefined
    if (given === undefined) return otherwise
    if (is(given)) return given as T
    throw wrong(name, given, what)
  }
  const penalty = (name: keyof ProcessorOptions) => value(name, 1, isPositive, 'a number above 0')
  const count = (name: keyof ProcessorOptions) => value(name, 0, isId, 'an integer of at least 0')
  const ids = (name: keyof ProcessorOptions) =>
    value<readonly number[]>(name, [], isIds, 'a list of token ids').filter((id) => id < vocabSize)
  const inside = <T>(name: keyof ProcessorOptions, found: T, used: readonly number[]): T => {
    const outside = used.find((id) => id >= vocabSize)
    if (outside === undefined) return found
    throw new OptionError(`${name}: ${outside} is outside the vocabulary of ${vocabSize}`, { option: name })
  }
  const sequences = value<ProcessorSettings['sequenceBias']>(
    'sequenceBias',
    [],
    (given) => Array.isArray(given) && given.every(isBiased),
    'a list of [token ids, bias]',
  )
  const words = value<readonly (readonly number[])[]>(
    'badWordsIds',
    [],
    (given) => Array.isArray(given) && given.every((word) => isIds(word) && word.length > 0),
    'a list of lists of token ids',
  ).filter(([first, ...rest]) => rest.length > 0 || !eosTokenIds.includes(first!))
  const bos = value<number | undefined>('forcedBosTokenId', undefined, isId, 'a token id')
  const eos = value<number | readonly number[]>(
    'forcedEosTokenId',
    [],
    (given) => isId(given) || isIds(given),
    'a token id or a list of them',
  )
  const ends = typeof eos === 'number' ? [eos] : eos
  return {
    sequenceBias: inside(
      'sequenceBias',
      sequences,
      sequences.flatMap(([tokens]) => tokens),
    ),
    encoderRepetitionPenalty: penalty('encoderRepetitionPenalty'),
    repetitionPenalty: penalty('repetitionPenalty'),
    noRepeatNgramSize: count('noRepeatNgramSize'),
    encoderNoRepeatNgramSize: count('encoderNoRepeatNgramSize'),
    badWordsIds: inside('badWordsIds', words, words.flat()),
    minLength: valueOf('minNewTokens') == null ? count('minLength') : 0,
    minNewTokens: count('minNewTokens'),
    forcedBosTokenId: inside('forcedBosTokenId', bos, bos === undefined ? [] : [bos]),
    forcedEosTokenIds: inside('forcedEosTokenId', ends, ends),
    removeInvalidValues: value('removeInvalidValues', false, isFlag, 'true or false'),
    exponentialDecayLengthPenalty: value(
      'exponentialDecayLengthPenalty',
      undefined,
      (given) => Array.isArray(given) && given.length === 2 && isId(given[0]) && isPositive(given[1]),
      '[start, factor]',
    ),
    suppressTokens: ids('suppressTokens'),
    beginSuppressTokens: ids('beginSuppressTokens'),
    eosTokenIds,
  }
}

const isFlag = (value: unknown): boolean => typeof value === 'boolean'
const isId = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0
const isIds = (value: unknown): value is readonly number[] => Array.isArray(value) && value.every(isId)
const isPositive = (value: unknown): boolean => typeof value === 'number' && value > 0 && value < Infinity
const isBiased = (value: unknown): boolean =>
  Array.isArray(value) &&
  value.length === 2 &&
  isIds(value[0]) &&
  value[0].length > 0 &&
  typeof value[1] === 'number' &&
  !Number.isNaN(value[1])

function wrong(option: string, value: unknown, what: string): OptionError {
  const given = typeof value === 'number' ? String(value) : JSON.stringify(value)
  return new OptionError(`${option} is ${what}, not ${given}`, { option })
}
