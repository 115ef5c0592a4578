import type { Row } from '../data/rows.js'
import { encodeExamples, inputsOf, type Objective, type ObjectiveContext } from './objective.js'

/** Counts for nothing. */
const ignored = -100

/**
 * Each token from those before it. Texts end with the tokenizer's end-of-sequence token. With `blockSize` all examples
 * are laid end to end and cut into blocks, as GPT was trained; without it an example is a row, and what is longer than
 * a row may be becomes further rows.
 */
export function causalLanguageModel(context: ObjectiveContext): Objective {
  const { tokenizer, blockSize, maxLength = Infinity, ownLabels = false } = context
  const end = tokenizer?.eosTokenId
  return {
    async prepare(examples, name) {
      const encoded = await encodeExamples(examples, name, context, { truncate: false })
      const texts = encoded.map(({ inputIds, example }) => {
        const ids = Array.from(inputIds)
        const isText = examples[example]!.inputIds === undefined
        if (isText && end !== undefined && ids.at(-1) !== end) ids.push(end)
        return { ids, example }
      })
      return blockSize === undefined
        ? texts.flatMap(({ ids, example }) => pieces(ids, maxLength, example))
        : pieces(
            texts.flatMap(({ ids }) => ids),
            blockSize,
            0,
          )
    },
    collate(rows) {
      const inputs = inputsOf(rows)
      const next = (ids: number[]) => [...ids.slice(1), ignored]
      return { ...inputs, labels: ownLabels ? inputs.inputIds.map(next) : inputs.inputIds }
    },
  }
}

/** Pieces of `size` ids; a last one of a single id, which predicts nothing, is left out. */
function pieces(ids: readonly number[], size: number, example: number): Row[] {
  const rows: Row[] = []
  for (let start = 0; start + 1 < ids.length; start += size) {
    const inputIds = ids.slice(start, start + size)
    if (inputIds.length > 1) rows.push({ inputIds, length: inputIds.length, example })
  }
  return rows
}
