import { afterEach, describe, expect, it } from 'vitest'
import { shake } from '../../test/shake.js'
import { AutoModelForCausalLM } from '../auto.js'
import type { CacheShape } from '../blocks/stack.js'
import { DecoderCache } from './cache.js'

const caches: DecoderCache[] = []
afterEach(() => caches.splice(0).forEach((cache) => cache.dispose()))

function cacheOf(shape: Partial<CacheShape>, tokens: readonly number[]): DecoderCache {
  const cache = new DecoderCache({ layers: 3, keyWidth: 2, valueWidth: 4, ...shape }, tokens)
  caches.push(cache)
  return cache
}

/** Blocks of each layer's memory. */
const sizes = (cache: DecoderCache) =>
  cache.arguments.map((layer) => ('keys' in layer ? layer.keys.shape![0] : undefined))

const tableOf = (cache: DecoderCache, counts: readonly number[], pool = 0) => {
  const { shape, data } = cache.extend(counts).pools[pool]!.blockTable
  return Array.from({ length: shape[0] }, (_, s) => Array.from(data.slice(s * shape[1], (s + 1) * shape[1])))
}

describe('blocks', () => {
  it('are taken as sequences grow, and go back to the pool', async () => {
    const cache = cacheOf({}, [100, 1])
    expect(sizes(cache)).toEqual([3, 3, 3])
    const { pools, lengths } = cache.extend([65, 1])
    expect(pools).toHaveLength(1)
    expect([...lengths]).toEqual([65, 1])
    const [[first, second], [third]] = [
      pools[0]!.blockTable.data.slice(0, 2),
      pools[0]!.blockTable.data.slice(2),
    ]
    expect(new Set([first, second, third])).toEqual(new Set([0, 1, 2]))
    expect(Array.from(pools[0]!.slots.slice(62))).toEqual([
      first! * 64 + 62,
      first! * 64 + 63,
      second! * 64,
      third! * 64,
    ])
    expect(cache.hasRoom([1, 63])).toBe(true)
    expect(cache.hasRoom([64, 0])).toBe(false)
    cache.release(1)
    expect(cache.hasRoom([64, 0])).toBe(true)
    expect(cache.hasRoom([64, 1])).toBe(false)
    await cache.grow([64, 1])
    expect(sizes(cache)).toEqual([6, 6, 6])
    expect(cache.hasRoom([64, 1])).toBe(true)
  })

  it('outside a window go back while their sequence grows', () => {
    const cache = cacheOf({ window: (layer) => (layer === 1 ? undefined : 70) }, [700])
    expect(cache.arguments.map((layer) => ('pool' in layer ? layer.pool : -1))).toEqual([0, 1, 0])
    expect(tableOf(cache, [300])[0]!.filter((block) => block >= 0)).toHaveLength(5)
    // Token 300 sees keys from 230 on, token 326 from 256 on.
    expect(tableOf(cache, [1])[0]!.map((block) => block >= 0)).toEqual([false, false, false, true, true])
    expect(tableOf(cache, [25])[0]!.map((block) => block >= 0)).toEqual([
      false,
      false,
      false,
      true,
      true,
      true,
    ])
    expect(tableOf(cache, [1])[0]!.map((block) => block >= 0)).toEqual([
      false,
      false,
      false,
      false,
      true,
      true,
    ])
    cache.release(0)
    expect(cache.hasRoom([700])).toBe(true)
  })

  it('of layers that all have a window suffice for any length', () => {
    const cache = cacheOf({ window: () => 70 }, [192])
    for (let i = 0; i < 3000; i++) {
      expect(cache.hasRoom([1])).toBe(true)
      cache.extend([1])
    }
    expect(sizes(cache)).toEqual([3, 3, 3])
  })
})

describe('states', () => {
  const recurrent = (layer: number) => (layer === 1 ? undefined : { convolution: layer * 3, scan: 7 })

  it('have two rows for each sequence, which take turns', () => {
    const cache = cacheOf({ recurrent }, [10, 10])
    const [first, second, third] = cache.arguments
    expect(second).toHaveProperty('keys')
    expect(first).not.toHaveProperty('convolution') // of no elements
    expect(third).toMatchObject({ scan: { shape: [4, 7] }, convolution: { shape: [4, 6] } })
    const rows = (counts: readonly number[]) => {
      const { readSlots, writeSlots } = cache.extend(counts)
      return [[...readSlots], [...writeSlots]]
    }
    expect(rows([5, 3])).toEqual([[-1, -1], [0, 2]]) // prettier-ignore
    expect(rows([1, 1])).toEqual([[0, 2], [1, 3]]) // prettier-ignore
    expect(rows([1, 0])).toEqual([[1, 3], [0, 3]]) // prettier-ignore
    cache.release(1)
    expect(rows([1, 0])).toEqual([[0, -1], [1, 2]]) // prettier-ignore
    expect(rows([1, 4])).toEqual([[1, -1], [0, 2]]) // prettier-ignore
  })
})

it('a model with windows writes far beyond them what the whole text gives', async () => {
  const config = {
    model_type: 'gemma2',
    vocab_size: 29,
    hidden_size: 16,
    intermediate_size: 12,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    head_dim: 8,
    sliding_window: 20,
    max_position_embeddings: 512,
    eos_token_id: null,
    pad_token_id: null, // prompts hold every id
  }
  await using model = await AutoModelForCausalLM.fromConfig(config)
  shake(model)
  const prompts = [70, 3].map((length) => Array.from({ length }, (_, i) => (i * i + 3 * i + (i % 5)) % 29))
  const { sequences } = await model.generate({ inputIds: prompts }, { maxNewTokens: 330 })
  for (const row of sequences) {
    const { shape, data } = (await model.run({ inputIds: [row] })).logits!
    const width = shape[2]!
    const chosen = row.map((_, i) => {
      const logits = data.subarray(i * width, (i + 1) * width)
      return logits.indexOf(Math.max(...logits))
    })
    expect(row.slice(-330)).toEqual(chosen.slice(-331, -1))
  }
})
