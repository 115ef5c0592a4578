import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cpu, threads } from '@tiny/core'
import type { Measurement, Row } from './measure.js'

const milliseconds = (value: number): string => (value < 10 ? value.toFixed(3) : value.toFixed(1))
const percent = (value: number | undefined): string =>
  value === undefined ? '' : `${(value * 100).toFixed(1)} %`

function cells(row: Row): string[] {
  const peer = row.peer
  return [
    row.name,
    milliseconds(row.median),
    milliseconds(row.best),
    row.tokensPerSecond === undefined ? '' : Math.round(row.tokensPerSecond).toLocaleString('en'),
    row.gflops === undefined ? '' : row.gflops.toFixed(0),
    percent(row.share),
    `${Math.round(row.peakMemory / 2 ** 20)} MB`,
    peer === undefined ? '' : `${peer.name} ${percent(peer.share)}: ${peer.ahead ? 'ahead' : 'behind'}`,
  ]
}

/** The rows as a table for a terminal. */
export function table({ rows, peaks }: Measurement): string {
  const head = ['', 'median ms', 'best ms', 'tokens/s', 'GFLOP/s', 'of roofline', 'held', 'peer']
  const lines = [head, ...rows.map(cells)]
  const widths = head.map((_, i) => Math.max(...lines.map((line) => line[i]!.length)))
  const text = lines.map((line) =>
    line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '),
  )
  const peak = `peaks: ${gflops(peaks.fma)} GFLOP/s float32, ${gflops(peaks.bf16)} bfloat16, ${(peaks.read / 1e9).toFixed(1)} GB/s read`
  return [...text, peak].join('\n')
}

const gflops = (operations: number): string => (operations / 1e9).toFixed(0)

/** Writes a suite's measurement as `<date>-<suite>.json`, which is kept, and returns the path. */
export function save(folder: string, suite: string, measurement: Measurement, date: Date): string {
  mkdirSync(folder, { recursive: true })
  const { isa, model, processors } = cpu.info()
  const path = join(folder, `${date.toISOString().slice(0, 10)}-${suite}.json`)
  const machine = {
    cpu: model,
    isa,
    processors,
    threads: threads.get(),
    node: process.version,
    platform: process.platform,
  }
  writeFileSync(
    path,
    `${JSON.stringify({ suite, date: date.toISOString(), machine, ...measurement }, null, 2)}\n`,
  )
  return path
}
