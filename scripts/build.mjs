// npm run build: the addon and all TypeScript packages.
import { build, install, main } from './tools.mjs'

await main(() => {
  install()
  build()
})
