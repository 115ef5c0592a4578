import { OptionError } from '@tiny/core'
import type { Example, Row } from '../data/rows.js'
import {
  encodeExamples,
  inputsOf,
  lacks,
  requireIds,
  type Objective,
  type ObjectiveContext,
} from './objective.js'

/** A label for each row: a class by number or name, a number to regress to, or numbers for several labels. */
export function sequenceClassification(context: ObjectiveContext): Objective {
  const labelOf = (examples: readonly Example[], i: number, name: string): number | ArrayLike<number> => {
    const label = examples[i]!.label ?? examples[i]!.labels
    if (label === undefined || label === null) throw lacks(examples, i, name, 'label')
    if (typeof label !== 'string') return label
    const id = Object.hasOwn(context.label2id, label) ? context.label2id[label] : undefined
    if (id !== undefined) return id
    throw new OptionError(
      `${name}[${i}].label is '${label}'; the model's labels are ${Object.keys(context.label2id).join(', ')}`,
      { option: name, index: i, label },
    )
  }
  return {
    async prepare(examples, name) {
      const encoded = await encodeExamples(examples, name, context)
      return encoded.map((row) => ({
        ...row,
        labels: labelOf(examples, row.example, name),
        length: row.inputIds.length,
      }))
    },
    collate: (rows) => ({ ...inputsOf(rows), labels: rows.map((row) => row.labels) as number[] }),
  }
}

/** A label for each token, −100 for those that do not count. */
export function tokenClassification(context: ObjectiveContext): Objective {
  return {
    async prepare(examples, name) {
      requireIds(examples, name, 'token classification')
      const encoded = await encodeExamples(examples, name, context)
      return encoded.map((row): Row => {
        const { labels } = examples[row.example]!
        if (typeof labels !== 'object') throw lacks(examples, row.example, name, 'labels, one for each token')
        if (labels.length !== row.inputIds.length) {
          throw new OptionError(
            `${name}[${row.example}] has ${labels.length} labels for ${row.inputIds.length} tokens`,
            { option: name, index: row.example },
          )
        }
        return { ...row, labels, length: row.inputIds.length }
      })
    },
    collate: (rows) => ({ ...inputsOf(rows), labels: rows.map((row) => row.labels) as number[][] }),
  }
}

/** Where the answer starts and ends, in tokens. */
export function questionAnswering(context: ObjectiveContext): Objective {
  return {
    async prepare(examples, name) {
      requireIds(examples, name, 'question answering')
      const encoded = await encodeExamples(examples, name, context)
      return encoded.map((row): Row => {
        const { startPosition, endPosition } = examples[row.example]!
        if (startPosition === undefined || endPosition === undefined) {
          throw lacks(examples, row.example, name, 'startPosition and endPosition')
        }
        return { ...row, startPosition, endPosition, length: row.inputIds.length }
      })
    },
    collate: (rows) => ({
      ...inputsOf(rows),
      startPositions: rows.map((row) => row.startPosition!),
      endPositions: rows.map((row) => row.endPosition!),
    }),
  }
}
