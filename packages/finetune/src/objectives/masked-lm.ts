import { OptionError } from '@tiny/core'
import type { Row } from '../data/rows.js'
import type { RandomStream } from '../data/random.js'
import { encodeExamples, inputsOf, type Objective, type ObjectiveContext } from './objective.js'

const ignored = -100

/**
 * BERT's objective: of the tokens that are not special, each is chosen with `mlmProbability`; of those chosen, 80 %
 * become the mask, 10 % a random token, 10 % stay, and the model has to tell what they were. Rows draw anew in every
 * epoch. A row of which nothing is chosen tells one token, so that no batch is without labels.
 *
 * Texts longer than a row become further rows.
 */
export function maskedLanguageModel(context: ObjectiveContext): Objective {
  const { tokenizer, mlmProbability } = context
  if (tokenizer?.maskTokenId === undefined) {
    const why = tokenizer === undefined ? 'needs a tokenizer' : 'needs a tokenizer with a mask token'
    throw new OptionError(`masked language modelling ${why}`, { option: 'tokenizer' })
  }
  const mask = tokenizer.maskTokenId
  const special = new Set(tokenizer.specialTokenIds)
  const vocabSize = Math.min(tokenizer.vocabSize, context.vocabSize ?? Infinity)

  const hide = (row: Row, random: RandomStream): { inputIds: Int32Array; labels: Int32Array } => {
    const inputIds = Int32Array.from(row.inputIds)
    const labels = new Int32Array(inputIds.length).fill(ignored)
    const places: number[] = []
    inputIds.forEach((id, place) => {
      if (!special.has(id)) places.push(place)
    })
    let chosen = places.filter(() => random.uniform() < mlmProbability)
    if (chosen.length === 0 && places.length > 0) chosen = [places[random.below(places.length)]!]
    for (const place of chosen) {
      labels[place] = inputIds[place]!
      const draw = random.uniform()
      if (draw < 0.8) inputIds[place] = mask
      else if (draw < 0.9) inputIds[place] = random.below(vocabSize)
    }
    return { inputIds, labels }
  }

  return {
    async prepare(examples, name) {
      const encoded = await encodeExamples(examples, name, context, { overflow: true })
      return encoded.map((row) => ({ ...row, length: row.inputIds.length }))
    },
    collate(rows, random) {
      const hidden = rows.map((row, i) => hide(row, random(i)))
      return {
        ...inputsOf(rows),
        inputIds: hidden.map((row) => row.inputIds),
        labels: hidden.map((row) => row.labels),
      }
    },
  }
}
