import { mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { goldenFolder } from '../../test/golden.js'
import { hashOf, HubServer, sha256Of } from '../../test/hub-server.js'
import { AutoConfig, AutoModelForCausalLM } from '../auto.js'
import type { FromPretrainedOptions } from '../build.js'
import type { Progress } from './progress.js'

const [first, second] = ['a'.repeat(40), 'b'.repeat(40)]
const hub = new HubServer()
const weights = 'model.safetensors'
let root: string
let cacheDir: string
let files: Record<string, Buffer>
let made = 0

const readFolder = async (name: string, names: readonly string[]) =>
  Object.fromEntries(
    await Promise.all(
      names.map(async (file) => [file, await readFile(join(goldenFolder(name), file))] as const),
    ),
  )

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'tiny-hub-'))
  await hub.listen()
  files = await readFolder('decoder/gpt2', ['config.json', 'generation_config.json', weights])
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await hub.close()
  await rm(root, { recursive: true })
})
beforeEach(async () => {
  cacheDir = join(root, `cache-${made++}`)
  vi.unstubAllEnvs()
  for (const name of ['HF_TOKEN', 'HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE']) vi.stubEnv(name, undefined)
  vi.stubEnv('HF_ENDPOINT', hub.url)
  vi.stubEnv('HF_HOME', join(root, `home-${made}`))
  hub.log.length = 0
  hub.send = undefined
  hub.status = undefined
  const others = { 'README.md': Buffer.from('#'), 'pytorch_model.bin': Buffer.from('pickled') }
  const older = { ...files, 'generation_config.json': Buffer.from('{"max_length": 7}') }
  hub.repos.set('org/gpt2', {
    refs: { main: first, 'refs/pr/1': second },
    commits: { [first]: { ...files, ...others }, [second]: older },
  })
})

const load = (id = 'org/gpt2', options: FromPretrainedOptions = {}) =>
  AutoModelForCausalLM.fromPretrained(id, { cacheDir, ...options })
const ids = { inputIds: [[5, 9, 13]] }
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.fail('it did not reject'),
    (error: unknown) => error as Error & Record<string, unknown>,
  )
const repoOf = (id: string) => join(cacheDir, `models--${id.replace('/', '--')}`)
const bodies = () => hub.log.filter((line) => line.startsWith('GET /cdn'))

describe('a hub id', () => {
  it('loads what a folder loads, and lays the cache out as Python does', async () => {
    await using model = await load()
    await using local = await AutoModelForCausalLM.fromPretrained(goldenFolder('decoder/gpt2'))
    expect((await model.run(ids)).logits!.data).toEqual((await local.run(ids)).logits!.data)
    expect(model.generationConfig).toEqual(local.generationConfig)
    const repo = repoOf('org/gpt2')
    expect(await readFile(join(repo, 'refs/main'), 'utf8')).toBe(first)
    expect((await readdir(join(repo, 'snapshots', first))).sort()).toEqual(Object.keys(files).sort())
    for (const [name, data] of Object.entries(files)) {
      const link = await readlink(join(repo, 'snapshots', first, name))
      expect(link).toBe(`../../blobs/${hashOf(name, data)}`)
      expect(await readFile(join(repo, 'snapshots', first, name))).toEqual(data)
    }
    expect((await readdir(join(repo, 'blobs'))).length).toBe(3)
    expect(hub.log.some((line) => /\.bin|README/.test(line))).toBe(false)
  })

  it('asks for the revision only where the commit is cached, and for nothing offline', async () => {
    await (await load()).dispose()
    hub.log.length = 0
    await (await load()).dispose()
    expect(hub.log).toEqual(['GET /api/models/org/gpt2/revision/main'])
    hub.log.length = 0
    await (await load('org/gpt2', { revision: first })).dispose()
    await (await load('org/gpt2', { localFilesOnly: true })).dispose()
    vi.stubEnv('HF_HUB_OFFLINE', '1')
    await (await load()).dispose()
    expect(hub.log).toEqual([])
  })

  it.each([
    ['the hub fails', () => (hub.status = 503)],
    ['nobody answers', () => vi.stubEnv('HF_ENDPOINT', 'http://127.0.0.1:9')],
  ])('takes what the revision was last time where %s', async (_, fail) => {
    await (await load()).dispose()
    fail()
    await (await load()).dispose()
    expect(await failure(load('org/gpt2', { revision: 'other' }))).toMatchObject({ code: 'HUB' })
  })

  it('takes a branch of its own, and the newest commit of one', async () => {
    await using model = await load('org/gpt2', { revision: 'refs/pr/1' })
    expect(model.generationConfig).toEqual({ max_length: 7 })
    expect(await readFile(join(repoOf('org/gpt2'), 'refs/refs/pr/1'), 'utf8')).toBe(second)
    await (await load()).dispose()
    // The weights of both commits are one blob.
    expect(bodies().length).toBe(1)
    hub.repos.get('org/gpt2')!.refs['main'] = second
    await using newest = await load()
    expect(newest.generationConfig).toEqual({ max_length: 7 })
    expect(await readFile(join(repoOf('org/gpt2'), 'refs/main'), 'utf8')).toBe(second)
  })

  it('lays the cache where HF_HOME says, and reads the token there', async () => {
    const home = process.env['HF_HOME']!
    await mkdir(home)
    await writeFile(join(home, 'token'), 'secret\n')
    hub.repos.set('gated', { refs: { main: first }, commits: { [first]: files }, gated: 'secret' })
    await AutoConfig.fromPretrained('gated')
    expect(await readdir(join(home, 'hub/models--gated/snapshots', first))).toEqual(['config.json'])
  })

  it('gives way to a local folder', async () => {
    const folder = await mkdtemp(join(process.cwd(), 'tiny-hub-'))
    try {
      await writeFile(join(folder, 'config.json'), files['config.json']!)
      const id = folder.slice(process.cwd().length + 1)
      expect((await AutoConfig.fromPretrained(id)).modelType).toBe('gpt2')
      expect(hub.log).toEqual([])
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('brings shards, and no other weights', async () => {
    const names = (await readdir(goldenFolder('checkpoints/llama-sharded'))).filter((name) =>
      /safetensors|^config/.test(name),
    )
    const sharded = await readFolder('checkpoints/llama-sharded', names)
    hub.repos.set('org/llama', {
      refs: { main: first },
      commits: { [first]: { ...sharded, 'other.safetensors': Buffer.from('') } },
    })
    await (await load('org/llama')).dispose()
    const there = await readdir(join(repoOf('org/llama'), 'snapshots', first))
    expect(there.filter((name) => name.includes('safetensors')).sort()).toEqual(
      names.filter((name) => name.includes('safetensors') && name !== 'expected.safetensors').sort(),
    )
  })

  it('serves loads at the same time with one download', async () => {
    const models = await Promise.all([load(), load(), load()])
    expect(bodies().length).toBe(1)
    await Promise.all(models.map((model) => model.dispose()))
  })
})

describe('a download', () => {
  const broken = (path: string, times: number, at: number) => {
    hub.send = (file, body, response) => {
      if (file !== path || times-- <= 0) return void response.end(body)
      response.write(body.subarray(0, at), () => setTimeout(() => response.destroy(), 20))
    }
  }

  it('goes on where the connection broke', async () => {
    broken(weights, 2, 1000)
    await (await load()).dispose()
    expect(bodies().map((line) => line.split(' ')[2])).toEqual([undefined, 'bytes=1000-', 'bytes=2000-'])
  })

  it('is cancelled with the reason of its signal, and goes on next time', async () => {
    hub.send = (file, body, response) => {
      if (file !== weights) return void response.end(body)
      response.write(body.subarray(0, 5000))
    }
    const controller = new AbortController()
    const reason = new Error('enough')
    const progress = ({ file, loaded }: Progress) => {
      if (file === weights && loaded === 0) setTimeout(() => controller.abort(reason), 150)
    }
    expect(await failure(load('org/gpt2', { signal: controller.signal, progress }))).toBe(reason)
    const partial = join(repoOf('org/gpt2'), 'blobs', `${sha256Of(files[weights]!)}.incomplete`)
    expect((await stat(partial)).size).toBe(5000)
    expect(await readdir(join(cacheDir, '.locks', 'models--org--gpt2'))).toEqual([])
    hub.send = undefined
    await (await load()).dispose()
    expect(bodies().at(-1)).toMatch(/bytes=5000-$/)
    expect(await failure(load('org/gpt2', { signal: AbortSignal.abort(reason) }))).toBe(reason)
  })

  it('tells how far it is, never going back', async () => {
    broken(weights, 1, 3000)
    const seen: Progress[] = []
    await (await load('org/gpt2', { progress: (progress) => seen.push(progress) })).dispose()
    const downloads = seen.filter(({ files: { count } }) => count === 2)
    expect(downloads.length).toBeGreaterThan(3)
    downloads.forEach(({ files: now }, i) => {
      const { files: before } = downloads[Math.max(0, i - 1)]!
      expect(now.loaded).toBeGreaterThanOrEqual(before.loaded)
      expect(now.finished).toBeGreaterThanOrEqual(before.finished)
      expect(now.total).toBe(files[weights]!.length + files['generation_config.json']!.length)
    })
    expect(downloads.at(-1)!.files).toMatchObject({ finished: 2, loaded: downloads[0]!.files.total })
    const of = downloads.filter(({ file }) => file === weights)
    expect(of[0]).toMatchObject({ loaded: 0, total: files[weights]!.length })
    expect(of.at(-1)!.loaded).toBe(files[weights]!.length)
  })

  it.each([weights, 'config.json'])('of %s with other contents is refused and discarded', async (name) => {
    hub.send = (file, body, response) => void response.end(file === name ? Buffer.alloc(body.length) : body)
    const error = await failure(load())
    expect(error).toMatchObject({ code: 'HUB', file: name, expected: hashOf(name, files[name]!) })
    expect(error['actual']).toMatch(/^[0-9a-f]{40,64}$/)
    const blobs = await readdir(join(repoOf('org/gpt2'), 'blobs'))
    expect(blobs.some((blob) => blob.startsWith(hashOf(name, files[name]!)))).toBe(false)
    hub.send = undefined
    await (await load()).dispose()
  })

  it('stops as soon as another file fails', async () => {
    hub.send = (file, body, response) => {
      if (file === weights) return void response.write(body.subarray(0, 100))
      response.end(file === 'config.json' ? body : Buffer.alloc(body.length))
    }
    expect(await failure(load())).toMatchObject({ code: 'HUB', file: 'generation_config.json' })
  })

  it('starts anew where what was left is wrong, or nobody holds the lock any more', async () => {
    const blob = sha256Of(files[weights]!)
    await mkdir(join(repoOf('org/gpt2'), 'blobs'), { recursive: true })
    await writeFile(join(repoOf('org/gpt2'), 'blobs', `${blob}.incomplete`), Buffer.alloc(2000, 1))
    const locks = join(cacheDir, '.locks', 'models--org--gpt2')
    await mkdir(locks, { recursive: true })
    await writeFile(join(locks, `${blob}.download`), '1 another-machine')
    await utimes(join(locks, `${blob}.download`), 0, 0)
    // So slowly that restarting is seen.
    hub.send = (_, body, response) => {
      response.write(body.subarray(0, 100), () => setTimeout(() => response.end(body.subarray(100)), 80))
    }
    const loaded: number[] = []
    const progress = (now: Progress) => now.file === weights && loaded.push(now.loaded)
    await (await load('org/gpt2', { progress })).dispose()
    expect(bodies().map((line) => line.split(' ')[2])).toEqual(['bytes=2000-', undefined])
    expect(loaded).toEqual([...loaded].sort((a, b) => a - b))
  })
})

describe('what goes wrong is said with what helps', () => {
  it('a gated repository', async () => {
    hub.repos.set('org/gated', { refs: { main: first }, commits: { [first]: files }, gated: 'secret' })
    expect(await failure(load('org/gated'))).toMatchObject({
      code: 'HUB',
      name: 'HubError',
      status: 401,
      repo: 'org/gated',
      message: expect.stringMatching(/gated.*HF_TOKEN/),
    })
    const wrong = await failure(load('org/gated', { token: 'guess' }))
    expect(wrong).toMatchObject({ status: 403, message: expect.stringMatching(/token that was sent/) })
    expect(wrong.message).not.toContain('guess')
    vi.stubEnv('HF_TOKEN', 'secret')
    await (await load('org/gated')).dispose()
    expect(await failure(load('org/gated', { cacheDir: join(root, 'fresh'), token: false }))).toMatchObject({
      status: 401,
    })
  })

  it('names that are not there', async () => {
    expect(await failure(load('packages/model'))).toMatchObject({
      code: 'HUB',
      repo: 'packages/model',
      status: 401,
      message: expect.stringMatching(/did you mean the folder packages\/models\?/),
    })
    expect(await failure(load('org/gpt2', { revision: 'v9' }))).toMatchObject({
      code: 'HUB',
      status: 404,
      revision: 'v9',
      message: expect.stringMatching(/no revision 'v9'/),
    })
    for (const path of ['./gpt2', '../org/gpt2', '/org/gpt2', '~/gpt2', 'a/b/c']) {
      expect(await failure(load(path))).toMatchObject({ code: 'CHECKPOINT', path })
    }
  })

  it('an empty cache without the network', async () => {
    expect(await failure(load('org/gpt2', { localFilesOnly: true }))).toMatchObject({
      code: 'HUB',
      message: expect.stringMatching(/not in the cache .*localFilesOnly/),
    })
    await AutoConfig.fromPretrained('org/gpt2', { cacheDir })
    expect(await failure(load('org/gpt2', { localFilesOnly: true }))).toMatchObject({ files: [weights] })
    vi.stubEnv('HF_ENDPOINT', 'http://127.0.0.1:9')
    expect(await failure(load('org/new'))).toMatchObject({
      code: 'HUB',
      message: expect.stringMatching(/ECONNREFUSED|bad port/),
    })
  })

  it('a repository without safetensors', async () => {
    const { [weights]: _, ...others } = files
    const pickled = { ...others, 'pytorch_model.bin': Buffer.from('x') }
    hub.repos.set('org/old', { refs: { main: first }, commits: { [first]: pickled } })
    expect(await failure(load('org/old'))).toMatchObject({
      code: 'HUB',
      message: expect.stringMatching(/only pytorch_model\.bin.*save_pretrained/),
    })
  })

  it('a cache that cannot be written', async () => {
    const blocked = join(root, 'a-file')
    await writeFile(blocked, '')
    expect(await failure(load('org/gpt2', { cacheDir: blocked }))).toMatchObject({
      code: 'HUB',
      cacheDir: blocked,
      message: expect.stringMatching(/ENOTDIR.*cacheDir/),
    })
  })

  it('a list of files that would leave the cache', async () => {
    hub.repos.set('org/bad', {
      refs: { main: first },
      commits: { [first]: { ...files, '../x': Buffer.from('') } },
    })
    expect(await failure(load('org/bad'))).toMatchObject({ code: 'HUB', missing: 'malformed' })
  })

  it.each([
    [{ revision: '../x' }, 'revision'],
    [{ revision: 7 }, 'revision'],
    [{ cacheDir: 3 }, 'cacheDir'],
    [{ localFilesOnly: 'yes' }, 'localFilesOnly'],
    [{ token: 'a b' }, 'token'],
    [{ progress: {} }, 'progress'],
    [{ signal: {} }, 'signal'],
  ])('%j', async (options, option) => {
    expect(await failure(load('org/gpt2', options as never))).toMatchObject({ code: 'OPTION', option })
  })

  it('a revision of a local folder', async () => {
    const folder = goldenFolder('decoder/gpt2')
    expect(await failure(load(folder, { revision: 'main' }))).toMatchObject({
      code: 'OPTION',
      option: 'revision',
    })
    await (await load(folder, { localFilesOnly: true, token: 'x', progress: () => undefined })).dispose()
  })
})
