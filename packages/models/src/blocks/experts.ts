import {
  combineExperts,
  expertMatmul,
  gatherRows,
  sliceColumns,
  sortByExpert,
  type Initialiser,
  type Parameter,
  type Tensor,
} from '@tiny/core'
import { zeros } from '../parameters/initialisers.js'
import type { Weights } from '../parameters/weights.js'
import type { Activation } from './activations.js'
import type { Linear } from './linear.js'
import type { Mlp } from './mlp.js'
import type { Route, Router } from './router.js'

export interface ExpertsOptions {
  readonly width: number
  readonly inner: number
  readonly experts: number
  readonly weight: Initialiser
  /** What becomes of an expert's gate and up. */
  readonly glu: Glu
  /** Names of each expert's own matrices, where files store them so: `N.<name>.weight`. */
  readonly each?: { readonly gate: string; readonly up: string; readonly down: string }
  /** How a stack of all experts is laid out: [experts, out, in], or [experts, in, out] with biases. */
  readonly stack?: 'linear' | 'transposed-with-bias'
}

/** An expert's gated unit: of gate and up apart, and of their columns in one matrix [rows, 2 * inner]. */
export interface Glu {
  apply(gate: Tensor, up: Tensor): Tensor
  split(both: Tensor, inner: number): [gate: Tensor, up: Tensor]
}

/** activation(gate) * up (Shazeer 2020); the gates' columns come first. */
export const plainGlu = (activation: Activation): Glu => ({
  apply: (gate, up) => activation.apply(gate).mul(up),
  split: (both, inner) => [sliceColumns(both, 0, inner), sliceColumns(both, inner, inner)],
})

/** gpt-oss: gate sigmoid(alpha gate) (up + 1), both clamped; their columns alternate. */
export const clampedGlu = ({ alpha, limit }: { alpha: number; limit: number }): Glu => ({
  apply(gate, up) {
    const low = gate.clamp({ max: limit })
    const kept = up.clamp({ min: -limit, max: limit })
    const gated = low.mul(low.scale(alpha).sigmoid())
    return kept.mul(gated).add(gated)
  },
  split(both, inner) {
    const pairs = both.reshape([both.dim(0), inner, 2])
    return [0, 1].map((i) => sliceColumns(pairs, i, 1).reshape([both.dim(0), inner])) as [Tensor, Tensor]
  },
})

/** The products of all experts: rows sorted by expert, each by its own expert's matrices. */
type Products = (
  rows: Tensor,
  offsets: Tensor,
) => { inner: [gate: Tensor, up: Tensor]; down: (x: Tensor) => Tensor }

/**
 * Feed-forward networks of which a router chooses some for each token. Parameters are the file's tensors: a matrix for
 * each expert, or stacks of all.
 */
export class Experts {
  readonly #options: ExpertsOptions
  readonly #products: Products

  constructor(weights: Weights, options: ExpertsOptions) {
    this.#options = options
    const { each } = options
    const stacked = each === undefined || weights.stores('gate_up_proj')
    this.#products = stacked ? stackOf(weights, options) : matricesOf(weights, options, each)
  }

  /** [tokens, width] to [tokens, width]. */
  apply(x: Tensor, { indices, weights }: Route): Tensor {
    const { experts, glu } = this.#options
    const { rows, offsets, places } = sortByExpert(indices, experts)
    const { inner, down } = this.#products(gatherRows(x, rows), offsets) // [tokens * perToken, inner] each
    return combineExperts(down(glu.apply(...inner)), places, weights)
  }
}

function matricesOf(
  weights: Weights,
  { width, inner, experts, weight }: ExpertsOptions,
  names: NonNullable<ExpertsOptions['each']>,
): Products {
  const gates: Parameter[] = []
  const ups: Parameter[] = []
  const downs: Parameter[] = []
  for (let expert = 0; expert < experts; expert++) {
    const own = weights.at(expert)
    gates.push(own.at(names.gate).declare('weight', [inner, width], weight))
    ups.push(own.at(names.up).declare('weight', [inner, width], weight))
    downs.push(own.at(names.down).declare('weight', [width, inner], weight))
  }
  return (rows, offsets) => {
    const product = (x: Tensor, matrices: readonly Parameter[]) =>
      expertMatmul(x, offsets, matrices, {
        transposeB: true,
        precision: weights.precisionOf(matrices[0]!),
      })
    return { inner: [product(rows, gates), product(rows, ups)], down: (x) => product(x, downs) }
  }
}

function stackOf(weights: Weights, { width, inner, experts, weight, glu, stack }: ExpertsOptions): Products {
  const transposed = stack === 'transposed-with-bias'
  const declare = (name: string, outWidth: number, inWidth: number) => {
    const shape = transposed ? [experts, inWidth, outWidth] : [experts, outWidth, inWidth]
    const matrix = weights.declare(name, shape, weight)
    return {
      matrix,
      bias: transposed ? weights.declare(`${name}_bias`, [experts, outWidth], zeros) : undefined,
    }
  }
  const gateUp = declare('gate_up_proj', 2 * inner, width)
  const downs = declare('down_proj', width, inner)
  return (rows, offsets) => {
    const product = (x: Tensor, { matrix, bias }: typeof downs) =>
      expertMatmul(x, offsets, matrix, {
        bias,
        transposeB: !transposed,
        precision: weights.precisionOf(matrix),
      })
    return { inner: glu.split(product(rows, gateUp), inner), down: (x) => product(x, downs) }
  }
}

export interface MixtureOptions {
  readonly router: Router
  readonly experts: Experts
  /** A network that every token goes through, too. */
  readonly shared?: Mlp | undefined
  /** One logit a token, whose sigmoid is the shared network's weight. */
  readonly sharedGate?: Linear | undefined
}

/** A layer's feed-forward part: a router, its experts, and what they share. */
export class MixtureOfExperts {
  readonly #options: MixtureOptions

  constructor(options: MixtureOptions) {
    this.#options = options
  }

  apply(x: Tensor, residual?: Tensor): Tensor {
    const { router, experts, shared, sharedGate } = this.#options
    const routed = experts.apply(x, router.route(x))
    if (shared === undefined) return residual === undefined ? routed : routed.add(residual)
    if (sharedGate === undefined) return shared.apply(x, residual).add(routed)
    const common = shared.apply(x).mul(sharedGate.apply(x).sigmoid())
    return residual === undefined ? routed.add(common) : routed.add(common).add(residual)
  }
}
