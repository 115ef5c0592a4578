// The TypeScript legs: vitest, in its variants.
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { installed, root } from '../tools.mjs'
import { countVitest } from './count.mjs'
import { buildSanitized, sanitizedDir } from './native.mjs'

/** Tests whose numbers depend on the kernels: all of core, and every comparison with golden files. */
const numeric = ['packages/core/', 'golden']

async function vitest(session, name, { filters = [], env = {} } = {}) {
  const reports = join(root, 'build/test-reports')
  const report = join(reports, `${name}.json`)
  mkdirSync(reports, { recursive: true })
  rmSync(report, { force: true })
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const args = [installed('vitest/vitest.mjs'), 'run', ...reporters, '--passWithNoTests', ...filters]
  const { code } = await session.attempt(process.execPath, args, { env })
  const row = countVitest(JSON.parse(readFileSync(report, 'utf8')))
  return code !== 0 && row.failed === 0 ? { ...row, failed: 1 } : row // an error outside every test
}

export const testAll = (session) => vitest(session, 'typescript')

export const testIsa = (isa) => (session) =>
  vitest(session, `typescript-${isa}`, { filters: numeric, env: { TINY_ISA: isa } })

/** Core on the packed, stripped binary, as an installed package loads it. */
export async function testPrebuild(session) {
  await session.run(process.execPath, [join(root, 'scripts/prebuild.mjs')])
  return vitest(session, 'prebuild', { filters: ['packages/core/'], env: { PREBUILDS_ONLY: '1' } })
}

/**
 * Core on the addon with address and undefined sanitizer. Its runtime has to be loaded before Node; leaks are checked in the C++
 * tests only, since under vitest the reports are about Node's own.
 */
export async function testSanitized(session) {
  await buildSanitized(session, ['core'])
  const library = (await session.run('c++', ['-print-file-name=libasan.so'])).trim()
  return vitest(session, 'typescript-asan', {
    filters: ['packages/core/'],
    env: { LD_PRELOAD: library, ASAN_OPTIONS: 'detect_leaks=0', '@TINY/CORE_PREBUILD': sanitizedDir },
  })
}
