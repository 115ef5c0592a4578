import { PatternDistance } from './edit-distance.js'

/**
 * Finds the known spelling nearest to a new one. Words are kept by length and carry a set of their letters, as bits: a
 * length off by n costs at least n edits, and every letter that only one side has costs one more edit on that side. Both
 * bounds are tried before a distance is computed.
 */
export class NearestSpelling {
  readonly #byLength = new Map<number, { words: string[]; letters: Int32Array }>()
  readonly #longest: number

  constructor(words: readonly string[]) {
    const buckets = new Map<number, string[]>()
    for (const word of words) {
      const bucket = buckets.get(word.length)
      if (bucket) bucket.push(word)
      else buckets.set(word.length, [word])
    }
    for (const [length, bucket] of buckets) {
      this.#byLength.set(length, { words: bucket, letters: Int32Array.from(bucket, letterSet) })
    }
    this.#longest = Math.max(0, ...buckets.keys())
  }

  /** The nearest word, the first of several equally near ones in the order in which lengths and words are visited. */
  find(query: string): { word: string; distance: number } {
    const pattern = new PatternDistance(query)
    const letters = letterSet(query)
    let word = ''
    let distance = Infinity
    for (let gap = 0; gap < Math.min(distance, Math.max(this.#longest, query.length) + 1); gap++) {
      for (const length of gap === 0 ? [query.length] : [query.length - gap, query.length + gap]) {
        const bucket = this.#byLength.get(length)
        if (!bucket) continue
        for (let i = 0; i < bucket.words.length; i++) {
          const other = bucket.letters[i]
          if (Math.max(bitCount(letters & ~other), bitCount(other & ~letters)) >= distance) continue
          const d = pattern.to(bucket.words[i])
          if (d >= distance) continue
          distance = d
          word = bucket.words[i]
        }
      }
    }
    return { word, distance }
  }
}

function letterSet(word: string): number {
  let bits = 0
  for (let i = 0; i < word.length; i++) bits |= 1 << (word.charCodeAt(i) & 31)
  return bits
}

function bitCount(bits: number): number {
  let x = bits - ((bits >>> 1) & 0x55555555)
  x = (x & 0x33333333) + ((x >>> 2) & 0x33333333)
  return Math.imul((x + (x >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}
