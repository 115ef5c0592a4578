import { access, constants, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { cpu, threads } from '@tiny/core'
import { readArguments, usage, UsageError, type Arguments, type StoryName } from './command-line.js'
import { minutes } from './numbers.js'
import { writeReport } from './report.js'
import type { Story, ToldStory } from './story.js'
import { Terminal } from './terminal.js'

const stories: Readonly<Record<StoryName, () => Promise<Story>>> = {
  encoder: async () => (await import('./encoder/run.js')).encoderStory,
  decoder: async () => (await import('./decoder/run.js')).decoderStory,
  seq2seq: async () => (await import('./seq2seq/run.js')).seq2seqStory,
}

/** @returns the exit code. */
async function tellAll({ stories: names, report }: Arguments, terminal: Terminal): Promise<number> {
  const started = performance.now()
  const machine = `${cpu.info().model}, ${threads.get()} threads, ${cpu.isa()} kernels`
  terminal.line(`Transfer learning with tiny on ${machine}.`)
  const told: ToldStory[] = []
  for (const name of names) {
    const tell = await stories[name]()
    terminal.title(name)
    const begun = performance.now()
    const result = await tell(terminal)
    told.push({
      ...result,
      sections: terminal.takeSections(),
      seconds: (performance.now() - begun) / 1000,
    })
  }
  const took = minutes((performance.now() - started) / 1000)
  await writeReport(report, told, `Trained and measured on ${machine}, in ${took}.`)

  const claims = told.flatMap((story) => story.claims)
  terminal.title('What was to be shown')
  for (const { text, holds } of claims) terminal.claim(text, holds)
  terminal.line()
  terminal.line(`Took ${took}. The report, with curves and attention: ${report}`)
  const failed = claims.filter(({ holds }) => !holds)
  if (failed.length === 0) return 0
  terminal.line(`${failed.length} of ${claims.length} claims do not hold.`)
  return 1
}

/** Ten minutes of training must not end at a folder that is not there. @throws UsageError */
async function requireWritable(report: string): Promise<void> {
  const existing = await stat(report).catch(() => undefined)
  if (existing?.isDirectory()) throw new UsageError(`--report ${report} is a folder`)
  try {
    await access(dirname(report), constants.W_OK)
  } catch {
    throw new UsageError(`--report: cannot write into ${dirname(report)}`)
  }
}

/** The first Ctrl-C lets the step under way finish and temporary files go, the second ends at once. */
function abortOnInterrupt(): AbortController {
  const controller = new AbortController()
  const interrupted = (signal: NodeJS.Signals, code: number) => {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(code)
      process.exitCode = code
      controller.abort(new Error(`stopped by ${signal}`))
    })
  }
  interrupted('SIGINT', 130)
  interrupted('SIGTERM', 143)
  return controller
}

const { signal } = abortOnInterrupt()
try {
  const options = readArguments(process.argv.slice(2), process.cwd())
  if (options.help) {
    process.stdout.write(usage)
  } else {
    await requireWritable(options.report)
    process.exitCode = await tellAll(options, new Terminal(process.stdout, signal))
  }
} catch (error) {
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message}\n\n${usage}`)
    process.exitCode = 2
  } else if (signal.aborted) {
    process.stderr.write('\nStopped; no report was written.\n')
  } else {
    console.error(error)
    process.exitCode = 1
  }
}
