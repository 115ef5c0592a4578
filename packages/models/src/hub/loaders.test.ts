import * as fs from 'node:fs/promises'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { goldenFolder } from '../../test/golden.js'
import { HubServer } from '../../test/hub-server.js'
import { AutoModel, AutoModelForSequenceClassification } from '../auto.js'
import { CrossEncoder, SentenceTransformer } from '../sentence/index.js'
import { AutoTokenizer } from '../tokenizer/index.js'

vi.mock('node:fs/promises', async (original) => {
  const actual = await original<typeof fs>()
  return { ...actual, symlink: vi.fn<typeof actual.symlink>(actual.symlink) }
})

const commit = 'c'.repeat(40)
const hub = new HubServer()
let root: string
let cacheDir: string
const bert = {
  model_type: 'bert',
  vocab_size: 600,
  hidden_size: 12,
  num_hidden_layers: 1,
  num_attention_heads: 3,
  intermediate_size: 20,
  max_position_embeddings: 16,
}

/** Makes a folder a repository, with more files. */
async function publish(id: string, folder: string, more: Record<string, Buffer> = {}): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  const files = paths.map(async (path) => [relative(folder, path), await readFile(path)] as const)
  const commits = { [commit]: { ...Object.fromEntries(await Promise.all(files)), ...more } }
  hub.repos.set(id, { refs: { main: commit }, commits })
}
const cached = async (id: string): Promise<string[]> => {
  const folder = join(cacheDir, `models--${id.replace('/', '--')}`, 'snapshots', commit)
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort()
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'tiny-hub-loaders-'))
  await hub.listen()
  vi.stubEnv('HF_ENDPOINT', hub.url)
  vi.stubEnv('HF_HOME', join(root, 'home'))
  for (const name of ['HF_TOKEN', 'HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE']) vi.stubEnv(name, undefined)
  cacheDir = join(root, 'cache')
  const tokenizer = await AutoTokenizer.fromPretrained(goldenFolder('tokenizers/wordpiece-bert'))
  const config = { ...bert, vocab_size: Math.max(600, tokenizer.vocabSize) }
  await using base = await AutoModel.fromConfig(config, { seed: 3 })
  await base.savePretrained(join(root, 'base'), { tokenizer })
  await using encoder = await SentenceTransformer.fromPretrained(join(root, 'base'))
  await encoder.savePretrained(join(root, 'sentence'))
  await using ranker = await AutoModelForSequenceClassification.fromConfig({ ...config, num_labels: 1 })
  await ranker.savePretrained(join(root, 'ranker'), { tokenizer })
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await hub.close()
  await rm(root, { recursive: true })
})
beforeEach(() => {
  hub.log.length = 0
})

describe('by a hub id', () => {
  const others = {
    'vocab.txt': Buffer.from('a'),
    'onnx/config.json': Buffer.from('{}'),
    'onnx/model.onnx': Buffer.from('x'),
  }

  it('a tokenizer comes with its chat templates and without the weights', async () => {
    await publish('org/base', join(root, 'base'), {
      ...others,
      'chat_template.jinja': Buffer.from('{{ messages[0].content }}'),
      'additional_chat_templates/loud.jinja': Buffer.from('{{ messages[0].content | upper }}'),
    })
    const tokenizer = await AutoTokenizer.fromPretrained('org/base', { cacheDir })
    const local = await AutoTokenizer.fromPretrained(join(root, 'base'))
    expect(await tokenizer.encode('the cat')).toEqual(await local.encode('the cat'))
    const messages = [{ role: 'user', content: 'hi' }]
    const loud = { tokenize: false, chatTemplate: 'loud' } as const
    expect(await tokenizer.applyChatTemplate(messages, loud)).toBe('HI')
    expect(await cached('org/base')).toEqual(
      expect.arrayContaining(['additional_chat_templates/loud.jinja', 'config.json', 'tokenizer.json']),
    )
    expect((await cached('org/base')).filter((name) => /safetensors|onnx|vocab/.test(name))).toEqual([])
    hub.log.length = 0
    await AutoTokenizer.fromPretrained('org/base', { cacheDir, revision: commit })
    expect(hub.log).toEqual([])
  })

  it("a sentence model comes with its modules' folders", async () => {
    await publish('org/sentence', join(root, 'sentence'), others)
    await using encoder = await SentenceTransformer.fromPretrained('org/sentence', { cacheDir })
    await using local = await SentenceTransformer.fromPretrained(join(root, 'sentence'))
    expect(await encoder.encode(['the cat'])).toEqual(await local.encode(['the cat']))
    const names = await cached('org/sentence')
    expect(names).toEqual(expect.arrayContaining(['1_Pooling/config.json', 'modules.json', 'tokenizer.json']))
    expect(names.filter((name) => /onnx|vocab/.test(name))).toEqual([])
    hub.log.length = 0
    const again = await SentenceTransformer.fromPretrained('org/sentence', { cacheDir, localFilesOnly: true })
    await again.dispose()
    await (await SentenceTransformer.fromPretrained('org/sentence', { cacheDir, revision: commit })).dispose()
    expect(hub.log).toEqual([])
  })

  it('a plain model is a sentence model, too', async () => {
    await publish('plain', join(root, 'base'))
    await using encoder = await SentenceTransformer.fromPretrained('plain', { cacheDir })
    expect((await encoder.encode('fox')).length).toBe(12)
  })

  it('a ranker comes with its tokenizer', async () => {
    await publish('org/ranker', join(root, 'ranker'))
    await using ranker = await CrossEncoder.fromPretrained('org/ranker', { cacheDir })
    await using local = await CrossEncoder.fromPretrained(join(root, 'ranker'))
    const pairs = [['the cat', 'fox']] as const
    expect(await ranker.scores(pairs)).toEqual(await local.scores(pairs))
  })

  it('where no link can be made, files are copied', async () => {
    await publish('org/copied', join(root, 'base'))
    vi.mocked(fs.symlink).mockRejectedValue(Object.assign(new Error('no right'), { code: 'EPERM' }))
    try {
      await (await AutoModel.fromPretrained('org/copied', { cacheDir })).dispose()
    } finally {
      vi.mocked(fs.symlink).mockReset()
    }
    const path = join(cacheDir, 'models--org--copied/snapshots', commit, 'model.safetensors')
    expect((await fs.lstat(path)).isFile()).toBe(true)
    expect(await readFile(path)).toEqual(await readFile(join(root, 'base', 'model.safetensors')))
  })
})
