// The architecture test: rules over the tree, each violation with file, line and rule.
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileRules } from './file-rules.mjs'
import { readTree } from './files.mjs'
import { nativeRules } from './native-rules.mjs'
import { packageRules } from './package-rules.mjs'

export const rules = [...nativeRules, ...packageRules, ...fileRules]

/** What each package exports: `{ models: ['.', './bert', …] }`. */
export function readExports(root) {
  const folder = join(root, 'packages')
  if (!existsSync(folder)) return {}
  return Object.fromEntries(
    readdirSync(folder)
      .filter((name) => existsSync(join(folder, name, 'package.json')))
      .map((name) => {
        const manifest = JSON.parse(readFileSync(join(folder, name, 'package.json'), 'utf8'))
        return [name, Object.keys(manifest.exports ?? {})]
      }),
  )
}

/** All violations in a tree: `{ path, line, rule, what }`. */
export function checkArchitecture(root) {
  const context = { exports: readExports(root) }
  return readTree(root).flatMap((file) =>
    rules.flatMap((rule) =>
      rule.check(file, context).map(({ line, what }) => ({ path: file.path, line, rule: rule.name, what })),
    ),
  )
}
