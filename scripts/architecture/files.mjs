// Reading the tree for the architecture test: every source file once, with its includes or imports and their lines.
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

const generated = new Set([
  'node_modules',
  'dist',
  'build',
  'prebuilds',
  'golden',
  'results',
  '.git',
  '.turbo',
])
const source = /\.(ts|mts|mjs|cjs|js|cc|h|inc|cmake)$/

/** Every source file below `root` as `{ path, text, lines, references }`; paths use forward slashes. */
export function readTree(root) {
  const files = []
  const visit = (folder) => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (entry.isDirectory()) {
        if (!generated.has(entry.name) && !entry.name.startsWith('build-')) visit(path)
      } else if (source.test(entry.name)) {
        files.push(describe(path, readFileSync(join(root, path), 'utf8')))
      }
    }
  }
  visit('')
  return files
}

/** A file with what it includes (C++) or imports (TypeScript): `{ target, system, line }`. */
export function describe(path, text) {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  return { path, text, lines, references: /\.(cc|h|inc)$/.test(path) ? includes(lines) : imports(text) }
}

function includes(lines) {
  return lines.flatMap((content, index) => {
    const match = /^\s*#\s*include\s*([<"])([^>"]+)[>"]/.exec(content)
    return match ? [{ target: match[2], system: match[1] === '<', line: index + 1 }] : []
  })
}

// `import x from 'y'`, `export * from 'y'`, `import 'y'`, `import('y')`, `require('y')`; comments are blanked first.
const importing =
  /(?:\b(?:import|export)\b[^'"`;()]*?\bfrom\s*|\bimport\s*\(\s*|\bimport\s+|\brequire\w*\s*\(\s*|\bimport\.meta\.resolve\s*\(\s*)(['"])([^'"\n]+)\1/g

function imports(text) {
  const code = text.replaceAll(/\/\*[\s\S]*?\*\/|(?<![:'"`\\])\/\/[^\n]*/g, (comment) =>
    comment.replaceAll(/[^\n]/g, ' '),
  )
  return [...code.matchAll(importing)].map((match) => ({
    target: match[2],
    line: code.slice(0, match.index + match[0].length).split('\n').length,
  }))
}
