import { CheckpointError } from '@tiny/core'
import { chatTemplatesOf, type ChatTemplates } from './chat-template.js'
import { rolesBySpelling, specialTokenRoles, tokenizerFamily, type SpecialTokens } from './special-tokens.js'
import type { TruncationSide } from './truncation.js'

/** tokenizer_config.json in the file's own spelling. Keys that are not read here are kept and saved again. */
export type TokenizerConfigJson = Record<string, unknown>

export interface AddedTokenJson {
  readonly id: number
  readonly content: string
  readonly single_word: boolean
  readonly lstrip: boolean
  readonly rstrip: boolean
  readonly normalized: boolean
  readonly special: boolean
}

/** The parts of tokenizer.json that this package looks into. */
export interface TokenizerJson {
  truncation?: unknown
  padding?: unknown
  added_tokens?: AddedTokenJson[]
  model: { type?: string; vocab?: Record<string, number> | [string, number][]; [key: string]: unknown }
  [key: string]: unknown
}

export interface TokenizerConfig {
  readonly tokenizerClass: string
  readonly specialTokens: Readonly<SpecialTokens>
  readonly additionalSpecialTokens: readonly string[]
  readonly modelMaxLength: number | undefined
  readonly chatTemplates: ChatTemplates
  readonly truncationSide: TruncationSide
  readonly cleanUpTokenizationSpaces: boolean
  /** Whether the model takes segments: `token_type_ids` stands among its inputs. */
  readonly tokenTypeIds: boolean
}

/**
 * Reads tokenizer_config.json beside the tokenizer.json that it belongs to. What it does not say is taken from the
 * tokenizer class (or, without one, the model type); a tokenizer.json that stands alone tells by its spellings.
 */
export function readTokenizerConfig(
  raw: TokenizerConfigJson,
  tokenizer: TokenizerJson,
  modelType: string | undefined,
): TokenizerConfig {
  const specialAdded = (tokenizer.added_tokens ?? [])
    .filter((token) => token.special)
    .map((token) => token.content)
  const namedClass = optional(raw, 'tokenizer_class', 'string')
  const family = tokenizerFamily(namedClass, modelType)
  const alone = Object.keys(raw).length === 0 && family === undefined
  const inputNames = raw['model_input_names']
  const isWordPiece = tokenizer.model.type === 'WordPiece'

  const specialTokens: SpecialTokens = alone ? rolesBySpelling(specialAdded) : {}
  const known = new Set([...specialAdded, ...addedTokensOf(raw).map((token) => token.content)])
  for (const role of specialTokenRoles) {
    const fromClass = family?.tokens[role]
    if (role in raw) {
      const token = raw[role] === null ? undefined : tokenContent(raw[role], role)
      if (token !== undefined) specialTokens[role] = token
    } else if (
      fromClass !== undefined &&
      (known.has(fromClass) || vocabularyId(tokenizer, fromClass) !== undefined)
    ) {
      specialTokens[role] = fromClass
    }
  }

  const maxLength = optional(raw, 'model_max_length', 'number')
  const side = raw['truncation_side'] ?? 'right'
  if (side !== 'left' && side !== 'right') throw wrongKey('truncation_side', "'left' or 'right'")
  return {
    tokenizerClass: namedClass ?? family?.tokenizerClass ?? 'PreTrainedTokenizerFast',
    specialTokens,
    additionalSpecialTokens: additionalTokens(raw),
    // transformers writes 1e30 where it knows no bound.
    modelMaxLength: maxLength !== undefined && maxLength <= Number.MAX_SAFE_INTEGER ? maxLength : undefined,
    chatTemplates: chatTemplatesOf(raw),
    truncationSide: side,
    cleanUpTokenizationSpaces: optional(raw, 'clean_up_tokenization_spaces', 'boolean') ?? false,
    tokenTypeIds: Array.isArray(inputNames)
      ? inputNames.includes('token_type_ids')
      : family !== undefined
        ? family.tokenTypeIds === true
        : alone && isWordPiece,
  }
}

/**
 * Adds to `tokenizer.added_tokens` what only tokenizer_config.json knows, as transformers does when it loads: tokens
 * of `added_tokens_decoder`, then special tokens by role. A token of the vocabulary keeps its id.
 */
export function addTokensOfConfig(
  tokenizer: TokenizerJson,
  raw: TokenizerConfigJson,
  config: TokenizerConfig,
): boolean {
  const added = [...(tokenizer.added_tokens ?? [])]
  const before = added.length
  const present = new Set(added.map((token) => token.content))
  const add = (token: AddedTokenJson): void => {
    if (present.has(token.content)) return
    present.add(token.content)
    added.push(token)
  }
  for (const token of addedTokensOf(raw)) add(token)
  const special = [...Object.values(config.specialTokens), ...config.additionalSpecialTokens]
  for (const content of special) {
    const id = vocabularyId(tokenizer, content) ?? nextId(tokenizer, added)
    add({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true })
  }
  tokenizer.added_tokens = added.sort((a, b) => a.id - b.id)
  return added.length > before
}

/** Special tokens that have no role: `additional_special_tokens`, which transformers 5 spells `extra_special_tokens`. */
function additionalTokens(raw: TokenizerConfigJson): string[] {
  const named = raw['additional_special_tokens'] ?? raw['extra_special_tokens'] ?? []
  const list = Array.isArray(named) ? named : Object.values(named as Record<string, unknown>)
  return list.map((token) => tokenContent(token, 'additional_special_tokens'))
}

function addedTokensOf(raw: TokenizerConfigJson): AddedTokenJson[] {
  const decoder = (raw['added_tokens_decoder'] ?? {}) as Record<string, Partial<AddedTokenJson>>
  return Object.entries(decoder).map(([id, token]) => ({
    id: Number(id),
    content: tokenContent(token, 'added_tokens_decoder'),
    single_word: token.single_word ?? false,
    lstrip: token.lstrip ?? false,
    rstrip: token.rstrip ?? false,
    normalized: token.normalized ?? false,
    special: token.special ?? false,
  }))
}

function tokenContent(value: unknown, key: string): string {
  if (typeof value === 'string') return value
  const content = (value as { content?: unknown } | null)?.content
  if (typeof content === 'string') return content
  throw wrongKey(key, 'a string or an object with content')
}

function vocabularyId({ model }: TokenizerJson, token: string): number | undefined {
  const { vocab } = model
  if (vocab === undefined) return undefined
  if (!Array.isArray(vocab)) return Object.hasOwn(vocab, token) ? vocab[token] : undefined
  const id = vocab.findIndex((entry) => entry[0] === token)
  return id === -1 ? undefined : id
}

function nextId({ model }: TokenizerJson, added: readonly AddedTokenJson[]): number {
  const ids = Array.isArray(model.vocab) ? [model.vocab.length - 1] : Object.values(model.vocab ?? {})
  let highest = -1
  for (const id of ids) highest = Math.max(highest, id)
  for (const token of added) highest = Math.max(highest, token.id)
  return highest + 1
}

interface Primitives {
  string: string
  number: number
  boolean: boolean
}

function optional<K extends keyof Primitives>(
  raw: TokenizerConfigJson,
  key: string,
  type: K,
): Primitives[K] | undefined {
  const value = raw[key]
  if (value === undefined || value === null) return undefined
  if (typeof value === type) return value as Primitives[K]
  throw wrongKey(key, `a ${type}`)
}

function wrongKey(key: string, expected: string): CheckpointError {
  return new CheckpointError(`${key} of tokenizer_config.json must be ${expected}`, { key })
}
