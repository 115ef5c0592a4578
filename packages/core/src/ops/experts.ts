import { apply, applyOne } from '../apply.js'
import { Dim, type Size } from '../dim.js'
import type { Tensor } from '../tensor.js'

/**
 * The k largest of each row of x [.., n], largest first and the first of equals: values [.., k] and int32 indices
 * [.., k].
 *
 * @throws ShapeError where k exceeds n.
 */
export const topK = (x: Tensor, k: number): [values: Tensor, indices: Tensor] =>
  apply('topK', [x], { k }) as [Tensor, Tensor]

/** x [.., n] at int32 indices [.., k] of each row: [.., k]. Running rejects with IndexError for one out of range. */
export const gatherLast = (x: Tensor, indices: Tensor): Tensor => applyOne('gatherLast', [x, indices])

/** 1 at int32 indices [.., k] of each row [.., columns], 0 elsewhere. Not differentiable. */
export const markColumns = (indices: Tensor, columns: Size): Tensor =>
  applyOne('markColumns', [indices], { columns: Dim.of(columns) })

/** The pairs of a token and an expert, sorted by expert; no size depends on who chose whom. */
export interface ExpertOrder {
  /** int32 [tokens * k]: the token of each pair. */
  readonly rows: Tensor
  /** int32 [experts + 1]: where each expert's pairs begin, and the end. */
  readonly offsets: Tensor
  /** int32 [tokens, k]: where among the pairs each token's choices stand. */
  readonly places: Tensor
}

/** Sorts int32 choices [tokens, k]. Running rejects with IndexError for an expert that there is not. */
export function sortByExpert(indices: Tensor, experts: number): ExpertOrder {
  const [rows, offsets, places] = apply('sortByExpert', [indices], { experts }) as [Tensor, Tensor, Tensor]
  return { rows, offsets, places }
}

export interface ExpertMatmulOptions {
  /** [experts, n], added to the rows of each. */
  bias?: Tensor | null | undefined
  /** Weights are [n, k] each, as linear layers store them. */
  transposeB?: boolean
  /** What the products multiply in, accumulating in float32. */
  precision?: 'float32' | 'bfloat16'
}

/**
 * Rows x [rows, k], sorted by expert, each by its own expert's weight: [rows, n]. The weights are one stack
 * [experts, k, n] or a matrix [k, n] for each. A row's result does not depend on the other rows.
 *
 * @throws ShapeError naming the shapes.
 */
export function expertMatmul(
  x: Tensor,
  offsets: Tensor,
  weights: Tensor | readonly Tensor[],
  options: ExpertMatmulOptions = {},
): Tensor {
  const { bias, ...attributes } = options
  const each = Array.isArray(weights) ? (weights as readonly Tensor[]) : [weights as Tensor]
  return applyOne('expertMatmul', [x, offsets, bias, ...each], attributes)
}

/** The sum over j of weights[t, j] y[places[t, j]]: y [rows, width], places and weights [tokens, k] to [tokens, width]. */
export const combineExperts = (y: Tensor, places: Tensor, weights: Tensor): Tensor =>
  applyOne('combineExperts', [y, places, weights])
