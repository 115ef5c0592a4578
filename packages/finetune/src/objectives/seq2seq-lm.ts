import { OptionError } from '@tiny/core'
import type { Row } from '../data/rows.js'
import { encodeExamples, inputsOf, lacks, type Objective, type ObjectiveContext } from './objective.js'

/** An encoder–decoder's objective: `target` (or `labels`, as ids) from `text` (or `inputIds`). */
export function seq2seqLanguageModel(context: ObjectiveContext): Objective {
  return {
    async prepare(examples, name) {
      const sources = await encodeExamples(examples, name, context)
      const targets = examples.map(({ labels, target }, i) => {
        if (typeof labels === 'object') return { inputIds: labels }
        if (typeof target === 'string') return { text: target }
        throw lacks(examples, i, name, 'target (a text) or labels (ids)')
      })
      const labels = await encodeExamples(targets, `${name} (targets)`, context)
      const rows: Row[] = []
      const byExample = new Map(labels.map((row) => [row.example, row.inputIds]))
      for (const source of sources) {
        const target = byExample.get(source.example)
        if (target === undefined) {
          throw new OptionError(`${name}[${source.example}] has a target without tokens`, {
            option: name,
            index: source.example,
          })
        }
        rows.push({ ...source, labels: target, length: source.inputIds.length + target.length })
      }
      return rows
    },
    collate: (rows) => ({ ...inputsOf(rows), labels: rows.map((row) => row.labels) as number[][] }),
  }
}
