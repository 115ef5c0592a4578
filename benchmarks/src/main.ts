import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { threads } from '@tiny/core'
import { measure, type Case } from './measure.js'
import { save, table } from './report.js'
import { attentionSuite } from './suites/attention.js'
import { matmulSuite } from './suites/matmul.js'
import { modelSuite } from './suites/models.js'
import { responsiveness } from './suites/responsiveness.js'
import { trainingSuite } from './suites/training.js'

const help = `npm run bench -- [SUITE …] [--rounds N] [--threads N] [--only TEXT] [--blas LIBRARY] [--out FOLDER]

Times the engine and writes one JSON file per suite, dated, with the processor, the kernels in use, the threads and the
peaks measured in the same rounds. Without a suite it runs all of them (about ten minutes on two cores).

  matmul          products in every layout, packed and not; beside a CBLAS with --blas
  attention       fused attention, forward and backward
  models          BERT-base inference
  training        training steps of BERT-base, GPT-2 and nanoGPT
  responsiveness  the event loop's delay while a training step runs

  --rounds N      runs of each case, in turn (default: 7)
  --threads N     size of the engine's pool (default: all processors)
  --only TEXT     only cases whose name contains TEXT
  --blas LIBRARY  a CBLAS to compare products with, such as libopenblas.so.0
  --out FOLDER    where the JSON goes (default: benchmarks/results)`

const suites: Record<string, (options: { blasLibrary?: string | undefined }) => Case[]> = {
  matmul: matmulSuite,
  attention: attentionSuite,
  models: modelSuite,
  training: trainingSuite,
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '7' },
    threads: { type: 'string' },
    only: { type: 'string', default: '' },
    blas: { type: 'string' },
    out: { type: 'string', default: join(dirname(fileURLToPath(import.meta.url)), '../results') },
    help: { type: 'boolean', short: 'h' },
  },
})

const status = (text: string): void => {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`)
}

async function main(): Promise<void> {
  if (values.help) return console.log(help)
  const names = [...Object.keys(suites), 'responsiveness']
  const unknown = positionals.find((name) => !names.includes(name))
  if (unknown !== undefined) throw new Error(`there is no suite '${unknown}'; there are ${names.join(', ')}`)
  const rounds = Number(values.rounds)
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`--rounds takes a positive number, not '${values.rounds}'`)
  if (values.threads !== undefined) threads.set(Number(values.threads))
  const wanted = positionals.length > 0 ? positionals : names
  const date = new Date()
  for (const name of wanted) {
    if (name === 'responsiveness') {
      await responsiveness(values.out, date)
      continue
    }
    const cases = suites[name]!({ blasLibrary: values.blas }).filter((one) => one.name.includes(values.only))
    if (cases.length === 0) continue
    const measurement = await measure(cases, { rounds, onRow: status })
    status('')
    console.log(`\n${name}\n${table(measurement)}\nkept in ${save(values.out, name, measurement, date)}`)
  }
}

try {
  await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
