// Building the addon with cmake-js.
import { join } from 'node:path'
import { installed, root, runNode } from './tools.mjs'

export const addonDir = join(root, 'packages/core/build')

/** cmake-js arguments for an addon in `out`/Release/core.node, with CMake cache entries that it is configured with. */
export function cmakeJs(command, { out = addonDir, arch, defines = {}, target = 'core' } = {}) {
  const args = [command, '-d', join(root, 'native'), '-O', out, '-l', 'error']
  if (command !== 'configure') args.push('-T', target)
  if (arch) args.push('-a', arch)
  if (process.platform === 'win32') args.push('-t', 'ClangCL')
  for (const [name, value] of Object.entries(defines)) args.push(`--CD${name}=${value}`)
  return args
}

/** Builds `out`/Release/core.node. Another architecture than ours is cross-compiled (Linux only). */
export function buildAddon({ out, arch = process.arch, defines = {} } = {}) {
  const script = installed('cmake-js/bin/cmake-js')
  const cross = arch !== process.arch && process.platform === 'linux' && arch === 'arm64'
  const toolchain = cross ? { CMAKE_TOOLCHAIN_FILE: join(root, 'native/cmake/aarch64.cmake') } : {}
  const options = {
    out,
    arch: arch === process.arch ? undefined : arch,
    defines: { ...toolchain, ...defines },
  }
  // `build` alone ignores new cache entries in a folder that is configured already.
  if (Object.keys(options.defines).length > 0) runNode(script, cmakeJs('configure', options))
  runNode(script, cmakeJs('build', options))
}
