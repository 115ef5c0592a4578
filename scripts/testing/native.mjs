// The C++ legs: configuring, building and running the doctest programs in their variants.
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { addonDir, cmakeJs } from '../addon.mjs'
import { installed, root } from '../tools.mjs'
import { countDoctest, total } from './count.mjs'

export const sanitizedDir = join(root, 'build/asan')
const source = join(root, 'native')
const cpuFlags = process.platform === 'linux' ? readFileSync('/proc/cpuinfo', 'utf8') : ''
const cpuHas = (...flags) => flags.every((flag) => new RegExp(`\\b${flag}\\b`).test(cpuFlags))

/** x86 instruction sets that this processor can be asked to use through TINY_ISA, least first. */
export const isas =
  process.arch !== 'x64'
    ? []
    : [
        'scalar',
        'sse2',
        ...(cpuHas('avx2', 'fma', 'bmi2') ? ['avx2'] : []),
        ...(cpuHas('avx512f', 'avx512bw', 'avx512dq', 'avx512vl', 'avx512cd') ? ['avx512'] : []),
        ...(cpuHas('avx512_bf16', 'avx512_vnni') ? ['avx512bf16'] : []),
      ]

/** The test programs of a build folder; `layers` narrows them. */
function programs(dir, layers) {
  const folder = join(dir, 'tests')
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .map((name) => /^tests_(\w+?)(\.exe)?$/.exec(name))
    .filter((match) => match && (!layers || layers.includes(match[1])))
    .map((match) => join(folder, match[0]))
    .toSorted()
}

/** Runs every test program; one that ends badly without a failed case (a sanitizer, a signal) counts as a failure. */
export async function runPrograms(session, dir, { layers, env, emulator = [] } = {}) {
  const rows = []
  for (const program of programs(dir, layers)) {
    const [command, ...args] = [...emulator, program]
    const { code, output } = await session.attempt(command, args, { env })
    const row = countDoctest(output)
    rows.push(code !== 0 && row.failed === 0 ? { ...row, failed: 1 } : row)
  }
  return total(rows)
}

async function buildPlain(session) {
  await session.run(process.execPath, [join(root, 'scripts/build-native.mjs')])
  await session.run('cmake', ['-S', source, '-B', addonDir, '-DTINY_TESTS=ON'])
  await session.run('cmake', ['--build', addonDir, '--target', 'tests'])
}

/** The tests of the very objects that the addon is linked from: its build folder, with the tests switched on. */
export async function testPlain(session) {
  await buildPlain(session)
  return runPrograms(session, addonDir)
}

/** Kernels and ops again with the kernels of one instruction set. */
export const testIsa = (isa) => async (session) => {
  await buildPlain(session)
  return runPrograms(session, addonDir, { layers: ['kernels', 'ops'], env: { TINY_ISA: isa } })
}

/** Builds targets with address and undefined sanitizer. */
export async function buildSanitized(session, targets, defines = {}) {
  const out = join(sanitizedDir, 'build')
  const options = { out, defines: { TINY_SANITIZE: 'address,undefined', TINY_WERROR: 'ON', ...defines } }
  await session.run(process.execPath, [installed('cmake-js/bin/cmake-js'), ...cmakeJs('configure', options)])
  await session.run('cmake', ['--build', out, '--target', ...targets])
  return out
}

export async function testAddressAndUndefined(session) {
  const out = await buildSanitized(session, ['tests'], { TINY_TESTS: 'ON' })
  return runPrograms(session, out, {
    env: { ASAN_OPTIONS: 'detect_leaks=1:allocator_may_return_null=1', UBSAN_OPTIONS: 'print_stacktrace=1' },
  })
}

async function configureAndBuild(session, dir, defines) {
  const args = Object.entries({ TINY_TESTS: 'ON', ...defines }).map(([name, value]) => `-D${name}=${value}`)
  const fresh = existsSync(join(dir, 'CMakeCache.txt')) ? [] : ['-G', 'Ninja']
  await session.run('cmake', ['-S', source, '-B', dir, ...fresh, ...args])
  await session.run('cmake', ['--build', dir, '--target', 'tests'])
}

export async function testThread(session) {
  const dir = join(root, 'build/tsan')
  await configureAndBuild(session, dir, { TINY_SANITIZE: 'thread' })
  return runPrograms(session, dir, { env: { TSAN_OPTIONS: 'halt_on_error=1:allocator_may_return_null=1' } })
}

/**
 * ARM code, cross-compiled, under qemu's user mode, which has every instruction set. Kernels are tested on each of them; ops
 * again on what the oldest processors have.
 */
export async function testArm(session) {
  const dir = join(root, 'build/arm64')
  await configureAndBuild(session, dir, {
    CMAKE_TOOLCHAIN_FILE: join(source, 'cmake/aarch64.cmake'),
    TINY_WERROR: 'ON',
  })
  const emulator = ['qemu-aarch64-static', '-L', '/usr/aarch64-linux-gnu']
  return total([
    await runPrograms(session, dir, { emulator }),
    await runPrograms(session, dir, { emulator, layers: ['kernels', 'ops'], env: { TINY_ISA: 'neon' } }),
  ])
}

/**
 * Objects of an instruction set may define no weak symbol: the linker keeps one copy of those for the whole binary, and it
 * may be the one that an older processor cannot run. One case per object.
 */
export async function testSymbols(session) {
  const folder = join(addonDir, 'CMakeFiles')
  const objects = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => /^tiny_kernels_\w+\.dir/.test(path) && /\.o(bj)?$/.test(path))
    .map((path) => join(folder, path))
  let failed = 0
  for (const object of objects) {
    const output = await session.run('nm', ['-C', '--defined-only', object])
    const weak = output.split('\n').filter((line) => / [WVu] /.test(line))
    if (weak.length === 0) continue
    failed++
    session.write(`${object}: weak symbols\n${weak.join('\n')}`)
  }
  return { passed: objects.length - failed, failed }
}
