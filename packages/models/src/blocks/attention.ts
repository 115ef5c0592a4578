import type { Initialiser, Tensor } from '@tiny/core'
import type { Weights } from '../parameters/weights.js'
import { drop, drops } from './dropout.js'
import { applySplit, Linear, type LinearOptions } from './linear.js'
import type { CrossMixer, Mixer, Scores } from './mixer.js'

export interface AttentionOptions {
  /** Width of the tokens that come in and go out. */
  readonly width: number
  readonly heads: number
  readonly headDim: number
  readonly scale: number
  readonly causal?: boolean
  /** Where this layer's keys are kept. */
  readonly layer: number
  /** Shares of weights and of the output that training drops. */
  readonly dropout: { readonly weights: number; readonly output: number }
  /** Query, key and value: each of its own, or one product whose columns are all three. */
  readonly projections: SplitProjections | FusedProjections
  readonly output: ProjectionOptions
}

interface ProjectionOptions extends Omit<LinearOptions, 'weight'> {
  readonly name: string
  readonly weight: Initialiser
}

interface SplitProjections {
  readonly query: ProjectionOptions
  readonly key: ProjectionOptions
  readonly value: ProjectionOptions
}

interface FusedProjections {
  readonly fused: ProjectionOptions
}

type Projected = [q: Tensor, k: Tensor, v: Tensor]

/**
 * Multi-head attention (Vaswani et al. 2017) of tokens [tokens, width], over themselves or over an encoder's. What
 * the sequences are is the mixer's business.
 */
export class Attention {
  readonly #options: AttentionOptions
  readonly #project: (x: Tensor) => Projected
  readonly #query: (x: Tensor) => Tensor
  readonly #keyAndValue: (x: Tensor) => [k: Tensor, v: Tensor]
  readonly #output: Linear

  constructor(weights: Weights, options: AttentionOptions) {
    this.#options = options
    const { width, heads, headDim, projections } = options
    const inner = heads * headDim
    const linear = ({ name, ...rest }: ProjectionOptions, outWidth: number) =>
      new Linear(weights.at(name), width, outWidth, rest)
    if ('fused' in projections) {
      const fused = linear(projections.fused, 3 * inner)
      this.#project = (x) => applySplit(fused, x, [inner, inner, inner]) as Projected
      this.#query = (x) => this.#project(x)[0]
      this.#keyAndValue = (x) => this.#project(x).slice(1) as [Tensor, Tensor]
    } else {
      const query = linear(projections.query, inner)
      const key = linear(projections.key, inner)
      const value = linear(projections.value, inner)
      this.#query = (x) => query.apply(x)
      this.#keyAndValue = (x) => [key.apply(x), value.apply(x)]
      this.#project = (x) => [query.apply(x), key.apply(x), value.apply(x)]
    }
    const { name, ...output } = options.output
    this.#output = new Linear(weights.at(name), inner, width, output)
  }

  /** Tokens over the tokens of their own sequence. */
  attend(x: Tensor, mixer: Mixer, context: AttendOptions = {}): Tensor {
    const [q, k, v] = this.#project(x) // [tokens, heads * headDim] each
    return this.#finish(
      mixer.attend(this.#options.layer, q, k, v, this.#scores(context.relative)),
      context.residual,
    )
  }

  /** Tokens over an encoder's. */
  attendAcross(x: Tensor, mixer: CrossMixer, context: AttendOptions = {}): Tensor {
    const { layer } = this.#options
    const [k, v] = mixer.keysAndValues(layer, this.#keyAndValue) // [encoder tokens, heads * headDim]
    return this.#finish(
      mixer.attend(layer, this.#query(x), k, v, this.#scores(context.relative)),
      context.residual,
    )
  }

  /** An encoder's keys and values for this layer, to be kept while a decoder runs. */
  keysAndValues(encoder: Tensor): [k: Tensor, v: Tensor] {
    return this.#keyAndValue(encoder)
  }

  #scores(relative: Scores['relative']): Scores {
    const { heads, headDim, scale, causal = false, dropout } = this.#options
    return { heads, headDim, scale, causal, dropout: dropout.weights, relative }
  }

  #finish(mixed: Tensor, residual: Tensor | undefined): Tensor {
    return finish(this.#output, mixed, this.#options.dropout.output, residual)
  }
}

export interface AttendOptions {
  readonly relative?: Scores['relative']
  /** Added to the result, where the block is built so. */
  readonly residual?: Tensor | undefined
}

/** The last product of a branch, its dropout, and the residual that the branch is added to. */
export function finish(linear: Linear, x: Tensor, dropout: number, residual: Tensor | undefined): Tensor {
  if (residual === undefined) return drop(linear.apply(x), dropout)
  return drops(dropout) ? drop(linear.apply(x), dropout).add(residual) : linear.apply(x, { residual })
}
