#!/usr/bin/env node
// What prebuildify calls as node-gyp: builds the addon for --arch and puts it where prebuildify takes it from,
// build/Release of the current folder. prebuildify moves that copy; the build folder keeps its own.
import { cpSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { addonDir, buildAddon } from './addon.mjs'
import { main, root } from './tools.mjs'

await main(() => {
  const arch = process.argv.find((arg) => arg.startsWith('--arch='))?.slice('--arch='.length) ?? process.arch
  const out = arch === process.arch ? addonDir : join(root, 'build', `addon-${arch}`)
  buildAddon({ out, arch })
  mkdirSync('build/Release', { recursive: true })
  cpSync(join(out, 'Release/core.node'), 'build/Release/core.node')
})
