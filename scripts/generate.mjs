// npm run generate: writes what follows from the models' registry: the named classes of each family
// (packages/models/src/families) and the README's table. Run it after adding a family or a head.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createServer } from 'vite'
import { classesModule, indexModule } from './generate/classes.mjs'
import { configTypeOf, familiesOf, goldenCases } from './generate/sources.mjs'
import { modelTable, withTable } from './generate/table.mjs'
import { installed, main, root, runNode } from './tools.mjs'

/** What `use` makes of a TypeScript module, loaded as it stands: what is to be written may keep it from compiling. */
async function fromSources(path, use) {
  const conditions = ['@tiny/source', 'node', 'import', 'module', 'default']
  const server = await createServer({
    root,
    configFile: false,
    appType: 'custom',
    logLevel: 'error',
    server: { middlewareMode: true, ws: false },
    resolve: { conditions },
    ssr: { resolve: { conditions } },
  })
  try {
    return await use(await server.ssrLoadModule(join(root, path)))
  } finally {
    await server.close()
  }
}

await main(async () => {
  const folder = join(root, 'packages/models/src/families')
  const families = await fromSources('packages/models/src/registry.ts', familiesOf)
  for (const name of readdirSync(folder)) if (!name.endsWith('.test.ts')) rmSync(join(folder, name))
  for (const family of families) {
    const text = classesModule({ ...family, config: configTypeOf(root, family.modelType) })
    writeFileSync(join(folder, `${family.modelType}.ts`), text)
  }
  writeFileSync(join(folder, 'index.ts'), indexModule(families.map(({ modelType }) => modelType)))
  runNode(installed('oxfmt/bin/oxfmt'), ['packages/models/src/families'])
  const readme = join(root, 'README.md')
  writeFileSync(readme, withTable(readFileSync(readme, 'utf8'), modelTable(families, goldenCases(root))))
  console.log(`${families.length} families: packages/models/src/families and README.md are written`)
})
