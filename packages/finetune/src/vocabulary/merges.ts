import { PairQueue } from './pair-queue.js'

export interface MergeSettings {
  /** Entries of the vocabulary at most: special tokens, alphabet and merged tokens together. */
  readonly vocabSize: number
  /** How often a pair must occur to be merged. */
  readonly minFrequency: number
  /** First in the vocabulary, in this order. */
  readonly specialTokens: readonly string[]
  /** Characters that the vocabulary has whether they occur or not. */
  readonly initialAlphabet: readonly string[]
  /** Characters in the alphabet at most; the rarest go, and are skipped within their words. */
  readonly limitAlphabet?: number | undefined
  /** Put before symbols that do not start a word: '##' of WordPiece. */
  readonly continuingPrefix?: string | undefined
  /** Characters of a token at most. */
  readonly maxTokenLength?: number | undefined
}

export interface MergeResult {
  /** Tokens by id. */
  vocab: string[]
  /** Pairs of ids in the order in which they are merged. */
  merges: [number, number][]
}

/** The alphabet and the special tokens alone are more than `vocabSize`. */
export class AlphabetTooLargeError extends Error {
  constructor(readonly needed: number) {
    super(`special tokens and alphabet are ${needed} entries`)
  }
}

/**
 * Byte-pair merging as `BpeTrainer` of Hugging Face's tokenizers does it, which also trains WordPiece there: special
 * tokens, then the alphabet by code point, then the most frequent pair of neighbours, over and over; of equally
 * frequent pairs the one of lower ids. (There, ids of `##` symbols follow the order of a hash table, another in each
 * run; here they follow code points.) Cost: the symbols of all distinct words, plus each merge's own occurrences.
 *
 * @param words how often each word occurs
 * @param onMerge called now and then with the size of the vocabulary so far
 * @throws AlphabetTooLargeError
 */
export function learnMerges(
  words: ReadonlyMap<string, number>,
  settings: MergeSettings,
  onMerge: (size: number) => void = () => {},
): MergeResult {
  const vocabulary = new Vocabulary(settings)
  const alphabet = alphabetOf(words, settings)
  for (const character of alphabet) vocabulary.add(character)
  const { symbols, weights, wordOf, next, previous } = split(
    words,
    alphabet,
    vocabulary,
    settings.continuingPrefix,
  )
  if (vocabulary.size > settings.vocabSize) throw new AlphabetTooLargeError(vocabulary.size)

  const pairs = new Pairs()
  const lengths = Array.from(vocabulary.tokens, () => 1)
  const longest = settings.maxTokenLength ?? Infinity
  for (let at = 0; at < symbols.length; at++) {
    const after = next[at]!
    if (after >= 0) pairs.count(symbols[at]!, symbols[after]!, weights[wordOf[at]!]!, at)
  }
  pairs.enqueue()

  // By pair: a pair whose tokens come up once more after it was merged is merged again, and keeps its last place.
  const merges = new Map<number, [number, number]>()
  while (vocabulary.size < settings.vocabSize) {
    const top = pairs.pop()
    if (top === undefined || top.count < Math.max(1, settings.minFrequency)) break
    const { first, second, positions, pair } = top
    const merged = vocabulary.merge(first, second)
    lengths[merged] = lengths[first]! + lengths[second]!
    merges.delete(pair)
    merges.set(pair, [first, second])

    for (const at of positions) {
      const after = next[at]!
      // Positions are never taken back: an earlier merge may have used one of the two symbols.
      if (symbols[at] !== first || after < 0 || symbols[after] !== second) continue
      const weight = weights[wordOf[at]!]!
      const before = previous[at]!
      const beyond = next[after]!
      symbols[at] = merged
      symbols[after] = -1
      next[at] = beyond
      if (before >= 0) {
        const neighbour = symbols[before]!
        pairs.count(neighbour, first, -weight)
        if (lengths[neighbour]! + lengths[merged]! < longest) pairs.count(neighbour, merged, weight, before)
      }
      if (beyond >= 0) {
        const neighbour = symbols[beyond]!
        previous[beyond] = at
        pairs.count(second, neighbour, -weight)
        if (lengths[neighbour]! + lengths[merged]! < longest) pairs.count(merged, neighbour, weight, at)
      }
    }
    pairs.enqueue()
    if (merges.size % 64 === 0) onMerge(vocabulary.size)
  }
  return { vocab: vocabulary.tokens, merges: [...merges.values()] }
}

class Vocabulary {
  readonly tokens: string[] = []
  readonly #ids = new Map<string, number>()
  readonly #prefix: string | undefined

  constructor({ specialTokens, continuingPrefix }: MergeSettings) {
    this.#prefix = continuingPrefix
    for (const token of specialTokens) this.add(token)
  }

  get size(): number {
    return this.tokens.length
  }

  /** The token's id, new or not. */
  add(token: string): number {
    const known = this.#ids.get(token)
    if (known !== undefined) return known
    this.#ids.set(token, this.tokens.length)
    return this.tokens.push(token) - 1
  }

  merge(first: number, second: number): number {
    const prefix = this.#prefix
    const part = this.tokens[second]!
    return this.add(
      this.tokens[first]! + (prefix && part.startsWith(prefix) ? part.slice(prefix.length) : part),
    )
  }
}

/** Counts of pairs, where they occur, and the queue of what to merge next. */
class Pairs {
  readonly #first: number[] = []
  readonly #second: number[] = []
  readonly #counts: number[] = []
  readonly #positions: number[][] = []
  readonly #numbers = new Map<number, number>()
  readonly #queue = new PairQueue(this.#first, this.#second)
  #gained = new Set<number>()

  /** Adds `weight` to a pair's count and, where that is positive, the position of its first symbol. */
  count(first: number, second: number, weight: number, position?: number): void {
    const key = first * 0x4000000 + second
    let pair = this.#numbers.get(key)
    if (pair === undefined) {
      pair = this.#first.push(first) - 1
      this.#second.push(second)
      this.#counts.push(0)
      this.#positions.push([])
      this.#numbers.set(key, pair)
    }
    this.#counts[pair]! += weight
    if (position === undefined) return
    this.#positions[pair]!.push(position)
    this.#gained.add(pair)
  }

  /** Queues the pairs that have gained positions. */
  enqueue(): void {
    for (const pair of this.#gained) if (this.#counts[pair]! > 0) this.#queue.push(pair, this.#counts[pair]!)
    this.#gained.clear()
  }

  /** The most frequent pair with its positions from left to right, which it gives up. */
  pop(): { pair: number; first: number; second: number; count: number; positions: number[] } | undefined {
    for (;;) {
      const top = this.#queue.pop()
      if (top === undefined) return undefined
      const { pair } = top
      const positions = this.#positions[pair]!
      const count = this.#counts[pair]!
      if (positions.length === 0) continue
      if (count !== top.count) {
        this.#queue.push(pair, count)
        continue
      }
      this.#positions[pair] = []
      // In a run of one symbol the leftmost pair is the one that is merged.
      if (this.#first[pair] === this.#second[pair]) positions.sort((a, b) => a - b)
      return { pair, first: this.#first[pair]!, second: this.#second[pair]!, count, positions }
    }
  }
}

function alphabetOf(
  words: ReadonlyMap<string, number>,
  { initialAlphabet, limitAlphabet }: MergeSettings,
): Set<string> {
  const counts = new Map<string, number>()
  for (const [word, weight] of words) {
    for (const character of word) counts.set(character, (counts.get(character) ?? 0) + weight)
  }
  for (const character of initialAlphabet) counts.set(character, Infinity)
  let kept = [...counts]
  if (limitAlphabet !== undefined && kept.length > limitAlphabet) {
    // Rarest first; among equals the higher code point goes.
    kept.sort(([a, n], [b, m]) => (n === m ? b.codePointAt(0)! - a.codePointAt(0)! : n - m))
    kept = kept.slice(kept.length - limitAlphabet)
  }
  return new Set(kept.map(([character]) => character).sort(byCodePoint))
}

/** All words' symbols end to end, with links to the neighbours within a word, −1 at its ends. */
interface Symbols {
  symbols: Int32Array
  next: Int32Array
  previous: Int32Array
  wordOf: Int32Array
  weights: Float64Array
}

function split(
  words: ReadonlyMap<string, number>,
  alphabet: ReadonlySet<string>,
  vocabulary: Vocabulary,
  prefix = '',
): Symbols {
  let total = 0
  const continuing = new Set<string>()
  for (const word of words.keys()) {
    let first = true
    for (const character of word) {
      if (alphabet.has(character)) {
        total++
        if (!first) continuing.add(character)
      }
      first = false
    }
  }
  const starts = new Map([...alphabet].map((character) => [character, vocabulary.add(character)]))
  const continues = new Map([...continuing].sort(byCodePoint).map((c) => [c, vocabulary.add(prefix + c)]))

  const made: Symbols = {
    symbols: new Int32Array(total),
    next: new Int32Array(total).fill(-1),
    previous: new Int32Array(total).fill(-1),
    wordOf: new Int32Array(total),
    weights: Float64Array.from(words.values()),
  }
  let at = 0
  let number = 0
  for (const word of words.keys()) {
    const start = at
    let first = true
    for (const character of word) {
      const id = (first ? starts : continues).get(character)
      first = false
      if (id === undefined) continue
      made.symbols[at] = id
      made.wordOf[at] = number
      if (at > start) {
        made.previous[at] = at - 1
        made.next[at - 1] = at
      }
      at++
    }
    number++
  }
  return made
}

function byCodePoint(a: string, b: string): number {
  return a.codePointAt(0)! - b.codePointAt(0)!
}
