// What is written from: the registry's families, the golden cases, the configurations' types.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** { modelType, kind, classes } of each family, in the registry's order. */
export async function familiesOf({ modelTypes, familyOf }) {
  const all = modelTypes().map(async (modelType) => {
    const { kind, classes } = await familyOf(modelType, 'the registry')
    return { modelType, kind, classes }
  })
  return Promise.all(all)
}

/** Whether a head's results by PyTorch are kept in golden/. */
export function goldenCases(root) {
  const found = new Set()
  for (const kind of ['encoder', 'decoder', 'seq2seq']) {
    for (const name of readdirSync(join(root, 'golden', kind))) {
      const path = join(root, 'golden', kind, name, 'case.json')
      if (!existsSync(path)) continue
      const { model_type: modelType, head } = JSON.parse(readFileSync(path, 'utf8'))
      found.add(`${modelType} ${head}`)
    }
  }
  return (modelType, task) => found.has(`${modelType} ${task}`)
}

/** The registry's line for a family says which file it is in; that file may export the type of its configuration. */
export function configTypeOf(root, modelType) {
  const source = join(root, 'packages/models/src')
  const registry = readFileSync(join(source, 'registry.ts'), 'utf8')
  const line = registry
    .split('\n')
    .find((text) => text.trimStart().replace(/['"]/g, '').startsWith(`${modelType}: async`))
  const file = line?.match(/import\('(\.\/[^']+)\.js'\)/)?.[1]
  if (file === undefined) return undefined
  const type = readFileSync(join(source, `${file}.ts`), 'utf8').match(
    /export type (\w+Config) = Config</,
  )?.[1]
  return type && { type, file: `.${file}.js` }
}
