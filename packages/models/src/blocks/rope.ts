import { rotaryTable, tensor, type Tensor } from '@tiny/core'
import type { Batch } from '../inputs/batch.js'
import type { Constant, Weights } from '../parameters/weights.js'

/** One set of rotary frequencies; `ropeOptions` of config/rope.ts makes it from a configuration. */
export interface RopeOptions {
  /** Angle per position of each pair of columns, [D / 2]. */
  readonly frequencies: Float32Array
  /** Factor of cosines and sines; 1 unless given. */
  readonly scaling?: number
  /** Other frequencies for sequences with more positions than `threshold` (LongRoPE, Ding et al. 2024). */
  readonly long?: { readonly frequencies: Float32Array; readonly threshold: number }
  /** A base that grows with a sequence beyond `threshold` positions (NTK-aware). */
  readonly dynamic?: { readonly threshold: number; readonly factor: number; readonly base: number }
}

/**
 * Rotary position embeddings (Su et al. 2021): angles that the layers of a model share. How a head's columns pair up is
 * the attention's business.
 */
export class Rope {
  readonly options: RopeOptions
  readonly #frequencies: Constant // [1 or 2, D / 2]

  constructor(weights: Weights, options: RopeOptions) {
    this.options = options
    const { frequencies, long } = options
    this.#frequencies = weights.constant(() => {
      const rows = [frequencies, ...(long === undefined ? [] : [long.frequencies])]
      const data = Float32Array.from(rows.flatMap((row) => [...row]))
      return tensor(data, { shape: [rows.length, frequencies.length] })
    })
  }

  /** Cosines and sines of a batch's positions: [tokens, D], computed once for all layers. */
  table({ positions, offsets }: Pick<Batch<Tensor>, 'positions' | 'offsets'>): Tensor {
    const { scaling = 1, long, dynamic } = this.options
    return rotaryTable(positions, this.#frequencies.value, {
      scaling,
      ...(long === undefined ? {} : { offsets, choose: 'length', threshold: long.threshold }),
      ...(dynamic === undefined ? {} : { offsets, choose: 'dynamic', ...dynamic }),
    })
  }
}
