// packages/models/src/families: the named classes of every family in the registry, one module each.

const generative = ['CausalLM', 'Seq2SeqLM']

/** The module of a family's classes. `config` is { type, file } of its configuration's type, or undefined. */
export function classesModule({ modelType, classes, config }) {
  const tasks = Object.entries(classes)
  const base = tasks.some(([task]) => !generative.includes(task))
  const generates = tasks.some(([task]) => generative.includes(task))
  const lines = [`// Written by npm run generate.`, `import { ModelClass } from '../auto.js'`]
  if (generates) lines.push(`import { GenerativeModel } from '../generation/generative-model.js'`)
  if (base) lines.push(`import { PreTrainedModel } from '../model.js'`)
  if (config) lines.push('', `export type { ${config.type} } from '${config.file}'`)
  lines.push('')
  for (const [task, name] of tasks) {
    const of = generative.includes(task) ? 'GenerativeModel' : 'PreTrainedModel'
    lines.push(`export const ${name} = new ModelClass('${task}', ${of}, '${modelType}')`)
  }
  return `${lines.join('\n')}\n`
}

/** The module that exports the classes of all families. */
export function indexModule(modelTypes) {
  const lines = modelTypes.map((modelType) => `export * from './${modelType}.js'`)
  return `// Written by npm run generate.\n${lines.join('\n')}\n`
}
