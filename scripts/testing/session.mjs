// One run of `npm test`: commands go to a log per leg, which is shown when the leg fails.
import { spawn } from 'node:child_process'
import { createWriteStream, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { environment, root } from '../tools.mjs'

const logs = join(root, 'build/test-logs')

/** A command of a leg did not end with 0. */
export class CommandError extends Error {}

/** What a leg runs its commands with; everything they print goes into the leg's log. */
export class Session {
  constructor(leg) {
    mkdirSync(logs, { recursive: true })
    this.log = join(logs, `${leg}.log`)
    this.stream = createWriteStream(this.log)
  }

  /** Runs a command and gives its exit code and output. */
  async attempt(command, args, { env = {}, cwd = root } = {}) {
    const settings = Object.entries(env).map(([name, value]) => `${name}=${value} `)
    const line = `$ ${settings.join('')}${[command, ...args].join(' ')}`
    this.stream.write(line.length > 500 ? `${line.slice(0, 500)} …\n` : `${line}\n`)
    const child = spawn(command, args, { cwd, env: environment(env), stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8')
      stream.on('data', (text) => {
        output += text
        this.stream.write(text)
      })
    }
    const code = await new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (status, signal) => resolve(status ?? signal))
    })
    return { code, output }
  }

  /** Runs a command that has to succeed. @returns its output @throws CommandError */
  async run(command, args, options) {
    const { code, output } = await this.attempt(command, args, options)
    if (code !== 0) throw new CommandError(`${[command, ...args].join(' ')} ended with ${code}`)
    return output
  }

  /** Runs commands, each of them a test case that passes when it ends with 0. */
  async check(...commands) {
    let failed = 0
    for (const [command, args, options] of commands) {
      const { code } = await this.attempt(command, args, options)
      if (code !== 0) failed++
    }
    return { passed: commands.length - failed, failed }
  }

  write(text) {
    this.stream.write(`${text}\n`)
  }

  /** Closes the log and gives its last lines. */
  async close(lines = 120) {
    await new Promise((resolve) => this.stream.end(resolve))
    return readFileSync(this.log, 'utf8').split('\n').slice(-lines).join('\n')
  }
}
