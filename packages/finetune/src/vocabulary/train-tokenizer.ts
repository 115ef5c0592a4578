import { on } from 'node:events'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { checkOptions, InternalError, OptionError, UnsupportedError } from '@tiny/core'
import { Tokenizer, type TokenizerConfigJson } from '@tiny/models'
import { describe, requireNumber } from '../options.js'
import type { MergeResult } from './merges.js'
import { templateBySpelling, tokenizerJson, type Template, type TokenizerParts } from './tokenizer-json.js'
import type { WorkerAnswer, WorkerRequest, WorkerSettings } from './worker.js'
import { byteCharacters } from './words.js'

export interface VocabularyProgress {
  /** Reading texts and counting their words, then merging. */
  readonly stage: 'counting' | 'merging'
  /** Characters read, or entries of the vocabulary so far. */
  readonly done: number
  /** `vocabSize` while merging; while counting the characters of all texts where they are an array. */
  readonly total: number | undefined
}

export interface TrainTokenizerOptions {
  /** WordPiece as BERT has it, or byte-level BPE as GPT-2 and RoBERTa have it. */
  readonly model: 'wordpiece' | 'bpe'
  /** Entries at most, special tokens and alphabet included; default 30000. */
  readonly vocabSize?: number | undefined
  /** How often a pair of symbols must occur to become a token; default 0, as in Hugging Face's trainers. */
  readonly minFrequency?: number | undefined
  /**
   * First in the vocabulary, in this order; default [PAD] [UNK] [CLS] [SEP] [MASK] for WordPiece and <|endoftext|> for
   * BPE. Roles (padToken, eosToken, …) and template follow from conventional spellings: '[CLS]' and '[SEP]' are put
   * around texts, so are '<s>' and '</s>'; '</s>' alone is put at their end, as T5 does.
   */
  readonly specialTokens?: readonly string[] | undefined
  /** What encode puts around texts, in Hugging Face's notation, in place of what the spellings say. */
  readonly template?: Template | undefined
  /** Characters that the vocabulary has whether they occur or not. BPE always has all 256 bytes. */
  readonly initialAlphabet?: readonly string[] | undefined
  /** Characters in the alphabet at most, for WordPiece; the rarest become unknown. Default: no limit. */
  readonly limitAlphabet?: number | undefined
  /** Characters (BPE: bytes) of a token at most. */
  readonly maxTokenLength?: number | undefined
  /** WordPiece only; default true. */
  readonly lowercase?: boolean | undefined
  /** WordPiece only; default: as `lowercase`. */
  readonly stripAccents?: boolean | undefined
  /** BPE only: whether a text's first word counts as one after a space; default false, as in GPT-2. */
  readonly addPrefixSpace?: boolean | undefined
  /** The longest row of the model that the tokenizer is for; `encode` with `truncation: true` cuts there. */
  readonly modelMaxLength?: number | undefined
  readonly onProgress?: ((progress: VocabularyProgress) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

const known: readonly (keyof TrainTokenizerOptions)[] = [
  'model',
  'vocabSize',
  'minFrequency',
  'specialTokens',
  'template',
  'initialAlphabet',
  'limitAlphabet',
  'maxTokenLength',
  'lowercase',
  'stripAccents',
  'addPrefixSpace',
  'modelMaxLength',
  'onProgress',
  'signal',
]
const ofOneModel = {
  wordpiece: ['lowercase', 'stripAccents', 'limitAlphabet', 'initialAlphabet'],
  bpe: ['addPrefixSpace'],
} as const
const defaultSpecialTokens = {
  wordpiece: ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'],
  bpe: ['<|endoftext|>'],
}

/**
 * Trains a vocabulary on texts, in a thread of its own. For BPE the result is the one of Hugging Face's trainer, merge
 * for merge; for WordPiece it is one of those that theirs gives, which depend on a hash table's order: here the same
 * texts give the same vocabulary.
 *
 * @throws UnsupportedError for 'unigram'; OptionError for options that do not exist, contradict each other or leave no
 *   place for the alphabet; `signal.reason` when aborted.
 */
export async function trainTokenizer(
  texts: Iterable<string> | AsyncIterable<string>,
  options: TrainTokenizerOptions,
): Promise<Tokenizer> {
  const { parts, settings } = read(texts, options)
  options.signal?.throwIfAborted()
  const learned = await learn(texts, settings, options)
  const json = tokenizerJson(learned, parts)
  const alone = Tokenizer.fromJson(json)
  const { modelMaxLength } = options
  if (modelMaxLength === undefined) return alone
  return Tokenizer.fromJson(json, { ...configOf(alone, parts), model_max_length: modelMaxLength })
}

function read(
  texts: unknown,
  options: TrainTokenizerOptions,
): { parts: TokenizerParts; settings: WorkerSettings } {
  const where = 'trainTokenizer'
  const refuse = (option: string, message: string): never => {
    throw new OptionError(`${where}: ${message}`, { call: where, option })
  }
  checkOptions(options, known, where)
  const { model, vocabSize = 30000, minFrequency = 0, lowercase = true, stripAccents } = options
  if ((model as string) === 'unigram') {
    throw new UnsupportedError(
      "trainTokenizer cannot train model 'unigram' yet; 'wordpiece' and 'bpe' are there",
      {
        option: 'model',
        value: model,
      },
    )
  }
  if (model !== 'wordpiece' && model !== 'bpe') {
    refuse('model', `model must be 'wordpiece' or 'bpe', not ${describe(model)}`)
  }
  const other = model === 'bpe' ? 'wordpiece' : 'bpe'
  for (const option of ofOneModel[other]) {
    if (options[option] !== undefined)
      refuse(option, `${option} belongs to model '${other}', not to '${model}'`)
  }
  if (typeof texts === 'string' || texts === null || typeof texts !== 'object') {
    refuse('texts', 'texts must be an array or another iterable of strings')
  }
  requireNumber(where, 'vocabSize', vocabSize, { least: 1, integer: true })
  requireNumber(where, 'minFrequency', minFrequency, { least: 0, integer: true })
  requireNumber(where, 'limitAlphabet', options.limitAlphabet, { least: 1, integer: true })
  requireNumber(where, 'maxTokenLength', options.maxTokenLength, { least: 2, integer: true })
  requireNumber(where, 'modelMaxLength', options.modelMaxLength, { least: 1, integer: true })

  const specialTokens = options.specialTokens ?? defaultSpecialTokens[model]
  if (
    !Array.isArray(specialTokens) ||
    specialTokens.some((token) => typeof token !== 'string' || token === '')
  ) {
    refuse('specialTokens', 'specialTokens must be an array of strings that are not empty')
  }
  if (new Set(specialTokens).size < specialTokens.length)
    refuse('specialTokens', 'specialTokens has a token twice')
  const unkToken = ['[UNK]', '<unk>'].find((token) => specialTokens.includes(token))
  if (model === 'wordpiece' && unkToken === undefined) {
    refuse(
      'specialTokens',
      "specialTokens of a WordPiece must have '[UNK]' or '<unk>' for words it cannot spell",
    )
  }
  for (const character of options.initialAlphabet ?? []) {
    if (Array.from(character).length !== 1)
      refuse('initialAlphabet', 'initialAlphabet must hold single characters')
  }
  const addPrefixSpace = options.addPrefixSpace ?? false
  const template = options.template ?? templateBySpelling(specialTokens)
  return {
    parts: { model, specialTokens, unkToken, template, lowercase, stripAccents, addPrefixSpace },
    settings: {
      words: { model, lowercase, stripAccents: stripAccents ?? lowercase, addPrefixSpace },
      merges: {
        vocabSize,
        minFrequency,
        specialTokens,
        initialAlphabet: model === 'bpe' ? byteCharacters : (options.initialAlphabet ?? []),
        limitAlphabet: options.limitAlphabet,
        continuingPrefix: model === 'wordpiece' ? '##' : undefined,
        maxTokenLength: options.maxTokenLength,
      },
    },
  }
}

// The built file, from the sources and from dist alike: Node 20 runs no TypeScript in a worker.
const workerFile = new URL('../../dist/vocabulary/worker.js', import.meta.url)
const charactersAtOnce = 500_000

/** Feeds the worker, batch by batch, each when the one before is counted, so that a stream is never held whole. */
async function learn(
  texts: Iterable<string> | AsyncIterable<string>,
  settings: WorkerSettings,
  { onProgress, signal }: TrainTokenizerOptions,
): Promise<MergeResult> {
  if (!existsSync(workerFile)) {
    throw new InternalError(`${fileURLToPath(workerFile)} is missing: build the package`)
  }
  const { vocabSize } = settings.merges
  const characters = Array.isArray(texts)
    ? (texts as string[]).reduce((sum, text) => sum + (text?.length ?? 0), 0)
    : undefined
  const worker = new Worker(workerFile, { workerData: settings })
  const answers = on(worker, 'message', {
    ...(signal && { signal }),
    close: ['exit'],
  })
  const send = (request: WorkerRequest): void => worker.postMessage(request)
  const receive = async (): Promise<WorkerAnswer> => {
    const { done, value } = (await answers.next()) as IteratorResult<[WorkerAnswer], undefined>
    if (done) throw new InternalError('the thread that trains the vocabulary ended without an answer')
    return value[0]
  }
  try {
    let done = 0
    for await (const batch of batchesOf(texts)) {
      send(batch)
      await receive()
      done += batch.reduce((sum, text) => sum + text.length, 0)
      onProgress?.({ stage: 'counting', done, total: characters })
    }
    send(undefined)
    for (;;) {
      const answer = await receive()
      if (answer.kind === 'done') return answer
      if (answer.kind === 'merged') onProgress?.({ stage: 'merging', done: answer.size, total: vocabSize })
      if (answer.kind === 'alphabetTooLarge') {
        const { needed } = answer
        throw new OptionError(
          `trainTokenizer: vocabSize ${vocabSize} has no place for the ${needed} special tokens and characters`,
          { option: 'vocabSize', vocabSize, needed },
        )
      }
    }
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  } finally {
    await worker.terminate()
  }
}

async function* batchesOf(texts: Iterable<string> | AsyncIterable<string>): AsyncGenerator<string[]> {
  let batch: string[] = []
  let characters = 0
  let index = 0
  for await (const text of texts) {
    if (typeof text !== 'string') {
      throw new OptionError(`trainTokenizer: texts[${index}] is not a string`, { option: 'texts', index })
    }
    index++
    batch.push(text)
    characters += text.length
    if (characters < charactersAtOnce) continue
    yield batch
    batch = []
    characters = 0
  }
  if (batch.length > 0) yield batch
}

/** tokenizer_config.json for a tokenizer whose roles its spellings told. */
function configOf(tokenizer: Tokenizer, { model }: TokenizerParts): TokenizerConfigJson {
  const roles = {
    bos_token: tokenizer.bosToken,
    eos_token: tokenizer.eosToken,
    unk_token: tokenizer.unkToken,
    sep_token: tokenizer.sepToken,
    pad_token: tokenizer.padToken,
    cls_token: tokenizer.clsToken,
    mask_token: tokenizer.maskToken,
  }
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    model_input_names: ['input_ids', ...(model === 'wordpiece' ? ['token_type_ids'] : []), 'attention_mask'],
    ...Object.fromEntries(Object.entries(roles).filter(([, token]) => token !== undefined)),
  }
}
