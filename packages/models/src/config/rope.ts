import { ConfigError } from '@tiny/core'
import type { RopeOptions } from '../blocks/rope.js'
import { optional, real, size, type Key } from './keys.js'

type Parameters = Readonly<Record<string, unknown>>

const parameters: Key<Parameters> = {
  fallback: {},
  read(value, name) {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Parameters
    throw new ConfigError(`${name} of the configuration must be an object, not ${JSON.stringify(value)}`, {
      key: name,
      value,
    })
  },
}

/** Keys of rotary positions in both spellings: `rope_parameters`, and the older `rope_theta` with `rope_scaling`. */
export const ropeKeys = {
  ropeParameters: optional(parameters),
  ropeScaling: optional(parameters),
  ropeTheta: optional(real(0)),
  partialRotaryFactor: optional(real(0)),
  originalMaxPositionEmbeddings: optional(size(0)),
}

/** What rotary positions follow from. */
export interface RopeConfig {
  readonly ropeParameters?: Parameters | undefined
  readonly ropeScaling?: Parameters | undefined
  readonly ropeTheta?: number | undefined
  readonly partialRotaryFactor?: number | undefined
  readonly maxPositionEmbeddings: number
  readonly originalMaxPositionEmbeddings?: number | undefined
}

export interface RopeChoice {
  readonly headDim: number
  /** Of a family whose kinds of layers have sets of their own. */
  readonly layerType?: string
  /** rope_theta where the configuration has none; 10000 unless given. */
  readonly theta?: number
  /**
   * Of a family that may rotate a part of each head: which share, where the configuration has none. The others rotate
   * whole heads.
   */
  readonly partial?: number
  /** Whether queries grow with their position, as `llama_4_scaling_beta` of the parameters says. */
  readonly queries?: boolean
  /** Types that a family's older files call something else. */
  readonly renamed?: Readonly<Record<string, string>>
}

/**
 * The frequencies that a configuration asks for, as transformers computes them (modeling_rope_utils.py), step by step in
 * float32 where it does so.
 *
 * @throws ConfigError naming a type that there is not, and a parameter that is missing, misspelled or cannot be.
 */
export function ropeOptions(config: RopeConfig, choice: RopeChoice): RopeOptions {
  const set = new ParameterSet(config, choice)
  const dim = columnsOf(set, choice)
  const theta = set.number('rope_theta')
  if (!(theta > 0)) throw set.error('rope_theta', `must be above 0, not ${theta}`)
  const type = set.type
  const make = Object.hasOwn(types, type) ? types[type] : undefined
  if (make === undefined) {
    throw set.error('rope_type', `there is no type '${type}'; known are ${Object.keys(types).join(', ')}`)
  }
  const made = make({ set, config, dim, theta })
  if (choice.queries !== true) return made
  return { ...made, queries: { factor: set.number('llama_4_scaling_beta'), length: set.original(config) } }
}

/** Columns of a head that are rotated. */
function columnsOf(set: ParameterSet, { headDim, partial }: RopeChoice): number {
  // transformers' default type reads the share in families that may rotate a part of a head, and in no other.
  const reads = set.type !== 'proportional' && (partial !== undefined || set.type !== 'default')
  const share = reads ? set.number('partial_rotary_factor', partial ?? 1) : 1
  const dim = Math.trunc(headDim * share)
  if (dim < 2 || dim % 2 !== 0 || dim > headDim) {
    throw set.error('partial_rotary_factor', `${share} of heads of ${headDim} is no even number of columns`)
  }
  if (partial !== undefined || dim === headDim) return dim
  throw set.error(
    'partial_rotary_factor',
    `this family rotates heads of ${headDim} whole, not ${dim} columns`,
  )
}

interface Context {
  readonly set: ParameterSet
  readonly config: RopeConfig
  readonly dim: number
  readonly theta: number
}

const types: Readonly<Record<string, (context: Context) => RopeOptions>> = {
  default: (context) => ({ frequencies: inverse(powers(context)) }),
  linear: (context) => ({ frequencies: divided(inverse(powers(context)), context.set.number('factor')) }),
  dynamic: (context) => ({
    frequencies: inverse(powers(context)),
    dynamic: {
      threshold: context.config.maxPositionEmbeddings,
      factor: context.set.number('factor'),
      base: context.theta,
    },
  }),
  yarn,
  longrope,
  su: longrope,
  llama3,
  proportional,
}

const { fround, log, PI } = Math

/** θ^(2i / D) of each pair. */
const powers = ({ dim, theta }: Context): Float32Array =>
  Float32Array.from({ length: dim / 2 }, (_, i) => fround(theta) ** fround((2 * i) / dim))

/** A number over an element of a tensor: PyTorch multiplies by the reciprocal. */
const over = (number: number, element: number): number => fround(fround(1 / element) * fround(number))

const inverse = (each: Float32Array): Float32Array => each.map((power) => 1 / power)
const divided = (each: Float32Array, factor: number): Float32Array => each.map((f) => f / factor)

/** Peng et al. 2023: pairs that turn often keep their frequency, those that turn seldom are interpolated. */
function yarn(context: Context): RopeOptions {
  const { set, config, dim, theta } = context
  const original = set.original(config)
  const factor = set.number('factor', config.maxPositionEmbeddings / original)
  const correction = (turns: number): number => (dim * log(original / (turns * 2 * PI))) / (2 * log(theta))
  const bounds = [
    correction(set.number('beta_fast', 32) || 32),
    correction(set.number('beta_slow', 1) || 1),
  ] as const
  // transformers looks for it beside the sets of kinds of layers, where it is not.
  const whole = set.ofLayers || set.flag('truncate', true)
  const low = Math.max(0, whole ? Math.floor(bounds[0]) : bounds[0])
  const end = Math.min(dim - 1, whole ? Math.ceil(bounds[1]) : bounds[1])
  const high = end === low ? end + 0.001 : end
  const frequencies = powers(context).map((power, i) => {
    const ramp = fround(Math.min(1, Math.max(0, fround(i - fround(low)) / fround(high - low))))
    const kept = fround(1 - ramp)
    return fround(fround(1 / fround(factor * power)) * fround(1 - kept)) + fround(fround(1 / power) * kept)
  })
  const mscale = (weight: number): number => (factor <= 1 ? 1 : 0.1 * weight * log(factor) + 1)
  const [given, all] = [set.number('mscale', 0), set.number('mscale_all_dim', 0)]
  const otherwise = given !== 0 && all !== 0 ? mscale(given) / mscale(all) : mscale(1)
  return { frequencies, scaling: set.number('attention_factor', otherwise) }
}

/** Ding et al. 2024: a factor for each pair, and others for sequences beyond the original length. */
function longrope(context: Context): RopeOptions {
  const { set, config, dim } = context
  const original = set.original(config)
  const factor = set.number('factor', config.maxPositionEmbeddings / original)
  const stretched = (name: string): Float32Array => {
    const factors = set.numbers(name, dim / 2)
    return powers(context).map((power, i) => 1 / fround(fround(factors[i]!) * power))
  }
  const otherwise = factor <= 1 ? 1 : Math.sqrt(1 + log(factor) / log(original))
  return {
    frequencies: stretched('short_factor'),
    long: { frequencies: stretched('long_factor'), threshold: original },
    scaling: set.number('attention_factor', otherwise),
  }
}

/** Llama 3.1: by wavelength, interpolated, kept, or in between. */
function llama3(context: Context): RopeOptions {
  const { set, config } = context
  const factor = set.number('factor')
  const [low, high] = [set.number('low_freq_factor'), set.number('high_freq_factor')]
  const original = set.original(config)
  const frequencies = inverse(powers(context)).map((f) => {
    const wavelength = over(2 * PI, f)
    if (wavelength > original / low) return f / factor
    if (wavelength < original / high) return f
    const smooth = fround(fround(over(original, wavelength) - low) / (high - low))
    return fround(fround(fround(1 - smooth) * f) / factor) + fround(smooth * f)
  })
  return { frequencies }
}

/** The first pairs of each head turn as slowly as if all did, the rest stand still. */
function proportional(context: Context): RopeOptions {
  const { set, dim } = context
  const share = set.number('partial_rotary_factor', 1)
  if (!(share >= 0 && share <= 1))
    throw set.error('partial_rotary_factor', `must be from 0 to 1, not ${share}`)
  const turning = Math.floor((share * dim) / 2)
  const frequencies = inverse(powers(context)).map((f, i) => (i < turning ? f : 0))
  return { frequencies: divided(frequencies, set.number('factor', 1)) }
}

const known = new Set(
  `rope_theta rope_type type factor partial_rotary_factor original_max_position_embeddings attention_factor beta_fast
  beta_slow mscale mscale_all_dim truncate finetuned short_factor long_factor low_freq_factor high_freq_factor`.split(
    /\s+/,
  ),
)

/** Beside them, where queries grow; the second is the configuration's, repeated. */
const ofQueries = ['llama_4_scaling_beta', 'max_position_embeddings']

/** The parameters of one set, wherever a file has them. */
class ParameterSet {
  readonly type: string
  /** Whether it is one kind of layer's. */
  readonly ofLayers: boolean
  readonly #values: Parameters
  readonly #key: string

  constructor(config: RopeConfig, choice: RopeChoice) {
    const { layerType, theta = 10_000, renamed = {}, queries = false } = choice
    const older = Object.keys(config.ropeScaling ?? {}).length > 0
    this.#key = older ? 'rope_scaling' : 'rope_parameters'
    this.ofLayers = layerType !== undefined
    const found = this.#select((older ? config.ropeScaling : config.ropeParameters) ?? {}, layerType)
    this.#values = {
      ...found,
      rope_theta: found['rope_theta'] ?? config.ropeTheta ?? theta,
      partial_rotary_factor: found['partial_rotary_factor'] ?? config.partialRotaryFactor,
    }
    for (const name of Object.keys(found)) {
      if (known.has(name) || (queries && ofQueries.includes(name))) continue
      throw this.error(name, 'is no parameter of rotary positions that is known here')
    }
    const type = found['rope_type'] ?? found['type'] ?? 'default'
    if (typeof type !== 'string') throw this.error('rope_type', `must be a name, not ${JSON.stringify(type)}`)
    this.type = renamed[type] ?? type
  }

  /** Of the kinds of layers, where there is a set for each; what has none has the defaults. */
  #select(all: Parameters, layerType: string | undefined): Parameters {
    const kinds = Object.entries(all).filter(([, value]) => isObject(value))
    if (kinds.length === 0) {
      if (layerType === undefined || this.#key === 'rope_scaling' || Object.keys(all).length === 0) return all
      // transformers ignores such a set.
      throw new ConfigError(`rope_parameters has one set, but this family one for each kind of layer`, {
        key: this.#key,
      })
    }
    if (layerType !== undefined) return isObject(all[layerType]) ? all[layerType] : {}
    const names = kinds.map(([name]) => name).join(', ')
    throw new ConfigError(`${this.#key} has sets for ${names}, but this family has one for all layers`, {
      key: this.#key,
    })
  }

  error(name: string, problem: string): ConfigError {
    return new ConfigError(`${this.#key}.${name}: ${problem}`, { key: `${this.#key}.${name}` })
  }

  number(name: string, otherwise?: number): number {
    const value = this.#values[name] ?? otherwise
    if (typeof value === 'number' && Number.isFinite(value)) return value
    throw this.error(
      name,
      value === undefined
        ? `is missing, which rope_type '${this.type}' needs`
        : `must be a number, not ${JSON.stringify(value)}`,
    )
  }

  flag(name: string, otherwise: boolean): boolean {
    const value = this.#values[name] ?? otherwise
    if (typeof value === 'boolean') return value
    throw this.error(name, `must be true or false, not ${JSON.stringify(value)}`)
  }

  numbers(name: string, count: number): readonly number[] {
    const value = this.#values[name]
    if (Array.isArray(value) && value.length === count && value.every((item) => typeof item === 'number'))
      return value
    throw this.error(name, `must be ${count} numbers, one for each rotated pair`)
  }

  /** The length that the model was pretrained for: a key of its own wins (Phi-3), where layers are not of kinds. */
  original({ originalMaxPositionEmbeddings, maxPositionEmbeddings }: RopeConfig): number {
    const own = this.ofLayers ? undefined : originalMaxPositionEmbeddings
    return own ?? this.number('original_max_position_embeddings', maxPositionEmbeddings)
  }
}

const isObject = (value: unknown): value is Parameters =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
