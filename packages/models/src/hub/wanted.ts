/** Files that a loader reads. Weights are one file or the shards of an index. */
export interface Wanted {
  readonly required: readonly string[]
  readonly optional: readonly string[]
  /** The folder of the weights ('' is the repository's); undefined where none are read. */
  readonly weights?: { readonly folder: string; readonly variant?: string | undefined } | undefined
  /** Folders of which every file with the ending is read. */
  readonly folders?: readonly { readonly path: string; readonly ending: string }[]
}

const within = (folder: string, name: string): string => (folder === '' ? name : `${folder}/${name}`)

export const configFiles = (folder = ''): Wanted => ({
  required: [within(folder, 'config.json')],
  optional: [],
})

export const modelFiles = (folder = '', variant?: string): Wanted => ({
  required: [within(folder, 'config.json')],
  optional: [within(folder, 'generation_config.json')],
  weights: { folder, variant },
})

const optionalTokenizerFiles = [
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'config.json',
  'chat_template.jinja',
]

export const tokenizerFiles = (folder = ''): Wanted => ({
  required: [within(folder, 'tokenizer.json')],
  optional: optionalTokenizerFiles.map((name) => within(folder, name)),
  folders: [{ path: within(folder, 'additional_chat_templates'), ending: '.jinja' }],
})

/** What says which modules a sentence model has. */
export const moduleLists: Wanted = {
  required: [],
  optional: ['modules.json', 'config_sentence_transformers.json'],
}

/** The transformer's files are those of a model with a tokenizer; another module has a configuration and, perhaps, weights. */
export const transformerFiles = (folder: string, variant?: string): readonly Wanted[] => [
  modelFiles(folder, variant),
  tokenizerFiles(folder),
  { required: [], optional: [within(folder, 'sentence_bert_config.json')] },
]

export const moduleFiles = (folder: string): Wanted => ({
  required: [],
  optional: [within(folder, 'config.json'), within(folder, 'model.safetensors')],
})

/** A variant's name is within: "model.fp16.safetensors", "model.safetensors.index.fp16.json". */
export function weightsOf({ folder, variant }: NonNullable<Wanted['weights']>): {
  single: string
  index: string
} {
  const word = variant === undefined ? '' : `.${variant}`
  return {
    single: within(folder, `model${word}.safetensors`),
    index: within(folder, `model.safetensors.index${word}.json`),
  }
}

/** The shards that an index names, as the repository does; nothing where it is no such index. */
export function shardsOf(index: string, folder: string): string[] {
  let places: unknown
  try {
    places = (JSON.parse(index) as { weight_map?: unknown } | null)?.weight_map
  } catch {
    // Who opens the checkpoint says what is wrong with it.
    return []
  }
  if (typeof places !== 'object' || places === null) return []
  const names = Object.values(places).filter((name): name is string => typeof name === 'string')
  return [...new Set(names)].map((name) => within(folder, name))
}
