/**
 * Random numbers that a seed and the numbers of a place (epoch, row, …) determine and nothing else: what is drawn at
 * one place does not depend on what was drawn before, so a run can be taken up anywhere.
 *
 * sfc32 (Doty-Humphrey, PractRand) behind a mixing of the key by MurmurHash3's finaliser.
 */
export class RandomStream {
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor(seed: number, ...place: readonly number[]) {
    let key = mix(seed >>> 0) ^ mix((Math.floor(seed / 2 ** 32) >>> 0) + 0x9e3779b9)
    for (const number of place) key = mix(Math.imul(key, 31) + (number >>> 0) + 0x85ebca6b)
    this.#a = mix(key + 1)
    this.#b = mix(key + 2)
    this.#c = mix(key + 3)
    for (let i = 0; i < 12; i++) this.bits()
  }

  /** 32 random bits, unsigned. */
  bits(): number {
    const sum = (this.#a + this.#b + this.#counter++) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  /** Uniform in [0, 1). */
  uniform(): number {
    return this.bits() / 2 ** 32
  }

  /** Uniform among 0 … count − 1. */
  below(count: number): number {
    return Math.floor(this.uniform() * count)
  }

  /** Shuffles in place (Fisher–Yates). */
  shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1)
      const item = items[i]!
      items[i] = items[j]!
      items[j] = item
    }
    return items
  }
}

function mix(value: number): number {
  let h = value | 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}
