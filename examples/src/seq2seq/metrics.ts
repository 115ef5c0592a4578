import { editDistance } from './edit-distance.js'

export interface ErrorRates {
  /** Edits per phoneme of the pronunciation that comes nearest. */
  phonemes: number
  /** Share of words that match none of their pronunciations. */
  words: number
}

/** A word counts as right when any of its pronunciations is met; its phoneme errors are those to the nearest one. */
export function errorRates(
  predicted: readonly (readonly string[])[],
  pronunciations: readonly (readonly (readonly string[])[])[],
): ErrorRates {
  if (predicted.length !== pronunciations.length || predicted.length === 0) {
    throw new RangeError(`${predicted.length} predictions for ${pronunciations.length} words`)
  }
  let edits = 0
  let phonemes = 0
  let wrong = 0
  predicted.forEach((guess, i) => {
    let fewest = Infinity
    let length = 0
    for (const right of pronunciations[i]) {
      const distance = editDistance(guess, right)
      if (distance < fewest) {
        fewest = distance
        length = right.length
      }
    }
    edits += fewest
    phonemes += length
    if (fewest > 0) wrong++
  })
  return { phonemes: edits / phonemes, words: wrong / predicted.length }
}
