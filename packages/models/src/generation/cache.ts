import { cacheAppend, compile, input, variable, type Input, type Tensor, type Variable } from '@tiny/core'
import type { CacheShape } from '../blocks/stack.js'

/** Tokens in a block of the cache; the kernels' tile of keys. */
const blockTokens = 64

/** What a layer keeps while it generates: keys and values of tokens, or the state of a recurrence. */
export interface LayerMemory<T> {
  readonly keys?: T // [blocks, 64, width]
  readonly values?: T
  /** Two rows for each sequence, which take turns: a step reads one and writes the other. */
  readonly convolution?: T // [2 * sequences, width]
  readonly scan?: T
}

/** A sequence's blocks, in the order of its tokens, and the row of its state; -1 before it has one. */
interface Sequence {
  blocks: number[]
  length: number
  row: number
}

/** Where the tokens of one step go, and what of the cache each sequence sees. */
export interface CacheStep {
  readonly slots: Int32Array // [tokens]
  readonly blockTable: { readonly shape: readonly [number, number]; readonly data: Int32Array } // [sequences, blocks]
  /** Tokens of each sequence, this step's included. */
  readonly lengths: Int32Array // [sequences]
  /** Rows of the states that the step starts from, and of those that it leaves. */
  readonly readSlots: Int32Array // [sequences]
  readonly writeSlots: Int32Array // [sequences]
}

/**
 * What the layers of a decoder keep of its sequences. Keys and values lie in blocks of 64 tokens that sequences take as
 * they grow; blocks come from one pool, which is replaced by a larger one when it is used up. States of recurrences
 * never grow.
 */
export class DecoderCache {
  readonly #shape: CacheShape
  readonly #sequences: Sequence[]
  readonly #states: LayerMemory<Variable>[]
  #pool: LayerMemory<Variable>[] = []
  #arguments: LayerMemory<Input>[] = []
  #blocks = 0
  #free: number[] = []

  /** @param tokens room for this many tokens in each sequence to begin with. */
  constructor(shape: CacheShape, sequences: number, tokens: readonly number[]) {
    this.#shape = shape
    this.#sequences = Array.from({ length: sequences }, () => ({ blocks: [], length: 0, row: -1 }))
    this.#states = Array.from({ length: shape.layers }, (_, layer) => statesOf(shape, layer, sequences))
    this.#add(tokens.reduce((sum, count) => sum + blocksFor(count), 0))
  }

  /** The variables of every layer, as arguments of a compiled call: the number of blocks is a symbol. */
  get arguments(): readonly LayerMemory<Input>[] {
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
    const readSlots = Int32Array.from(this.#sequences, ({ row }) => row)
    counts.forEach((count, s) => {
      if (count > 0) this.#sequences[s]!.row = this.#sequences[s]!.row === 2 * s ? 2 * s + 1 : 2 * s
    })
    const width = Math.max(1, ...this.#sequences.map(({ blocks }) => blocks.length))
    const table = new Int32Array(this.#sequences.length * width)
    this.#sequences.forEach(({ blocks }, s) => table.set(blocks, s * width))
    return {
      slots: Int32Array.from(slots),
      blockTable: { shape: [this.#sequences.length, width], data: table },
      lengths: Int32Array.from(this.#sequences, ({ length }) => length),
      readSlots,
      // A sequence without a state leaves zeros in a row of its own.
      writeSlots: Int32Array.from(this.#sequences, ({ row }, s) => (row < 0 ? 2 * s : row)),
    }
  }

  /** Gives a finished sequence's blocks back. Steps under way still write there before anyone else does. */
  release(s: number): void {
    const sequence = this.#sequences[s]!
    this.#free.push(...sequence.blocks)
    sequence.blocks = []
    sequence.length = 0
    sequence.row = -1
  }

  /**
   * Makes the pool larger by at least `blocks`, at least twofold, and copies what it holds. No call that uses the
   * cache may be under way.
   */
  async grow(blocks: number): Promise<void> {
    const old = this.#pool
    const slots = Int32Array.from({ length: this.#blocks * blockTokens }, (_, i) => i)
    this.#add(Math.max(blocks, this.#blocks))
    for (const [layer, { keys, values }] of old.entries()) {
      if (keys !== undefined) await copyInto(this.#pool[layer]!.keys!, keys, slots)
      if (values !== undefined) await copyInto(this.#pool[layer]!.values!, values, slots)
    }
    dispose(old)
  }

  dispose(): void {
    dispose(this.#pool)
    dispose(this.#states)
  }

  /** A pool with this many blocks more; its contents are zeros. */
  #add(blocks: number): void {
    const before = this.#blocks
    this.#blocks += blocks
    const { layers, keyWidth, valueWidth, recurrent } = this.#shape
    const make = (name: string, layer: number, width: number) =>
      variable(`${name}.${layer}`, null, { shape: [this.#blocks, blockTokens, width] })
    this.#pool = Array.from({ length: layers }, (_, layer) =>
      recurrent?.(layer) === undefined
        ? { keys: make('keys', layer, keyWidth), values: make('values', layer, valueWidth) }
        : {},
    )
    const whole = (one: Variable) => input('float32', ['cacheBlocks', blockTokens, one.shape[2]!], one)
    const rows = (one: Variable) => input('float32', ['2*sequences', one.shape[1]!], one)
    this.#arguments = this.#pool.map((kept, layer) => ({
      ...mapMemory(kept, whole),
      ...mapMemory(this.#states[layer]!, rows),
    }))
    for (let block = this.#blocks - 1; block >= before; block--) this.#free.push(block)
  }
}

function statesOf({ recurrent }: CacheShape, layer: number, sequences: number): LayerMemory<Variable> {
  const widths = recurrent?.(layer)
  if (widths === undefined) return {}
  const make = (name: string, width: number) =>
    variable(`${name}.${layer}`, null, { shape: [2 * sequences, width] })
  const scan = make('scan', widths.scan)
  return widths.convolution === 0 ? { scan } : { scan, convolution: make('convolution', widths.convolution) }
}

const mapMemory = <A, B>(memory: LayerMemory<A>, map: (one: A) => B): LayerMemory<B> =>
  Object.fromEntries(Object.entries(memory as Record<string, A>).map(([name, one]) => [name, map(one)]))

function dispose(layers: readonly LayerMemory<Variable>[]): void {
  for (const memory of layers)
    for (const one of Object.values(memory as Record<string, Variable>)) one.dispose()
}

const blocksFor = (tokens: number): number => Math.ceil(tokens / blockTokens)

// One row of the result is delivered, so that the copy is made and no more is held.
const copyRows = compile(
  ({ from, to, slots }: { from: Tensor; to: Tensor; slots: Tensor }) =>
    cacheAppend(to, from.reshape([from.dim(0).mul(blockTokens), from.dim(2)]), slots).sliceRows(0, 1),
  { name: 'DecoderCache.grow' },
)

async function copyInto(to: Variable, from: Variable, slots: Int32Array): Promise<void> {
  const width = from.shape[2]!
  await copyRows({
    from: input('float32', ['oldBlocks', blockTokens, width], from),
    to: input('float32', ['newBlocks', blockTokens, width], to),
    slots: input('int32', [`${blockTokens}*oldBlocks`], slots),
  })
}
