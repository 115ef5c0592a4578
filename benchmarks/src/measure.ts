import { setTimeout as pause } from 'node:timers/promises'
import { cpu, memory, type Peaks } from '@tiny/core'
import { Bench } from 'tinybench'

/** One thing to time, and what it is held against. */
export interface Case {
  name: string
  /** Allocates; what it returns is timed. `dispose` frees again. */
  prepare: () => Promise<Prepared>
  /** Units of work a run does: tokens. */
  tokens?: number
  /** Floating-point operations that no implementation can avoid, for the share of the roofline. */
  operations?: number
  /** Which peak those operations are held against. */
  peak?: 'fma' | 'bf16'
  /** Bytes that have to come from memory, where those bound it. */
  bytes?: number
  /** What a peer reached on the same kind of work: its share of its own machine's peak, median and best. */
  peer?: { name: string; share: number }
}

export interface Prepared {
  run(): Promise<unknown>
  dispose?(): Promise<void> | void
}

export interface Row {
  name: string
  rounds: number
  /** Milliseconds. */
  median: number
  best: number
  p75: number
  tokensPerSecond?: number
  gflops?: number
  /** Of the peak measured in the same rounds. */
  share?: number
  bestShare?: number
  /** Bytes that the engine held at most while it ran, weights included. */
  peakMemory: number
  peer?: { name: string; share: number; ahead: boolean }
}

export interface Measurement {
  rows: Row[]
  peaks: Peaks
}

const quickMilliseconds = 100

/** Until the threads of the case before have gone to sleep: OpenBLAS's wait awake for about 26 ms. */
const settleMilliseconds = 50

const quantile = (sorted: readonly number[], q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]!

/**
 * Times cases in turn, round by round, so that a slow moment of the machine meets all of them; the machine's peaks are
 * measured within the same rounds. tinybench times each run. A quick case runs five times a round after one run that
 * is not counted, as in a loop: caches hold its data and not the case before it, and the pool is awake.
 */
export async function measure(
  cases: readonly Case[],
  { rounds, onRow }: { rounds: number; onRow?: (text: string) => void },
): Promise<Measurement> {
  const samples = cases.map((): number[] => [])
  /** Bytes that a case keeps, and that it held at most while it ran besides what the others keep. */
  const own = cases.map(() => 0)
  const held = cases.map(() => 0)
  const first: number[] = []
  const peaks: Peaks[] = []
  const prepared: Prepared[] = []
  try {
    for (const [i, { prepare, name }] of cases.entries()) {
      onRow?.(`preparing ${name}`)
      const before = memory.stats().live
      prepared.push(await prepare())
      await prepared.at(-1)!.run() // plans, packs, faults pages in
      const started = performance.now()
      await prepared.at(-1)!.run()
      first.push(performance.now() - started)
      own[i] = memory.stats().live - before
    }
    for (let round = 0; round < rounds; round++) {
      peaks.push(await cpu.peaks())
      for (const [i, { name }] of cases.entries()) {
        onRow?.(`round ${round + 1} of ${rounds}: ${name}`)
        await pause(settleMilliseconds)
        memory.resetPeak()
        const others = memory.stats().live - own[i]!
        const quick = first[i]! < quickMilliseconds
        const bench = new Bench({
          iterations: quick ? 5 : 1,
          warmup: quick,
          warmupIterations: 1,
          warmupTime: 0,
          time: 0,
          retainSamples: true,
          throws: true,
        })
        // Declared async: tinybench calls any other function once more, unawaited, to find out what it returns.
        bench.add(name, async () => {
          await prepared[i]!.run()
        })
        await bench.run()
        const result = bench.tasks[0]!.result
        if (!('latency' in result)) throw new Error(`${name} gave no timing`)
        samples[i]!.push(...(result.latency.samples ?? [result.latency.mean]))
        held[i] = Math.max(held[i]!, memory.stats().peak - others)
      }
    }
  } finally {
    for (const one of prepared) await one.dispose?.()
  }
  const middle: Peaks = {
    fma: quantile(peaks.map(({ fma }) => fma).sort(ascending), 0.5),
    bf16: quantile(peaks.map(({ bf16 }) => bf16).sort(ascending), 0.5),
    read: quantile(peaks.map(({ read }) => read).sort(ascending), 0.5),
  }
  return {
    peaks: middle,
    rows: cases.map((one, i) => row(one, [...samples[i]!].sort(ascending), held[i]!, middle)),
  }
}

const ascending = (a: number, b: number): number => a - b

function row(one: Case, sorted: readonly number[], peakMemory: number, peaks: Peaks): Row {
  const [median, best] = [quantile(sorted, 0.5), sorted[0]!]
  const found: Row = {
    name: one.name,
    rounds: sorted.length,
    median,
    best,
    p75: quantile(sorted, 0.75),
    peakMemory,
  }
  if (one.tokens !== undefined) found.tokensPerSecond = (one.tokens / median) * 1000
  // The roofline: whichever takes longer at peak, the arithmetic or the bytes.
  const floor =
    Math.max((one.operations ?? 0) / peaks[one.peak ?? 'fma'], (one.bytes ?? 0) / peaks.read) * 1000
  if (one.operations !== undefined) found.gflops = one.operations / median / 1e6
  if (floor > 0) {
    found.share = floor / median
    found.bestShare = floor / best
  }
  if (one.peer && found.share !== undefined) found.peer = { ...one.peer, ahead: found.share > one.peer.share }
  return found
}
