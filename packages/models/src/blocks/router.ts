import {
  full,
  gatherLast,
  gatherRows,
  markColumns,
  matmul,
  softmax,
  topK,
  where,
  type Initialiser,
  type Parameter,
  type Tensor,
} from '@tiny/core'
import { zeros } from '../parameters/initialisers.js'
import type { Weights } from '../parameters/weights.js'
import { plain } from './linear.js'

export interface RouterOptions {
  readonly width: number
  readonly experts: number
  /** How many of them a token goes to. */
  readonly perToken: number
  readonly weight: Initialiser
  readonly bias?: boolean
  /**
   * Scores of all experts, of which the best are taken: softmax or sigmoid; or the softmax over the best logits alone.
   */
  readonly scores: 'softmax' | 'sigmoid' | 'softmax-of-chosen'
  /** Divides the chosen scores by their sum plus this; undefined leaves them. */
  readonly normalise?: number | undefined
  /** Factor of the weights. */
  readonly scaling?: number
  /** Only experts of the best groups are chosen. A group is as good as its best expert, or its best two together. */
  readonly groups?:
    | { readonly count: number; readonly chosen: number; readonly by: 'best' | 'best-two' }
    | undefined
  /** Name of a bias that counts in choosing only. It is no parameter: DeepSeek-V3 balances its experts by it. */
  readonly correction?: string
  /** What the product with the weight is made in; follows the weight unless given. */
  readonly precision?: 'float32'
}

/** Which experts each token goes to, and how much each of them counts. */
export interface Route {
  readonly indices: Tensor // int32 [tokens, perToken]
  readonly weights: Tensor // [tokens, perToken]
}

let recorded: Tensor[] | undefined

/** Builds a graph and collects the logits [tokens, experts] of its routers, in order. */
export function recordRouters<T>(build: () => T): { result: T; logits: readonly Tensor[] } {
  const outer = recorded
  const logits: Tensor[] = (recorded = [])
  try {
    return { result: build(), logits }
  } finally {
    outer?.push(...logits)
    recorded = outer
  }
}

/** The linear layer that sends tokens to experts (Shazeer et al. 2017). */
export class Router {
  readonly weight: Parameter // [experts, width]
  readonly bias: Parameter | undefined
  readonly #correction: Parameter | undefined
  readonly #options: RouterOptions
  readonly #weights: Weights

  constructor(weights: Weights, options: RouterOptions) {
    const { width, experts, bias, correction } = options
    this.#options = options
    this.#weights = weights
    this.weight = weights.declare('weight', [experts, width], options.weight)
    this.bias = bias === true ? weights.declare('bias', [experts], zeros) : undefined
    this.#correction = correction === undefined ? undefined : weights.buffer(correction, [experts], zeros)
  }

  route(x: Tensor): Route {
    const { scores: kind, perToken, normalise, scaling = 1, precision } = this.#options
    const logits = matmul(x, this.weight, {
      bias: this.bias,
      transposeB: true,
      precision: precision ?? this.#weights.precisionOf(this.weight),
    }) // [tokens, experts]
    recorded?.push(logits)
    if (kind === 'softmax-of-chosen') {
      const [chosen, indices] = topK(logits, perToken)
      return { indices, weights: scaled(softmax(chosen), scaling) }
    }
    const scores = kind === 'softmax' ? softmax(logits) : logits.sigmoid()
    const { indices, weights } = this.#choose(scores)
    return { indices, weights: scaled(normalised(weights, normalise), scaling) }
  }

  #choose(scores: Tensor): Route {
    const { perToken, groups } = this.#options
    if (this.#correction === undefined) {
      const choice = groups === undefined ? scores : this.#withinGroups(scores, groups, 0)
      const [weights, indices] = topK(choice, perToken)
      return { indices, weights }
    }
    const corrected = scores.add(plain(this.#correction))
    const choice = groups === undefined ? corrected : this.#withinGroups(corrected, groups, -Infinity)
    const [, indices] = topK(choice, perToken)
    return { indices, weights: gatherLast(scores, indices) }
  }

  /** `otherwise` in place of the scores of groups that are not chosen. */
  #withinGroups(
    choice: Tensor,
    { count, chosen, by }: NonNullable<RouterOptions['groups']>,
    otherwise: number,
  ): Tensor {
    const { experts } = this.#options
    const tokens = choice.dim(0)
    const grouped = choice.reshape([tokens, count, experts / count])
    const [best] = topK(grouped, by === 'best' ? 1 : 2) // [tokens, groups, 1 or 2]
    const [, indices] = topK(best.sum('last'), chosen)
    const kept = markColumns(indices, count).reshape([tokens, count, 1])
    return where(kept, grouped, full([], otherwise)).reshape([tokens, experts])
  }
}

function normalised(weights: Tensor, extra: number | undefined): Tensor {
  if (extra === undefined) return weights
  const sum = weights.sum('last').reshape([weights.dim(0), 1])
  return weights.div(extra === 0 ? sum : sum.add(full([], extra)))
}

const scaled = (weights: Tensor, factor: number): Tensor => (factor === 1 ? weights : weights.scale(factor))

/**
 * Switch Transformers' loss (Fedus et al. 2021) as transformers has it: experts times the sum, over experts, of the
 * share of tokens that choose one times the mean probability that routers give it, over the tokens of all layers. A
 * scalar.
 *
 * @param logits of each layer, [tokens, experts].
 * @param options `rows`, int32: the tokens that count; all unless given.
 */
export function balanceLoss(
  logits: readonly Tensor[],
  { experts, perToken, rows }: { experts: number; perToken: number; rows?: Tensor | undefined },
): Tensor {
  const mean = (terms: Tensor[]) => terms.reduce((sum, term) => sum.add(term)).scale(1 / terms.length)
  const shares: Tensor[] = []
  const probabilities: Tensor[] = []
  for (const layer of logits) {
    const scores = softmax(rows === undefined ? layer : gatherRows(layer, rows)) // [tokens, experts]
    const [, indices] = topK(scores, perToken)
    shares.push(markColumns(indices, experts).mean('rows'))
    probabilities.push(scores.mean('rows'))
  }
  return mean(shares).mul(mean(probabilities)).sum().scale(experts)
}
