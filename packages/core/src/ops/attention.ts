import { apply, applyOne } from '../apply.js'
import { Dim, type Size } from '../dim.js'
import type { Tensor } from '../tensor.js'

export interface AttentionShape {
  heads: number
  /** Key and value heads; each is shared by heads / kvHeads query heads. */
  kvHeads?: number
  /** Width of a query and a key of one head. */
  headDim: number
  /** Width of a value, where it differs. */
  valueDim?: number
}

export interface ScoreOptions {
  causal?: boolean
  /** How many keys before and after a query's position it sees; all when absent. */
  windowLeft?: number
  windowRight?: number
  /** Factor of q kᵀ; 1 / sqrt(headDim) unless given. */
  scale?: number
  /** cap tanh(score / cap). */
  softcap?: number
  /** [buckets, heads], added to the scores by bucket of distance; needs `bucketTable`. */
  bias?: Tensor | null | undefined
  /** int32 [2 * maxDistance + 1]: the bucket of each distance j - i, clamped to ±maxDistance. */
  bucketTable?: Tensor | null | undefined
  /** [heads]: a logit per head that takes weight and gives nothing. */
  sinks?: Tensor | null | undefined
}

/** Terms that each token has by head and by bucket of a distance: score(i, j) += A[i, head, bucket(j - i)] (He et al. 2021). */
export interface RelativeTerms {
  /** A: of queries, [tokens, heads * buckets]; needs `queryTable`. */
  queryTerms?: Tensor | null | undefined
  /** int32 [2 * maxDistance + 1]: the bucket of each distance j - i, clamped to ±maxDistance. */
  queryTable?: Tensor | null | undefined
  /** The same of keys, [keys, heads * buckets]: score(i, j) += B[j, head, bucket(j - i)]. */
  keyTerms?: Tensor | null | undefined
  keyTable?: Tensor | null | undefined
}

export interface AttentionOptions extends AttentionShape, ScoreOptions, RelativeTerms {
  /** int32 [sequences + 1]: where each sequence of queries starts, and the end. */
  queryOffsets: Tensor
  /** The same for keys and values; those of the queries unless given. */
  keyOffsets?: Tensor | null | undefined
  /** int32 position of each query row and each key row; columns of the sequence unless given. */
  positionsQ?: Tensor | null | undefined
  positionsK?: Tensor | null | undefined
  /** Drops this share of the weights, by a random key int32 [2] and this call's site. */
  dropout?: number
  key?: Tensor | null | undefined
  site?: number
}

/**
 * softmax(scale q kᵀ + bias) v within each packed sequence, in memory linear in length (Dao et al. 2022). q is
 * [tokens, heads * headDim], k [keys, kvHeads * headDim], v [keys, kvHeads * valueDim]; the result is
 * [tokens, heads * valueDim].
 */
export const attention = (q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions): Tensor =>
  attentionLse(q, k, v, options)[0]

/** `attention` with lse [tokens, heads], the logarithm of each softmax's denominator. */
export function attentionLse(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  options: AttentionOptions,
): [o: Tensor, lse: Tensor] {
  const { queryOffsets, keyOffsets, bias, bucketTable, sinks, positionsQ, positionsK, key, ...rest } = options
  const { queryTerms, queryTable, keyTerms, keyTable, ...attributes } = rest
  const inputs = [
    q,
    k,
    v,
    queryOffsets,
    keyOffsets ?? queryOffsets,
    bias,
    bucketTable,
    sinks,
    positionsQ,
    positionsK,
    key,
    queryTerms,
    queryTable,
    keyTerms,
    keyTable,
  ]
  return apply('attention', inputs, attributes) as [Tensor, Tensor]
}

export interface CachedAttentionOptions extends AttentionShape, ScoreOptions {
  queryOffsets: Tensor
  /** int32 [sequences, blocks]: which cache blocks hold each sequence's keys, in order. */
  blockTable: Tensor
  /** int32 [sequences]: keys in the cache, those of this step included. */
  lengths: Tensor
}

/** `attention` with keys and values of cache blocks [blocks, 64, kvHeads * headDim]. Not differentiable. */
export function cachedAttention(
  q: Tensor,
  kCache: Tensor,
  vCache: Tensor,
  options: CachedAttentionOptions,
): Tensor {
  const { queryOffsets, blockTable, lengths, bias, bucketTable, sinks, ...attributes } = options
  const inputs = [q, kCache, vCache, queryOffsets, blockTable, lengths, bias, bucketTable, sinks]
  return applyOne('cachedAttention', inputs, attributes)
}

/** Writes rows [tokens, width] into a cache [blocks, 64, width] at int32 slots (block * 64 + row); the cache after it. */
export const cacheAppend = (cache: Tensor, rows: Tensor, slots: Tensor): Tensor =>
  applyOne('cacheAppend', [cache, rows, slots])

export interface AttentionWeightsOptions extends AttentionShape, ScoreOptions, RelativeTerms {
  queryOffsets: Tensor
  keyOffsets?: Tensor | null | undefined
  positionsQ?: Tensor | null | undefined
  positionsK?: Tensor | null | undefined
  /** Sizes of the padded result. */
  queries: Size
  keys: Size
}

/** The weights that `attention` never forms, padded with zeros: [sequences, heads, queries, keys]. */
export function attentionWeights(q: Tensor, k: Tensor, options: AttentionWeightsOptions): Tensor {
  const {
    queryOffsets,
    keyOffsets,
    bias,
    bucketTable,
    sinks,
    positionsQ,
    positionsK,
    queryTerms,
    queryTable,
    keyTerms,
    keyTable,
    queries,
    keys,
    ...attributes
  } = options
  const inputs = [
    q,
    k,
    queryOffsets,
    keyOffsets ?? queryOffsets,
    bias,
    bucketTable,
    sinks,
    positionsQ,
    positionsK,
    queryTerms,
    queryTable,
    keyTerms,
    keyTable,
  ]
  return applyOne('attentionWeights', inputs, {
    ...attributes,
    queries: Dim.of(queries),
    keys: Dim.of(keys),
  })
}
