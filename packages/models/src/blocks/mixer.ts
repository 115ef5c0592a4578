import { attention, attentionWeights, concat, gatherRows, zeros, type Size, type Tensor } from '@tiny/core'
import type { Batch, Blind } from '../inputs/batch.js'
import { attentionDropout } from './dropout.js'

/** How the queries of a layer meet its keys. */
export interface Scores {
  readonly heads: number
  readonly kvHeads?: number
  readonly headDim: number
  readonly scale: number
  readonly causal: boolean
  readonly dropout: number
  /** Added to the scores by distance. */
  readonly relative?: { readonly bias: Tensor; readonly bucketTable: Tensor } | undefined
}

/**
 * Where tokens see each other. Blocks project; what the sequences are, what of them is cached and what is recorded
 * only the mixer knows.
 */
export interface Mixer {
  /** Queries, keys and values [tokens, heads * headDim] of a layer to [tokens, heads * headDim]. */
  attend(layer: number, q: Tensor, k: Tensor, v: Tensor, scores: Scores): Tensor
}

/** Attention from a decoder to an encoder's tokens. */
export interface CrossMixer extends Mixer {
  /** Keys and values of a layer: projected from the encoder's hidden states, or kept from an earlier step. */
  keysAndValues(layer: number, project: (encoder: Tensor) => [k: Tensor, v: Tensor]): [k: Tensor, v: Tensor]
}

/** Collects the weights of every layer, [sequences, heads, queries, keys], padded with zeros. */
export interface WeightRecorder {
  readonly weights: Tensor[]
  readonly queries: Size
  readonly keys: Size
}

/** Sequences that attend to themselves. */
export class SelfMixer implements Mixer {
  readonly #batch: Batch<Tensor>
  readonly #recorder: WeightRecorder | undefined

  constructor(batch: Batch<Tensor>, recorder?: WeightRecorder) {
    this.#batch = batch
    this.#recorder = recorder
  }

  attend(_layer: number, q: Tensor, k: Tensor, v: Tensor, scores: Scores): Tensor {
    const { offsets, columns, padding } = this.#batch
    const keys = padding === undefined ? k : gatherRows(k, padding.keyRows)
    const values = padding === undefined ? v : gatherRows(v, padding.keyRows)
    const places = {
      queryOffsets: offsets,
      keyOffsets: padding?.keyOffsets ?? offsets,
      positionsQ: columns,
      positionsK: padding?.keyColumns ?? columns,
    }
    record(this.#recorder, q, keys, scores, places)
    const seen = attention(q, keys, values, {
      ...kernelOptions(scores),
      ...places,
      ...attentionDropout(scores.dropout),
    })
    return padding?.blind !== undefined && scores.causal
      ? seen.add(attendBlindly(q, k, v, scores, offsets, padding.blind))
      : seen
  }
}

/** Queries of a decoder over the keys of an encoder. */
export class EncoderMixer implements CrossMixer {
  readonly #queryOffsets: Tensor
  readonly #encoder: Tensor
  readonly #keyOffsets: Tensor
  readonly #recorder: WeightRecorder | undefined

  constructor(queryOffsets: Tensor, encoder: Tensor, keyOffsets: Tensor, recorder?: WeightRecorder) {
    this.#queryOffsets = queryOffsets
    this.#encoder = encoder
    this.#keyOffsets = keyOffsets
    this.#recorder = recorder
  }

  keysAndValues(_layer: number, project: (encoder: Tensor) => [Tensor, Tensor]): [Tensor, Tensor] {
    return project(this.#encoder)
  }

  attend(_layer: number, q: Tensor, k: Tensor, v: Tensor, scores: Scores): Tensor {
    const places = { queryOffsets: this.#queryOffsets, keyOffsets: this.#keyOffsets }
    record(this.#recorder, q, k, scores, places)
    return attention(q, k, v, { ...kernelOptions(scores), ...places, ...attentionDropout(scores.dropout) })
  }
}

/** What the attention ops take of `Scores`. */
export function kernelOptions({ heads, kvHeads, headDim, scale, causal, relative }: Scores) {
  return {
    heads,
    headDim,
    scale,
    causal,
    ...(kvHeads === undefined ? {} : { kvHeads }),
    ...(relative === undefined ? {} : { bias: relative.bias, bucketTable: relative.bucketTable }),
  }
}

interface Places {
  readonly queryOffsets: Tensor
  readonly keyOffsets: Tensor
  readonly positionsQ?: Tensor | undefined
  readonly positionsK?: Tensor | undefined
}

function record(
  recorder: WeightRecorder | undefined,
  q: Tensor,
  k: Tensor,
  scores: Scores,
  places: Places,
): void {
  if (recorder === undefined) return
  const { weights, queries, keys } = recorder
  weights.push(attentionWeights(q, k, { ...kernelOptions(scores), ...places, queries, keys }))
}

/**
 * Queries that see no real key. transformers adds the smallest float to all their scores, which swallows them: every
 * column of the row weighs the same, while gradients still flow to queries and keys. Here the scores are zero in value
 * with the same derivative: once through the queries, once through the keys.
 */
function attendBlindly(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  scores: Scores,
  offsets: Tensor,
  blind: Blind<Tensor>,
): Tensor {
  const options = {
    ...kernelOptions({ ...scores, causal: false, relative: undefined }),
    queryOffsets: blind.offsets,
    keyOffsets: offsets,
  }
  const queries = gatherRows(q, blind.rows)
  const uniform = attention(vanishing(queries), k, v, options)
  const throughKeys = attention(queries.detach(), vanishing(k), v.detach(), options)
  const mixed = uniform.add(vanishing(throughKeys)) // [blind, heads * headDim]
  return gatherRows(concat([zeros([1, mixed.dim(1)]), mixed], 'rows'), blind.places)
}

/** Zero, with the derivative of x. */
const vanishing = (x: Tensor): Tensor => x.sub(x.detach())
