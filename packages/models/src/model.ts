import {
  checkOptions,
  DisposedError,
  hasRandomKey,
  nn,
  OptionError,
  Tensor,
  tensor,
  type Parameter,
} from '@tiny/core'
import { withDropout } from './blocks/dropout.js'
import type { Config } from './config/config.js'
import { outputTokens, type Family } from './family.js'
import { hasVocabulary, poolOf, type HeadOutput, type LossOptions, type LossSum } from './heads/index.js'
import { mapBatch, type Batch, type HostArray } from './inputs/batch.js'
import { packInputs, type ModelInputs, type PackSpec } from './inputs/pack.js'
import { roomOf } from './inputs/tokens.js'
import { networkLoss, runBackbone, type BackboneResult, type Network } from './network.js'
import type { ModelOutput } from './outputs/model-output.js'
import { Runner, runOptions, type RunOptions } from './outputs/run.js'
import type { LoadReport } from './parameters/load.js'
import type { Constant, Weight } from './parameters/weights.js'
import { saveModel, type SaveOptions } from './save.js'
import type { Task } from './task.js'

/** What a model is made of; `AutoModelFor….fromPretrained` and `fromConfig` put it together. */
export interface ModelParts {
  readonly family: Family
  readonly config: Config
  readonly task: Task
  readonly network: Network
  readonly weights: readonly Weight[]
  readonly constants: readonly Constant[]
  readonly loadReport: LoadReport
  /** generation_config.json in its own spelling. */
  readonly generationConfig: Readonly<Record<string, unknown>>
}

/** What `forward` gives: graphs over packed rows. */
export interface ForwardResult extends BackboneResult {
  /** [tokens, vocabulary], [tokens, labels], [sequences, labels] or, of choices, [sequences, 1]. */
  readonly logits?: Tensor
  readonly startLogits?: Tensor // [tokens, 1]
  readonly endLogits?: Tensor
  readonly predictionLogits?: Tensor // [tokens, vocabulary]
  readonly seqRelationshipLogits?: Tensor // [sequences, 2]
  readonly sopLogits?: Tensor // [sequences, labels]
  readonly poolerOutput?: Tensor // [sequences, width]
}

/** A model of any family: values in, values out, off the event loop. */
export class PreTrainedModel extends nn.Module {
  readonly config: Config
  readonly task: Task
  /** What was drawn because the file lacks it, what the model does without, and what of the file was left. */
  readonly loadReport: LoadReport
  readonly generationConfig: Readonly<Record<string, unknown>>
  /** @internal */
  readonly family: Family
  readonly #network: Network
  readonly #weights: readonly Weight[]
  /** Names of parameters where they are not those of the file. */
  readonly #listedAs: ReadonlyMap<string, string>
  readonly #constants: readonly Constant[]
  readonly #runner: Runner
  readonly #inFlight = new Set<Promise<unknown>>()
  readonly #releases = new Set<() => void>()
  #disposed = false

  /** @internal Use `fromPretrained` or `fromConfig`. */
  constructor(parts: ModelParts) {
    super()
    this.family = parts.family
    this.config = parts.config
    this.task = parts.task
    this.loadReport = parts.loadReport
    this.generationConfig = parts.generationConfig
    this.#network = parts.network
    this.#weights = parts.weights.filter(({ parameter }) => parameter.materialised)
    this.#listedAs = listedNames(parts)
    this.#constants = parts.constants
    this.#runner = new Runner(parts.network, parts.task, `${this.className}.run`)
  }

  /** transformers' name of the class (`BertForMaskedLM`), which config.json keeps in `architectures`. */
  get className(): string {
    return this.family.classes[this.task]!
  }

  /** @internal */
  get network(): Network {
    return this.#network
  }

  /**
   * Runs a batch. Inputs are copied at the call; calls run in order.
   *
   * @throws OptionError, ShapeError, DTypeError or IndexError naming what is wrong with the inputs, where it stands
   *   and what the model takes; `signal.reason` when aborted.
   */
  async run(inputs: ModelInputs, options: RunOptions = {}): Promise<ModelOutput> {
    this.requireAlive()
    checkOptions(options, runOptions, `${this.className}.run`)
    return this.track(this.#runner.run(packInputs(inputs, this.packSpec), options))
  }

  /**
   * The same as a graph over a packed batch (`pack(inputs, model)`), for composing: nothing is computed yet. Dropout
   * drops in training mode, inside `withRandomKey`.
   */
  forward(batch: Batch<Tensor> | Batch<HostArray>): ForwardResult {
    this.requireAlive()
    const packed = mapBatch<Tensor | HostArray, Tensor>(batch, (array) =>
      array instanceof Tensor ? array : tensor(array.data, { dtype: array.dtype, shape: shapeOf(array) }),
    )
    return withDropout(this.training && hasRandomKey(), () => this.#forward(packed))
  }

  #forward(packed: Batch<Tensor>): ForwardResult {
    const { backbone, head } = this.#network
    const result = runBackbone(backbone, packed)
    const named = (outputs: HeadOutput[]) =>
      Object.fromEntries(outputs.map(({ name, value }) => [name, value]))
    if (head !== undefined) return { ...result, ...named(head.outputs(result.hidden, packed)) }
    const pooled = 'encoder' in backbone ? undefined : backbone.pool?.(result.hidden, packed)
    return { ...result, ...(pooled === undefined ? {} : { poolerOutput: pooled }) }
  }

  /** @internal The loss as a graph over a packed batch with labels; of work that was begun before `dispose`, too. */
  loss(batch: Batch<Tensor>, options: LossOptions): LossSum {
    if (this.#network.head === undefined) {
      throw new OptionError(`${this.className} has no head, hence no loss; use AutoModelFor… with a task`, {
        task: this.task,
      })
    }
    return networkLoss(this.#network, batch, options)
  }

  /** @internal What `packInputs` needs to know of the model. */
  get packSpec(): PackSpec {
    const { family, config, task } = this
    const tokens = family.tokens(config)
    const { backbone } = this.#network
    const pair = 'encoder' in backbone
    const ownPool = task === 'Base' && !pair && backbone.pool !== undefined ? 'pooler' : undefined
    return {
      task,
      tokens,
      reaches: pair ? false : backbone.reaches,
      classes: hasVocabulary(family, task) ? outputTokens(family, config).vocabSize : config.numLabels,
      problemType: config.problemType,
      pool: ownPool ?? poolOf(family, task, config),
      padTokenId: config.padTokenId,
      eosTokenId: config.eosTokenId,
      ownLabels: family.ownLabels,
      sentencePair: family.heads.sentencePair?.(config),
      ...(pair
        ? {
            decoder: {
              tokens: outputTokens(family, config),
              shift: family.shift ?? { first: 'start', fromInputs: false },
              startTokenId: config.decoderStartTokenId,
              padTokenId: config.padTokenId,
            },
          }
        : {}),
    }
  }

  /** Tokens that a row may have; undefined where positions have no bound. */
  get maxTokens(): number | undefined {
    return roomOf(this.family.tokens(this.config))
  }

  /** Every parameter once, tied ones under their first name, in the order of PyTorch's modules. */
  override *namedParameters(): Generator<[name: string, parameter: Parameter]> {
    for (const { name, parameter, buffer } of this.#weights) {
      if (!buffer) yield [this.#listedAs.get(name) ?? name, parameter]
    }
  }

  /** @internal What a file holds: parameters and buffers, but for those that transformers leaves out. */
  *namedTensors(): Generator<[name: string, tensor: Parameter]> {
    const { checkpoint } = this.family
    for (const { name, parameter } of this.#weights) {
      if (checkpoint.omits?.(name, this.task) !== true) yield [name, parameter]
    }
  }

  /**
   * Writes config.json, model.safetensors, generation_config.json of models that generate and, where given, the
   * tokenizer's files: a folder that Python's transformers loads. Files appear when they are complete.
   */
  async savePretrained(folder: string, options: SaveOptions = {}): Promise<void> {
    this.requireAlive()
    return this.track(saveModel(this, folder, options))
  }

  /** Lets calls under way finish, then frees the weights; twice is harmless. Later use throws DisposedError. */
  async dispose(): Promise<void> {
    this.#disposed = true
    while (this.#inFlight.size > 0) await Promise.allSettled(this.#inFlight)
    this.releasePlans()
    for (const release of this.#releases) release()
    this.#releases.clear()
    for (const { parameter } of this.#weights) parameter.dispose()
    for (const constant of this.#constants) constant.dispose()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose()
  }

  /** @internal */
  protected releasePlans(): void {
    this.#runner.dispose()
  }

  /** Has `release` called when the model is disposed of: it lets go of what was compiled over the model. */
  onDispose(release: () => void): void {
    this.#releases.add(release)
  }

  /** @internal @throws DisposedError after `dispose`. */
  requireAlive(): void {
    if (this.#disposed)
      throw new DisposedError(`this ${this.className} was disposed of`, { model: this.className })
  }

  /** Makes `dispose` wait for a call that uses the model. */
  track<T>(call: Promise<T>): Promise<T> {
    this.#inFlight.add(call)
    const forget = (): void => void this.#inFlight.delete(call)
    call.then(forget, forget)
    return call
  }
}

/** Token embeddings go by their head's name where that stands first in PyTorch's modules; files keep their own. */
function listedNames({ family, task, weights }: ModelParts): ReadonlyMap<string, string> {
  const { tie } = family.checkpoint
  const shared = hasVocabulary(family, task) && !weights.some(({ name }) => name === tie?.head)
  return new Map(tie?.headFirst === true && shared ? [[tie.embeddings, tie.head]] : [])
}

// Only the first size of an array is a symbol.
function shapeOf({ dims, data }: HostArray): number[] {
  const rest = dims.slice(1).reduce<number>((product, dim) => product * Number(dim), 1)
  return [data.length / rest, ...dims.slice(1).map(Number)]
}
