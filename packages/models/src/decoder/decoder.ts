import type { Tensor } from '@tiny/core'
import type { Mixer } from '../blocks/mixer.js'
import type { Norm } from '../blocks/norms.js'
import { Rope, type RopeOptions } from '../blocks/rope.js'
import { runLayer } from '../blocks/recompute.js'
import type { Balance, CacheShape, SingleBackbone, Stack, StackContext } from '../blocks/stack.js'
import type { TokenEmbeddings } from '../blocks/embeddings.js'
import type { Batch } from '../inputs/batch.js'
import type { Weights } from '../parameters/weights.js'
import type { DecoderLayer } from './decoder-layer.js'

export interface DecoderOptions {
  /** Width of what the head gets. */
  readonly width: number
  readonly embeddings: TokenEmbeddings
  readonly layers: readonly DecoderLayer[]
  /** The set of rotary frequencies of each layer; undefined for a layer without positions (NoPE). */
  readonly ropes?: readonly (RopeOptions | undefined)[]
  /** What follows the last layer: a norm, where there is one. */
  readonly norm?: Pick<Norm, 'apply'> | undefined
  readonly cache?: CacheShape
  readonly balance?: Balance | undefined
}

/** A decoder of any family: embeddings, layers, a norm. */
export class Decoder implements SingleBackbone, Stack {
  readonly width: number
  readonly cache?: CacheShape
  readonly reaches: boolean
  readonly balance: Balance | undefined
  readonly #options: DecoderOptions
  readonly #ropes: ReadonlyMap<RopeOptions, Rope>

  /** @param weights where its constants belong; its parts have declared their own parameters. */
  constructor(weights: Weights, options: DecoderOptions) {
    this.width = options.width
    if (options.cache !== undefined) this.cache = options.cache
    this.balance = options.balance
    this.#options = options
    const sets = new Set((options.ropes ?? []).filter((rope) => rope !== undefined))
    this.#ropes = new Map([...sets].map((set) => [set, new Rope(weights, set)]))
    this.reaches = [...this.#ropes.values()].some((rope) => rope.reaches)
  }

  get stack(): Stack {
    return this
  }

  get embeddings() {
    return this.#options.embeddings.weight
  }

  forward(batch: Batch<Tensor>, mixer: Mixer, { states }: StackContext = {}): Tensor {
    const { embeddings, layers, ropes, norm } = this.#options
    const tables = new Map([...this.#ropes].map(([set, rope]) => [set, rope.tables(batch)] as const))
    let x = embeddings.apply(batch)
    layers.forEach((layer, i) => {
      states?.push(x)
      const set = ropes?.[i]
      x = runLayer((x) => layer.apply(x, mixer, set && tables.get(set)), x)
    })
    x = norm === undefined ? x : norm.apply(x)
    states?.push(x)
    return x // [tokens, width]
  }
}
