import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bfloat16Bits } from '@tiny/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { difference, goldenFolder, nested, readGolden } from '../test/golden.js'
import { AutoModelForCausalLM, type FromPretrainedOptions } from './index.js'

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'tiny-formats-'))
})
afterAll(() => rm(root, { recursive: true }))

const asBfloat16 = (x: number): number => new Float32Array(Uint32Array.of(bfloat16Bits(x) << 16).buffer)[0]!
const asFloat16 = (x: number): number => {
  const step = 2 ** (Math.max(Math.floor(Math.log2(x)), -14) - 10)
  return Math.round(x / step) * step
}

/**
 * A copy whose rotary frequencies are rounded to the weights' dtype. The expected logits come from a model that was
 * cast to 16 bits and back, frequencies included; loading such a file in Python leaves them in float32, as here.
 */
async function withRoundedFrequencies(name: string, round: (x: number) => number): Promise<string> {
  const folder = join(root, name)
  await cp(goldenFolder(`checkpoints/${name}`), folder, { recursive: true })
  const path = join(folder, 'config.json')
  const config = JSON.parse(await readFile(path, 'utf8')) as {
    hidden_size: number
    num_attention_heads: number
    head_dim?: number
    max_position_embeddings: number
    rope_parameters: { rope_theta: number }
  }
  const dim = config.head_dim ?? config.hidden_size / config.num_attention_heads
  const { rope_theta: theta } = config.rope_parameters
  const factors = Array.from({ length: dim / 2 }, (_, i) => {
    const power = theta ** ((2 * i) / dim)
    return 1 / (round(1 / power) * power)
  })
  const rope = {
    rope_type: 'longrope',
    rope_theta: theta,
    short_factor: factors,
    long_factor: factors,
    attention_factor: 1,
    original_max_position_embeddings: config.max_position_embeddings,
  }
  await writeFile(path, JSON.stringify({ ...config, rope_parameters: rope }))
  return folder
}

async function offBy(folder: string, name: string, options: FromPretrainedOptions): Promise<number> {
  const expected = readGolden(`${goldenFolder(`checkpoints/${name}`)}/expected.safetensors`)
  await using model = await AutoModelForCausalLM.fromPretrained(folder, options)
  const { logits } = await model.run({ inputIds: nested(expected['input.input_ids']!) as number[][] })
  return difference(logits!.data, expected['logits']!.data)
}

describe('a checkpoint in shards', () => {
  it('gives the logits of PyTorch', async () => {
    expect(await offBy(goldenFolder('checkpoints/llama-sharded'), 'llama-sharded', {})).toBeLessThan(1e-5)
  })
})

describe.each([
  ['llama-bf16', asBfloat16, 'bfloat16', 2e-2],
  ['llama-f16', asFloat16, 'float16', 1e-5],
] as const)('%s', (name, round, dtype, stored) => {
  it('gives the logits of PyTorch in float32, and by weights as they are stored', async () => {
    const folder = await withRoundedFrequencies(name, round)
    expect(await offBy(folder, name, { dtype: 'float32' })).toBeLessThan(1e-5)
    expect(await offBy(folder, name, { precision: 'float32' })).toBeLessThan(1e-5)
    // bfloat16 weights are multiplied in bfloat16.
    expect(await offBy(folder, name, {})).toBeLessThan(stored)
  })

  it('is saved in its own dtype, bit for bit', async () => {
    const folder = goldenFolder(`checkpoints/${name}`)
    await using model = await AutoModelForCausalLM.fromPretrained(folder)
    for (const parameter of model.parameters()) expect(parameter.dtype).toBe(dtype)
    const saved = join(root, `${name}-saved`)
    await model.savePretrained(saved)
    await using again = await AutoModelForCausalLM.fromPretrained(saved)
    const before = new Map(model.namedParameters())
    for (const [key, parameter] of again.namedParameters()) {
      expect(await parameter.data()).toEqual(await before.get(key)!.data())
    }
    const config = JSON.parse(await readFile(join(saved, 'config.json'), 'utf8')) as { dtype: string }
    expect(config.dtype).toBe(dtype)
  })
})
