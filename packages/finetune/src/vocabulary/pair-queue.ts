/**
 * Pairs by falling count, pairs of lower ids first among equals: the order in which Hugging Face's trainers merge.
 * A binary heap over typed arrays; one pair may stand in it several times with the counts it had when it was pushed.
 */
export class PairQueue {
  #counts = new Float64Array(1024)
  #pairs = new Int32Array(1024)
  #size = 0
  readonly #first: readonly number[]
  readonly #second: readonly number[]

  /** @param first @param second ids of the two symbols by number of the pair; may grow. */
  constructor(first: readonly number[], second: readonly number[]) {
    this.#first = first
    this.#second = second
  }

  push(pair: number, count: number): void {
    if (this.#size === this.#pairs.length) this.#grow()
    let at = this.#size++
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.#before(count, pair, this.#counts[parent]!, this.#pairs[parent]!)) break
      this.#move(parent, at)
      at = parent
    }
    this.#set(at, pair, count)
  }

  /** Removes the first pair; `undefined` when there is none. */
  pop(): { pair: number; count: number } | undefined {
    if (this.#size === 0) return undefined
    const top = { pair: this.#pairs[0]!, count: this.#counts[0]! }
    const last = --this.#size
    const pair = this.#pairs[last]!
    const count = this.#counts[last]!
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= last) break
      const right = child + 1
      if (
        right < last &&
        this.#before(this.#counts[right]!, this.#pairs[right]!, this.#counts[child]!, this.#pairs[child]!)
      ) {
        child = right
      }
      if (!this.#before(this.#counts[child]!, this.#pairs[child]!, count, pair)) break
      this.#move(child, at)
      at = child
    }
    this.#set(at, pair, count)
    return top
  }

  #before(countA: number, a: number, countB: number, b: number): boolean {
    if (countA !== countB) return countA > countB
    const firstA = this.#first[a]!
    const firstB = this.#first[b]!
    return firstA !== firstB ? firstA < firstB : this.#second[a]! < this.#second[b]!
  }

  #move(from: number, to: number): void {
    this.#set(to, this.#pairs[from]!, this.#counts[from]!)
  }

  #set(at: number, pair: number, count: number): void {
    this.#pairs[at] = pair
    this.#counts[at] = count
  }

  #grow(): void {
    const counts = new Float64Array(this.#counts.length * 2)
    const pairs = new Int32Array(counts.length)
    counts.set(this.#counts)
    pairs.set(this.#pairs)
    this.#counts = counts
    this.#pairs = pairs
  }
}
