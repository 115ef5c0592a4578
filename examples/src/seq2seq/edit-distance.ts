/** Levenshtein distance of two sequences: insertions, deletions and substitutions, each at cost 1. */
export function editDistance<T>(a: ArrayLike<T>, b: ArrayLike<T>): number {
  let previous = Uint32Array.from({ length: b.length + 1 }, (_, j) => j)
  let current = new Uint32Array(b.length + 1)
  for (let i = 1; i <= a.length; i++) {
    current[0] = i
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)
      current[j] = Math.min(substitution, previous[j] + 1, current[j - 1] + 1)
    }
    ;[previous, current] = [current, previous]
  }
  return previous[b.length]
}

const LONGEST_PATTERN = 31

/**
 * One pattern against many texts: Myers' bit-parallel column (1999) in Hyyrö's form for whole distances, one machine
 * word per column, so a comparison costs a dozen operations per letter of the text.
 */
export class PatternDistance {
  readonly #length: number
  readonly #bits = new Map<number, number>()

  /** @throws RangeError for patterns longer than 31 UTF-16 units. */
  constructor(pattern: string) {
    if (pattern.length === 0 || pattern.length > LONGEST_PATTERN) {
      throw new RangeError(
        `pattern of ${pattern.length} letters; 1 to ${LONGEST_PATTERN} fit into a machine word`,
      )
    }
    this.#length = pattern.length
    for (let i = 0; i < pattern.length; i++) {
      const unit = pattern.charCodeAt(i)
      this.#bits.set(unit, (this.#bits.get(unit) ?? 0) | (1 << i))
    }
  }

  /** The distance to `text`. */
  to(text: string): number {
    const last = 1 << (this.#length - 1)
    let positive = -1
    let negative = 0
    let distance = this.#length
    for (let j = 0; j < text.length; j++) {
      const equal = this.#bits.get(text.charCodeAt(j)) ?? 0
      const vertical = equal | negative
      const diagonal = ((((equal & positive) + positive) | 0) ^ positive) | equal
      let up = negative | ~(diagonal | positive)
      const down = positive & diagonal
      if (up & last) distance++
      else if (down & last) distance--
      up = (up << 1) | 1
      positive = (down << 1) | ~(vertical | up)
      negative = up & vertical
    }
    return distance
  }
}
