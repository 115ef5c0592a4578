import { tensor, type Parameter, type Tensor } from '@tiny/core'
import { normal } from '../parameters/initialisers.js'
import type { Constant, Weights } from '../parameters/weights.js'
import { plain } from './linear.js'

export interface BucketOptions {
  readonly buckets: number
  /** Rows of the table, where it has more than there are buckets. */
  readonly rows?: number
  /** Distances from here on share the last bucket. */
  readonly maxDistance: number
  /** Keys on both sides: half of the buckets for each. */
  readonly bidirectional: boolean
}

/**
 * T5's bucket of each distance j - i from -maxDistance to maxDistance (Raffel et al. 2020): one each up to a quarter
 * (half, one-sided) of the buckets, logarithmically wider ones after that.
 */
export function distanceBuckets({ buckets, maxDistance, bidirectional }: BucketOptions): Int32Array {
  const side = bidirectional ? Math.floor(buckets / 2) : buckets
  const exact = Math.floor(side / 2)
  return Int32Array.from({ length: 2 * maxDistance + 1 }, (_, i) => {
    const distance = i - maxDistance
    const far = bidirectional ? Math.abs(distance) : Math.max(0, -distance)
    const offset = bidirectional && distance > 0 ? side : 0
    return offset + (far < exact ? far : Math.min(side - 1, logarithmic(far, exact, side, maxDistance)))
  })
}

// In float32, step by step as PyTorch does: a distance on the edge of two buckets falls as it does there.
function logarithmic(far: number, exact: number, side: number, maxDistance: number): number {
  const { fround } = Math
  const ratio = fround(fround(Math.log(fround(far / exact))) / fround(Math.log(maxDistance / exact)))
  return exact + Math.trunc(fround(ratio * (side - exact)))
}

/** A learned number for each bucket of distance and each head, added to the scores of a whole stack. */
export class RelativeBias {
  readonly weight: Parameter // [buckets, heads]
  readonly #table: Constant // int32 [2 * maxDistance + 1]

  constructor(weights: Weights, heads: number, options: BucketOptions & { std: number }) {
    this.weight = weights.declare('weight', [options.rows ?? options.buckets, heads], normal(options.std))
    this.#table = weights.constant(() => tensor(distanceBuckets(options)))
  }

  /** What attention adds. The table of buckets is a constant of every plan. */
  scores(): { bias: Tensor; bucketTable: Tensor } {
    return { bias: plain(this.weight), bucketTable: this.#table.value }
  }
}
