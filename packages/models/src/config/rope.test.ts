import { describe, expect, it } from 'vitest'
import { ropeFrequencies } from '../../test/rope-reference.js'
import { ropeOptions } from './rope.js'

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

  it('are of a part of the head', () => {
    const config = { maxPositionEmbeddings: most, partialRotaryFactor: 0.5 }
    expect(ropeOptions(config, { headDim }).frequencies.length).toBe(4)
    expect(ropeOptions({ maxPositionEmbeddings: most }, { headDim, partial: 0.25 }).frequencies.length).toBe(
      2,
    )
    const both = { ...config, ropeParameters: { partial_rotary_factor: 0.75 } }
    expect(ropeOptions(both, { headDim }).frequencies.length).toBe(6)
  })

  it('are those of the kind of layer', () => {
    const ropeParameters = { full_attention: { rope_theta: 100 }, sliding_attention: { rope_theta: 10 } }
    const config = { ropeParameters, maxPositionEmbeddings: most }
    const second = (layerType: string) => ropeOptions(config, { headDim: 4, layerType }).frequencies[1]
    expect(second('full_attention')).toBeCloseTo(0.1)
    expect(second('sliding_attention')).toBeCloseTo(Math.sqrt(0.1))
    expect(() => ropeOptions(config, { headDim })).toThrow(/this family has one for all layers/)
    expect(() => ropeOptions(config, { headDim, layerType: 'linear_attention' })).toThrow(
      /none for linear_attention/,
    )
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
    [{ partial_rotary_factor: 0.2 }, /partial_rotary_factor: 0.2 of heads of 16/],
  ])('are refused for %j', (ropeParameters, message) => {
    const make = () => ropeOptions({ ropeParameters, maxPositionEmbeddings: most }, { headDim })
    expect(make).toThrow(message)
    expect(make).toThrow(expect.objectContaining({ name: 'ConfigError' }) as Error)
  })
})
