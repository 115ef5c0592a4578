import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import * as models from '../../packages/models/src/index.ts'
import * as registry from '../../packages/models/src/registry.ts'
import { familiesOf, goldenCases } from './sources.mjs'
import { modelTable, withTable } from './table.mjs'

const root = fileURLToPath(new URL('../../', import.meta.url))
const folder = join(root, 'packages/models/src/families')
const families = await familiesOf(registry)

describe('npm run generate has written', () => {
  it.each(families)('the classes of $modelType', async ({ modelType, classes }) => {
    const module = await import(join(folder, `${modelType}.ts`))
    const found = Object.entries(module).map(([name, made]) => [name, made.task, made.modelType])
    const expected = Object.entries(classes).map(([task, name]) => [name, task, modelType])
    const byName = ([a], [b]) => (a < b ? -1 : 1)
    expect(found.sort(byName)).toEqual(expected.sort(byName))
    for (const name of Object.values(classes)) expect(models).toHaveProperty(name)
  })

  it('no other family', () => {
    const expected = [...families.map(({ modelType }) => `${modelType}.ts`), 'index.ts']
    expect(readdirSync(folder).sort()).toEqual(expected.sort())
  })

  it("the README's table", () => {
    const readme = readFileSync(join(root, 'README.md'), 'utf8')
    expect(withTable(readme, modelTable(families, goldenCases(root)))).toBe(readme)
  })
})
