import { cast, full, log, rotaryTable, scale, sliceRows, tensor, type Tensor } from '@tiny/core'
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
  /** Queries grow as their sequence does: by 1 + factor log(1 + ⌊position / length⌋) (Llama 4). */
  readonly queries?: { readonly factor: number; readonly length: number }
}

/** Cosines and sines of a batch's positions, [tokens, D]. */
export interface RopeTables {
  readonly rope: Tensor
  /** Of queries, where theirs differ. */
  readonly queryRope?: Tensor
}

type Placed = Pick<Batch<Tensor>, 'positions' | 'offsets' | 'reach'>

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

  /** Whether frequencies depend on a sequence's length. */
  get reaches(): boolean {
    return this.options.long !== undefined || this.options.dynamic !== undefined
  }

  /** Computed once for all layers. */
  tables(batch: Placed): RopeTables {
    const rope = this.table(batch)
    const { queries } = this.options
    if (queries === undefined) return { rope }
    const tokens = batch.positions.dim(0)
    const times = cast(batch.positions, 'float32').div(full([], queries.length))
    const whole = cast(cast(times, 'int32'), 'float32')
    const one = full([], 1)
    const growth = scale(log(whole.add(one)), queries.factor).add(one)
    return { rope, queryRope: rope.mul(growth.reshape([tokens, 1])) }
  }

  table({ positions, offsets, reach }: Placed): Tensor {
    const { scaling = 1, long, dynamic } = this.options
    if (long === undefined && dynamic === undefined)
      return rotaryTable(positions, this.#frequencies.value, { scaling })
    const places = reach ?? { positions, offsets }
    const table = rotaryTable(places.positions, this.#frequencies.value, {
      scaling,
      offsets: places.offsets,
      ...(long === undefined ? {} : { choose: 'length', threshold: long.threshold }),
      ...(dynamic === undefined ? {} : { choose: 'dynamic', ...dynamic }),
    })
    return reach === undefined ? table : sliceRows(table, 0, positions.dim(0))
  }
}
