import { nearestName, OptionError, requireSignal, UnsupportedError } from '@tiny/core'
import { toCamel } from '../config/keys.js'
import type { ModelConfig } from '../config/config.js'
import type { Tokenizer } from '../tokenizer/index.js'
import {
  processorOptions,
  readProcessorSettings,
  type ProcessorOptions,
  type ProcessorSettings,
} from './processor-options.js'

/** What `generate` takes; transformers' names in camelCase. */
export interface GenerateOptions extends ProcessorOptions {
  /** New tokens at most; default 20. */
  readonly maxNewTokens?: number | undefined
  /** Prompt and new tokens together at most (a decoder's own of an encoder–decoder). `maxNewTokens` wins. */
  readonly maxLength?: number | undefined
  readonly eosTokenId?: number | readonly number[] | undefined
  /** Ends a row whose new text holds one of these; needs `tokenizer`. */
  readonly stopStrings?: string | readonly string[] | undefined
  readonly tokenizer?: Tokenizer | undefined
  /** Encoder–decoders: what the decoder's text begins with; a list has one for each row. */
  readonly decoderStartTokenId?: number | readonly number[] | undefined
  readonly signal?: AbortSignal | undefined
  /** What an abort does: reject with the signal's reason (default), or return what there is. */
  readonly onAbort?: 'reject' | 'return' | undefined
  /** Modes that are not there yet are refused unless they are switched off. */
  readonly doSample?: false | undefined
  readonly numBeams?: 1 | undefined
  readonly numReturnSequences?: 1 | undefined
}

/** Options, generation_config.json and defaults, resolved. */
export interface Settings {
  readonly maxNewTokens: number | undefined
  readonly maxLength: number | undefined
  readonly eosTokenIds: readonly number[]
  readonly processors: ProcessorSettings
  readonly decoderStartTokenId: number | readonly number[] | undefined
  readonly stopStrings: readonly string[]
  readonly tokenizer: Tokenizer | undefined
  readonly signal: AbortSignal | undefined
  readonly onAbort: 'reject' | 'return'
}

/** New tokens at most where nobody says. */
export const defaultNewTokens = 20

const own: readonly string[] = [
  'maxNewTokens',
  'maxLength',
  'eosTokenId',
  'stopStrings',
  'tokenizer',
  'decoderStartTokenId',
  'signal',
  'onAbort',
  ...processorOptions,
]

/** What transformers has and `generate` has not yet: the values that ask for nothing. */
const notYet: Readonly<Record<string, readonly unknown[]>> = {
  assistantModel: [],
  constraints: [],
  diversityPenalty: [0],
  doSample: [false],
  earlyStopping: [false],
  epsilonCutoff: [0],
  etaCutoff: [0],
  forceWordsIds: [],
  grammar: [],
  guidanceScale: [1],
  jsonSchema: [],
  lengthPenalty: [1],
  logitsProcessors: [],
  maxTime: [],
  minP: [],
  numBeamGroups: [1],
  numBeams: [1],
  numReturnSequences: [1],
  penaltyAlpha: [],
  promptLookupNumTokens: [],
  // No greedy choice depends on it.
  renormalizeLogits: [false, true],
  seed: [],
  temperature: [1],
  tokenHealing: [false],
  topK: [50],
  topP: [1],
  typicalP: [1],
  watermarkingConfig: [],
}

/** Read by sampling and by beams alone, neither of which runs: a file may say them. */
const withoutEffect = new Set([
  'temperature',
  'topK',
  'topP',
  'minP',
  'typicalP',
  'epsilonCutoff',
  'etaCutoff',
  'earlyStopping',
  'lengthPenalty',
])

/**
 * Options over generation_config.json over defaults.
 *
 * @param file generation_config.json in its own spelling.
 * @throws OptionError for what no version has, UnsupportedError naming what is not there yet and who asked for it.
 */
export function readSettings(
  options: GenerateOptions,
  file: Readonly<Record<string, unknown>>,
  config: ModelConfig,
  vocabSize: number,
): Settings {
  if (typeof (options as unknown) !== 'object' || (options as unknown) === null) {
    throw new OptionError(`generate: an object of options is needed, not ${String(options as unknown)}`, {})
  }
  requireSignal(options.signal)
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || own.includes(name)) continue
    if (!Object.hasOwn(notYet, name)) throw unknown(name)
    if (!asksForNothing(name, value)) throw unsupported(name, value, 'generate')
  }
  const fromFile: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(file)) {
    const name = toCamel(key)
    if (value == null) continue
    fromFile[name] = value
    const overridden = name in options
    if (overridden || withoutEffect.has(name) || !Object.hasOwn(notYet, name) || asksForNothing(name, value))
      continue
    throw unsupported(name, value, 'generation_config.json')
  }
  const pick = <K extends keyof GenerateOptions>(name: K) =>
    options[name] ?? (fromFile[name] as GenerateOptions[K])
  const eos = options.eosTokenId ?? (fromFile['eosTokenId'] as number | number[] | undefined)
  const outside = idsOf(options.eosTokenId).find((id) => id >= vocabSize)
  if (outside !== undefined) {
    throw new OptionError(`eosTokenId ${outside} is outside the vocabulary of ${vocabSize}`, {
      option: 'eosTokenId',
    })
  }
  // A family's usual end may lie outside a small vocabulary: then it never comes.
  const eosTokenIds = idsOf(eos).filter((id) => id < vocabSize)
  const stop = pick('stopStrings') ?? []
  const settings: Settings = {
    // maxNewTokens of the file counts less than maxLength of the call.
    maxNewTokens: count(
      'maxNewTokens',
      options.maxNewTokens ?? (options.maxLength === undefined ? fromFile['maxNewTokens'] : undefined),
      1,
    ),
    maxLength: count('maxLength', pick('maxLength'), 1),
    eosTokenIds,
    // null switches off what the file asks for.
    processors: readProcessorSettings(
      (name) => (options[name] === undefined ? fromFile[name] : options[name]),
      vocabSize,
      eosTokenIds,
    ),
    // As in transformers, a text begins with the beginning of a sequence where nothing says what it begins with.
    decoderStartTokenId:
      pick('decoderStartTokenId') ??
      config.decoderStartTokenId ??
      firstOf(fromFile['bosTokenId'] as number | readonly number[] | undefined) ??
      firstOf(config.bosTokenId),
    stopStrings: typeof stop === 'string' ? [stop] : stop,
    tokenizer: options.tokenizer,
    signal: options.signal,
    onAbort: options.onAbort ?? 'reject',
  }
  if (settings.stopStrings.length > 0 && settings.tokenizer === undefined) {
    throw new OptionError('stopStrings need the tokenizer, to know the text', { option: 'tokenizer' })
  }
  if (!settings.stopStrings.every((string) => typeof string === 'string' && string !== '')) {
    throw new OptionError('stopStrings is a string or a list of them, none of them empty', {
      option: 'stopStrings',
    })
  }
  if (settings.onAbort !== 'reject' && settings.onAbort !== 'return') {
    throw new OptionError(`onAbort is 'reject' or 'return', not ${JSON.stringify(options.onAbort)}`, {
      option: 'onAbort',
    })
  }
  return settings
}

function asksForNothing(name: string, value: unknown): boolean {
  if (value === null || (Array.isArray(value) && value.length === 0)) return true
  return notYet[name]!.includes(value)
}

function unsupported(name: string, value: unknown, where: string): UnsupportedError {
  const advice =
    where === 'generate'
      ? ''
      : `; generate({ … }, { ${name}: ${JSON.stringify(notYet[name]![0] ?? null)} }) goes without`
  return new UnsupportedError(
    `${where} asks for ${name} (${JSON.stringify(value)}), which is not there yet${advice}`,
    {
      option: name,
    },
  )
}

function unknown(name: string): OptionError {
  const known = [...own, ...Object.keys(notYet)]
  const camel = toCamel(name)
  const nearest = known.includes(camel) ? camel : nearestName(camel, known)
  const advice =
    nearest === undefined
      ? `it takes ${own.join(', ')}`
      : nearest === camel
        ? `use ${camel}`
        : `did you mean ${nearest}?`
  return new OptionError(`generate has no option '${name}': ${advice}`, { option: name })
}

function count(name: string, value: unknown, least: number): number | undefined {
  if (value === undefined || value === null) return undefined
  if (Number.isInteger(value) && (value as number) >= least) return value as number
  const given = typeof value === 'number' ? String(value) : JSON.stringify(value)
  throw new OptionError(`${name} is an integer of at least ${least}, not ${given}`, { option: name })
}

function idsOf(ids: number | readonly number[] | undefined): readonly number[] {
  const list = ids === undefined ? [] : Array.isArray(ids) ? (ids as readonly number[]) : [ids as number]
  const wrong = list.find((id) => !Number.isInteger(id) || id < 0)
  if (wrong === undefined) return list
  throw new OptionError(`eosTokenId is a token id or a list of them, not ${JSON.stringify(ids)}`, {
    option: 'eosTokenId',
  })
}

const firstOf = (ids: number | readonly number[] | undefined): number | undefined =>
  typeof ids === 'object' ? ids[0] : ids
