// The README's table of families and heads.

const columns = [
  ['Base', 'base'],
  ['MaskedLM', 'masked LM'],
  ['CausalLM', 'causal LM'],
  ['Seq2SeqLM', 'seq2seq LM'],
  ['SequenceClassification', 'sequences'],
  ['TokenClassification', 'tokens'],
  ['QuestionAnswering', 'questions'],
  ['MultipleChoice', 'choices'],
]
const kinds = { encoder: 'encoders', decoder: 'decoders', seq2seq: 'encoder–decoders' }

export const marks = {
  start: '<!-- Written by npm run generate. -->',
  end: '<!-- The end of what npm run generate writes. -->',
}

/**
 * @param families { modelType, kind, classes } of each family
 * @param hasCase (modelType, task) whether PyTorch's results for it are among the golden cases
 */
export function modelTable(families, hasCase) {
  const known = new Set(columns.map(([task]) => task))
  const header = ['`model_type`', ...columns.map(([, title]) => title), 'others']
  const lines = [`| ${header.join(' | ')} |`, `|-${'|:-:'.repeat(columns.length)}|-|`]
  for (const [kind, title] of Object.entries(kinds)) {
    lines.push(`| **${title}** |${' |'.repeat(columns.length + 1)}`)
    for (const { modelType, classes } of families.filter((family) => family.kind === kind)) {
      const cells = columns.map(([task]) =>
        classes[task] === undefined ? '' : task === 'Base' || hasCase(modelType, task) ? '●' : '○',
      )
      const others = Object.entries(classes)
        .filter(([task]) => !known.has(task))
        .map(([task, name]) => `${name} ${hasCase(modelType, task) ? '●' : '○'}`)
      lines.push(`| ${modelType} | ${cells.join(' | ')} | ${others.join(', ')} |`)
    }
  }
  return lines.join('\n')
}

/** The text with its part between the marks replaced. */
export function withTable(text, table) {
  const [start, end] = [text.indexOf(marks.start), text.indexOf(marks.end)]
  if (start < 0 || end < start) throw new Error(`the README lacks ${marks.start} … ${marks.end}`)
  return `${text.slice(0, start + marks.start.length)}\n${table}\n${text.slice(end)}`
}
