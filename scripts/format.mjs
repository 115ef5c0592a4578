// npm run format: oxfmt on TypeScript, JavaScript and JSON, clang-format on C++, in place.
import { clangFormat, cppFiles } from './testing/legs.mjs'
import { hasProgram, install, installed, main, run, runNode } from './tools.mjs'

await main(() => {
  install()
  runNode(installed('oxfmt/bin/oxfmt'), [])
  if (!hasProgram(clangFormat)) throw new Error(`${clangFormat} is missing: apt-get install ${clangFormat}`)
  run(clangFormat, ['-i', ...cppFiles()])
})
