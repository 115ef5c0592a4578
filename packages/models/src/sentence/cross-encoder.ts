import { checkOptions, OptionError } from '@tiny/core'
import { AutoModelForSequenceClassification } from '../auto.js'
import type { FromPretrainedOptions } from '../build.js'
import { hubOptionsOf } from '../hub/options.js'
import type { PreTrainedModel } from '../model.js'
import { AutoTokenizer, type Tokenizer } from '../tokenizer/index.js'
import { batchesByLength, batchSizeOf } from './batches.js'

export interface PredictOptions {
  /** Pairs that are computed together; 32 unless given. */
  readonly batchSize?: number | undefined
  /** What is made of the logits; as the model says unless given: 'sigmoid' for one label, else 'identity'. */
  readonly activation?: 'sigmoid' | 'identity' | undefined
  readonly signal?: AbortSignal | undefined
}

export interface RankOptions extends PredictOptions {
  /** The best so many; all unless given. */
  readonly topK?: number | undefined
  readonly returnDocuments?: boolean | undefined
}

export interface Ranked {
  /** Which document it is. */
  readonly corpusId: number
  readonly score: number
  readonly text?: string
}

const predictOptions = ['batchSize', 'activation', 'signal']

/** A classifier of pairs of texts, by the files of sentence-transformers: a query and a document to a score. */
export class CrossEncoder {
  readonly model: PreTrainedModel
  readonly tokenizer: Tokenizer
  readonly #activation: 'sigmoid' | 'identity'

  private constructor(model: PreTrainedModel, tokenizer: Tokenizer) {
    this.model = model
    this.tokenizer = tokenizer
    this.#activation = activationOf(model)
  }

  /** Loads a folder or a hub id. */
  static async fromPretrained(source: string, options: FromPretrainedOptions = {}): Promise<CrossEncoder> {
    const model = await AutoModelForSequenceClassification.fromPretrained(source, options)
    try {
      return new CrossEncoder(model, await AutoTokenizer.fromPretrained(source, hubOptionsOf(options)))
    } catch (error) {
      await model.dispose()
      throw error
    }
  }

  /**
   * Scores of pairs, as rows of one number for each label: [pairs][labels].
   *
   * @throws OptionError for options that do not exist; `signal.reason` when aborted.
   */
  async scores(
    pairs: readonly (readonly [string, string])[],
    options: PredictOptions = {},
  ): Promise<Float32Array[]> {
    const call = 'CrossEncoder.scores'
    checkOptions(options, predictOptions, call)
    const batchSize = batchSizeOf(call, options.batchSize)
    const activation = options.activation ?? this.#activation
    if (activation !== 'sigmoid' && activation !== 'identity') {
      throw new OptionError(`activation is 'sigmoid' or 'identity', not '${String(activation)}'`, {
        option: 'activation',
      })
    }
    return this.model.track(this.#scores(pairs, batchSize, activation, options.signal))
  }

  async #scores(
    pairs: readonly (readonly [string, string])[],
    batchSize: number,
    activation: 'sigmoid' | 'identity',
    signal: AbortSignal | undefined,
  ): Promise<Float32Array[]> {
    signal?.throwIfAborted()
    const { model, tokenizer } = this
    const bounds = [tokenizer.modelMaxLength, model.maxTokens].filter((bound) => bound !== undefined)
    const { inputIds, tokenTypeIds } = await tokenizer.encodeBatch(
      pairs.map(([first]) => first),
      {
        textPairs: pairs.map(([, second]) => second),
        ...(bounds.length === 0 ? {} : { truncation: true, maxLength: Math.min(...bounds) }),
      },
    )
    const typed = model.packSpec.tokens.typeVocabSize !== undefined && tokenTypeIds !== undefined
    const found = Array.from<Float32Array>({ length: pairs.length })
    const lengths = inputIds.map((ids) => ids.length)
    for (const rows of batchesByLength(lengths, batchSize)) {
      const { logits } = await model.run(
        {
          inputIds: rows.map((row) => inputIds[row]!),
          ...(typed ? { tokenTypeIds: rows.map((row) => tokenTypeIds[row]!) } : {}),
        },
        { signal },
      )
      const { shape, data } = logits!
      const width = shape[1]!
      rows.forEach((row, i) => {
        const own = data.slice(i * width, (i + 1) * width)
        found[row] = activation === 'sigmoid' ? own.map((x) => 1 / (1 + Math.exp(-x))) : own
      })
    }
    return found
  }

  /**
   * Scores of pairs by a model with one label.
   *
   * @throws OptionError for a model with several labels, whose `scores` are rows.
   */
  async predict(
    pairs: readonly (readonly [string, string])[],
    options: PredictOptions = {},
  ): Promise<number[]> {
    const { numLabels } = this.model.config
    if (numLabels !== 1) {
      throw new OptionError(`this model has ${numLabels} labels; scores() gives all of a pair's`, {
        numLabels,
      })
    }
    return (await this.scores(pairs, options)).map(([score]) => score!)
  }

  /** Documents by how well they answer a query, the best first; equals keep their order. */
  async rank(query: string, documents: readonly string[], options: RankOptions = {}): Promise<Ranked[]> {
    checkOptions(options, [...predictOptions, 'topK', 'returnDocuments'], 'CrossEncoder.rank')
    const { topK, returnDocuments = false, ...rest } = options
    if (topK !== undefined && !(Number.isInteger(topK) && topK > 0)) {
      throw new OptionError(`topK is a positive integer, not ${String(topK)}`, { option: 'topK' })
    }
    const scores = await this.predict(
      documents.map((document) => [query, document] as const),
      rest,
    )
    return scores
      .map((score, corpusId) => ({
        corpusId,
        score,
        ...(returnDocuments ? { text: documents[corpusId]! } : {}),
      }))
      .sort((a, b) => b.score - a.score)
      .slice(0, topK)
  }

  async savePretrained(folder: string): Promise<void> {
    await this.model.savePretrained(folder, { tokenizer: this.tokenizer })
  }

  /** Lets calls under way finish, then frees the weights. */
  async dispose(): Promise<void> {
    await this.model.dispose()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose()
  }
}

/** config.json may name torch's class, in a newer and in an older place; else one label means a sigmoid. */
function activationOf(model: PreTrainedModel): 'sigmoid' | 'identity' {
  const json = model.config.toJSON() as Record<string, unknown>
  const section = json['sentence_transformers'] as Record<string, unknown> | undefined
  const name = (section?.['activation_fn'] ?? json['sbert_ce_default_activation_function']) as
    | string
    | null
    | undefined
  if (name == null) return model.config.numLabels === 1 ? 'sigmoid' : 'identity'
  const short = name.slice(name.lastIndexOf('.') + 1)
  if (short === 'Sigmoid') return 'sigmoid'
  if (short === 'Identity') return 'identity'
  throw new OptionError(`the model's activation is ${name}; give activation 'sigmoid' or 'identity'`, {
    option: 'activation',
  })
}
