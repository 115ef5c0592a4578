import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { readArguments, UsageError } from './command-line.js'

describe('readArguments', () => {
  it('tells all stories in their order without a name, and the named ones once', () => {
    expect(readArguments([], '/here')).toEqual({
      stories: ['encoder', 'decoder', 'seq2seq'],
      report: '/here/tiny-report.html',
      help: false,
    })
    const some = readArguments(['seq2seq', 'encoder', 'seq2seq', '--report', 'a/b.html'], '/here')
    expect(some).toEqual({ stories: ['encoder', 'seq2seq'], report: '/here/a/b.html', help: false })
    expect(readArguments(['--help'], '/here').help).toBe(true)
  })

  it.each([
    [['encodr'], /'encodr'.*encoder, decoder, seq2seq/],
    [['--reprot', 'x'], /--reprot/],
    [['--report'], /report/],
    [['--report='], /name of a file/],
  ])('refuses %j', (args, message) => {
    expect(() => readArguments(args, '/here')).toThrow(message)
    expect(() => readArguments(args, '/here')).toThrow(UsageError)
  })
})

describe('the command', () => {
  const main = fileURLToPath(new URL('../dist/main.js', import.meta.url))
  const run = (...args: string[]) => spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' })

  it('helps, and ends with 2 and the reason for arguments that make no sense', () => {
    expect(existsSync(main), `${main} is missing: build first`).toBe(true)
    expect(run('--help')).toMatchObject({ status: 0, stdout: expect.stringContaining('--report') })
    const wrong = run('decoder', '--loud')
    expect(wrong).toMatchObject({ status: 2, stdout: '', stderr: expect.stringContaining("'--loud'") })
    const nowhere = run('decoder', '--report', fileURLToPath(new URL('./no/such.html', import.meta.url)))
    expect(nowhere).toMatchObject({ status: 2, stderr: expect.stringContaining('cannot write into') })
  })
})
