import { ConfigError } from '@tiny/core'
import {
  flag,
  integer,
  oneOf,
  optional,
  paddingId,
  text,
  toCamel,
  tokenIds,
  toSnake,
  type Keys,
  type ValuesOf,
} from './keys.js'
import { readLabels } from './labels.js'
import { changesTheMaths } from './unknown-keys.js'

export type ConfigJson = Readonly<Record<string, unknown>>

/** Keys that every family has. */
const commonKeys = {
  architectures: optional<readonly string[]>({
    fallback: [],
    read: (value, name) => {
      if (Array.isArray(value)) return value as string[]
      throw new ConfigError(`${name} must be a list of class names`, { key: name })
    },
  }),
  bosTokenId: tokenIds(),
  eosTokenId: tokenIds(),
  padTokenId: paddingId(),
  decoderStartTokenId: optional(integer(0)),
  isEncoderDecoder: flag(false),
  tieWordEmbeddings: flag(true),
  problemType: optional(
    oneOf(['regression', 'single_label_classification', 'multi_label_classification'], 'regression'),
  ),
  dtype: optional(text('float32')),
} satisfies Keys

type CommonValues = ValuesOf<typeof commonKeys>

/** What a family says about its configuration file. */
export interface ConfigSchema<K extends Keys = Keys> {
  readonly modelType: string
  readonly keys: K
  /** Defaults of the keys that every family has, where the family's differ. */
  readonly defaults?: Partial<CommonValues>
  /** Classes where a file names none; two unless given. */
  readonly numLabels?: number | undefined
  /** Settings of generation that transformers takes where a file has none, in generation_config.json's spelling. */
  readonly generation?: Readonly<Record<string, unknown>>
  /** Keys of this family's files that change no number, beside those of all families. */
  readonly neutral?: readonly string[]
  /** Refuses combinations that cannot be; throws ConfigError. */
  check?(config: ValuesOf<K>): void
}

/** A family's configuration: a typed camelCase view over the keys of config.json. */
export type Config<K extends Keys = Keys> = ModelConfig & ValuesOf<K>

/** Changes that a caller may ask for when a model is made. */
export interface ConfigChanges {
  readonly numLabels?: number | undefined
  readonly id2label?: Readonly<Record<number, string>> | readonly string[] | undefined
  readonly label2id?: Readonly<Record<string, number>> | undefined
  readonly problemType?: string | undefined
}

/** Where a label count may stand in a file. */
const labelKeys = ['id2label', 'label2id', 'num_labels']
/** Older spellings of keys that every family has. */
const olderSpellings: Readonly<Record<string, string>> = { dtype: 'torch_dtype' }

/** Immutable. Values stand under their camelCase names; `toJSON` gives the file back, unknown keys included. */
export class ModelConfig {
  /** Class names by number; two of them where the file has none, as in transformers. */
  readonly id2label: readonly string[]
  readonly label2id: Readonly<Record<string, number>>
  // Defined by createConfig, like the family's own.
  declare readonly architectures: CommonValues['architectures']
  declare readonly bosTokenId: CommonValues['bosTokenId']
  declare readonly eosTokenId: CommonValues['eosTokenId']
  declare readonly padTokenId: CommonValues['padTokenId']
  declare readonly decoderStartTokenId: CommonValues['decoderStartTokenId']
  declare readonly isEncoderDecoder: boolean
  declare readonly tieWordEmbeddings: boolean
  declare readonly problemType: CommonValues['problemType']
  declare readonly dtype: CommonValues['dtype']
  readonly #json: ConfigJson
  readonly #schema: ConfigSchema

  /** @param json keys in the file's spelling. Use `createConfig`, which takes either. */
  constructor(schema: ConfigSchema, json: ConfigJson) {
    this.#schema = schema
    this.#json = json
    const labels = readLabels(json['id2label'], json['label2id'], json['num_labels'], schema.numLabels)
    this.id2label = labels.id2label
    this.label2id = labels.label2id
  }

  get modelType(): string {
    return this.#schema.modelType
  }

  /** @internal What transformers takes for generation where neither file says otherwise, in their spelling. */
  get generationDefaults(): Readonly<Record<string, unknown>> {
    return this.#schema.generation ?? {}
  }

  get numLabels(): number {
    return this.id2label.length
  }

  /** The keys as config.json has them. */
  toJSON(): Record<string, unknown> {
    return structuredClone(this.#json) as Record<string, unknown>
  }

  /** A copy with other labels or other values, in either spelling. */
  with(changes: ConfigJson): this {
    const json: Record<string, unknown> = { ...this.#json }
    const labels: Record<string, unknown> = {}
    for (const [name, value] of Object.entries(changes)) {
      if (value === undefined) continue
      if (labelKeys.includes(toSnake(name))) labels[toSnake(name)] = value
      else json[toSnake(name)] = value
    }
    if (Object.keys(labels).length > 0) {
      for (const name of labelKeys) delete json[name]
      const { id2label, label2id } = readLabels(labels['id2label'], labels['label2id'], labels['num_labels'])
      Object.assign(json, { id2label: Object.fromEntries(id2label.entries()), label2id })
    }
    return createConfig(this.#schema, json) as this
  }
}

/**
 * Makes a configuration from keys in config.json's spelling or in camelCase, or a mixture.
 *
 * @throws ConfigError for a value that cannot be, for two spellings of one key that disagree, and for a key that the
 *   family does not read and whose name says that it changes what is computed.
 */
export function createConfig<K extends Keys>(schema: ConfigSchema<K>, given: ConfigJson): Config<K> {
  const keys: Keys = { ...commonKeys, ...schema.keys }
  const { json, file } = inFileSpelling(given, keys)
  const { modelType } = schema
  if (json['model_type'] !== undefined && json['model_type'] !== modelType) {
    throw new ConfigError(`model_type is ${JSON.stringify(json['model_type'])}, not '${modelType}'`, {
      key: 'model_type',
    })
  }
  const config = new ModelConfig(schema, { model_type: modelType, ...file })
  const values: Record<string, unknown> = {}
  const read = new Set([...labelKeys, 'model_type'])
  for (const [name, key] of Object.entries(keys)) {
    const snake = toSnake(name)
    read.add(snake)
    const otherwise =
      name in (schema.defaults ?? {}) ? schema.defaults![name as keyof CommonValues] : key.fallback
    const found = json[snake] ?? json[olderSpellings[snake] ?? snake]
    if (found != null) values[name] = key.read(found, snake)
    else values[name] = found === null && key.nullable === true ? undefined : otherwise
    if (key.alias !== undefined) values[key.alias] = values[name]
  }
  const neutral = new Set(schema.neutral)
  for (const [name, value] of Object.entries(json)) {
    if (read.has(name) || !changesTheMaths(name, value, neutral)) continue
    throw new ConfigError(
      `${modelType} does not know the key ${name} (${JSON.stringify(value)}), which seems to change what the model ` +
        `computes; remove it if it does not`,
      { key: name, value, modelType },
    )
  }
  Object.assign(config, values)
  schema.check?.(values as ValuesOf<K>)
  return Object.freeze(config) as Config<K>
}

/** The `model_type` of a plain configuration. @throws ConfigError for what is no configuration. */
export function modelTypeOf(json: ConfigJson): unknown {
  if (typeof (json as unknown) !== 'object' || (json as unknown) === null) {
    throw new ConfigError(`a configuration is an object of keys, not ${String(json as unknown)}`, {})
  }
  return json['model_type'] ?? json['modelType']
}

/**
 * @returns `json`: keys under the names of config.json, camelCase and attribute_map's names translated; `file`: the same,
 *   but for attribute_map's names in the file's spelling, which stay.
 */
function inFileSpelling(given: ConfigJson, keys: Keys): Record<'json' | 'file', Record<string, unknown>> {
  const home = new Map<string, string>()
  for (const [name, key] of Object.entries(keys)) {
    home.set(name, toSnake(name))
    if (key.alias !== undefined) home.set(key.alias, toSnake(name)).set(toSnake(key.alias), toSnake(name))
  }
  for (const name of [...labelKeys, 'model_type', 'transformers_version']) home.set(toCamel(name), name)
  const json: Record<string, unknown> = {}
  const file: Record<string, unknown> = {}
  const spelled = new Map<string, string>()
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue
    const key = home.get(name) ?? name
    const before = spelled.get(key)
    if (before !== undefined && JSON.stringify(json[key]) !== JSON.stringify(value)) {
      throw new ConfigError(
        `${before} and ${name} are one key, but have the values ${JSON.stringify(json[key])} and ${JSON.stringify(value)}`,
        { key },
      )
    }
    spelled.set(key, name)
    json[key] = value
    file[name === toSnake(name) ? name : key] = value
  }
  return { json, file }
}

/** The values of a configuration with some of them replaced: for a block that takes them by name. */
export const withValues = <C extends object, V extends object>(config: C, changes: V): Omit<C, keyof V> & V =>
  Object.assign({}, config, changes)
