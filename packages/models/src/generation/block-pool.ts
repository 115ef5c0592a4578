import { cacheAppend, compile, input, variable, type Input, type Tensor, type Variable } from '@tiny/core'

/** Tokens in a block of the cache; the kernels' tile of keys. */
const blockTokens = 64

export interface BlockPoolOptions {
  /** Layers whose keys and values lie in these blocks. */
  readonly layers: readonly number[]
  readonly keyWidth: number
  readonly valueWidth: number
  /** Keys before its own that a query sees in these layers; all where absent. */
  readonly window: number | undefined
  /** The symbol of the number of blocks. */
  readonly symbol: string
}

/** A layer's memory: [blocks, 64, width] each. */
export interface KeysAndValues<T> {
  readonly keys: T
  readonly values: T
}

/** Where the tokens of one step go, and the blocks that each sequence sees. */
export interface Places {
  readonly slots: Int32Array // [tokens]
  readonly blockTable: { readonly shape: readonly [number, number]; readonly data: Int32Array } // [sequences, blocks]
}

/** In place of a block that no query can see any more. */
const gone = -1

/**
 * Keys and values of layers that see equally far, in blocks of 64 tokens. Sequences take blocks as they grow, and give
 * back those that lie outside the window of all queries to come. When the blocks are used up, a larger pool takes their
 * place.
 */
export class BlockPool {
  readonly #options: BlockPoolOptions
  /** Blocks of each sequence, in the order of its tokens. */
  readonly #sequences: number[][]
  #memory = new Map<number, KeysAndValues<Variable>>()
  #arguments = new Map<number, KeysAndValues<Input>>()
  #blocks = 0
  #free: number[] = []

  /** @param tokens room for this many tokens in each sequence to begin with. */
  constructor(options: BlockPoolOptions, tokens: readonly number[]) {
    this.#options = options
    this.#sequences = tokens.map(() => [])
    this.#add(tokens.reduce((sum, count) => sum + blocksFor(count), 0))
  }

  /** The variables of a layer, as arguments of a compiled call: the number of blocks is a symbol. */
  argumentsOf(layer: number): KeysAndValues<Input> {
    return this.#arguments.get(layer)!
  }

  /** Blocks that sequences lack to grow by `counts` from `lengths`. */
  shortage(counts: readonly number[], lengths: readonly number[]): number {
    const needed = counts.reduce((sum, count, s) => {
      if (count === 0) return sum
      return (
        sum +
        blocksFor(lengths[s]! + count) -
        this.#sequences[s]!.length -
        this.#unseen(s, lengths[s]!).length
      )
    }, 0)
    return Math.max(0, needed - this.#free.length)
  }

  /** Takes room for the next tokens of each sequence. @param counts how many; 0 for those that stand still. */
  extend(counts: readonly number[], lengths: readonly number[]): Places {
    const slots: number[] = []
    counts.forEach((count, s) => {
      if (count === 0) return
      const blocks = this.#sequences[s]!
      // Steps under way still read there before anyone writes.
      for (const index of this.#unseen(s, lengths[s]!)) {
        this.#free.push(blocks[index]!)
        blocks[index] = gone
      }
      const end = lengths[s]! + count
      while (blocks.length < blocksFor(end)) blocks.push(this.#free.pop()!)
      for (let i = lengths[s]!; i < end; i++)
        slots.push(blocks[Math.floor(i / blockTokens)]! * blockTokens + (i % blockTokens))
    })
    const width = Math.max(1, ...this.#sequences.map(({ length }) => length))
    const table = new Int32Array(this.#sequences.length * width)
    this.#sequences.forEach((blocks, s) => table.set(blocks, s * width))
    return {
      slots: Int32Array.from(slots),
      blockTable: { shape: [this.#sequences.length, width], data: table },
    }
  }

  /** Gives a sequence's blocks back. Steps under way still write there before anyone else does. */
  release(s: number): void {
    this.#free.push(...this.#sequences[s]!.filter((block) => block !== gone))
    this.#sequences[s] = []
  }

  /**
   * Makes the pool larger by at least `blocks`, at least twofold, and copies what it holds. No call that uses the
   * cache may be under way.
   */
  async grow(blocks: number): Promise<void> {
    const old = this.#memory
    const slots = Int32Array.from({ length: this.#blocks * blockTokens }, (_, i) => i)
    this.#add(Math.max(blocks, this.#blocks))
    for (const [layer, { keys, values }] of old) {
      await copyInto(this.#memory.get(layer)!.keys, keys, slots)
      await copyInto(this.#memory.get(layer)!.values, values, slots)
    }
    dispose(old)
  }

  dispose(): void {
    dispose(this.#memory)
  }

  /** Which of a sequence's blocks the token at `position` and those after it cannot see. */
  #unseen(s: number, position: number): number[] {
    const { window = Infinity } = this.#options
    const seen = Math.floor(Math.max(0, position - window) / blockTokens)
    const blocks = this.#sequences[s]!
    return [...blocks.keys()].slice(0, seen).filter((index) => blocks[index] !== gone)
  }

  /** A pool with this many blocks more; its contents are zeros. */
  #add(blocks: number): void {
    const before = this.#blocks
    this.#blocks += blocks
    const { layers, keyWidth, valueWidth, symbol } = this.#options
    const make = (name: string, layer: number, width: number) =>
      variable(`${name}.${layer}`, null, { shape: [this.#blocks, blockTokens, width] })
    const whole = (one: Variable, width: number) => input('float32', [symbol, blockTokens, width], one)
    this.#memory = new Map(
      layers.map((layer) => [
        layer,
        { keys: make('keys', layer, keyWidth), values: make('values', layer, valueWidth) },
      ]),
    )
    this.#arguments = new Map(
      [...this.#memory].map(([layer, { keys, values }]) => [
        layer,
        { keys: whole(keys, keyWidth), values: whole(values, valueWidth) },
      ]),
    )
    for (let block = this.#blocks - 1; block >= before; block--) this.#free.push(block)
  }
}

function dispose(memory: ReadonlyMap<number, KeysAndValues<Variable>>): void {
  for (const { keys, values } of memory.values()) {
    keys.dispose()
    values.dispose()
  }
}

const blocksFor = (tokens: number): number => Math.ceil(tokens / blockTokens)

// One row of the result is delivered, so that the copy is made and no more is held.
const copyRows = compile(
  ({ from, to, slots }: { from: Tensor; to: Tensor; slots: Tensor }) =>
    cacheAppend(to, from.reshape([from.dim(0).mul(blockTokens), from.dim(2)]), slots).sliceRows(0, 1),
  { name: 'BlockPool.grow' },
)

async function copyInto(to: Variable, from: Variable, slots: Int32Array): Promise<void> {
  const width = from.shape[2]!
  await copyRows({
    from: input('float32', ['oldBlocks', blockTokens, width], from),
    to: input('float32', ['newBlocks', blockTokens, width], to),
    slots: input('int32', [`${blockTokens}*oldBlocks`], slots),
  })
}
