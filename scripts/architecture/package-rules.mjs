// Rules of the TypeScript packages.
import { posix } from 'node:path'

/** `cli -> finetune -> models -> core`; programs may know every package. */
const mayKnow = {
  core: [],
  models: ['core'],
  finetune: ['models', 'core'],
  cli: ['finetune', 'models', 'core'],
  examples: ['finetune', 'models', 'core'],
  benchmarks: ['finetune', 'models', 'core'],
}

/** Folders of models, highest first: a folder may know those of later rows, and itself. */
const modelLevels = [['pipelines'], ['heads'], ['generation'], ['encoder', 'decoder', 'seq2seq'], ['blocks']]
const levelOf = (folder) => modelLevels.findIndex((level) => level.includes(folder))

const ownerOf = (path) => /^(?:packages\/(\w+)|(examples|benchmarks))\//.exec(path)?.slice(1).find(Boolean)
const rootOf = (owner) => (owner === 'examples' || owner === 'benchmarks' ? owner : `packages/${owner}`)
const isTypeScript = (file) => /\.(ts|mts|js|mjs|cjs)$/.test(file.path) && ownerOf(file.path) !== undefined
const resolve = (file, target) => posix.join(posix.dirname(file.path), target)

function relative(file) {
  return file.references
    .filter(({ target }) => target.startsWith('.'))
    .map(({ target, line }) => ({ path: resolve(file, target), target, line }))
}

/** The folder of models/src that a path lies in; '' for a file of src itself. */
const modelFolder = (path) =>
  /^packages\/models\/src\/(?:(\w+)\/)?/
    .exec(path)
    ?.slice(1)
    .map((name) => name ?? '')[0]

export const packageRules = [
  {
    name: 'packages: cli -> finetune -> models -> core',
    check: (file) => {
      const owner = ownerOf(file.path)
      if (!isTypeScript(file)) return []
      return file.references.flatMap(({ target, line }) => {
        const name = /^@tiny\/(\w+)/.exec(target)?.[1]
        return name && name !== owner && !mayKnow[owner]?.includes(name)
          ? [{ line, what: `${owner} imports '${target}'` }]
          : []
      })
    },
  },
  {
    name: 'packages know each other through their public entry only',
    check: (file, { exports }) => {
      if (!isTypeScript(file)) return []
      const home = rootOf(ownerOf(file.path))
      const leaving = relative(file)
        .filter(({ path }) => !path.startsWith(`${home}/`))
        .map(({ target, line }) => ({ line, what: `imports '${target}', which lies outside ${home}` }))
      const inner = file.references.flatMap(({ target, line }) => {
        const match = /^@tiny\/(\w+)(\/.*)?$/.exec(target)
        if (!match || !(match[1] in exports)) return []
        return exports[match[1]].includes(`.${match[2] ?? ''}`)
          ? []
          : [{ line, what: `imports '${target}', which @tiny/${match[1]} does not export` }]
      })
      return [...leaving, ...inner]
    },
  },
  {
    name: 'models: pipelines -> heads -> generation -> encoder, decoder, seq2seq -> blocks',
    check: (file) => {
      const from = modelFolder(file.path)
      if (!from || levelOf(from) < 0 || file.path.endsWith('.test.ts')) return []
      return relative(file).flatMap(({ path, target, line }) => {
        const to = modelFolder(path)
        if (!to || to === from || levelOf(to) < 0 || levelOf(to) > levelOf(from)) return []
        return [{ line, what: `${from} imports '${target}'` }]
      })
    },
  },
  {
    name: "a package's own modules do not import its entry",
    check: (file) =>
      isTypeScript(file) && !file.path.endsWith('.test.ts')
        ? relative(file)
            .filter(({ path }) => /^packages\/\w+\/src\/index\.(js|ts)$/.test(path))
            .map(({ target, line }) => ({ line, what: `imports '${target}'` }))
        : [],
  },
  {
    name: 'only packages/core/src/native.ts loads the binary',
    check: (file) => {
      // Programs that tests run as a worker or process of its own are plain JavaScript and load it themselves.
      const allowed = ['packages/core/src/native.ts', 'packages/core/test/busy.mjs']
      if (!isTypeScript(file) || allowed.includes(file.path)) return []
      return file.lines.flatMap((content, index) =>
        /node-gyp-build|process\.dlopen|['"`/]core\.node\b/.test(content)
          ? [{ line: index + 1, what: content.trim() }]
          : [],
      )
    },
  },
]
