import { apply } from '../apply.js'
import type { Tensor } from '../tensor.js'

export interface CrossEntropyOptions {
  /** Rows with this label do not count; -100 as in PyTorch. */
  ignoreIndex?: number
  /** Share of the target spread evenly over all classes. */
  labelSmoothing?: number
}

/**
 * Softmax cross-entropy of logits [rows, classes] and int32 labels [rows]: the summed loss and how many rows
 * counted, both scalars; their quotient is the mean.
 *
 * Running rejects with IndexError for a label out of range.
 */
export const crossEntropy = (
  logits: Tensor,
  labels: Tensor,
  attributes: CrossEntropyOptions = {},
): [lossSum: Tensor, count: Tensor] => apply('crossEntropy', [logits, labels], attributes) as [Tensor, Tensor]

export interface LinearCrossEntropyOptions extends CrossEntropyOptions {
  /** [classes]. */
  bias?: Tensor | null | undefined
  /** Factor of the product. */
  scale?: number
  /** What the product multiplies in, accumulating in float32; float32 unless given. */
  precision?: 'float32' | 'bfloat16'
}

/**
 * The same for logits = scale * hidden weightᵀ + bias, with hidden [rows, h] and weight [classes, h], without ever
 * holding the logits of more than a tile of rows.
 */
export function linearCrossEntropy(
  hidden: Tensor,
  weight: Tensor,
  labels: Tensor,
  options: LinearCrossEntropyOptions = {},
): [lossSum: Tensor, count: Tensor] {
  const { bias, ...attributes } = options
  return apply('linearCrossEntropy', [hidden, weight, bias, labels], attributes) as [Tensor, Tensor]
}
