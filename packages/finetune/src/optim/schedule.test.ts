import { readFileSync } from 'node:fs'
import { OptionError, UnsupportedError } from '@tiny/core'
import { describe, expect, it } from 'vitest'
import { makeSchedule, scheduleNames, type ScheduleName } from './schedule.js'

interface Golden {
  kwargs: Record<string, number>
  warmup: number
  steps: number
  base_lr: number
  lr: number[]
}

const golden = JSON.parse(
  readFileSync(new URL('../../../../golden/schedules/schedules.json', import.meta.url), 'utf8'),
) as Record<ScheduleName, Golden>
const camel = (name: string): string => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())

describe('makeSchedule', () => {
  it.each(scheduleNames)("gives transformers' learning rates of %s", (name) => {
    const { kwargs, warmup, steps, base_lr: learningRate, lr } = golden[name]
    const at = makeSchedule(name, {
      learningRate,
      warmupSteps: warmup,
      totalSteps: steps,
      kwargs: Object.fromEntries(Object.entries(kwargs).map(([option, value]) => [camel(option), value])),
    })
    expect(lr.length).toBe(steps)
    lr.forEach((wanted, step) => expect(at(step)).toBeCloseTo(wanted, 12))
  })

  const settings = { learningRate: 0.5, warmupSteps: 0, totalSteps: 10 }

  it("knows a factor of one's own and the other ends of warmup_stable_decay", () => {
    expect(makeSchedule((step) => 1 / (step + 1), settings)(3)).toBe(0.125)
    const kwargs = { numDecaySteps: 4, warmupType: '1-sqrt', decayType: '1-sqrt' } as const
    const at = makeSchedule('warmup_stable_decay', { ...settings, warmupSteps: 4, kwargs })
    expect([0, 1, 4, 5, 6, 7, 9].map((step) => at(step) / 0.5)).toEqual(
      [0, 1 - Math.sqrt(0.75), 1, 1, 1, 0.5, 1 - Math.sqrt(0.75)].map((x) => expect.closeTo(x, 12)),
    )
  })

  it('refuses by name', () => {
    expect(() => makeSchedule('reduce_lr_on_plateau' as ScheduleName, settings)).toThrow(UnsupportedError)
    expect(() => makeSchedule('exponential' as ScheduleName, settings)).toThrow(/'exponential'/)
    expect(() => makeSchedule('linear', { ...settings, kwargs: { power: 2 } })).toThrow(/power/)
    expect(() => makeSchedule('polynomial', { ...settings, kwargs: { lr_end: 1 } as never })).toThrow(/lrEnd/)
    expect(() => makeSchedule('polynomial', { ...settings, kwargs: { lrEnd: 1 } })).toThrow(OptionError)
    expect(() => makeSchedule('cosine_with_min_lr', settings)).toThrow(/minLr/)
    expect(() => makeSchedule('warmup_stable_decay', settings)).toThrow(/numDecaySteps/)
  })
})
