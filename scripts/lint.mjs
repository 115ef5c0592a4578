// npm run lint: the linting and formatting legs of npm test, and the architecture test.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { install, main, root } from './tools.mjs'

const legs = 'lint,format,workflows,shell,architecture'
const args = [join(root, 'scripts/test.mjs'), '--no-build', '--only', legs]
await main(() => {
  install()
  process.exitCode = spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1
})
