import { cacheAppend, compile, input, variable, type Input, type Tensor, type Variable } from '@tiny/core'
import type { CacheShape } from '../blocks/stack.js'

/** Tokens in a block of the cache; the kernels' tile of keys. */
const blockTokens = 64

/** Keys and values of every layer. */
interface Layers<T> {
  readonly keys: readonly T[]
  readonly values: readonly T[]
}

/** Blocks of a sequence, in the order of its tokens. */
interface Sequence {
  blocks: number[]
  length: number
}

/** Where the tokens of one step go, and what of the cache each sequence sees. */
export interface CacheStep {
  readonly slots: Int32Array // [tokens]
  readonly blockTable: { readonly shape: readonly [number, number]; readonly data: Int32Array } // [sequences, blocks]
  /** Tokens of each sequence, this step's included. */
  readonly lengths: Int32Array // [sequences]
}

/**
 * Keys and values of every layer, in blocks of 64 tokens that sequences take as they grow. Blocks come from one pool,
 * which is replaced by a larger one when it is used up.
 */
export class KeyValueCache {
  readonly #shape: CacheShape
  readonly #sequences: Sequence[]
  #pool: Layers<Variable> = { keys: [], values: [] }
  #arguments: Layers<Input> = { keys: [], values: [] }
  #blocks = 0
  #free: number[] = []

  /** @param tokens room for this many tokens in each sequence to begin with. */
  constructor(shape: CacheShape, sequences: number, tokens: readonly number[]) {
    this.#shape = shape
    this.#sequences = Array.from({ length: sequences }, () => ({ blocks: [], length: 0 }))
    this.#add(tokens.reduce((sum, count) => sum + blocksFor(count), 0))
  }

  /** The variables of every layer, as arguments of a compiled call: the number of blocks is a symbol. */
  get arguments(): Layers<Input> {
    return this.#arguments
  }

  /** Blocks that the pool must have for sequences to grow by these counts, beyond those that it has. */
  shortage(counts: readonly number[]): number {
    const needed = counts.reduce((sum, count, s) => {
      const { blocks, length } = this.#sequences[s]!
      return sum + Math.max(0, blocksFor(length + count) - blocks.length)
    }, 0)
    return Math.max(0, needed - this.#free.length)
  }

  /** Takes room for the next tokens of each sequence. @param counts how many; 0 for those that stand still. */
  extend(counts: readonly number[]): CacheStep {
    const slots: number[] = []
    counts.forEach((count, s) => {
      const sequence = this.#sequences[s]!
      while (sequence.blocks.length < blocksFor(sequence.length + count))
        sequence.blocks.push(this.#free.pop()!)
      for (let i = 0; i < count; i++, sequence.length++) {
        const block = sequence.blocks[Math.floor(sequence.length / blockTokens)]!
        slots.push(block * blockTokens + (sequence.length % blockTokens))
      }
    })
    const width = Math.max(1, ...this.#sequences.map(({ blocks }) => blocks.length))
    const table = new Int32Array(this.#sequences.length * width)
    this.#sequences.forEach(({ blocks }, s) => table.set(blocks, s * width))
    return {
      slots: Int32Array.from(slots),
      blockTable: { shape: [this.#sequences.length, width], data: table },
      lengths: Int32Array.from(this.#sequences, ({ length }) => length),
    }
  }

  /** Gives a finished sequence's blocks back. Steps under way still write there before anyone else does. */
  release(s: number): void {
    const sequence = this.#sequences[s]!
    this.#free.push(...sequence.blocks)
    sequence.blocks = []
    sequence.length = 0
  }

  /**
   * Makes the pool larger by at least `blocks`, at least twofold, and copies what it holds. No call that uses the
   * cache may be under way.
   */
  async grow(blocks: number): Promise<void> {
    const old = this.#pool
    const slots = Int32Array.from({ length: this.#blocks * blockTokens }, (_, i) => i)
    this.#add(Math.max(blocks, this.#blocks))
    for (const [layer, keys] of old.keys.entries()) {
      await copyInto(this.#pool.keys[layer]!, keys, slots)
      await copyInto(this.#pool.values[layer]!, old.values[layer]!, slots)
    }
    dispose(old)
  }

  dispose(): void {
    dispose(this.#pool)
  }

  /** A pool with this many blocks more; its contents are zeros. */
  #add(blocks: number): void {
    const before = this.#blocks
    this.#blocks += blocks
    const { layers, keyWidth, valueWidth } = this.#shape
    const make = (name: string, width: number) =>
      Array.from({ length: layers }, (_, layer) =>
        variable(`${name}.${layer}`, null, { shape: [this.#blocks, blockTokens, width] }),
      )
    this.#pool = { keys: make('keys', keyWidth), values: make('values', valueWidth) }
    const whole = (one: Variable) => input('float32', ['cacheBlocks', blockTokens, one.shape[2]!], one)
    this.#arguments = { keys: this.#pool.keys.map(whole), values: this.#pool.values.map(whole) }
    for (let block = this.#blocks - 1; block >= before; block--) this.#free.push(block)
  }
}

function dispose({ keys, values }: Layers<Variable>): void {
  for (const one of [...keys, ...values]) one.dispose()
}

const blocksFor = (tokens: number): number => Math.ceil(tokens / blockTokens)

// One row of the result is delivered, so that the copy is made and no more is held.
const copyRows = compile(
  ({ from, to, slots }: { from: Tensor; to: Tensor; slots: Tensor }) =>
    cacheAppend(to, from.reshape([from.dim(0).mul(blockTokens), from.dim(2)]), slots).sliceRows(0, 1),
  { name: 'KeyValueCache.grow' },
)

async function copyInto(to: Variable, from: Variable, slots: Int32Array): Promise<void> {
  const width = from.shape[2]!
  await copyRows({
    from: input('float32', ['oldBlocks', blockTokens, width], from),
    to: input('float32', ['newBlocks', blockTokens, width], to),
    slots: input('int32', [`${blockTokens}*oldBlocks`], slots),
  })
}
