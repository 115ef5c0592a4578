import { UnsupportedError, type Parameter, type Tensor } from '@tiny/core'
import type { Backbone } from '../blocks/stack.js'
import type { Config } from '../config/config.js'
import type { Family, Heads } from '../family.js'
import type { Batch } from '../inputs/batch.js'
import type { ProblemType } from '../inputs/targets.js'
import type { Weights } from '../parameters/weights.js'

/** A loss as it is accumulated over batches: a sum, and how many labels it is over. Scalars. */
export interface LossSum {
  readonly lossSum: Tensor
  readonly count: Tensor
}

export interface LossOptions {
  readonly problemType?: ProblemType | undefined
  /** Share of the target that is spread evenly over all classes. */
  readonly labelSmoothing?: number | undefined
}

/**
 * A result by the name that transformers gives it, and what it has a row for: a token, a token with one number, a
 * sequence, or an example, whose choices are sequences.
 */
export interface HeadOutput {
  readonly name:
    | 'logits'
    | 'startLogits'
    | 'endLogits'
    | 'predictionLogits'
    | 'seqRelationshipLogits'
    | 'sopLogits'
  readonly per: 'token' | 'tokenNumber' | 'sequence' | 'example'
  readonly value: Tensor
}

/** What a task puts on a backbone's hidden states [tokens, width]. */
export interface Head {
  /** @param rows int32: compute the tokens of these rows alone, where a result has a row for each token. */
  outputs(hidden: Tensor, batch: Batch<Tensor>, rows?: Tensor): HeadOutput[]
  /** Computed without `outputs`: a language model's logits are never held. */
  loss(hidden: Tensor, batch: Batch<Tensor>, options: LossOptions): LossSum
}

/** A head that says which token of a vocabulary comes next. */
export interface LanguageHead extends Head {
  /** [rows, width] to [rows, vocabulary]. */
  logits(hidden: Tensor): Tensor
}

export interface HeadContext {
  readonly family: Family
  readonly config: Config
  readonly backbone: Backbone
  /** The token embeddings, where the head shares them. */
  readonly tied: Parameter | undefined
}

export type MakeHead = (weights: Weights, context: HeadContext) => Head

/** What a family says of a head. @throws UnsupportedError where it has none. */
export function requireHead<H extends keyof Heads>(
  { family, config }: HeadContext,
  name: H,
  task: string,
): ReturnType<NonNullable<Heads[H]>> {
  const options = (family.heads[name] as ((c: Config) => ReturnType<NonNullable<Heads[H]>>) | undefined)?.(
    config,
  )
  if (options !== undefined) return options
  const { modelType } = family.schema
  throw new UnsupportedError(`${modelType} has no head for ${task} yet`, { modelType, task })
}
