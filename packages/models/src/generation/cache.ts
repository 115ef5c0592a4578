import { input, variable, type Input, type Variable } from '@tiny/core'
import type { CacheShape, RecurrentShape } from '../blocks/stack.js'
import { BlockPool, type KeysAndValues, type Places } from './block-pool.js'

/** A recurrence's states: two rows for each sequence, which take turns. A step reads one and writes the other. */
export interface States<T> {
  readonly convolution?: T // [2 * sequences, width]
  readonly scan: T
}

/** What a layer keeps while it generates: keys and values of tokens, whose places `pool` says, or states. */
export type LayerMemory<T> = (KeysAndValues<T> & { readonly pool: number }) | States<T>

/** Where the tokens of one step go, and what of the cache each sequence sees. */
export interface CacheStep {
  readonly pools: readonly Places[]
  /** Tokens of each sequence, this step's included. */
  readonly lengths: Int32Array // [sequences]
  /** Rows of the states that the step starts from, -1 for those that begin, and of those that it leaves. */
  readonly readSlots: Int32Array // [sequences]
  readonly writeSlots: Int32Array // [sequences]
}

/**
 * What the layers of a decoder keep of its sequences: keys and values in blocks of tokens, one pool of blocks for all
 * layers that see equally far, and states of recurrences, which never grow.
 */
export class DecoderCache {
  readonly #pools: readonly BlockPool[]
  /** The number of a layer's pool. */
  readonly #poolOf = new Map<number, number>()
  readonly #states = new Map<number, States<Variable>>()
  readonly #layers: number
  readonly #lengths: number[]
  /** The row of each sequence's states; -1 before it has one. */
  readonly #rows: number[]

  /** @param tokens room for this many tokens in each sequence to begin with. */
  constructor({ layers, keyWidth, valueWidth, recurrent, window }: CacheShape, tokens: readonly number[]) {
    this.#layers = layers
    this.#lengths = tokens.map(() => 0)
    this.#rows = tokens.map(() => -1)
    const alike = new Map<number | undefined, number[]>()
    for (let layer = 0; layer < layers; layer++) {
      const shape = recurrent?.(layer)
      if (shape === undefined) {
        const reach = window?.(layer)
        alike.set(reach, [...(alike.get(reach) ?? []), layer])
      } else this.#states.set(layer, statesOf(shape, layer, tokens.length))
    }
    this.#pools = [...alike].map(([reach, members], pool) => {
      for (const layer of members) this.#poolOf.set(layer, pool)
      const symbol = `cacheBlocks${pool}`
      return new BlockPool({ layers: members, keyWidth, valueWidth, window: reach, symbol }, tokens)
    })
  }

  /** The variables of every layer, as arguments of a compiled call. */
  get arguments(): LayerMemory<Input>[] {
    return Array.from({ length: this.#layers }, (_, layer) => {
      const pool = this.#poolOf.get(layer)
      if (pool !== undefined) return { ...this.#pools[pool]!.argumentsOf(layer), pool }
      const { scan, convolution } = this.#states.get(layer)!
      const rows = (one: Variable) => input('float32', ['2*sequences', one.shape[1]!], one)
      return { scan: rows(scan), ...(convolution === undefined ? {} : { convolution: rows(convolution) }) }
    })
  }

  /** Whether sequences can grow by these counts without `grow`. */
  hasRoom(counts: readonly number[]): boolean {
    return this.#pools.every((pool) => pool.shortage(counts, this.#lengths) === 0)
  }

  /** Makes room for sequences to grow by these counts. No call that uses the cache may be under way. */
  async grow(counts: readonly number[]): Promise<void> {
    for (const pool of this.#pools) {
      const blocks = pool.shortage(counts, this.#lengths)
      if (blocks > 0) await pool.grow(blocks)
    }
  }

  /** Takes room for the next tokens of each sequence. @param counts how many; 0 for those that stand still. */
  extend(counts: readonly number[]): CacheStep {
    const pools = this.#pools.map((pool) => pool.extend(counts, this.#lengths))
    const readSlots = Int32Array.from(this.#rows)
    counts.forEach((count, s) => {
      this.#lengths[s]! += count
      if (count > 0) this.#rows[s] = this.#rows[s] === 2 * s ? 2 * s + 1 : 2 * s
    })
    return {
      pools,
      lengths: Int32Array.from(this.#lengths),
      readSlots,
      // A sequence without a state leaves zeros in a row of its own.
      writeSlots: Int32Array.from(this.#rows, (row, s) => (row < 0 ? 2 * s : row)),
    }
  }

  /** Gives a finished sequence's blocks back, and forgets its states. */
  release(s: number): void {
    for (const pool of this.#pools) pool.release(s)
    this.#lengths[s] = 0
    this.#rows[s] = -1
  }

  dispose(): void {
    for (const pool of this.#pools) pool.dispose()
    for (const { scan, convolution } of this.#states.values()) {
      scan.dispose()
      convolution?.dispose()
    }
  }
}

function statesOf({ convolution, scan }: RecurrentShape, layer: number, sequences: number): States<Variable> {
  const make = (name: string, width: number) =>
    variable(`${name}.${layer}`, null, { shape: [2 * sequences, width] })
  return {
    scan: make('scan', scan),
    ...(convolution === 0 ? {} : { convolution: make('convolution', convolution) }),
  }
}
