import { resolve } from 'node:path'
import { parseArgs } from 'node:util'

export const storyNames = ['encoder', 'decoder', 'seq2seq'] as const
export type StoryName = (typeof storyNames)[number]

export const usage = `Tells the story of transfer learning on real data.

npm start [-- [STORY …] [OPTIONS]]

  encoder         a small BERT reads mail, then learns from a few hundred labels what spam is
  decoder         a small GPT reads Moby Dick, then writes
  seq2seq         a small T5 learns how English words are pronounced
                  without a name: all three, in this order

  --report FILE   where the report is written, one HTML page (default: tiny-report.html in the current folder)
  --help          this text

Ends with 1 when something that should hold does not, with 2 for arguments that make no sense.
`

export interface Arguments {
  readonly stories: readonly StoryName[]
  /** Absolute. */
  readonly report: string
  readonly help: boolean
}

/** Arguments that make no sense; the message says which. */
export class UsageError extends Error {}

/** @throws UsageError */
export function readArguments(args: readonly string[], folder: string): Arguments {
  const { values, positionals } = parse(args)
  const wanted = positionals.map((name) => {
    const known = storyNames.find((story) => story === name)
    if (known !== undefined) return known
    throw new UsageError(`there is no story '${name}'; there are ${storyNames.join(', ')}`)
  })
  const { report = 'tiny-report.html', help = false } = values
  if (report === '') throw new UsageError('--report needs the name of a file')
  return {
    stories: wanted.length === 0 ? storyNames : storyNames.filter((name) => wanted.includes(name)),
    report: resolve(folder, report),
    help,
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: { report: { type: 'string' }, help: { type: 'boolean' } },
      allowPositionals: true,
    })
  } catch (error) {
    // What follows the first sentence is about spelling positional arguments.
    throw new UsageError(error instanceof Error ? error.message.split('. ')[0] : String(error))
  }
}
