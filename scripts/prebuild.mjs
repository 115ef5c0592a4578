// npm run prebuild [-- --arch=arm64]: packs this platform's binary into packages/core/prebuilds, stripped, where node-gyp-build
// looks for it. prebuildify knows node-gyp only; scripts/prebuild-addon.mjs stands in for it.
import { cpSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { install, main, root } from './tools.mjs'

await main(async () => {
  install()
  const { default: prebuildify } = await import('prebuildify')
  const arch = process.argv.find((arg) => arg.startsWith('--arch='))?.slice('--arch='.length) ?? process.arch
  const staging = join(root, 'build/prebuild', arch)
  rmSync(staging, { recursive: true, force: true })
  mkdirSync(staging, { recursive: true })
  cpSync(join(root, 'packages/core/package.json'), join(staging, 'package.json')) // names the binary
  rmSync(join(root, 'packages/core/prebuilds', `${process.platform}-${arch}`), {
    recursive: true,
    force: true,
  })

  const onWindows = process.platform === 'win32'
  const script = join(root, 'scripts/prebuild-addon.mjs')
  const cross = arch === 'arm64' && process.arch !== arch && process.platform === 'linux'
  await promisify(prebuildify)({
    arch,
    cwd: staging,
    out: join(root, 'packages/core'),
    cache: join(root, 'build/prebuild/cache'),
    napi: true,
    strip: true,
    ...(cross && { stripBin: 'aarch64-linux-gnu-strip' }),
    tagLibc: process.platform === 'linux', // elsewhere the tag would say glibc, too
    nodeGyp: onWindows ? `"${process.execPath}" "${script}"` : script,
    shell: onWindows ? true : undefined,
  })
})
