import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  checkOptions,
  compile,
  input,
  OptionError,
  UnsupportedError,
  type CompiledFunction,
  type HostTensor,
  type Tensor,
} from '@tiny/core'
import { AutoModel, AutoModelForTextEncoding } from '../auto.js'
import { readConfig, type FromPretrainedOptions } from '../build.js'
import { hubOptionsOf, withoutHubOptions } from '../hub/options.js'
import { openSource } from '../hub/source.js'
import type { Batch } from '../inputs/batch.js'
import { packInputs } from '../inputs/pack.js'
import type { PreTrainedModel } from '../model.js'
import { runBackbone } from '../network.js'
import { toInputs } from '../outputs/run.js'
import { familyOf } from '../registry.js'
import { AutoTokenizer, type Tokenizer } from '../tokenizer/index.js'
import { batchesByLength, batchSizeOf } from './batches.js'
import { fetchModules, readModuleConfig, readModules } from './modules.js'
import { Pooling, type PoolingInputs } from './pooling.js'
import { similarityOf } from './similarity.js'
import { loadVectorModule, normalizeRows, saveVectorModule, type VectorModule } from './vector-modules.js'

export interface EncodeSentencesOptions {
  /** Texts that are computed together; 32 unless given. */
  readonly batchSize?: number | undefined
  /** Divides each vector by its length, whether or not the model ends so. */
  readonly normalize?: boolean | undefined
  /** Put before each text. */
  readonly prompt?: string | undefined
  /** One of the prompts that the model names; its default one unless given. */
  readonly promptName?: string | undefined
  readonly signal?: AbortSignal | undefined
}

interface Parts {
  readonly model: PreTrainedModel
  readonly tokenizer: Tokenizer
  readonly pooling: Pooling
  readonly after: readonly VectorModule[]
  readonly sentenceConfig: Readonly<Record<string, unknown>>
  readonly config: Readonly<Record<string, unknown>>
}

interface EmbedArguments {
  batch: Batch<Tensor>
  places: PoolingInputs<Tensor>
  normalize: boolean
}

const encodeOptions = ['batchSize', 'normalize', 'prompt', 'promptName', 'signal']

/**
 * A model of sentences by the files of sentence-transformers: a transformer, pooling, and what is done to the vectors.
 */
export class SentenceTransformer {
  readonly model: PreTrainedModel
  readonly tokenizer: Tokenizer
  /** Tokens that a text is cut to; undefined where nothing bounds it. */
  readonly maxSeqLength: number | undefined
  /** Prompts by name. */
  readonly prompts: Readonly<Record<string, string>>
  readonly defaultPromptName: string | undefined
  /** 'cosine', 'dot', 'euclidean' or 'manhattan'. */
  readonly similarityFnName: string
  readonly #parts: Parts
  readonly #embed: CompiledFunction<EmbedArguments, { vectors: Tensor }>

  private constructor(parts: Parts) {
    const { model, tokenizer, sentenceConfig, config, pooling, after } = parts
    this.#parts = parts
    this.model = model
    this.tokenizer = tokenizer
    const bounds = [sentenceConfig['max_seq_length'] ?? tokenizer.modelMaxLength, model.maxTokens]
    const known = bounds.filter((bound): bound is number => typeof bound === 'number')
    this.maxSeqLength = known.length === 0 ? undefined : Math.min(...known)
    this.prompts = (config['prompts'] ?? {}) as Record<string, string>
    this.defaultPromptName = (config['default_prompt_name'] ?? undefined) as string | undefined
    this.similarityFnName = (config['similarity_fn_name'] ?? 'cosine') as string
    similarityOf(this.similarityFnName)
    this.#embed = compile(
      ({ batch, places, normalize }: EmbedArguments) => {
        const { hidden } = runBackbone(model.network.backbone, batch)
        let vectors = pooling.apply(hidden, batch, places)
        for (const step of after) vectors = step.apply(vectors)
        return { vectors: normalize ? normalizeRows(vectors) : vectors }
      },
      { name: 'SentenceTransformer.encode' },
    )
    model.onDispose(() => this.#release())
  }

  /**
   * Loads a folder or a hub id with modules.json, or a plain model, whose tokens are then averaged.
   *
   * @throws CheckpointError for what its files lack, UnsupportedError naming a module that there is not yet.
   */
  static async fromPretrained(
    source: string,
    options: FromPretrainedOptions = {},
  ): Promise<SentenceTransformer> {
    const folder = await fetchModules(await openSource(source, hubOptionsOf(options)), options.variant)
    const modules = await readModules(folder)
    const transformer = modules[0]!.folder
    const pooling = modules[1]?.kind === 'Pooling' ? modules[1] : undefined
    const { family } = await readConfig(transformer, familyOf)
    const of = family.kind === 'seq2seq' ? AutoModelForTextEncoding : AutoModel
    const model = await of.fromPretrained(transformer, withoutHubOptions(options))
    try {
      const after = await Promise.all(modules.slice(pooling === undefined ? 1 : 2).map(loadVectorModule))
      return new SentenceTransformer({
        model,
        tokenizer: await AutoTokenizer.fromPretrained(transformer),
        pooling: new Pooling(
          pooling ? await readModuleConfig(pooling.folder) : { pooling_mode_mean_tokens: true },
        ),
        after,
        sentenceConfig: await readModuleConfig(transformer, 'sentence_bert_config.json'),
        config: await readModuleConfig(folder, 'config_sentence_transformers.json'),
      })
    } catch (error) {
      await model.dispose()
      throw error
    }
  }

  /**
   * A vector for each text. Texts are cut at `maxSeqLength` tokens and computed in batches of like lengths, without
   * padding.
   *
   * @throws OptionError for options and prompts that do not exist; `signal.reason` when aborted.
   */
  async encode(text: string, options?: EncodeSentencesOptions): Promise<Float32Array>
  async encode(texts: readonly string[], options?: EncodeSentencesOptions): Promise<Float32Array[]>
  async encode(
    given: string | readonly string[],
    options: EncodeSentencesOptions = {},
  ): Promise<Float32Array | Float32Array[]> {
    const call = 'SentenceTransformer.encode'
    checkOptions(options, encodeOptions, call)
    this.model.requireAlive()
    const batchSize = batchSizeOf(call, options.batchSize)
    if (options.normalize !== undefined && typeof (options.normalize as unknown) !== 'boolean') {
      throw new OptionError(`${call} takes true or false as normalize`, { call, option: 'normalize' })
    }
    const texts = typeof given === 'string' ? [given] : given
    const vectors = await this.model.track(this.#encode(texts, batchSize, options))
    return typeof given === 'string' ? vectors[0]! : vectors
  }

  async #encode(
    texts: readonly string[],
    batchSize: number,
    options: EncodeSentencesOptions,
  ): Promise<Float32Array[]> {
    const { signal, normalize = false } = options
    const { tokenizer, model } = this
    signal?.throwIfAborted()
    const prompt = this.#promptOf(options)
    const lower = this.#parts.sentenceConfig['do_lower_case'] === true
    const prepared = texts.map((text) => (lower ? (prompt + text).toLowerCase() : prompt + text))
    const { inputIds, tokenTypeIds } = await tokenizer.encodeBatch(
      prepared,
      this.maxSeqLength === undefined ? {} : { truncation: true, maxLength: this.maxSeqLength },
    )
    const typed = model.packSpec.tokens.typeVocabSize !== undefined && tokenTypeIds !== undefined
    const vectors = Array.from<Float32Array>({ length: texts.length })
    const lengths = inputIds.map((ids) => ids.length)
    for (const rows of batchesByLength(lengths, batchSize)) {
      const ids = rows.map((row) => inputIds[row]!)
      const types = typed ? { tokenTypeIds: rows.map((row) => tokenTypeIds[row]!) } : {}
      const { batch } = packInputs({ inputIds: ids, ...types }, model.packSpec)
      const args = { batch: toInputs(batch), places: placesOf(ids), normalize }
      const found = (await this.#embed(args as never, { signal })) as unknown as { vectors: HostTensor }
      const width = found.vectors.shape[1]!
      const data = found.vectors.data as Float32Array
      rows.forEach((row, i) => (vectors[row] = data.slice(i * width, (i + 1) * width)))
    }
    return vectors
  }

  #promptOf({ prompt, promptName }: EncodeSentencesOptions): string {
    const name = promptName ?? (prompt === undefined ? this.defaultPromptName : undefined)
    const named = name !== undefined && Object.hasOwn(this.prompts, name) ? this.prompts[name] : undefined
    const found = prompt ?? (name === undefined ? '' : named)
    if (found === undefined) {
      const names = Object.keys(this.prompts).join(', ') || 'none'
      throw new OptionError(`there is no prompt '${String(name)}'; this model has ${names}`, {
        option: 'promptName',
      })
    }
    if (found !== '' && !this.#parts.pooling.includePrompt) {
      throw new UnsupportedError(
        'pooling without the tokens of the prompt (include_prompt: false) is not there yet',
        {
          option: 'prompt',
        },
      )
    }
    return found
  }

  /** How alike two vectors are, or each of some and each of others, by `similarityFnName`. */
  similarity(a: Float32Array, b: Float32Array): number
  similarity(a: readonly Float32Array[], b: readonly Float32Array[]): number[][]
  similarity(
    a: Float32Array | readonly Float32Array[],
    b: Float32Array | readonly Float32Array[],
  ): number | number[][] {
    const measure = similarityOf(this.similarityFnName)
    if (a instanceof Float32Array && b instanceof Float32Array) return measure(a, b)
    const rows = (x: Float32Array | readonly Float32Array[]) => (x instanceof Float32Array ? [x] : x)
    return rows(a).map((one) => rows(b).map((other) => measure(one, other)))
  }

  /** Writes a folder that Python's sentence-transformers loads. */
  async savePretrained(folder: string): Promise<void> {
    const { pooling, after, sentenceConfig, config } = this.#parts
    await this.model.savePretrained(folder, { tokenizer: this.tokenizer })
    const steps = [{ kind: 'Pooling', json: pooling.json }, ...after]
    const entries = [{ idx: 0, name: '0', path: '', type: 'sentence_transformers.models.Transformer' }]
    for (const [i, { kind, json }] of steps.entries()) {
      const path = `${i + 1}_${kind}`
      await mkdir(join(folder, path), { recursive: true })
      if (Object.keys(json).length > 0) await writeJson(join(folder, path, 'config.json'), json)
      if (i > 0) await saveVectorModule(after[i - 1]!, join(folder, path))
      entries.push({ idx: i + 1, name: String(i + 1), path, type: `sentence_transformers.models.${kind}` })
    }
    await writeJson(join(folder, 'modules.json'), entries)
    const bound = this.maxSeqLength === undefined ? {} : { max_seq_length: this.maxSeqLength }
    await writeJson(join(folder, 'sentence_bert_config.json'), {
      do_lower_case: false,
      ...bound,
      ...sentenceConfig,
    })
    await writeJson(join(folder, 'config_sentence_transformers.json'), {
      prompts: this.prompts,
      default_prompt_name: this.defaultPromptName ?? null,
      similarity_fn_name: this.similarityFnName,
      ...config,
    })
  }

  /** Lets calls under way finish, then frees the weights. */
  async dispose(): Promise<void> {
    await this.model.dispose()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose()
  }

  #release(): void {
    this.#embed.dispose()
    for (const { weights } of this.#parts.after) for (const { parameter } of weights.all) parameter.dispose()
  }
}

const writeJson = (path: string, value: object): Promise<void> =>
  writeFile(path, `${JSON.stringify(value, undefined, 2)}\n`)

function placesOf(rows: readonly ArrayLike<number>[]): PoolingInputs<unknown> {
  const lengths = rows.map(({ length }) => length)
  let end = 0
  const float = (dims: (string | number)[], data: number[]) => input('float32', dims, Float32Array.from(data))
  return {
    ranks: float(
      ['tokens', 1],
      lengths.flatMap((length) => Array.from({ length }, (_, i) => i + 1)),
    ),
    roots: float(['sequences', 1], lengths.map(Math.sqrt)),
    middles: float(
      ['sequences', 1],
      lengths.map((length) => (length + 1) / 2),
    ),
    lastRows: input(
      'int32',
      ['sequences'],
      Int32Array.from(lengths, (length) => (end += length) - 1),
    ),
  }
}
