import { rotate, sliceColumns, type Initialiser, type Parameter, type Tensor } from '@tiny/core'
import type { Weights } from '../parameters/weights.js'
import { drop, drops } from './dropout.js'
import { applySplit, Linear, plain, type LinearOptions } from './linear.js'
import type { CrossMixer, Mixer, Scores, Window } from './mixer.js'
import type { MakeProjectionNorm, ProjectionNorm } from './norms.js'
import type { RopeTables } from './rope.js'

export interface AttentionOptions {
  /** Width of the tokens that come in and, unless `outputWidth` is given, go out. */
  readonly width: number
  /** Of an encoder's tokens, where they differ. */
  readonly keyWidth?: number
  readonly outputWidth?: number
  readonly heads: number
  /** Heads of keys and values, each shared by heads / kvHeads queries (Ainslie et al. 2023); `heads` unless given. */
  readonly kvHeads?: number
  readonly headDim: number
  /** Width of a value of one head; headDim unless given. */
  readonly valueDim?: number
  readonly scale: number
  readonly causal?: boolean
  readonly blind?: Scores['blind']
  readonly window?: Window | undefined
  /** cap tanh(score / cap) (Gemma 2). */
  readonly softcap?: number | undefined
  /** A logit of each head that takes weight and gives nothing (gpt-oss). */
  readonly sinks?: { readonly name: string; readonly weight: Initialiser }
  /** Norms of queries and keys, before they are rotated. */
  readonly qkNorm?:
    | { readonly query: string; readonly key: string; readonly make: MakeProjectionNorm }
    | undefined
  /** Rotated pairs are neighbours (GPT-J), not half of the rotated columns apart. */
  readonly interleaved?: boolean
  /** Where this layer's keys are kept. */
  readonly layer: number
  /** Shares of weights and of the output that training drops. */
  readonly dropout: { readonly weights: number; readonly output: number }
  /** Query, key and value: each of its own, or one product whose columns are all three. */
  readonly projections: SplitProjections | FusedProjections
  readonly output: ProjectionOptions
}

export interface ProjectionOptions extends Omit<LinearOptions, 'weight'> {
  readonly name: string
  readonly weight: Initialiser
}

export interface SplitProjections {
  readonly query: ProjectionOptions
  readonly key: ProjectionOptions
  readonly value: ProjectionOptions
}

export interface FusedProjections {
  readonly fused: ProjectionOptions
  /** All queries, then all keys, then all values; or query, key and value of one head after another (GPT-NeoX). */
  readonly columns?: 'parts' | 'heads'
}

type Projected = [q: Tensor, k: Tensor, v: Tensor]

/**
 * Multi-head attention (Vaswani et al. 2017) of tokens [tokens, width], over themselves or over an encoder's. What
 * the sequences are is the mixer's business.
 */
export class Attention {
  readonly #options: AttentionOptions
  readonly #kvHeads: number
  /** `placed`: whether keys are normed or rotated, so that their bias counts. */
  readonly #project: (x: Tensor, placed: boolean) => Projected
  readonly #query: (x: Tensor) => Tensor
  readonly #keyAndValue: (x: Tensor, placed: boolean) => [k: Tensor, v: Tensor]
  readonly #output: Linear
  readonly #queryNorm: ProjectionNorm | undefined
  readonly #keyNorm: ProjectionNorm | undefined
  readonly #sinks: Parameter | undefined

  constructor(weights: Weights, options: AttentionOptions) {
    this.#options = options
    const {
      width,
      keyWidth = width,
      outputWidth = width,
      heads,
      headDim,
      projections,
      qkNorm,
      sinks,
    } = options
    const { kvHeads = heads, valueDim = headDim } = options
    this.#kvHeads = kvHeads
    const widths = [heads * headDim, kvHeads * headDim, kvHeads * valueDim] as const
    const linear = ({ name, ...rest }: ProjectionOptions, from: number, to: number) =>
      new Linear(weights.at(name), from, to, rest)
    if ('fused' in projections) {
      const fused = linear(projections.fused, width, widths[0] + widths[1] + widths[2])
      const each = [headDim, headDim, valueDim]
      this.#project = (x) =>
        (projections.columns === 'heads'
          ? splitHeads(fused.apply(x), heads, each)
          : applySplit(fused, x, widths)) as Projected
      this.#query = (x) => this.#project(x, true)[0]
      this.#keyAndValue = (x) => this.#project(x, true).slice(1) as [Tensor, Tensor]
    } else {
      const query = linear(projections.query, width, widths[0])
      const key = linear(projections.key, keyWidth, widths[1])
      const value = linear(projections.value, keyWidth, widths[2])
      // A logit beside the scores and a cap on them see where they lie.
      const seen = options.softcap !== undefined || sinks !== undefined || qkNorm !== undefined
      const keyOf = (x: Tensor, placed: boolean) => (placed || seen ? key.apply(x) : key.applyInert(x))
      this.#query = (x) => query.apply(x)
      this.#keyAndValue = (x, placed) => [keyOf(x, placed), value.apply(x)]
      this.#project = (x, placed) => [query.apply(x), keyOf(x, placed), value.apply(x)]
    }
    this.#output = linear(options.output, heads * valueDim, outputWidth)
    this.#queryNorm = qkNorm?.make(weights.at(qkNorm.query), heads, headDim)
    this.#keyNorm = qkNorm?.make(weights.at(qkNorm.key), kvHeads, headDim)
    this.#sinks = sinks && weights.declare(sinks.name, [heads], sinks.weight)
  }

  /** Tokens over the tokens of their own sequence. */
  attend(x: Tensor, mixer: Mixer, context: AttendOptions = {}): Tensor {
    const [q, k, v] = this.#project(x, context.rope !== undefined) // [tokens, heads * headDim], [tokens, kvHeads * headDim] twice
    const placed = this.#place(q, this.#queryNorm, context.queryRope ?? context.rope)
    const keys = this.#place(k, this.#keyNorm, context.rope)
    return this.#finish(
      mixer.attend(this.#options.layer, placed, keys, v, this.#scores(context.relative)),
      context.residual,
    )
  }

  /** Tokens over an encoder's. */
  attendAcross(x: Tensor, mixer: CrossMixer, context: Omit<AttendOptions, 'rope'> = {}): Tensor {
    const { layer } = this.#options
    const [k, v] = mixer.keysAndValues(layer, (encoder) => this.keysAndValues(encoder))
    const q = this.#place(this.#query(x), this.#queryNorm, undefined)
    return this.#finish(mixer.attend(layer, q, k, v, this.#scores(context.relative)), context.residual)
  }

  /** An encoder's keys and values for this layer, to be kept while a decoder runs: [encoder tokens, kvHeads * headDim]. */
  keysAndValues(encoder: Tensor): [k: Tensor, v: Tensor] {
    const [k, v] = this.#keyAndValue(encoder, false)
    return [this.#place(k, this.#keyNorm, undefined), v]
  }

  /** Queries or keys as they meet: normalised, and rotated to their positions. */
  #place(x: Tensor, norm: ProjectionNorm | undefined, rope: Tensor | undefined): Tensor {
    const { headDim, interleaved = false } = this.#options
    const normalised = norm === undefined ? x : norm.apply(x)
    return rope === undefined ? normalised : rotate(normalised, rope, { headDim, interleaved })
  }

  #scores(relative: Scores['relative']): Scores {
    const { heads, headDim, valueDim, scale, causal = false, blind, window, softcap, dropout } = this.#options
    return {
      heads,
      kvHeads: this.#kvHeads,
      headDim,
      valueDim,
      scale,
      causal,
      blind,
      window,
      softcap,
      sinks: this.#sinks && plain(this.#sinks),
      dropout: dropout.weights,
      relative,
    }
  }

  #finish(mixed: Tensor, residual: Tensor | undefined): Tensor {
    return finish(this.#output, mixed, this.#options.dropout.output, residual)
  }
}

/** Without tables of positions nothing is rotated. */
export interface AttendOptions extends Partial<RopeTables> {
  readonly relative?: Scores['relative']
  /** Added to the result, where the block is built so. */
  readonly residual?: Tensor | undefined
}

/** Columns of one head after another, each with its parts side by side, as one tensor for each part. */
export function splitHeads(x: Tensor, heads: number, widths: readonly number[]): Tensor[] {
  const tokens = x.dim(0)
  const rows = x.reshape([tokens.mul(heads), widths.reduce((sum, width) => sum + width, 0)])
  let start = 0
  return widths.map((width) =>
    sliceColumns(rows, (start += width) - width, width).reshape([tokens, heads * width]),
  )
}

/** The last product of a branch, its dropout, and the residual that the branch is added to. */
export function finish(linear: Linear, x: Tensor, dropout: number, residual: Tensor | undefined): Tensor {
  if (residual === undefined) return drop(linear.apply(x), dropout)
  return drops(dropout) ? drop(linear.apply(x), dropout).add(residual) : linear.apply(x, { residual })
}
