import { CheckpointError, OptionError } from '@tiny/core'
import { Tokenizer as Binding, type Encoding } from 'tokenizers'
import { append, chunksOf, sequenceIdsOf, type BatchEncoding } from './batch-encoding.js'
import {
  renderChat,
  type ChatMessage,
  type ChatTemplateOptions,
  type ChatTemplates,
} from './chat-template.js'
import { cleanUpTokenization } from './clean-up.js'
import { rejectUnknownOptions, requireCount, requireString, requireStrings } from './options.js'
import { saveTokenizer } from './saving.js'
import type { SpecialTokenRole } from './special-tokens.js'
import {
  addTokensOfConfig,
  readTokenizerConfig,
  type TokenizerConfig,
  type TokenizerConfigJson,
  type TokenizerJson,
} from './tokenizer-config.js'
import { truncate, type Truncation, type TruncationStrategy } from './truncation.js'

export interface EncodeOptions {
  /** The second text of a pair. */
  readonly textPair?: string | undefined
  /** Whether the tokenizer's template ([CLS] … [SEP] and the like) is put around the text; default true. */
  readonly addSpecialTokens?: boolean | undefined
  /** `true` is 'longest_first'. Left out, rows are cut only where `maxLength` is given. */
  readonly truncation?: boolean | TruncationStrategy | undefined
  /** Tokens in a row at most, special tokens included; default: the model's own bound. */
  readonly maxLength?: number | undefined
}

export interface EncodeBatchOptions extends Omit<EncodeOptions, 'textPair'> {
  /** The second texts of pairs, one for each text. */
  readonly textPairs?: readonly string[] | undefined
  /** What does not fit becomes further rows, which share this many tokens of text with the row before. */
  readonly stride?: number | undefined
  readonly returnOffsets?: boolean | undefined
}

export interface DecodeOptions {
  /** Default false, as in transformers. */
  readonly skipSpecialTokens?: boolean | undefined
  /** Removes spaces before punctuation and English contractions; default: what tokenizer_config.json says. */
  readonly cleanUpTokenizationSpaces?: boolean | undefined
}

const encodeOptions = ['textPair', 'addSpecialTokens', 'truncation', 'maxLength']
const encodeBatchOptions = [
  'textPairs',
  'addSpecialTokens',
  'truncation',
  'maxLength',
  'stride',
  'returnOffsets',
]
const decodeOptions = ['skipSpecialTokens', 'cleanUpTokenizationSpaces']
const ragged = 'rows keep their own length; models take ragged rows, so nothing is padded'
const elsewhere: Readonly<Record<string, string>> = {
  padding: ragged,
  padToMultipleOf: ragged,
  returnTensors: 'rows are arrays of numbers, which models take as they are',
  returnAttentionMask: 'rows are never padded and need no mask',
  returnOffsetsMapping: 'encodeBatch has returnOffsets',
  returnOverflowingTokens: 'encodeBatch returns further rows where stride is given',
  stride: 'encodeBatch has it, as one text may become several rows',
  returnOffsets: 'encodeBatch has it',
  textPairs: 'encode takes one textPair, encodeBatch takes textPairs',
  textPair: 'encode takes one textPair, encodeBatch takes textPairs',
}

/**
 * Text to token ids and back, by Hugging Face's tokenizers. Every method that tokenizes runs on native threads and
 * returns a promise; one tokenizer may serve any number of calls at once, since none of them changes it.
 */
export class Tokenizer {
  readonly #binding: Binding
  readonly #raw: TokenizerConfigJson
  readonly #config: TokenizerConfig
  readonly #model: string

  private constructor(binding: Binding, raw: TokenizerConfigJson, config: TokenizerConfig, model: string) {
    this.#binding = binding
    this.#raw = raw
    this.#config = config
    this.#model = model
  }

  /**
   * Makes a tokenizer from the contents of tokenizer.json and tokenizer_config.json.
   *
   * @param modelType `model_type` of config.json, which tells the special tokens where `config` names no class.
   * @throws CheckpointError where the contents do not make a tokenizer.
   */
  static fromJson(
    json: string | TokenizerJson,
    config: TokenizerConfigJson = {},
    modelType?: string,
  ): Tokenizer {
    const given = typeof json === 'string' ? parse(json) : json
    if (typeof given?.model !== 'object' || given.model === null) {
      throw new CheckpointError('tokenizer.json has no model', { key: 'model' })
    }
    // Truncation and padding of the file would apply to every call; here they belong to the call.
    const tokenizer = { ...given, truncation: null, padding: null }
    const read = readTokenizerConfig(config, tokenizer, modelType)
    const changed = addTokensOfConfig(tokenizer, config, read)
    const asIs = typeof json === 'string' && !changed && given.truncation == null && given.padding == null
    try {
      const binding = Binding.fromString(asIs ? json : JSON.stringify(tokenizer))
      return new Tokenizer(binding, config, read, tokenizer.model.type ?? '')
    } catch (error) {
      throw new CheckpointError(`tokenizer.json cannot be read: ${(error as Error).message}`, {
        cause: error,
      })
    }
  }

  /** Entries of the vocabulary, added tokens included. */
  get vocabSize(): number {
    return this.#binding.getVocabSize(true)
  }

  /** The longest row that the model was made for; undefined where tokenizer_config.json names none. */
  get modelMaxLength(): number | undefined {
    return this.#config.modelMaxLength
  }

  /** Chat templates by name; a single one is 'default'. */
  get chatTemplates(): ChatTemplates {
    return this.#config.chatTemplates
  }

  /** tokenizer_config.json in its own spelling. */
  get config(): Readonly<TokenizerConfigJson> {
    return this.#raw
  }

  get bosToken(): string | undefined {
    return this.#config.specialTokens.bos_token
  }
  get eosToken(): string | undefined {
    return this.#config.specialTokens.eos_token
  }
  get unkToken(): string | undefined {
    return this.#config.specialTokens.unk_token
  }
  get sepToken(): string | undefined {
    return this.#config.specialTokens.sep_token
  }
  get padToken(): string | undefined {
    return this.#config.specialTokens.pad_token
  }
  get clsToken(): string | undefined {
    return this.#config.specialTokens.cls_token
  }
  get maskToken(): string | undefined {
    return this.#config.specialTokens.mask_token
  }

  get bosTokenId(): number | undefined {
    return this.#idOf('bos_token')
  }
  get eosTokenId(): number | undefined {
    return this.#idOf('eos_token')
  }
  get unkTokenId(): number | undefined {
    return this.#idOf('unk_token')
  }
  get sepTokenId(): number | undefined {
    return this.#idOf('sep_token')
  }
  get padTokenId(): number | undefined {
    return this.#idOf('pad_token')
  }
  get clsTokenId(): number | undefined {
    return this.#idOf('cls_token')
  }
  get maskTokenId(): number | undefined {
    return this.#idOf('mask_token')
  }

  /** Ids of all special tokens, those without a role included, each once. */
  get specialTokenIds(): number[] {
    const { specialTokens, additionalSpecialTokens } = this.#config
    const tokens = new Set([...Object.values(specialTokens), ...additionalSpecialTokens])
    return [...tokens].map((token) => this.tokenToId(token)).filter((id) => id !== undefined)
  }

  tokenToId(token: string): number | undefined {
    return this.#binding.tokenToId(token) ?? undefined
  }

  idToToken(id: number): string | undefined {
    return this.#binding.idToToken(id) ?? undefined
  }

  /**
   * @returns the ids of `text`, of `text` and `textPair` together where that is given.
   * @throws OptionError for options that do not exist or contradict each other.
   */
  async encode(text: string, options: EncodeOptions = {}): Promise<number[]> {
    rejectUnknownOptions('encode', options, encodeOptions, elsewhere)
    requireString('encode', 'text', text)
    const { textPair } = options
    if (textPair !== undefined) requireString('encode', 'textPair', textPair)
    const truncation = this.#truncation('encode', options, textPair !== undefined)
    const encoding = await this.#binding.encode(text, textPair, {
      addSpecialTokens: options.addSpecialTokens ?? true,
    })
    const ids = encoding.getIds()
    return truncation === undefined || ids.length <= truncation.maxLength
      ? ids
      : truncate(sequenceIdsOf(encoding), truncation)[0]!.map((position) => ids[position]!)
  }

  /**
   * Encodes all texts on all cores. The result goes into a model's `run` as it is.
   *
   * @throws OptionError for options that do not exist or contradict each other.
   */
  async encodeBatch(texts: readonly string[], options: EncodeBatchOptions = {}): Promise<BatchEncoding> {
    rejectUnknownOptions('encodeBatch', options, encodeBatchOptions, elsewhere)
    requireStrings('encodeBatch', 'texts', texts)
    const { textPairs, stride } = options
    if (textPairs !== undefined) {
      requireStrings('encodeBatch', 'textPairs', textPairs)
      if (textPairs.length !== texts.length) {
        throw new OptionError(`encodeBatch got ${texts.length} texts and ${textPairs.length} textPairs`, {
          texts: texts.length,
          textPairs: textPairs.length,
        })
      }
    }
    if (stride !== undefined) requireCount('encodeBatch', 'stride', stride, 0)
    const truncation = this.#truncation('encodeBatch', options, textPairs !== undefined)

    const batch: BatchEncoding = { inputIds: [] }
    if (this.#config.tokenTypeIds) batch.tokenTypeIds = []
    if (options.returnOffsets === true) {
      batch.offsets = []
      batch.sequenceIds = []
    }
    if (stride !== undefined) batch.overflowToSampleMapping = []

    const addSpecialTokens = options.addSpecialTokens ?? true
    const chunks = chunksOf(texts, textPairs)
    const encodeChunk = (index: number): Promise<Encoding[]> | undefined => {
      const chunk = chunks[index]
      if (chunk === undefined) return undefined
      const [start, end] = chunk
      if (textPairs === undefined)
        return this.#binding.encodeBatch(texts.slice(start, end), { addSpecialTokens })
      // The binding's encodeBatch takes no pairs; single calls spread over the threads of libuv.
      const pair = (text: string, i: number): Promise<Encoding> =>
        this.#binding.encode(text, textPairs[start + i], { addSpecialTokens })
      return Promise.all(texts.slice(start, end).map(pair))
    }
    let running = encodeChunk(0)
    for (let index = 0; running !== undefined; index++) {
      const encodings: Encoding[] = await running
      running = encodeChunk(index + 1)
      encodings.forEach((encoding, i) => {
        const sample = chunks[index]![0] + i
        append(batch, encoding, sample, texts[sample]!, textPairs?.[sample], truncation)
      })
    }
    return batch
  }

  /**
   * A conversation as the ids (with `tokenize: false` the text) that the model was trained on, by the chat template of
   * its folder.
   *
   * @throws OptionError without a template, for messages that are none, and with what the template itself objects to.
   */
  applyChatTemplate(
    messages: readonly ChatMessage[],
    options: ChatTemplateOptions & { readonly tokenize: false },
  ): Promise<string>
  applyChatTemplate(
    messages: readonly ChatMessage[],
    options?: ChatTemplateOptions & { readonly tokenize?: true | undefined },
  ): Promise<number[]>
  async applyChatTemplate(
    messages: readonly ChatMessage[],
    options: ChatTemplateOptions & { readonly tokenize?: boolean | undefined } = {},
  ): Promise<string | number[]> {
    const { chatTemplates: templates, specialTokens } = this.#config
    const text = renderChat(messages, options, { templates, specialTokens })
    return options.tokenize === false ? text : this.encode(text, { addSpecialTokens: false })
  }

  async decode(ids: ArrayLike<number>, options: DecodeOptions = {}): Promise<string> {
    const cleanUp = this.#cleanUp('decode', options)
    return cleanUp(await this.#binding.decode(idsOf('decode', ids), options.skipSpecialTokens ?? false))
  }

  async decodeBatch(rows: readonly ArrayLike<number>[], options: DecodeOptions = {}): Promise<string[]> {
    const cleanUp = this.#cleanUp('decodeBatch', options)
    if (!Array.isArray(rows)) throw new OptionError('decodeBatch takes rows of ids', { argument: 'rows' })
    const all = rows.map((row: ArrayLike<number>) => idsOf('decodeBatch', row))
    return (await this.#binding.decodeBatch(all, options.skipSpecialTokens ?? false)).map(cleanUp)
  }

  /**
   * Writes tokenizer.json, tokenizer_config.json and special_tokens_map.json, from which `AutoTokenizer` of this
   * package and of Python's transformers make the same tokenizer. Existing files are replaced whole.
   */
  async savePretrained(directory: string): Promise<void> {
    await saveTokenizer(directory, this.#binding, this.#config, this.#raw)
  }

  #idOf(role: SpecialTokenRole): number | undefined {
    const token = this.#config.specialTokens[role]
    return token === undefined ? undefined : this.tokenToId(token)
  }

  #truncation(
    call: string,
    { truncation, maxLength, stride }: EncodeBatchOptions,
    hasPair: boolean,
  ): Truncation | undefined {
    if (maxLength !== undefined) requireCount(call, 'maxLength', maxLength, 1)
    if (truncation === false || (truncation === undefined && maxLength === undefined)) {
      const unused = maxLength !== undefined ? 'maxLength' : stride !== undefined ? 'stride' : undefined
      if (unused === undefined) return undefined
      throw new OptionError(`${call} got ${unused} without truncation; add truncation: true`, {
        call,
        option: unused,
      })
    }
    const strategy = truncation === true || truncation === undefined ? 'longest_first' : truncation
    if (!['longest_first', 'only_first', 'only_second'].includes(strategy)) {
      throw new OptionError(
        `${call} takes true, false, 'longest_first', 'only_first' or 'only_second' as truncation, not '${strategy}'`,
        { call, option: 'truncation' },
      )
    }
    if (strategy === 'only_second' && !hasPair) {
      throw new OptionError(`${call} got truncation 'only_second' without a second text`, {
        call,
        option: 'truncation',
      })
    }
    const most = maxLength ?? this.#config.modelMaxLength
    if (most === undefined) {
      throw new OptionError(`${call} needs maxLength: this tokenizer names no longest row`, {
        call,
        option: 'maxLength',
      })
    }
    return { strategy, maxLength: most, side: this.#config.truncationSide, stride }
  }

  #cleanUp(call: string, options: DecodeOptions): (text: string) => string {
    rejectUnknownOptions(call, options, decodeOptions)
    const bpe = this.#model === 'BPE'
    if (options.cleanUpTokenizationSpaces === true && bpe) {
      // transformers ignores it for BPE, whose spaces belong to the text.
      throw new OptionError(
        `${call}: cleanUpTokenizationSpaces would remove spaces that belong to the text of a BPE`,
        {
          call,
          option: 'cleanUpTokenizationSpaces',
        },
      )
    }
    const wanted = options.cleanUpTokenizationSpaces ?? (this.#config.cleanUpTokenizationSpaces && !bpe)
    return wanted ? cleanUpTokenization : (text) => text
  }
}

function idsOf(call: string, ids: ArrayLike<number>): number[] {
  if (typeof (ids as unknown) !== 'object' || (ids as unknown) === null) {
    throw new OptionError(`${call} takes an array of ids`, { call, argument: 'ids' })
  }
  const all = Array.from(ids)
  for (const id of all) requireCount(call, 'ids', id, 0)
  return all
}

function parse(json: string): TokenizerJson {
  try {
    return JSON.parse(json) as TokenizerJson
  } catch (error) {
    throw new CheckpointError(`tokenizer.json is not JSON: ${(error as Error).message}`, { cause: error })
  }
}
