import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { saveCheckpoint, tensor } from '@tiny/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { goldenFolder } from '../../test/golden.js'
import { AutoModel, AutoModelForSequenceClassification, AutoModelForTextEncoding } from '../auto.js'
import type { PreTrainedModel } from '../model.js'
import { AutoTokenizer, type Tokenizer } from '../tokenizer/index.js'
import { CrossEncoder, SentenceTransformer } from './index.js'

const width = 12
const texts = ['the cat', 'a much longer sentence about nothing at all', 'fox', 'the quick brown fox jumps']
const bert = {
  model_type: 'bert',
  vocab_size: 600,
  hidden_size: width,
  num_hidden_layers: 2,
  num_attention_heads: 3,
  intermediate_size: 20,
  max_position_embeddings: 16,
}
let root: string
let base: PreTrainedModel
let tokenizer: Tokenizer

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'tiny-sentence-'))
  tokenizer = await AutoTokenizer.fromPretrained(goldenFolder('tokenizers/wordpiece-bert'))
  base = await AutoModel.fromConfig({ ...bert, vocab_size: Math.max(600, tokenizer.vocabSize) }, { seed: 3 })
  await base.savePretrained(join(root, 'plain'), { tokenizer })
})
afterAll(async () => {
  await base.dispose()
  await rm(root, { recursive: true })
})

interface Step {
  readonly type: string
  readonly config?: object
  readonly tensors?: Record<string, { shape: number[]; data: Float32Array }>
}

/** A sentence model whose later modules are these. */
async function sentenceModel(name: string, steps: readonly Step[], files: Record<string, object> = {}) {
  const folder = join(root, name)
  await cp(join(root, 'plain'), folder, { recursive: true })
  const modules = [{ idx: 0, name: '0', path: '', type: 'sentence_transformers.models.Transformer' }]
  for (const [i, { type, config, tensors }] of steps.entries()) {
    const path = `${i + 1}_${type}`
    modules.push({ idx: i + 1, name: String(i + 1), path, type: `sentence_transformers.models.${type}` })
    if (config === undefined && tensors === undefined) continue
    await mkdir(join(folder, path))
    await writeFile(join(folder, path, 'config.json'), JSON.stringify(config))
    if (tensors === undefined) continue
    const entries = Object.entries(tensors).map(
      ([key, { shape, data }]) => [key, tensor(data, { shape })] as const,
    )
    await saveCheckpoint(join(folder, path, 'model.safetensors'), entries)
  }
  await writeFile(join(folder, 'modules.json'), JSON.stringify(modules))
  for (const [file, content] of Object.entries(files))
    await writeFile(join(folder, file), JSON.stringify(content))
  return folder
}

const pooling = (...names: string[]): Step => ({
  type: 'Pooling',
  config: { word_embedding_dimension: width, ...Object.fromEntries(names.map((key) => [key, true])) },
})

/** Hidden states of each text, as rows. */
async function hiddenOf(given: readonly string[]): Promise<number[][][]> {
  const { inputIds } = await tokenizer.encodeBatch(given, { truncation: true, maxLength: 16 })
  return Promise.all(
    inputIds.map(async (ids) => {
      const { lastHiddenState } = await base.run({ inputIds: [ids] })
      return ids.map((_, i) => Array.from(lastHiddenState!.data.subarray(i * width, (i + 1) * width)))
    }),
  )
}

const column = (rows: number[][], j: number) => rows.map((row) => row[j]!)
const sum = (values: number[]) => values.reduce((total, value) => total + value, 0)
const each = (make: (values: number[], rows: number[][]) => number) => (rows: number[][]) =>
  Array.from({ length: width }, (_, j) => make(column(rows, j), rows))

const modes: Record<string, (rows: number[][]) => number[]> = {
  pooling_mode_cls_token: each((values) => values[0]!),
  pooling_mode_max_tokens: each((values) => Math.max(...values)),
  pooling_mode_mean_tokens: each((values) => sum(values) / values.length),
  pooling_mode_mean_sqrt_len_tokens: each((values) => sum(values) / Math.sqrt(values.length)),
  pooling_mode_weightedmean_tokens: each(
    (values) => sum(values.map((value, i) => value * (i + 1))) / sum(values.map((_, i) => i + 1)),
  ),
  pooling_mode_lasttoken: each((values) => values.at(-1)!),
}

const bar = 2e-6

/** The largest difference. */
function offBy(got: ArrayLike<number>, want: readonly number[]): number {
  if (got.length !== want.length) return Infinity
  return Math.max(...want.map((value, i) => Math.abs(got[i]! - value)))
}

describe('pooling', () => {
  it.each(Object.keys(modes))('%s', async (mode) => {
    await using encoder = await SentenceTransformer.fromPretrained(await sentenceModel(mode, [pooling(mode)]))
    const vectors = await encoder.encode(texts, { batchSize: 3 })
    for (const [i, rows] of (await hiddenOf(texts)).entries())
      expect(offBy(vectors[i]!, modes[mode]!(rows))).toBeLessThan(bar)
  })

  it('joins several modes in the order of sentence-transformers', async () => {
    const folder = await sentenceModel('several', [
      pooling('pooling_mode_mean_tokens', 'pooling_mode_cls_token'),
    ])
    await using encoder = await SentenceTransformer.fromPretrained(folder)
    const vector = await encoder.encode(texts[1]!)
    const [rows] = await hiddenOf([texts[1]!])
    const joined = [...modes['pooling_mode_cls_token']!(rows!), ...modes['pooling_mode_mean_tokens']!(rows!)]
    expect(offBy(vector, joined)).toBeLessThan(bar)
  })

  it('is the mean where there is no modules.json', async () => {
    await using encoder = await SentenceTransformer.fromPretrained(join(root, 'plain'))
    const [rows] = await hiddenOf([texts[0]!])
    const mean = modes['pooling_mode_mean_tokens']!(rows!)
    expect(offBy(await encoder.encode(texts[0]!), mean)).toBeLessThan(bar)
    expect(await encoder.encode([])).toEqual([])
  })

  it('refuses modes and modules that there are not', async () => {
    const unknown = await sentenceModel('unknown', [pooling('pooling_mode_median')])
    await expect(SentenceTransformer.fromPretrained(unknown)).rejects.toThrow(/pooling_mode_median/)
    const cnn = await sentenceModel('cnn', [pooling('pooling_mode_cls_token'), { type: 'CNN' }])
    await expect(SentenceTransformer.fromPretrained(cnn)).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  })
})

describe('what follows pooling', () => {
  const dense: Step = {
    type: 'Dense',
    config: {
      in_features: width,
      out_features: 2,
      bias: true,
      activation_function: 'torch.nn.modules.activation.Tanh',
    },
    tensors: {
      'linear.weight': {
        shape: [2, width],
        data: Float32Array.from({ length: 2 * width }, (_, i) => i / 10 - 1),
      },
      'linear.bias': { shape: [2], data: Float32Array.of(0.5, -0.25) },
    },
  }
  const steps = [pooling('pooling_mode_mean_tokens'), dense, { type: 'Normalize' }]

  it('Dense and Normalize, and after saving and loading the same', async () => {
    await using encoder = await SentenceTransformer.fromPretrained(await sentenceModel('dense', steps))
    const vectors = await encoder.encode(texts)
    const { data: weight } = dense.tensors!['linear.weight']!
    for (const [i, rows] of (await hiddenOf(texts)).entries()) {
      const mean = modes['pooling_mode_mean_tokens']!(rows)
      const made = [0, 1].map((o) =>
        Math.tanh(sum(mean.map((value, j) => value * weight[o * width + j]!)) + [0.5, -0.25][o]!),
      )
      const length = Math.hypot(...made)
      expect(
        offBy(
          vectors[i]!,
          made.map((value) => value / length),
        ),
      ).toBeLessThan(bar)
    }
    expect(encoder.similarity(vectors[0]!, vectors[0]!)).toBeCloseTo(1, 5)
    expect(encoder.similarity(vectors, vectors.slice(0, 2)).map((row) => row.length)).toEqual([2, 2, 2, 2])
    await encoder.savePretrained(join(root, 'saved'))
    await using again = await SentenceTransformer.fromPretrained(join(root, 'saved'))
    expect(await again.encode(texts)).toEqual(vectors)
  })

  it('names what a Dense module lacks', async () => {
    const { 'linear.weight': weight } = dense.tensors!
    const folder = await sentenceModel('lacking', [
      steps[0]!,
      { ...dense, tensors: { 'linear.weight': weight! } },
    ])
    await expect(SentenceTransformer.fromPretrained(folder)).rejects.toThrow(/linear\.bias/)
  })
})

describe('other kinds of models', () => {
  const sizes = { vocab_size: 600, num_hidden_layers: 2, num_attention_heads: 2 }
  it.each([
    [
      'the encoder of an encoder–decoder',
      AutoModelForTextEncoding,
      { ...sizes, model_type: 't5', d_model: 12, d_kv: 6, d_ff: 20, num_layers: 2, num_heads: 2 },
    ],
    [
      'a decoder',
      AutoModel,
      { ...sizes, model_type: 'llama', hidden_size: 12, intermediate_size: 20, num_key_value_heads: 1 },
    ],
  ] as const)('%s', async (name, AutoClass, config) => {
    await using model = await AutoClass.fromConfig(config, { seed: 7 })
    const folder = await sentenceModel(`kind ${name}`, [pooling('pooling_mode_lasttoken')])
    await model.savePretrained(folder)
    await using encoder = await SentenceTransformer.fromPretrained(folder)
    const { inputIds } = await encoder.tokenizer.encodeBatch(texts)
    const vectors = await encoder.encode(texts)
    for (const [i, ids] of inputIds.entries()) {
      const { lastHiddenState } = await model.run({ inputIds: [ids] })
      expect(offBy(vectors[i]!, Array.from(lastHiddenState!.data.subarray(-width)))).toBeLessThan(bar)
    }
  })
})

describe('texts', () => {
  it('are cut, lower-cased and given prompts as the files say', async () => {
    const folder = await sentenceModel('prompted', [pooling('pooling_mode_mean_tokens')], {
      'sentence_bert_config.json': { max_seq_length: 6, do_lower_case: true },
      'config_sentence_transformers.json': {
        prompts: { query: 'the ' },
        default_prompt_name: null,
        similarity_fn_name: 'dot',
      },
    })
    await using encoder = await SentenceTransformer.fromPretrained(folder)
    expect(encoder.maxSeqLength).toBe(6)
    expect(await encoder.encode('CAT', { promptName: 'query' })).toEqual(await encoder.encode('the cat'))
    expect(await encoder.encode('cat', { prompt: 'the ' })).toEqual(await encoder.encode('the cat'))
    const long = 'the quick brown fox jumps over the lazy dog'
    expect(await encoder.encode(long)).toEqual(await encoder.encode('the quick brown fox'))
    await expect(encoder.encode('x', { promptName: 'passage' })).rejects.toThrow(/query/)
    await expect(encoder.encode('x', { batch_size: 3 } as object)).rejects.toThrow(/batchSize/)
    const reason = new Error('enough')
    await expect(encoder.encode('x', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(encoder.similarity(Float32Array.of(1, 2), Float32Array.of(3, 4))).toBe(11)
  })

  it('are not taken after dispose', async () => {
    const encoder = await SentenceTransformer.fromPretrained(join(root, 'plain'))
    await encoder.dispose()
    await expect(encoder.encode('x')).rejects.toMatchObject({ code: 'DISPOSED' })
  })
})

describe('CrossEncoder', () => {
  it('scores pairs and ranks documents', async () => {
    const folder = join(root, 'cross')
    await using made = await AutoModelForSequenceClassification.fromConfig(
      { ...base.config.toJSON(), num_labels: 1, id2label: { 0: 'LABEL_0' }, initializer_range: 0.5 },
      { seed: 5 },
    )
    await made.savePretrained(folder, { tokenizer })
    await using ranker = await CrossEncoder.fromPretrained(folder)
    const scores = await ranker.predict(texts.map((text) => ['a fox', text] as const))
    for (const [i, text] of texts.entries()) {
      const encoded = await tokenizer.encodeBatch(['a fox'], { textPairs: [text], maxLength: 16 })
      const { logits } = await made.run(encoded)
      expect(scores[i]).toBeCloseTo(1 / (1 + Math.exp(-logits!.data[0]!)), 5)
    }
    const ranked = await ranker.rank('a fox', texts, { topK: 3, returnDocuments: true })
    expect(ranked.map(({ score }) => score)).toEqual([...scores].sort((a, b) => b - a).slice(0, 3))
    for (const { corpusId, text } of ranked) expect(text).toBe(texts[corpusId])
    const raw = await ranker.predict([['a fox', texts[0]!]], { activation: 'identity' })
    expect(1 / (1 + Math.exp(-raw[0]!))).toBeCloseTo(scores[0]!, 5)
  })

  it('gives rows where a model has several labels', async () => {
    const folder = join(root, 'cross3')
    await using made = await AutoModelForSequenceClassification.fromConfig(
      { ...base.config.toJSON(), id2label: { 0: 'no', 1: 'maybe', 2: 'yes' } },
      { seed: 5 },
    )
    await made.savePretrained(folder, { tokenizer })
    await using ranker = await CrossEncoder.fromPretrained(folder)
    expect((await ranker.scores([['a', 'b']]))[0]!.length).toBe(3)
    await expect(ranker.predict([['a', 'b']])).rejects.toThrow(/3 labels/)
  })
})
