import { describe, expect, it } from 'vitest'
import { ropeFrequencies } from '../../test/rope-reference.js'
import { ropeOptions, type RopeConfig } from './rope.js'

const headDim = 16
const most = 512
const factors = (first: number) => Array.from({ length: headDim / 2 }, (_, i) => first + i / 3)

const off = (got: Float32Array, want: readonly number[]): number =>
  Math.max(...want.map((f, i) => Math.abs(got[i]! / f - 1)))

describe('frequencies', () => {
  it.each([
    { rope_type: 'default', rope_theta: 1_000_000 },
    { type: 'linear', factor: 4 },
    {
      rope_type: 'llama3',
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 64,
    },
    { rope_type: 'yarn', factor: 32, original_max_position_embeddings: 64 },
    {
      rope_type: 'yarn',
      factor: 32,
      original_max_position_embeddings: 4096,
      truncate: false,
      rope_theta: 150_000,
    },
    { rope_type: 'yarn', factor: 4, attention_factor: 1.5, beta_fast: 8, beta_slow: 2 },
    { rope_type: 'yarn', factor: 40, mscale: 1, mscale_all_dim: 0.7, original_max_position_embeddings: 128 },
    { rope_type: 'yarn', factor: null, original_max_position_embeddings: 128 },
    {
      rope_type: 'longrope',
      short_factor: factors(1),
      long_factor: factors(4),
      original_max_position_embeddings: 128,
    },
    {
      rope_type: 'longrope',
      short_factor: factors(1),
      long_factor: factors(4),
      factor: 2,
      attention_factor: 1.25,
    },
  ])('of %j are those of the formula, in both spellings', (parameters) => {
    const clean = Object.fromEntries(Object.entries(parameters).filter(([, value]) => value !== null))
    const want = ropeFrequencies(clean, headDim, most)
    const { rope_theta: ropeTheta, ...ropeScaling } = parameters as Record<string, unknown> & {
      rope_theta?: number
    }
    for (const config of [{ ropeParameters: parameters }, { ropeScaling, ropeTheta }]) {
      const found = ropeOptions({ ...config, maxPositionEmbeddings: most }, { headDim })
      expect(off(found.frequencies, want.each)).toBeLessThan(3e-7)
      expect(found.scaling ?? 1).toBeCloseTo(want.scaling, 12)
      if (found.long === undefined) continue
      const long = ropeFrequencies(clean, headDim, most, 1000)
      expect(off(found.long.frequencies, long.each)).toBeLessThan(3e-7)
    }
  })

  it('grow with the sequence in the dynamic type', () => {
    const found = ropeOptions(
      { ropeScaling: { type: 'dynamic', factor: 2 }, ropeTheta: 5000, maxPositionEmbeddings: most },
      { headDim },
    )
    expect(found.dynamic).toEqual({ threshold: most, factor: 2, base: 5000 })
    expect(off(found.frequencies, ropeFrequencies({ rope_theta: 5000 }, headDim, most).each)).toBeLessThan(
      3e-7,
    )
  })

  it('are of a part of the head, in families that may rotate one', () => {
    const config = { maxPositionEmbeddings: most, partialRotaryFactor: 0.5 }
    const pairs = (config: RopeConfig, partial?: number) =>
      ropeOptions(config, { headDim, ...(partial === undefined ? {} : { partial }) }).frequencies.length
    expect(pairs(config, 1)).toBe(4)
    expect(pairs({ maxPositionEmbeddings: most }, 0.25)).toBe(2)
    expect(pairs({ ...config, ropeParameters: { partial_rotary_factor: 0.75 } }, 0.25)).toBe(6)
    expect(pairs(config)).toBe(8)
    const linear = { ...config, ropeParameters: { rope_type: 'linear', factor: 2 } }
    expect(pairs(linear, 1)).toBe(4)
    expect(() => pairs(linear)).toThrow(/partial_rotary_factor: this family rotates heads of 16 whole/)
  })

  it('stand still behind the share that the proportional type turns', () => {
    const found = (ropeParameters: RopeConfig['ropeParameters']) =>
      ropeOptions({ ropeParameters, maxPositionEmbeddings: most }, { headDim, partial: 1 }).frequencies
    const plain = found({})
    expect(found({ rope_type: 'proportional' })).toEqual(plain)
    expect(found({ rope_type: 'proportional', partial_rotary_factor: 0.7, factor: 2 })).toEqual(
      plain.map((f, i) => (i < 5 ? f / 2 : 0)),
    )
  })

  it('are those of the kind of layer', () => {
    const ropeParameters = { full_attention: { rope_theta: 100 }, sliding_attention: { rope_theta: 10 } }
    const config = { ropeParameters, maxPositionEmbeddings: most }
    const second = (layerType: string) => ropeOptions(config, { headDim: 4, layerType }).frequencies[1]
    expect(second('full_attention')).toBeCloseTo(0.1)
    expect(second('sliding_attention')).toBeCloseTo(Math.sqrt(0.1))
    expect(second('linear_attention')).toBeCloseTo(0.01)
    expect(() => ropeOptions(config, { headDim })).toThrow(/this family has one for all layers/)
    const flat = { ...config, ropeParameters: { rope_theta: 100 } }
    expect(() => ropeOptions(flat, { headDim, layerType: 'full_attention' })).toThrow(
      /rope_parameters has one set/,
    )
  })

  it('of a kind of layer look for truncate and the original length where transformers does', () => {
    const yarn = { rope_type: 'yarn', factor: 4, rope_theta: 1000 }
    const config = { maxPositionEmbeddings: 256 }
    const all = (ropeParameters: RopeConfig['ropeParameters'], more = {}) =>
      ropeOptions({ ...config, ropeParameters, ...more }, { headDim }).frequencies
    const ofFull = (set: object, more = {}) =>
      ropeOptions(
        { ...config, ropeParameters: { full_attention: set }, ...more },
        { headDim, layerType: 'full_attention' },
      ).frequencies
    expect(ofFull({ ...yarn, truncate: false })).toEqual(all(yarn))
    expect(all({ ...yarn, truncate: false })).not.toEqual(all(yarn))
    const other = { originalMaxPositionEmbeddings: 64 }
    expect(ofFull(yarn, other)).toEqual(all(yarn))
    expect(all(yarn, other)).toEqual(all({ ...yarn, original_max_position_embeddings: 64 }))
  })

  it.each([
    [{ rope_type: 'spiral' }, /rope_parameters\.rope_type: there is no type 'spiral'/],
    [{ rope_type: 'linear' }, /rope_parameters\.factor: is missing/],
    [{ rope_type: 'linear', factor: '2' }, /factor: must be a number, not "2"/],
    [{ rope_type: 'llama3', factor: 2 }, /low_freq_factor: is missing/],
    [
      { rope_type: 'longrope', short_factor: [1], long_factor: factors(1) },
      /short_factor: must be 8 numbers/,
    ],
    [{ rope_type: 'dynamic', factor: 2, alpha: 3 }, /alpha: is no parameter/],
    [{ rope_theta: -1 }, /rope_theta: must be above 0/],
    [{ rope_type: 'proportional', partial_rotary_factor: 2 }, /partial_rotary_factor: must be from 0 to 1/],
    [{ rope_type: 'linear', factor: 2, partial_rotary_factor: 0.2 }, /0.2 of heads of 16 is no even/],
  ])('are refused for %j', (ropeParameters, message) => {
    const make = () => ropeOptions({ ropeParameters, maxPositionEmbeddings: most }, { headDim })
    expect(make).toThrow(message)
    expect(make).toThrow(expect.objectContaining({ name: 'ConfigError' }) as Error)
  })
})
