import { parameter } from '@tiny/core'
import { describe, expect, it, vi } from 'vitest'
import { accuracy } from '../metrics/metric.js'
import { decayGroups } from './decay.js'
import type { LogEntry } from './history.js'
import { Log } from './log.js'
import { planUpdates, type PlanSettings } from './plan.js'
import { duration } from './progress.js'

const settings: PlanSettings = { batchSize: 2, strategy: 'random', seed: 1, epochs: 2, accumulation: 2 }
const lengths = Array.from({ length: 9 }, () => 3)

describe('planUpdates', () => {
  it('steps what is left at the end of a pass, and goes through all rows in each', () => {
    const updates = planUpdates(lengths, settings)
    expect(updates.map((update) => update.batches.map((batch) => batch.length))).toEqual([
      [2, 2],
      [2, 2],
      [1],
      [2, 2],
      [2, 2],
      [1],
    ])
    expect(updates.map((update) => 3 * update.epoch)).toEqual(
      [1, 2, 3, 4, 5, 6].map((x) => expect.closeTo(x, 9)),
    )
    for (const pass of [0, 1]) {
      const rows = updates.filter((update) => update.pass === pass).flatMap((update) => update.batches.flat())
      expect(rows.sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
    }
  })

  it('counts updates where asked, over passes or within one, and fractions of a pass', () => {
    expect(planUpdates(lengths, { ...settings, maxSteps: 7 })).toHaveLength(7)
    expect(planUpdates(lengths, { ...settings, maxSteps: 2 }).at(-1)!.epoch).toBe(2 / 3)
    expect(planUpdates(lengths, { ...settings, epochs: 0.5 })).toHaveLength(2)
    expect(planUpdates(lengths, { ...settings, epochs: 1.1 })).toHaveLength(4)
    expect(planUpdates(lengths, { ...settings, maxSteps: 7 }).slice(0, 6)).toEqual(
      planUpdates(lengths, settings),
    )
  })
})

describe('decayGroups', () => {
  it('spares biases, norms and everything of one dimension', () => {
    const named = [
      ['embeddings.weight', [4, 2]],
      ['attention.q.weight', [2, 2]],
      ['attention.q.bias', [2]],
      ['LayerNorm.weight', [2]],
      ['ln_f.weight', [2]],
      ['relative_attention_bias.weight', [8, 2]],
    ] as const
    const all = named.map(([name, shape]) => [name, parameter(name, null, { shape })] as const)
    const groups = decayGroups(all, 0.1).map(({ params, weightDecay }) => [
      [...params].map((p) => p.name),
      weightDecay,
    ])
    expect(groups).toEqual([
      [['embeddings.weight', 'attention.q.weight'], 0.1],
      [['attention.q.bias', 'LayerNorm.weight', 'ln_f.weight', 'relative_attention_bias.weight'], 0],
    ])
    expect(decayGroups(all.slice(2, 3), 0.1)).toHaveLength(1)
  })
})

describe('Log', () => {
  it('has means since the last entry, the last update, and speed without evaluations', () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    try {
      const entries: LogEntry[] = []
      const shown: number[] = []
      const progress = { update: ({ step }: { step: number }) => void shown.push(step), stop() {} }
      const log = new Log({ loggingSteps: 2, onLog: (entry) => entries.push(entry) }, progress)
      const made = (step: number, loss: number) => ({
        step,
        epoch: step / 3,
        loss,
        gradNorm: step,
        learningRate: 0.1,
        tokens: 50,
      })
      for (const [i, loss] of [4, 2, 1].entries()) {
        vi.advanceTimersByTime(500)
        log.step(made(i + 1, loss), i === 2)
        if (i > 0) continue
        log.pause()
        vi.advanceTimersByTime(8000)
        log.evaluation(1, 1 / 3, { loss: 7, accuracy: 0.5 })
        log.resume()
      }
      const common = { learningRate: 0.1, tokensPerSecond: expect.closeTo(100, 6) }
      expect(entries).toEqual([
        { step: 1, epoch: 1 / 3, eval: { loss: 7, accuracy: 0.5 } },
        { step: 2, epoch: 2 / 3, loss: 3, gradNorm: 2, ...common },
        { step: 3, epoch: 1, loss: 1, gradNorm: 3, ...common },
      ])
      expect(log.result()).toEqual({
        steps: 3,
        loss: 7 / 3,
        history: entries,
        metrics: { loss: 7, accuracy: 0.5 },
        seconds: 9.5,
        tokensPerSecond: expect.closeTo(100, 6),
      })
      expect(shown).toEqual([1, 2, 3])
    } finally {
      vi.useRealTimers()
    }
  })
})

it('reads seconds as people do', () => {
  expect([0, 59.4, 60, 185, 3600, 7800].map(duration)).toEqual([
    '0s',
    '59s',
    '1m00s',
    '3m05s',
    '1h00m',
    '2h10m',
  ])
})

it('counts every labelled token once', () => {
  expect(accuracy({ predictions: [1, 2, 3, 4], labels: [1, 2, 3, 0] })).toBe(0.75)
  expect(accuracy({ predictions: [[1, 2], [3]], labels: [[1, 9], [3]] })).toBeCloseTo(2 / 3)
})
