// npm run format: oxfmt on TypeScript, JavaScript and JSON, clang-format on C++, in place.
import { cppFiles } from './testing/legs.mjs'
import { hasProgram, install, installed, main, run, runNode } from './tools.mjs'

await main(() => {
  install()
  runNode(installed('oxfmt/bin/oxfmt'), [])
  if (!hasProgram('clang-format')) throw new Error('clang-format is missing: apt-get install clang-format')
  run('clang-format', ['-i', ...cppFiles()])
})
