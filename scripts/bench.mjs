// npm run bench: builds, then runs the benchmark suites on this terminal; arguments go to benchmarks/dist/main.js.
import { join } from 'node:path'
import { build, install, main, root, runNode } from './tools.mjs'

await main(() => {
  install()
  build()
  runNode(join(root, 'benchmarks/dist/main.js'), process.argv.slice(2))
})
