import { cp, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tensor } from '@tiny/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { goldenFolder, readGolden } from '../test/golden.js'
import { AutoModelForCausalLM } from './index.js'
import { shardBytes, splitIntoShards, type NamedTensor } from './shards.js'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tiny-shards-'))
})
afterAll(() => rm(folder, { recursive: true }))

const floats = (name: string, length: number): NamedTensor => [name, tensor(new Float32Array(length))]
const namesOf = (shards: NamedTensor[][]) => shards.map((shard) => shard.map(([name]) => name))
const weightFiles = async (of: string) =>
  (await readdir(of)).filter((name) => name.startsWith('model')).sort()
const inputs = { inputIds: [[3, 17, 5, 44]] }

describe('shards', () => {
  it('are filled in order, and a tensor above the size stands alone', () => {
    const tensors = [floats('a', 2), floats('b', 2), floats('c', 100), floats('d', 3), floats('e', 1)]
    expect(namesOf(splitIntoShards(tensors, 16))).toEqual([['c'], ['a', 'b'], ['d', 'e']])
    expect(namesOf(splitIntoShards(tensors, 1e9))).toEqual([['a', 'b', 'c', 'd', 'e']])
    expect(splitIntoShards([], 16)).toEqual([[]])
  })

  it.each([
    ['5GB', 5e9],
    ['1.5 MB', 1.5e6],
    ['200kb', 2e5],
    [12, 12],
    [undefined, 5e10],
  ])('%s are %d bytes', (given, bytes) => expect(shardBytes(given)).toBe(bytes))

  it.each(['5GiB', '5', '', 0, -1, NaN, '0GB'])('are never %s', (given) => {
    expect(() => shardBytes(given)).toThrow(
      expect.objectContaining({ code: 'OPTION', option: 'maxShardSize' }),
    )
  })
})

describe('a variant', () => {
  it('is one of several sets of weights, whole or in shards', async () => {
    const to = join(folder, 'variants')
    await using model = await AutoModelForCausalLM.fromPretrained(goldenFolder('decoder/gpt2'))
    await model.savePretrained(to, { maxShardSize: '30KB' })
    const variantOf = (name: string) => name.replace(/^model-/, 'model.fp32-')
    const index = await readFile(join(to, 'model.safetensors.index.json'), 'utf8')
    await writeFile(
      join(to, 'model.safetensors.index.fp32.json'),
      index.replaceAll(/model-\d{5}-of/g, (name) => variantOf(name)),
    )
    for (const name of await weightFiles(to))
      if (/-of-/.test(name)) await rename(join(to, name), join(to, variantOf(name)))
    await rm(join(to, 'model.safetensors.index.json'))
    const load = (variant?: string) => AutoModelForCausalLM.fromPretrained(to, { variant })
    await using inShards = await load('fp32')
    expect((await inShards.run(inputs)).logits).toEqual((await model.run(inputs)).logits)
    await expect(load()).rejects.toThrow(/neither model\.safetensors nor model\.safetensors\.index\.json/)
    await cp(join(goldenFolder('decoder/gpt2'), 'model.safetensors'), join(to, 'model.fp16.safetensors'))
    await using whole = await load('fp16')
    expect((await whole.run(inputs)).logits).toEqual((await model.run(inputs)).logits)
    await expect(load('bf16')).rejects.toThrow(/neither model\.bf16\.safetensors/)
    await expect(load('../other')).rejects.toMatchObject({ code: 'OPTION', option: 'variant' })
  })
})

describe('saving in shards', () => {
  it.each(['llama-bf16', 'llama-f16'])('keeps dtype and contents of %s, bit for bit', async (name) => {
    const from = goldenFolder(`checkpoints/${name}`)
    const to = join(folder, name)
    await using model = await AutoModelForCausalLM.fromPretrained(from)
    await model.savePretrained(to, { maxShardSize: '20KB' })
    const index = JSON.parse(await readFile(join(to, 'model.safetensors.index.json'), 'utf8')) as {
      metadata: { total_parameters: number; total_size: number }
      weight_map: Record<string, string>
    }
    const shards = [...new Set(Object.values(index.weight_map))].sort()
    expect(shards.length).toBeGreaterThan(2)
    expect(shards[0]).toBe(`model-00001-of-${String(shards.length).padStart(5, '0')}.safetensors`)
    expect(await weightFiles(to)).toEqual([...shards, 'model.safetensors.index.json'])
    const elements = [...model.parameters()].reduce(
      (sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1),
      0,
    )
    expect(index.metadata).toEqual({ total_parameters: elements, total_size: 2 * elements })
    await using again = await AutoModelForCausalLM.fromPretrained(to)
    expect([...again.parameters()].map(({ dtype }) => dtype)).toEqual(
      [...model.parameters()].map(({ dtype }) => dtype),
    )
    expect((await again.run(inputs)).logits).toEqual((await model.run(inputs)).logits)
    const config = async (of: string) => JSON.parse(await readFile(join(of, 'config.json'), 'utf8')) as object
    expect(await config(to)).toEqual(await config(from))
  })

  it('leaves nothing of the other form behind, which would be read instead', async () => {
    const to = join(folder, 'both')
    const from = goldenFolder('decoder/gpt2')
    await using model = await AutoModelForCausalLM.fromPretrained(from)
    await model.savePretrained(to)
    expect(await weightFiles(to)).toEqual(['model.safetensors'])
    await model.savePretrained(to, { maxShardSize: '30KB' })
    const sharded = await weightFiles(to)
    expect(sharded).not.toContain('model.safetensors')
    expect(sharded).toContain('model.safetensors.index.json')
    await model.savePretrained(to, { maxShardSize: '60KB' })
    await using again = await AutoModelForCausalLM.fromPretrained(to)
    expect((await again.run(inputs)).logits).toEqual((await model.run(inputs)).logits)
    // A model may be saved where it was loaded from: its files are mapped while they are replaced.
    await again.savePretrained(to)
    expect(await weightFiles(to)).toEqual(['model.safetensors'])
    expect(readGolden(join(to, 'model.safetensors'))).toEqual(readGolden(join(from, 'model.safetensors')))
  })
})
