import { CheckpointError, concat, gatherRows, segmentMax, segmentMean, type Tensor } from '@tiny/core'
import type { Batch } from '../inputs/batch.js'

/** Host arrays that pooling reads beside the batch, as tensors of a plan. */
export interface PoolingInputs<T> {
  /** 1, 2, 3, … within each sequence. */
  readonly ranks: T // float32 [tokens, 1]
  /** Square root of each sequence's length. */
  readonly roots: T // float32 [sequences, 1]
  /** Mean rank of each sequence: (length + 1) / 2. */
  readonly middles: T // float32 [sequences, 1]
  readonly lastRows: T // int32 [sequences]
}

type Mode = (hidden: Tensor, batch: Batch<Tensor>, inputs: PoolingInputs<Tensor>) => Tensor

/** sentence-transformers' Pooling.py: its modes by the key that turns them on, in the order in which they are joined. */
const modes: Readonly<Record<string, Mode>> = {
  pooling_mode_cls_token: (hidden, { offsets }) =>
    gatherRows(hidden, offsets.sliceRows(0, offsets.dim(0).sub(1))),
  pooling_mode_max_tokens: (hidden, { offsets }) => segmentMax(hidden, offsets),
  pooling_mode_mean_tokens: (hidden, { offsets }) => segmentMean(hidden, offsets),
  pooling_mode_mean_sqrt_len_tokens: (hidden, { offsets }, { roots }) =>
    segmentMean(hidden, offsets).mul(roots),
  // Σ rank h / Σ rank, where the mean rank is what the sum of ranks is over the length.
  pooling_mode_weightedmean_tokens: (hidden, { offsets }, { ranks, middles }) =>
    segmentMean(hidden.mul(ranks), offsets).div(middles),
  pooling_mode_lasttoken: (hidden, _, { lastRows }) => gatherRows(hidden, lastRows),
}

/** Names of the newer `pooling_mode` key. */
const named: Readonly<Record<string, string>> = {
  cls: 'pooling_mode_cls_token',
  max: 'pooling_mode_max_tokens',
  mean: 'pooling_mode_mean_tokens',
  mean_sqrt_len_tokens: 'pooling_mode_mean_sqrt_len_tokens',
  weightedmean: 'pooling_mode_weightedmean_tokens',
  lasttoken: 'pooling_mode_lasttoken',
}

const others = ['word_embedding_dimension', 'embedding_dimension', 'pooling_mode', 'include_prompt']

/** Hidden states of all tokens to one vector for each sequence. */
export class Pooling {
  readonly #modes: readonly Mode[]
  /** How many vectors of the model's width are joined. */
  readonly parts: number
  /** Whether a prompt's tokens count. */
  readonly includePrompt: boolean
  readonly json: Readonly<Record<string, unknown>>

  /** @throws CheckpointError for a mode that there is not, or without any. */
  constructor(json: Readonly<Record<string, unknown>>) {
    const path = 'the Pooling module'
    const unknown = Object.keys(json).find((key) => !(key in modes) && !others.includes(key))
    if (unknown !== undefined)
      throw new CheckpointError(`${path}: '${unknown}' is not known`, { key: unknown })
    const names = [(json['pooling_mode'] ?? []) as string | readonly string[]].flat()
    const chosen = new Set(names.map((name) => named[name] ?? name))
    for (const key of Object.keys(modes)) if (json[key] === true) chosen.add(key)
    const missing = [...chosen].find((key) => !(key in modes))
    if (missing !== undefined) throw new CheckpointError(`${path} has no mode '${missing}'`, { key: missing })
    if (chosen.size === 0) throw new CheckpointError(`${path} has no mode turned on`, {})
    this.#modes = Object.entries(modes).flatMap(([key, mode]) => (chosen.has(key) ? [mode] : []))
    this.parts = this.#modes.length
    this.includePrompt = json['include_prompt'] !== false
    this.json = json
  }

  /** [tokens, width] to [sequences, parts * width]. */
  apply(hidden: Tensor, batch: Batch<Tensor>, inputs: PoolingInputs<Tensor>): Tensor {
    const vectors = this.#modes.map((mode) => mode(hidden, batch, inputs))
    return vectors.length === 1 ? vectors[0]! : concat(vectors, 'last')
  }
}
