import {
  attention,
  attentionLse,
  attentionWeights,
  clamp,
  concat,
  full,
  gatherRows,
  markColumns,
  sliceColumns,
  where,
  zeros,
  type RecurrentState,
  type RelativeTerms,
  type Size,
  type Tensor,
} from '@tiny/core'
import type { Batch, Blind } from '../inputs/batch.js'
import { attentionDropout } from './dropout.js'

/** How the queries of a layer meet its keys. */
export interface Scores {
  readonly heads: number
  readonly kvHeads?: number | undefined
  readonly headDim: number
  readonly scale: number
  readonly causal: boolean
  readonly dropout: number
  /** Width of a value of one head, where it differs from a key's. */
  readonly valueDim?: number | undefined
  /** Keys that a query sees before and after its own position; all where absent. */
  readonly window?: Window | undefined
  /** cap tanh(score / cap). */
  readonly softcap?: number | undefined
  /** [heads]: logits that take weight and give nothing. */
  readonly sinks?: Tensor | undefined
  /**
   * What a query before a row's first real token looks at, where it is computed: every column (default), or the real
   * tokens behind it, where the causal mask is a smaller number than padding's (GPT's -10000).
   */
  readonly blind?: 'columns' | 'tokens' | undefined
  /** Added to the scores by distance. */
  readonly relative?: { readonly bias: Tensor; readonly bucketTable: Tensor } | undefined
  /** The same, of each token's own; those of keys are rows of the tokens themselves. */
  readonly terms?: RelativeTerms | undefined
  /** Whether padding that is computed sees no key: every column weighs the same (DeBERTa). */
  readonly paddingSeesNothing?: boolean | undefined
}

export interface Window {
  readonly left?: number
  readonly right?: number
}

/**
 * Where tokens see each other. Blocks project; what the sequences are, what of them is cached and what is recorded
 * only the mixer knows.
 */
export interface Mixer {
  /** Queries, keys and values [tokens, heads * headDim] of a layer to [tokens, heads * headDim]. */
  attend(layer: number, q: Tensor, k: Tensor, v: Tensor, scores: Scores): Tensor
  /** What a layer that is a recurrence runs over. */
  recur(layer: number): Recurrence
}

export interface Recurrence {
  /** int32 [sequences + 1] */
  readonly offsets: Tensor
  /** 1 for real tokens, 0 for padding, where that is computed: [tokens, 1]. */
  readonly real?: Tensor | undefined
  /** What the sequences have come to in earlier steps. */
  readonly memory?: Memory | undefined
  readonly lead?: Lead<Tensor> | undefined
}

/** Padding before sequences that begin, put in front of their packed tokens. */
export interface Lead<T> {
  /** For each row 1 + its token, 0 for padding. */
  readonly rows: T // int32 [tokens and padding]
  readonly offsets: T // int32 [sequences + 1]
  /** The row of each token. */
  readonly places: T // int32 [tokens]
}

export interface Memory {
  readonly convolution?: RecurrentState | undefined
  readonly scan: RecurrentState
}

/** Attention from a decoder to an encoder's tokens. */
export interface CrossMixer extends Pick<Mixer, 'attend'> {
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
    const ofKeys = padding === undefined ? scores : withRowsOfKeys(scores, padding.keyRows)
    record(this.#recorder, q, keys, ofKeys, places)
    const [seen, lse] = attentionLse(q, keys, values, {
      ...kernelOptions(ofKeys),
      ...places,
      ...attentionDropout(scores.dropout),
    })
    // A sink takes all the weight of a query that sees no key.
    if (padding === undefined || scores.sinks !== undefined) return seen
    if (scores.paddingSeesNothing === true) {
      const even = attendEvenly(q, k, v, scores, offsets, offsets, attentionDropout(scores.dropout))
      return where(this.recur().real!, seen, even)
    }
    const all = { queryOffsets: offsets, keyOffsets: offsets, positionsQ: columns, positionsK: columns }
    if (scores.window !== undefined) {
      return where(seesAny(lse), seen, attendBlindly(q, k, v, scores, all))
    }
    if (padding.blind === undefined || !scores.causal) return seen
    const { rows, offsets: queryOffsets, columns: positionsQ } = padding.blind
    const queries = gatherRows(q, rows)
    const unseeing =
      scores.blind === 'tokens'
        ? attendEvenly(queries, keys, values, scores, queryOffsets, padding.keyOffsets)
        : attendBlindly(queries, k, v, scores, { ...all, queryOffsets, positionsQ })
    return seen.add(scattered(unseeing, padding.blind))
  }

  recur(): Recurrence {
    const { inputIds, offsets, padding } = this.#batch
    if (padding === undefined) return { offsets }
    const tokens = inputIds.dim(0)
    const rows = padding.keyRows.reshape([1, padding.keyRows.dim(0)])
    return { offsets, real: markColumns(rows, tokens).reshape([tokens, 1]) }
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
export function kernelOptions(scores: Scores) {
  const { heads, kvHeads, headDim, valueDim, scale, causal, window, softcap, sinks, relative, terms } = scores
  return {
    heads,
    headDim,
    scale,
    causal,
    ...(kvHeads === undefined ? {} : { kvHeads }),
    ...(valueDim === undefined ? {} : { valueDim }),
    ...(window?.left === undefined ? {} : { windowLeft: window.left }),
    ...(window?.right === undefined ? {} : { windowRight: window.right }),
    ...(softcap === undefined ? {} : { softcap }),
    ...(sinks === undefined ? {} : { sinks }),
    ...(relative === undefined ? {} : { bias: relative.bias, bucketTable: relative.bucketTable }),
    ...terms,
  }
}

/** The same scores where some tokens alone are keys. */
function withRowsOfKeys(scores: Scores, rows: Tensor): Scores {
  const { terms } = scores
  if (terms?.keyTerms == null) return scores
  return { ...scores, terms: { ...terms, keyTerms: gatherRows(terms.keyTerms, rows) } }
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

/** 1 for queries that see a key, 0 for those whose softmax has nothing to sum: [tokens, 1]. */
const seesAny = (lse: Tensor): Tensor =>
  clamp(sliceColumns(lse.detach(), 0, 1).add(full([], 1e30)), { min: 0, max: 1 })

/**
 * Queries that see no real key. transformers adds the smallest float to all their scores, which swallows them: every
 * column of the row weighs the same, while gradients still flow through the scores to queries, keys and what distances
 * add. Here values come from scores of zero, and gradients from scores that are too small to move a weight, made large
 * again.
 */
function attendBlindly(q: Tensor, k: Tensor, v: Tensor, scores: Scores, places: Places): Tensor {
  const { scale, softcap, relative } = scores
  const { queryOffsets, keyOffsets } = places
  const flowing = attention(q, k, v.detach(), {
    ...evenly(scores, queryOffsets, keyOffsets),
    scale: scale * faintness,
    ...(softcap === undefined ? {} : { softcap: softcap * faintness }),
    ...(relative === undefined ? {} : { ...relative, ...places, bias: relative.bias.scale(faintness) }),
  })
  const vanishing = flowing.sub(flowing.detach()).scale(1 / faintness)
  return attendEvenly(q, k, v, scores, queryOffsets, keyOffsets).add(vanishing)
}

/** A power of two, below float32's resolution of a weight. */
const faintness = 2 ** -30

/** Queries that give every key the same weight: [queries, heads * valueDim]. */
function attendEvenly(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  scores: Scores,
  queryOffsets: Tensor,
  keyOffsets: Tensor,
  dropout: ReturnType<typeof attentionDropout> = {},
): Tensor {
  const even = { ...evenly(scores, queryOffsets, keyOffsets), ...dropout }
  return attention(q.detach().scale(0), k.detach(), v, even)
}

const evenly = (scores: Scores, queryOffsets: Tensor, keyOffsets: Tensor) => ({
  ...kernelOptions({
    ...scores,
    causal: false,
    window: undefined,
    softcap: undefined,
    relative: undefined,
    terms: undefined,
  }),
  queryOffsets,
  keyOffsets,
})

/** Rows of the blind queries at their places among all tokens. */
const scattered = (rows: Tensor, { places }: Blind<Tensor>): Tensor =>
  gatherRows(concat([zeros([1, rows.dim(1)]), rows], 'rows'), places)
