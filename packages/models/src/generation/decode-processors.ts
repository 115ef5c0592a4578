import type { ProcessorSettings } from './processor-options.js'
import type { EditList } from './score-edits.js'

/** What processors may look at of a row before its first new token. */
export interface ProcessedRow {
  /** The text so far as the caller gave it, padding included, as transformers' processors see it. */
  readonly before: readonly number[]
  /** What an encoder reads; of decoders the same as `before`. */
  readonly source: ArrayLike<number> & Iterable<number>
  /** New tokens at most. */
  readonly limit: number
  readonly vocabSize: number
}

/** One of transformers' logits processors for one row. */
interface Processor {
  /** Told of every token of the text, in order; absent where edits depend on its length alone. */
  push?(id: number): void
  /** Edits of the next token's scores. @param made new tokens so far. */
  write(edits: EditList, made: number): void
}

type MakeProcessor = (settings: ProcessorSettings, row: ProcessedRow) => Processor | undefined

const sequenceBias: MakeProcessor = ({ sequenceBias: biases }) => biased(biases)

const encoderRepetitionPenalty: MakeProcessor = (
  { encoderRepetitionPenalty: penalty },
  { source, vocabSize },
) => {
  if (penalty === 1) return undefined
  const ids = [...new Set(source)].filter((id) => id < vocabSize)
  // In float32 of 1 / penalty: what the text holds gets more likely.
  return { write: (edits) => ids.forEach((id) => edits.add('penalise', id, 1 / penalty)) }
}

const repetitionPenalty: MakeProcessor = ({ repetitionPenalty: penalty }) => {
  if (penalty === 1) return undefined
  const seen = new Set<number>()
  return {
    push: (id) => void seen.add(id),
    write(edits) {
      for (const id of seen) edits.add('penalise', id, penalty)
    },
  }
}

const noRepeatNgram: MakeProcessor = ({ noRepeatNgramSize: size }) => {
  if (size === 0) return undefined
  const ngrams = new Ngrams(size)
  const text: number[] = []
  return {
    push(id) {
      text.push(id)
      ngrams.add(text)
    },
    write(edits) {
      for (const id of ngrams.following(text)) edits.ban(id)
    },
  }
}

const encoderNoRepeatNgram: MakeProcessor = ({ encoderNoRepeatNgramSize: size }, { source, vocabSize }) => {
  if (size === 0) return undefined
  const ngrams = new Ngrams(size)
  const given = [...source]
  given.forEach((_, i) => ngrams.add(given.slice(Math.max(0, i + 1 - size), i + 1)))
  const text: number[] = []
  return {
    push: (id) => void text.push(id),
    write(edits) {
      for (const id of ngrams.following(text)) if (id < vocabSize) edits.ban(id)
    },
  }
}

const badWords: MakeProcessor = ({ badWordsIds }) =>
  biased(badWordsIds.map((word) => [word, -Infinity] as const))

const minLength: MakeProcessor = ({ minLength: least, eosTokenIds }, { before }) =>
  noEndUntil(least - before.length, eosTokenIds)

const minNewTokens: MakeProcessor = ({ minNewTokens: least, eosTokenIds }) => noEndUntil(least, eosTokenIds)

const forcedBos: MakeProcessor = ({ forcedBosTokenId: id }, { before }) =>
  id === undefined ? undefined : forced([id], 1 - before.length)

const forcedEos: MakeProcessor = ({ forcedEosTokenIds: ids }, { limit }) =>
  ids.length === 0 ? undefined : forced(ids, limit - 1)

const invalidValues: MakeProcessor = ({ removeInvalidValues }) =>
  removeInvalidValues ? { write: (edits) => edits.add('clean', 'every', 0) } : undefined

const exponentialDecay: MakeProcessor = ({ exponentialDecayLengthPenalty: decay, eosTokenIds }) => {
  if (decay === undefined) return undefined
  const [start, factor] = decay
  return {
    write(edits, made) {
      if (made <= start) return
      for (const id of eosTokenIds) edits.add('stretch', id, factor ** (made - start) - 1)
    },
  }
}

const suppressed: MakeProcessor = ({ suppressTokens: ids }) =>
  ids.length === 0 ? undefined : { write: (edits) => ids.forEach((id) => edits.ban(id)) }

const suppressedAtBegin: MakeProcessor = ({ beginSuppressTokens: ids, forcedBosTokenId }, { before }) => {
  if (ids.length === 0) return undefined
  // A forced token comes first.
  const begin = before.length > 1 || forcedBosTokenId === undefined ? 0 : 1
  return {
    write(edits, made) {
      if (made === begin) ids.forEach((id) => edits.ban(id))
    },
  }
}

/** In the order in which transformers applies them (`_get_logits_processor`). */
const processors: readonly MakeProcessor[] = [
  sequenceBias,
  encoderRepetitionPenalty,
  repetitionPenalty,
  noRepeatNgram,
  encoderNoRepeatNgram,
  badWords,
  minLength,
  minNewTokens,
  forcedBos,
  forcedEos,
  invalidValues,
  exponentialDecay,
  suppressed,
  suppressedAtBegin,
]

/** All that changes the scores of one row. */
export class RowProcessors {
  readonly #processors: readonly Processor[]

  constructor(settings: ProcessorSettings, row: ProcessedRow) {
    this.#processors = processors.map((make) => make(settings, row)).filter((made) => made !== undefined)
    for (const id of row.before) this.push(id)
  }

  get any(): boolean {
    return this.#processors.length > 0
  }

  /** Whether edits depend on the tokens so far, not only on how many there are. */
  get remembers(): boolean {
    return this.#processors.some((processor) => 'push' in processor)
  }

  /** A new token of the row. */
  push(id: number): void {
    for (const processor of this.#processors) processor.push?.(id)
  }

  /** Edits of the scores behind `made` new tokens. */
  write(edits: EditList, made: number): void {
    for (const processor of this.#processors) processor.write(edits, made)
    edits.endRow()
  }
}

/** Adds biases to the tokens that end a sequence whose other tokens the text ends with. */
function biased(sequences: ProcessorSettings['sequenceBias']): Processor | undefined {
  if (sequences.length === 0) return undefined
  const single = new Map<number, number>()
  const longer = new Map<string, { head: readonly number[]; last: number; bias: number }>()
  for (const [ids, bias] of sequences) {
    const last = ids.at(-1)!
    if (ids.length === 1) single.set(last, bias)
    else longer.set(ids.join(), { head: ids.slice(0, -1), last, bias })
  }
  const text: number[] = []
  const write = (edits: EditList): void => {
    const sums = new Map(single)
    for (const { head, last, bias } of longer.values()) {
      // As in transformers, a text of the head alone is too short.
      const from = text.length - head.length
      if (from < 1 || !head.every((id, i) => text[from + i] === id)) continue
      sums.set(last, (sums.get(last) ?? 0) + bias)
    }
    for (const [id, bias] of sums) edits.add('add', id, bias)
  }
  return longer.size === 0 ? { write } : { push: (id) => void text.push(id), write }
}

function noEndUntil(least: number, ends: readonly number[]): Processor | undefined {
  if (least <= 0 || ends.length === 0) return undefined
  return {
    write(edits, made) {
      if (made < least) ends.forEach((id) => edits.ban(id))
    },
  }
}

/** Leaves these tokens alone, at one place. */
const forced = (ids: readonly number[], place: number): Processor => ({
  write(edits, made) {
    if (made !== place) return
    edits.add('set', 'every', -Infinity)
    for (const id of ids) edits.add('set', id, 0)
  },
})

/** Which tokens have followed each sequence of size - 1. */
class Ngrams {
  readonly #size: number
  readonly #following = new Map<string, Set<number>>()

  constructor(size: number) {
    this.#size = size
  }

  /** The sequence that a text ends with. */
  add(text: readonly number[]): void {
    if (text.length < this.#size) return
    const key = text.slice(text.length - this.#size, -1).join()
    const before = this.#following.get(key)
    if (before === undefined) this.#following.set(key, new Set([text.at(-1)!]))
    else before.add(text.at(-1)!)
  }

  /** What would repeat a sequence behind this text. */
  following(text: readonly number[]): Iterable<number> {
    if (text.length < this.#size - 1) return []
    return this.#following.get(text.slice(text.length - this.#size + 1).join()) ?? []
  }
}
