import type { Parameter, Tensor } from '@tiny/core'
import type { Batch } from '../inputs/batch.js'
import type { CrossMixer, Mixer } from './mixer.js'

/** Collects what transformers calls `hidden_states`: the embeddings and what follows each layer, [tokens, width]. */
export type HiddenStates = Tensor[]

export interface StackContext {
  /** Filled as the layers run, where given. */
  readonly states?: HiddenStates | undefined
  /** Of a decoder beside an encoder. */
  readonly cross?: CrossMixer | undefined
}

/** Layers over packed tokens. */
export interface Stack {
  /** [tokens, width], after the last norm where there is one. */
  forward(batch: Batch<Tensor>, mixer: Mixer, context?: StackContext): Tensor
}

/** A decoder's layers, which look at an encoder's tokens, too. */
export interface CrossStack extends Stack {
  /** Keys and values of every layer over an encoder's hidden states, to be kept while it decodes. */
  keysAndValues(encoder: Tensor): [k: Tensor, v: Tensor][]
}

/** An encoder or a decoder without a head. */
export interface SingleBackbone {
  readonly stack: Stack
  readonly width: number
  /** Token embeddings [vocabulary, width]: what a tied head multiplies by. */
  readonly embeddings: Parameter
  /** What a whole sequence comes to, from its first token: [sequences, width]; where the model has such a part. */
  pool?(hidden: Tensor, batch: Batch<Tensor>): Tensor | undefined
  /** What one layer keeps of a token while generating; absent for encoders. */
  readonly cache?: CacheShape
  /** Whether rotary frequencies depend on a sequence's length: padded rows then have the longest one's. */
  readonly reaches?: boolean
  /** Of experts whose even use may be part of the loss. */
  readonly balance?: Balance | undefined
}

/** What a loss has beside that of its labels: `coefficient` times `balanceLoss` of the routers. */
export interface Balance {
  readonly experts: number
  readonly perToken: number
  readonly coefficient: number
  /** Whether it is there, and the routers' logits are given, where a call does not say (`output_router_logits`). */
  readonly usual: boolean
}

/** An encoder–decoder without a head. */
export interface PairBackbone {
  readonly encoder: Stack
  readonly decoder: CrossStack
  readonly width: number
  readonly embeddings: Parameter
  readonly cache: CacheShape
}

export type Backbone = SingleBackbone | PairBackbone

export interface CacheShape {
  readonly layers: number
  /** Widths of a token's keys and values: kvHeads * headDim. */
  readonly keyWidth: number
  readonly valueWidth: number
  /** A sequence that grows beyond this many tokens is computed anew, since all its keys turn otherwise (Phi-3). */
  readonly anewBeyond?: number | undefined
  /** Keys before its own that a query of a layer sees; all where absent. */
  readonly window?: ((layer: number) => number | undefined) | undefined
  /** What a layer keeps of a sequence where it is a recurrence, which keeps no keys and values. */
  readonly recurrent?: ((layer: number) => RecurrentShape | undefined) | undefined
  /** Columns of padding before a sequence that recurrences read, where padding is not zeros to them. */
  readonly leading?: number | undefined
}

/** Elements of a sequence's state: a short convolution's last inputs, and what a scan has come to. */
export interface RecurrentShape {
  readonly convolution: number
  readonly scan: number
}
