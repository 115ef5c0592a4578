/** Lower-case words and single signs: what a bag of words sees of a text. */
export function bagOfWords(text: string): string[] {
  return text.toLowerCase().match(/\p{L}+|\p{N}+|[^\s\p{L}\p{N}]/gu) ?? []
}

/**
 * Multinomial naive Bayes with Laplace smoothing (Manning, Raghavan and Schütze 2008, section 13.2):
 * class = argmax log P(c) + Σ count(w) · log P(w | c). Words never seen in training say nothing and are skipped.
 */
export class NaiveBayes {
  readonly #logPrior: number[]
  readonly #logUnseen: number[]
  readonly #logWord: Map<string, number>[]
  readonly #vocabulary = new Set<string>()

  /** @throws RangeError when a class in 0…classes-1 has no example. */
  constructor(examples: readonly { text: string; label: number }[], classes: number, smoothing = 1) {
    const documents = Array.from({ length: classes }, () => 0)
    const totals = Array.from({ length: classes }, () => 0)
    const counts = Array.from({ length: classes }, () => new Map<string, number>())
    for (const { text, label } of examples) {
      documents[label]++
      for (const word of bagOfWords(text)) {
        this.#vocabulary.add(word)
        counts[label].set(word, (counts[label].get(word) ?? 0) + 1)
        totals[label]++
      }
    }
    documents.forEach((n, label) => {
      if (n === 0) throw new RangeError(`naive Bayes needs at least one example of class ${label}`)
    })
    const denominators = totals.map((total) => total + smoothing * this.#vocabulary.size)
    this.#logPrior = documents.map((n) => Math.log(n / examples.length))
    this.#logUnseen = denominators.map((d) => Math.log(smoothing / d))
    this.#logWord = counts.map(
      (words, c) =>
        new Map([...words].map(([word, n]) => [word, Math.log((n + smoothing) / denominators[c])])),
    )
  }

  /** log P(c) + log P(text | c) for each class, up to a constant. */
  scores(text: string): number[] {
    const scores = this.#logPrior.slice()
    for (const word of bagOfWords(text)) {
      if (!this.#vocabulary.has(word)) continue
      for (let c = 0; c < scores.length; c++) scores[c] += this.#logWord[c].get(word) ?? this.#logUnseen[c]
    }
    return scores
  }

  predict(text: string): number {
    const scores = this.scores(text)
    return scores.indexOf(Math.max(...scores))
  }
}
