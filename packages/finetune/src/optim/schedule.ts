import { OptionError, UnsupportedError, checkOptions } from '@tiny/core'
import { requireNumber } from '../options.js'

/** Hugging Face's names of the schedules that are here. */
export const scheduleNames = [
  'linear',
  'cosine',
  'cosine_with_restarts',
  'polynomial',
  'constant',
  'constant_with_warmup',
  'inverse_sqrt',
  'cosine_with_min_lr',
  'warmup_stable_decay',
] as const

export type ScheduleName = (typeof scheduleNames)[number]

/** What single schedules take, as `lr_scheduler_kwargs` of Hugging Face in camelCase. */
export interface ScheduleKwargs {
  /** Waves: of cosine and cosine_with_min_lr default 0.5, of cosine_with_restarts default 1. */
  readonly numCycles?: number | undefined
  /** polynomial: the last learning rate, default 1e-7, and the exponent, default 1. */
  readonly lrEnd?: number | undefined
  readonly power?: number | undefined
  /** inverse_sqrt: steps after which the rate is 1/√2 of its peak; default: the warm-up, or 10000 without one. */
  readonly timescale?: number | undefined
  /** cosine_with_min_lr: the floor, as a rate or as a share of the peak. */
  readonly minLr?: number | undefined
  readonly minLrRate?: number | undefined
  /** warmup_stable_decay: lengths of its parts, shapes of its ends and its floor as a share of the peak. */
  readonly numDecaySteps?: number | undefined
  readonly numStableSteps?: number | undefined
  readonly warmupType?: 'linear' | 'cosine' | '1-sqrt' | undefined
  readonly decayType?: 'linear' | 'cosine' | '1-sqrt' | undefined
  readonly minLrRatio?: number | undefined
}

export interface ScheduleSettings {
  /** The peak. */
  readonly learningRate: number
  readonly warmupSteps: number
  /** Updates of the whole run. */
  readonly totalSteps: number
  readonly kwargs?: ScheduleKwargs | undefined
}

/** The learning rate of update 0, 1, 2, … */
export type Schedule = (step: number) => number

type Factor = (step: number) => number
interface Entry {
  readonly takes: readonly (keyof ScheduleKwargs)[]
  readonly factor: (settings: ScheduleSettings & { readonly kwargs: ScheduleKwargs }) => Factor
}

/** Share of the way from the end of warm-up to the end of the run. */
const progressOf = ({ warmupSteps, totalSteps }: ScheduleSettings, step: number): number =>
  (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps)

const wave = (phase: number): number => 0.5 * (1 + Math.cos(Math.PI * phase))

/** Rises from 0 in equal steps, then follows `after`. */
function warmed(warmupSteps: number, after: Factor): Factor {
  return (step) => (step < warmupSteps ? step / Math.max(1, warmupSteps) : after(step))
}

// transformers' optimization.py, function for function.
const schedules: Readonly<Record<ScheduleName, Entry>> = {
  linear: {
    takes: [],
    factor: (settings) => warmed(settings.warmupSteps, (step) => Math.max(0, 1 - progressOf(settings, step))),
  },
  cosine: {
    takes: ['numCycles'],
    factor: (settings) => {
      const { numCycles = 0.5 } = settings.kwargs
      return warmed(settings.warmupSteps, (step) =>
        Math.max(0, wave(2 * numCycles * progressOf(settings, step))),
      )
    },
  },
  cosine_with_restarts: {
    takes: ['numCycles'],
    factor: (settings) => {
      const { numCycles = 1 } = settings.kwargs
      return warmed(settings.warmupSteps, (step) => {
        const progress = progressOf(settings, step)
        return progress >= 1 ? 0 : Math.max(0, wave((numCycles * progress) % 1))
      })
    },
  },
  polynomial: {
    takes: ['lrEnd', 'power'],
    factor: (settings) => {
      const { lrEnd = 1e-7, power = 1 } = settings.kwargs
      const { learningRate } = settings
      if (lrEnd >= learningRate) {
        throw new OptionError(`lrEnd ${lrEnd} must be below the learning rate ${learningRate}`, {
          option: 'lrEnd',
        })
      }
      return warmed(settings.warmupSteps, (step) => {
        const rest = 1 - Math.min(1, progressOf(settings, step))
        return ((learningRate - lrEnd) * rest ** power + lrEnd) / learningRate
      })
    },
  },
  constant: { takes: [], factor: () => () => 1 },
  constant_with_warmup: { takes: [], factor: ({ warmupSteps }) => warmed(warmupSteps, () => 1) },
  inverse_sqrt: {
    takes: ['timescale'],
    factor: ({ warmupSteps, kwargs }) => {
      const timescale = kwargs.timescale ?? (warmupSteps || 10_000)
      const shift = timescale - warmupSteps
      return warmed(warmupSteps, (step) => 1 / Math.sqrt((step + shift) / timescale))
    },
  },
  cosine_with_min_lr: {
    takes: ['numCycles', 'minLr', 'minLrRate'],
    factor: (settings) => {
      const { numCycles = 0.5, minLr, minLrRate } = settings.kwargs
      if ((minLr === undefined) === (minLrRate === undefined)) {
        throw new OptionError(
          "lrScheduler 'cosine_with_min_lr' takes minLr or minLrRate in lrSchedulerKwargs, one of them",
          {
            option: 'lrSchedulerKwargs',
          },
        )
      }
      const floor = minLrRate ?? minLr! / settings.learningRate
      return warmed(settings.warmupSteps, (step) =>
        Math.max(0, wave(2 * numCycles * progressOf(settings, step)) * (1 - floor) + floor),
      )
    },
  },
  warmup_stable_decay: {
    takes: ['numDecaySteps', 'numStableSteps', 'warmupType', 'decayType', 'minLrRatio', 'numCycles'],
    factor: warmupStableDecay,
  },
}

function warmupStableDecay({ warmupSteps, totalSteps, kwargs }: Parameters<Entry['factor']>[0]): Factor {
  const {
    numDecaySteps,
    warmupType = 'linear',
    decayType = 'cosine',
    minLrRatio = 0,
    numCycles = 0.5,
  } = kwargs
  if (numDecaySteps === undefined) {
    throw new OptionError("lrScheduler 'warmup_stable_decay' needs numDecaySteps in lrSchedulerKwargs", {
      option: 'lrSchedulerKwargs',
    })
  }
  const stable = kwargs.numStableSteps ?? totalSteps - warmupSteps - numDecaySteps
  const rise = {
    linear: (x: number) => x,
    cosine: (x: number) => 1 - wave(x),
    '1-sqrt': (x: number) => 1 - Math.sqrt(1 - x),
  }
  const fall = {
    linear: (x: number) => 1 - x,
    cosine: (x: number) => wave(2 * numCycles * x),
    '1-sqrt': (x: number) => 1 - Math.sqrt(x),
  }
  for (const [option, value] of [
    ['warmupType', warmupType],
    ['decayType', decayType],
  ] as const) {
    if (Object.hasOwn(rise, value)) continue
    throw new OptionError(`${option} must be one of ${Object.keys(rise).join(', ')}, not '${value}'`, {
      option,
      value,
    })
  }
  const floored = (factor: number): number => Math.max(0, factor * (1 - minLrRatio) + minLrRatio)
  return (step) => {
    if (step < warmupSteps) return floored(rise[warmupType](step / Math.max(1, warmupSteps)))
    if (step < warmupSteps + stable) return 1
    const decayed = step - warmupSteps - stable
    return decayed < numDecaySteps
      ? floored(fall[decayType](decayed / Math.max(1, numDecaySteps)))
      : minLrRatio
  }
}

/** Names of transformers that are not here, and why one of ours may do. */
const refused: Readonly<Record<string, string>> = {
  reduce_lr_on_plateau: 'it follows evaluations',
  greedy: 'it follows evaluations',
  cosine_warmup_with_min_lr: "'cosine_with_min_lr' is there",
}

/**
 * Makes a schedule by Hugging Face's name; a function is taken as factors of the peak by step.
 *
 * @throws UnsupportedError for a schedule of transformers that is not here, OptionError for any other name and for
 *   `kwargs` that the schedule does not take.
 */
export function makeSchedule(name: ScheduleName | Factor, settings: ScheduleSettings): Schedule {
  const { learningRate, kwargs = {} } = settings
  if (typeof name === 'function') {
    checkOptions(kwargs, [], 'a function as lrScheduler with lrSchedulerKwargs')
    return (step) => learningRate * name(step)
  }
  const why = refused[name as string]
  if (why !== undefined) {
    throw new UnsupportedError(
      `lrScheduler '${name}' is not supported: ${why}; there are ${scheduleNames.join(', ')}`,
      {
        option: 'lrScheduler',
        value: name,
      },
    )
  }
  if (!scheduleNames.includes(name)) {
    throw new OptionError(`lrScheduler must be one of ${scheduleNames.join(', ')}, not '${String(name)}'`, {
      option: 'lrScheduler',
      value: name,
    })
  }
  const { takes, factor } = schedules[name]
  checkOptions(kwargs, takes, `lrSchedulerKwargs of '${name}'`)
  for (const [option, value] of Object.entries(kwargs)) {
    if (typeof value !== 'string') requireNumber('lrSchedulerKwargs', option, value, { least: 0 })
  }
  const at = factor({ ...settings, kwargs })
  return (step) => learningRate * at(step)
}
