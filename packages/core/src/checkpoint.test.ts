import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hostileFiles, safetensors } from '../test/hostile-safetensors.js'
import { CheckpointError } from './errors.js'
import { memory, nn, openCheckpoint, parameter, saveCheckpoint, tensor, zeros } from './index.js'
import { settledMemory } from '../test/settled-memory.js'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'checkpoint-'))
})
afterAll(() => rm(folder, { recursive: true }))

const at = (...names: string[]) => join(folder, ...names)

describe('a checkpoint', () => {
  it('comes back as it was saved: names, shapes, dtypes, bits, metadata', async () => {
    const path = at('all.safetensors')
    const tensors = {
      f32: tensor([[1, -2.5, NaN]]),
      f64: tensor([Math.PI], { dtype: 'float64' }),
      bf16: tensor([1, 2, 3], { dtype: 'bfloat16' }),
      f16: tensor([0.5], { dtype: 'float16' }),
      i64: tensor(BigInt64Array.of(-(2n ** 62n))),
      i32: tensor(Int32Array.of(7)),
      i8: tensor(Int8Array.of(-128, 127)),
      u8: tensor(Uint8Array.of(255)),
      scalar: tensor(3),
      empty: zeros([0, 4]),
      'größe.重み': tensor([[1, 2], [3, 4]]).transpose(), // prettier-ignore
    }
    const weight = parameter('weight', [1, 2])
    weight.assign(weight.scale(10))
    await saveCheckpoint(path, [...Object.entries(tensors), ['weight', weight]], { format: 'pt' })

    const checkpoint = await openCheckpoint(path)
    expect([...checkpoint.keys()].sort()).toEqual([...Object.keys(tensors), 'weight'].sort())
    expect(checkpoint.metadata).toEqual({ format: 'pt' })
    for (const [name, saved] of Object.entries(tensors)) {
      const { dtype, shape } = saved
      expect(checkpoint.info(name)).toMatchObject({ dtype, shape, file: path })
      const loaded = checkpoint.tensor(name)
      expect([loaded.dtype, loaded.shape]).toEqual([dtype, shape])
      expect(await loaded.data()).toEqual(await saved.data())
    }
    expect(await checkpoint.tensor('weight').data()).toEqual(Float32Array.of(10, 20))
    checkpoint.close()
  })

  it('is read without copies, and its tensors outlive it', async () => {
    const path = at('large.safetensors')
    await saveCheckpoint(path, new Map([['weight', zeros([1024, 1024])], ['bias', zeros([1024])]])) // prettier-ignore
    const before = memory.stats().live
    const checkpoint = await openCheckpoint(path)
    const linear = new nn.Linear(1024, 1024)
    expect(await linear.load((name) => checkpoint.tensor(name))).toEqual([])
    checkpoint.close()
    expect(memory.stats().live - before).toBeLessThan(2 ** 20)
    expect((await linear.weight.data())[7]).toBe(0)
    expect(() => checkpoint.tensor('weight')).toThrow(/close/)
    linear.bias!.assign(new Float32Array(1024).fill(2))
    expect((await linear.bias!.data())[7]).toBe(2)
    await openCheckpoint(path).then(async (again) => {
      expect((await again.tensor('bias').data())[7]).toBe(0)
    })
  })

  it('names what it lacks and the nearest that it has', async () => {
    const path = at('one.safetensors')
    await saveCheckpoint(path, [['encoder.layer.0.weight', tensor([1])]])
    const checkpoint = await openCheckpoint(path)
    expect(checkpoint.has('encoder.layers.0.weight')).toBe(false)
    expect(() => checkpoint.info('encoder.layers.0.weight')).toThrow(CheckpointError)
    expect(() => checkpoint.tensor('encoder.layers.0.weight')).toThrow(
      "the nearest is 'encoder.layer.0.weight'",
    )
  })

  it('may hold dtypes that are not read', async () => {
    const path = at('bool.safetensors')
    await writeFile(path, safetensors({ mask: { dtype: 'BOOL', shape: [2], data_offsets: [0, 2] } }, 2))
    const checkpoint = await openCheckpoint(path)
    expect([...checkpoint.keys()]).toEqual(['mask'])
    expect(() => checkpoint.tensor('mask')).toThrow(/'mask'.*BOOL/)
    expect(() => checkpoint.info('mask')).toThrow(CheckpointError)
  })
})

describe('saving', () => {
  it('leaves the old file where it fails, and nothing else', async () => {
    const home = at('saving')
    await mkdir(home)
    const path = join(home, 'model.safetensors')
    await saveCheckpoint(path, [['w', tensor([1])]])
    const old = await readFile(path)
    const x = tensor([1])
    const y = x.scale(2)
    x.dispose()
    await expect(saveCheckpoint(path, [['w', y]])).rejects.toThrow(/dispose/)
    await expect(saveCheckpoint(path, [['w', tensor([1])], ['w', tensor([2])]])).rejects.toThrow(/'w'/) // prettier-ignore
    expect(await readFile(path)).toEqual(old)
    expect(await readdir(home)).toEqual(['model.safetensors'])
  })

  it('names a place that it cannot write to', async () => {
    const nowhere = at('nowhere', 'model.safetensors')
    await expect(saveCheckpoint(nowhere, [['w', tensor([1])]])).rejects.toThrow(CheckpointError)
    await expect(saveCheckpoint(nowhere, [['w', tensor([1])]])).rejects.toThrow(/nowhere/)
  })
})

describe('a folder', () => {
  const save = (name: string, file: string, value: number) =>
    saveCheckpoint(at(name, file), [[`from.${file}`, tensor([value])]], { [file]: 'yes' })
  const index = (name: string, content: unknown) =>
    writeFile(
      at(name, 'model.safetensors.index.json'),
      typeof content === 'string' ? content : JSON.stringify(content),
    )

  it('holds one file or shards with their index', async () => {
    await mkdir(at('single'))
    await save('single', 'model.safetensors', 1)
    expect([...(await openCheckpoint(at('single'))).keys()]).toEqual(['from.model.safetensors'])

    await mkdir(at('sharded'))
    await save('sharded', 'a.safetensors', 2)
    await save('sharded', 'b.safetensors', 3)
    await index('sharded', {
      metadata: { total_size: 8 },
      weight_map: { 'from.a.safetensors': 'a.safetensors', 'from.b.safetensors': 'b.safetensors' },
    })
    for (const path of [at('sharded'), at('sharded', 'model.safetensors.index.json')]) {
      const checkpoint = await openCheckpoint(path)
      expect(await checkpoint.tensor('from.b.safetensors').item()).toBe(3)
      expect(checkpoint.info('from.a.safetensors').file).toBe(at('sharded', 'a.safetensors'))
      expect(checkpoint.metadata).toEqual({ 'a.safetensors': 'yes', 'b.safetensors': 'yes' })
    }
  })

  it.each<[string, unknown, RegExp]>([
    ['no JSON', '{"weight_map":', /index\.json is no JSON/],
    ['no map', { metadata: {} }, /index\.json has no weight_map/],
    ['a list for a map', { weight_map: [] }, /has no weight_map/],
    ['a number for a file', { weight_map: { w: 3 } }, /'w' in 3, which is no file/],
    ['a file outside', { weight_map: { w: '../all.safetensors' } }, /'w' in "\.\.\/all/],
    ['an absolute file', { weight_map: { w: '/etc/passwd' } }, /'w' in "\/etc/],
    ['a missing shard', { weight_map: { w: 'gone.safetensors' } }, /gone\.safetensors/],
    [
      'a tensor that its shard lacks',
      { weight_map: { w: 'a.safetensors' } },
      /'w' in a\.safetensors, which lacks it/,
    ],
  ])('refuses an index with %s', async (name, content, message) => {
    await mkdir(at(name))
    await save(name, 'a.safetensors', 1)
    await index(name, content)
    await expect(openCheckpoint(at(name))).rejects.toThrow(CheckpointError)
    await expect(openCheckpoint(at(name))).rejects.toThrow(message)
  })

  it('is named when it holds nothing or is not there', async () => {
    await mkdir(at('empty'))
    await expect(openCheckpoint(at('empty'))).rejects.toThrow(/empty has neither model\.safetensors nor/)
    await expect(openCheckpoint(at('missing'))).rejects.toThrow(CheckpointError)
  })
})

describe('a hostile file', () => {
  it.each(hostileFiles)('is refused: $name', async ({ file, says }) => {
    const path = at('hostile.safetensors')
    await rm(path, { force: true })
    await writeFile(path, file)
    const before = await settledMemory()
    const error: unknown = await openCheckpoint(path).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(CheckpointError)
    expect(error).toMatchObject({ message: expect.stringMatching(says), path })
    expect(memory.stats().live).toBe(before)
  })

  it('cut while it is open is refused when its tensors are asked for', async () => {
    const path = at('cut.safetensors')
    await saveCheckpoint(path, [['w', tensor(new Float32Array(5000))]])
    const checkpoint = await openCheckpoint(path)
    await writeFile(path, (await readFile(path)).subarray(0, 100))
    expect(() => checkpoint.tensor('w')).toThrow(CheckpointError)
  })
})
