import {
  argmax,
  attention,
  cacheAppend,
  cachedAttention,
  compile,
  editScores,
  gatherRows,
  native,
  type CompiledFunction,
  type NativeResult,
  type ScoreEdits,
  type Tensor,
} from '@tiny/core'
import {
  SelfMixer,
  kernelOptions,
  type CrossMixer,
  type Lead,
  type Mixer,
  type Recurrence,
  type Scores,
} from '../blocks/mixer.js'
import type { Batch, Reach } from '../inputs/batch.js'
import type { Network } from '../network.js'
import type { KeysAndValues } from './block-pool.js'
import type { LayerMemory, States } from './cache.js'

/** Tokens that enter a decoder in one step: whole prompts at first, one of each sequence after that. */
export interface StepArguments {
  /** Ids to choose from: the prompts, or those that the step before has chosen. */
  source: Tensor // int32 [given]
  /** Which of them enter. */
  picks: Tensor // int32 [tokens]
  positions: Tensor // int32 [tokens]
  /** Where each sequence's begin; sequences that are done have none. */
  offsets: Tensor // int32 [sequences + 1]
  reach?: Reach<Tensor> | undefined
  /** Rows to choose a next token at: the last of each sequence that goes on. */
  lastRows: Tensor // int32 [live]
  /** Of the logits, where they are known before the step runs. */
  edits?: ScoreEdits | undefined
  cache: CacheArguments
  cross?: CrossArguments | undefined
}

interface CacheArguments {
  /** What each layer keeps: of tokens, or of sequences. */
  layers: LayerMemory<Tensor>[]
  /** Where the step's tokens go in each pool of blocks, and the blocks that sequences see. */
  pools: { slots: Tensor; blockTable: Tensor }[] // int32 [tokens], [sequences, blocks]
  /** Rows of sequences' states that the step starts from, -1 for those that begin, and that it leaves. */
  readSlots: Tensor // int32 [sequences]
  writeSlots: Tensor // int32 [sequences]
  slots: Tensor // int32 [tokens]
  blockTable: Tensor // int32 [sequences, blocks]
  lengths: Tensor // int32 [sequences]
  lead?: Lead<Tensor> | undefined
}

/** An encoder's keys and values of every layer. */
interface CrossArguments {
  keys: Tensor[] // [encoder tokens, width]
  values: Tensor[]
  offsets: Tensor // int32 [sequences + 1]
}

/** The chosen ids: for us to look at, and for the next step to start from at once. */
export interface StepResults {
  ids: Tensor // int32 [live]
  next: NativeResult
}

/** Scores of the next token of each row, where what changes them waits for the ids before. */
export interface ScoreResults {
  scores: NativeResult // [live, vocabulary]
}

export interface ChoiceArguments {
  scores: Tensor // [live, vocabulary]
  edits?: ScoreEdits | undefined
}

/** What is compiled to decode with a model. */
export interface Step {
  /** Runs the decoder and chooses. */
  readonly next: CompiledFunction<StepArguments, StepResults>
  /** The same in two calls. */
  readonly scores: CompiledFunction<StepArguments, ScoreResults>
  readonly choice: CompiledFunction<ChoiceArguments, StepResults>
  dispose(): void
}

/** The head of a model that says what comes next. */
interface NextToken {
  logits(hidden: Tensor): Tensor
}

/**
 * Tokens attend to what their sequences have in the cache, where they are put first. A recurrence goes on from one row
 * of its layer's memory and leaves its state in another, so that a step that fails takes nothing away.
 */
class CachedMixer implements Mixer {
  readonly #offsets: Tensor
  readonly #cache: CacheArguments

  constructor(offsets: Tensor, cache: CacheArguments) {
    this.#offsets = offsets
    this.#cache = cache
  }

  attend(layer: number, q: Tensor, k: Tensor, v: Tensor, scores: Scores): Tensor {
    const { layers, pools, lengths } = this.#cache
    const { keys, values, pool } = layers[layer] as KeysAndValues<Tensor> & { pool: number }
    const { slots, blockTable } = pools[pool]!
    const kCache = cacheAppend(keys, k, slots)
    const vCache = cacheAppend(values, v, slots)
    return cachedAttention(q, kCache, vCache, {
      ...kernelOptions(scores),
      queryOffsets: this.#offsets,
      blockTable,
      lengths,
    })
  }

  recur(layer: number): Recurrence {
    const { layers, readSlots, writeSlots, lead } = this.#cache
    const { convolution, scan } = layers[layer] as States<Tensor>
    const rows = { readSlots, writeSlots }
    return {
      offsets: this.#offsets,
      lead,
      memory: {
        convolution: convolution && { cache: convolution, ...rows },
        scan: { cache: scan, ...rows },
      },
    }
  }
}

/** Tokens attend to an encoder's, whose keys and values were computed once. */
class KeptMixer implements CrossMixer {
  readonly #offsets: Tensor
  readonly #cross: CrossArguments

  constructor(offsets: Tensor, cross: CrossArguments) {
    this.#offsets = offsets
    this.#cross = cross
  }

  keysAndValues(layer: number): [Tensor, Tensor] {
    return [this.#cross.keys[layer]!, this.#cross.values[layer]!]
  }

  attend(_layer: number, q: Tensor, k: Tensor, v: Tensor, scores: Scores): Tensor {
    return attention(q, k, v, {
      ...kernelOptions(scores),
      queryOffsets: this.#offsets,
      keyOffsets: this.#cross.offsets,
    })
  }
}

/** Compiles the step of a model: prompts and single tokens go through one plan. */
export function compileStep(network: Network, name: string): Step {
  const next = compile((args: StepArguments) => choose(logitsOf(network, args), args.edits), { name })
  const scores = compile(
    (args: StepArguments): ScoreResults => ({ scores: native(logitsOf(network, args)) }),
    {
      name: `${name}.scores`,
    },
  )
  const choice = compile(({ scores, edits }: ChoiceArguments) => choose(scores, edits), {
    name: `${name}.choice`,
  })
  const dispose = (): void => [next, scores, choice].forEach((compiled) => compiled.dispose())
  return { next, scores, choice, dispose }
}

/** [live, vocabulary] */
function logitsOf(
  { backbone, head }: Network,
  { source, picks, positions, offsets, reach, lastRows, cache, cross }: StepArguments,
): Tensor {
  const stack = 'encoder' in backbone ? backbone.decoder : backbone.stack
  const inputIds = gatherRows(source.reshape([source.dim(0), 1]), picks).reshape([picks.dim(0)])
  const hidden = stack.forward(
    { inputIds, positions, offsets, ...(reach && { reach }) },
    new CachedMixer(offsets, cache),
    {
      cross: cross && new KeptMixer(offsets, cross),
    },
  )
  return (head as unknown as NextToken).logits(gatherRows(hidden, lastRows))
}

/** The most likely token of each row. */
function choose(scores: Tensor, edits: ScoreEdits | undefined): StepResults {
  const ids = argmax(edits === undefined ? scores : editScores(scores, edits))
  return { ids, next: native(ids) }
}

export type Encode = CompiledFunction<Batch<Tensor>, { keys: NativeResult[]; values: NativeResult[] }>

/** Compiles what an encoder–decoder computes once: keys and values of every decoder layer over the encoder's tokens. */
export function compileEncode({ backbone }: Network, name: string): Encode | undefined {
  if (!('encoder' in backbone)) return undefined
  return compile(
    (batch: Batch<Tensor>) => {
      const pairs = backbone.decoder.keysAndValues(backbone.encoder.forward(batch, new SelfMixer(batch)))
      return { keys: pairs.map(([k]) => native(k)), values: pairs.map(([, v]) => native(v)) }
    },
    { name },
  )
}
