import { tensor } from '@tiny/core'
import { describe, expect, it } from 'vitest'
import type { Batch } from '../inputs/batch.js'
import { normal } from '../parameters/initialisers.js'
import { Weights } from '../parameters/weights.js'
import { LatentAttention } from './latent-attention.js'
import { SelfMixer } from './mixer.js'
import { Rope } from './rope.js'

// Against DeepSeek's formulas in float64, one query after another.
let seed = 9
const random = (): number => (seed = (seed * 48271) % 2147483647) / 2147483647 - 0.5
const drawn = (count: number): number[] => Array.from({ length: count }, () => Math.fround(random()))
const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, x, i) => sum + x * b[i]!, 0)
const normed = (x: readonly number[], w: readonly number[]): number[] => {
  const rms = Math.sqrt(dot(x, x) / x.length + 1e-6)
  return x.map((value, i) => (value / rms) * w[i]!)
}

const [width, heads, plainDim, rotatedDim, valueDim, keyValueRank] = [10, 3, 5, 4, 7, 6]
const lengths = [4, 3]
const tokens = 7
const frequencies = Float32Array.of(1, 0.3)
const positions = lengths.flatMap((length) => Array.from({ length }, (_, i) => i))

/** Pairs (x, y) of columns, turned by position * frequency. */
function rotated(x: readonly number[], position: number, interleaved: boolean): number[] {
  const out = [...x]
  for (let i = 0; i < rotatedDim / 2; i++) {
    const [a, b] = interleaved ? [2 * i, 2 * i + 1] : [i, i + rotatedDim / 2]
    const angle = position * frequencies[i]!
    out[a] = x[a]! * Math.cos(angle) - x[b]! * Math.sin(angle)
    out[b] = x[b]! * Math.cos(angle) + x[a]! * Math.sin(angle)
  }
  return out
}

const cases = [
  { queryRank: 8, interleaved: true, bias: false },
  { queryRank: undefined, interleaved: false, bias: true },
  { queryRank: 5, interleaved: false, bias: true },
]

describe('latent attention', () => {
  it.each(cases)('with %o', async ({ queryRank, interleaved, bias }) => {
    const weights = Weights.root()
    const scale = 0.4
    const block = new LatentAttention(weights, {
      width,
      heads,
      queryRank,
      keyValueRank,
      plainDim,
      rotatedDim,
      valueDim,
      scale,
      interleaved,
      bias,
      weight: normal(1),
      dropout: 0,
      layer: 0,
    })
    const own = new Map<string, number[]>()
    for (const { name, parameter } of weights.all) {
      const values = drawn(parameter.shape.reduce((product, size) => product * size, 1))
      parameter.materialise(tensor(values, { shape: parameter.shape }))
      own.set(name, values)
    }
    const has = (name: string) => own.has(`${name}.bias`)
    const linear = (name: string, x: readonly number[]): number[] => {
      const w = own.get(`${name}.weight`)!
      return Array.from(
        { length: w.length / x.length },
        (_, i) => dot(w.slice(i * x.length, (i + 1) * x.length), x) + (own.get(`${name}.bias`)?.[i] ?? 0),
      )
    }
    expect(['q_a_proj', 'kv_a_proj_with_mqa', 'o_proj'].filter(has)).toEqual(
      bias ? [...(queryRank === undefined ? [] : ['q_a_proj']), 'kv_a_proj_with_mqa', 'o_proj'] : [],
    )

    const x = Array.from({ length: tokens }, () => drawn(width))
    const each = x.map((row, t) => {
      const q =
        queryRank === undefined
          ? linear('q_proj', row)
          : linear('q_b_proj', normed(linear('q_a_proj', row), own.get('q_a_layernorm.weight')!))
      const compressed = linear('kv_a_proj_with_mqa', row)
      const latent = normed(compressed.slice(0, keyValueRank), own.get('kv_a_layernorm.weight')!)
      const expanded = linear('kv_b_proj', latent)
      const shared = rotated(compressed.slice(keyValueRank), positions[t]!, interleaved)
      return Array.from({ length: heads }, (_, h) => {
        const query = q.slice(h * (plainDim + rotatedDim), (h + 1) * (plainDim + rotatedDim))
        const keyAndValue = expanded.slice(h * (plainDim + valueDim), (h + 1) * (plainDim + valueDim))
        return {
          q: [...query.slice(0, plainDim), ...rotated(query.slice(plainDim), positions[t]!, interleaved)],
          k: [...keyAndValue.slice(0, plainDim), ...shared],
          v: keyAndValue.slice(plainDim),
        }
      })
    })
    const expected = each.flatMap((queries, t) => {
      const mixed = queries.flatMap(({ q }, h) => {
        const keys = each.slice(t - positions[t]!, t + 1).map((all) => all[h]!)
        const scores = keys.map(({ k }) => Math.exp(scale * dot(q, k)))
        const total = scores.reduce((sum, score) => sum + score)
        return Array.from({ length: valueDim }, (_, j) =>
          keys.reduce((sum, { v }, i) => sum + (scores[i]! / total) * v[j]!, 0),
        )
      })
      return linear('o_proj', mixed).map((y, i) => y + x[t]![i]!)
    })

    const int32 = (values: number[]) => tensor(values, { dtype: 'int32' })
    const batch: Batch<never> = {
      inputIds: int32(positions),
      positions: int32(positions),
      offsets: int32([0, lengths[0]!, tokens]),
    } as never
    const rope = new Rope(weights, { frequencies }).table(batch)
    const input = tensor(x)
    const found = block.attend(input, new SelfMixer(batch), { rope, residual: input })
    expect([...(await found.data())]).toEqual(expected.map((y) => expect.closeTo(y, 5) as number))
  })
})
