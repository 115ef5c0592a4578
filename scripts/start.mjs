// npm start [encoder|decoder|seq2seq]: installs, builds, then runs the main job on this terminal.
import { join } from 'node:path'
import { build, install, main, root, runNode } from './tools.mjs'

await main(() => {
  install()
  build()
  runNode(join(root, 'examples/dist/main.js'), process.argv.slice(2), { cwd: process.env.INIT_CWD ?? root })
})
