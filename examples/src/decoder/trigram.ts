/** Discounts of the three orders, each in (0, 1). */
export interface Discounts {
  unigram: number
  bigram: number
  trigram: number
}

/**
 * Interpolated Kneser–Ney trigrams over token ids (Kneser and Ney 1995; Chen and Goodman 1999, section 3):
 *
 *   P(w | u v) = max(c(uvw) − D₃, 0) / c(uv·) + D₃ · N(uv·) / c(uv·) · P(w | v)
 *   P(w | v)   = max(N(·vw) − D₂, 0) / N(·v·) + D₂ · N(v·)  / N(·v·) · P(w)
 *   P(w)       = max(N(·w)  − D₁, 0) / N(··)  + D₁ · N(·)   / N(··)  / V
 *
 * c counts occurrences, N counts different neighbours. An unseen context hands its whole mass to the shorter one.
 */
export class TrigramModel {
  readonly #size: number
  readonly #trigrams = new Map<number, number>()
  /** Per context uv: occurrences and different followers. */
  readonly #pairs = new Map<number, { total: number; followers: number }>()
  /** N(·vw), and per v: N(·v·) and N(v·). */
  readonly #continuations = new Map<number, number>()
  readonly #middles = new Map<number, { total: number; followers: number }>()
  readonly #preceders: Uint32Array
  #bigramTypes = 0
  #wordTypes = 0
  discounts: Discounts

  /** @param sequences token ids below `vocabularySize`; counts never cross from one sequence into the next. */
  constructor(
    sequences: readonly (readonly number[])[],
    vocabularySize: number,
    discounts: Discounts = { unigram: 0.5, bigram: 0.75, trigram: 0.75 },
  ) {
    this.#size = vocabularySize
    this.#preceders = new Uint32Array(vocabularySize)
    this.discounts = discounts
    for (const ids of sequences)
      for (let i = 2; i < ids.length; i++) this.#count(ids[i - 2], ids[i - 1], ids[i])
  }

  #count(u: number, v: number, w: number): void {
    const pair = u * this.#size + v
    const triple = pair * this.#size + w
    const seen = this.#trigrams.get(triple) ?? 0
    this.#trigrams.set(triple, seen + 1)
    const context = entry(this.#pairs, pair)
    context.total++
    if (seen > 0) return
    context.followers++
    const tail = v * this.#size + w
    const preceders = this.#continuations.get(tail) ?? 0
    this.#continuations.set(tail, preceders + 1)
    const middle = entry(this.#middles, v)
    middle.total++
    if (preceders > 0) return
    middle.followers++
    this.#bigramTypes++
    if (this.#preceders[w]++ === 0) this.#wordTypes++
  }

  /** P(w | u v); over all w it sums to 1, for any u and v. */
  probability(u: number, v: number, w: number): number {
    const { unigram, bigram, trigram } = this.discounts
    const size = this.#size
    let p = 1 / size
    if (this.#bigramTypes > 0) {
      const rest = (unigram * this.#wordTypes) / this.#bigramTypes
      p = Math.max(this.#preceders[w] - unigram, 0) / this.#bigramTypes + rest * p
    }
    const middle = this.#middles.get(v)
    if (middle) {
      const own = Math.max((this.#continuations.get(v * size + w) ?? 0) - bigram, 0)
      p = (own + bigram * middle.followers * p) / middle.total
    }
    const pair = u * size + v
    const context = this.#pairs.get(pair)
    if (context) {
      const own = Math.max((this.#trigrams.get(pair * size + w) ?? 0) - trigram, 0)
      p = (own + trigram * context.followers * p) / context.total
    }
    return p
  }

  /** Total −log P in nats over the third and later ids of every sequence, and how many ids that is. */
  loss(sequences: readonly (readonly number[])[]): { nats: number; tokens: number } {
    let nats = 0
    let tokens = 0
    for (const ids of sequences) {
      for (let i = 2; i < ids.length; i++) nats -= Math.log(this.probability(ids[i - 2], ids[i - 1], ids[i]))
      tokens += Math.max(0, ids.length - 2)
    }
    return { nats, tokens }
  }
}

function entry(
  map: Map<number, { total: number; followers: number }>,
  key: number,
): { total: number; followers: number } {
  let value = map.get(key)
  if (!value) map.set(key, (value = { total: 0, followers: 0 }))
  return value
}

const STEPS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95]

/**
 * Counts on `train`, with the discounts that predict a slice of it best when counted on the rest: one after the other
 * over a grid, twice around. The model returned has counted everything.
 */
export function fitTrigrams(
  train: readonly (readonly number[])[],
  fitting: readonly (readonly number[])[],
  vocabularySize: number,
): TrigramModel {
  const model = new TrigramModel(train, vocabularySize)
  for (let round = 0; round < 2; round++) {
    for (const order of ['trigram', 'bigram', 'unigram'] as const) {
      let best = Infinity
      let chosen = model.discounts[order]
      for (const discount of STEPS) {
        model.discounts = { ...model.discounts, [order]: discount }
        const { nats } = model.loss(fitting)
        if (nats < best) {
          best = nats
          chosen = discount
        }
      }
      model.discounts = { ...model.discounts, [order]: chosen }
    }
  }
  return new TrigramModel([...train, ...fitting], vocabularySize, model.discounts)
}
