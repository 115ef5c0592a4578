import { apply } from '../apply.js'
import type { Variable } from '../parameter.js'
import type { Tensor } from '../tensor.js'

export interface AdamwInputs {
  grad: Tensor
  /** float32 scalars: learning rate, and the step's number, counted from 1. */
  lr: Tensor
  step: Tensor
  /** float32 scalar that the gradient is multiplied by: clipping without a pass of its own. */
  clip?: Tensor | null | undefined
  beta1?: number
  beta2?: number
  eps?: number
  weightDecay?: number
}

/**
 * One step of AdamW (Loshchilov and Hutter 2019) on a parameter and its moments m and v, all of one shape, in one
 * pass. An update of the graph: it runs with `evaluate(parameter)` or with the compiled call it was traced in.
 */
export function adamw(parameter: Variable, m: Variable, v: Variable, inputs: AdamwInputs): void {
  const { grad, lr, step, clip, ...attributes } = inputs
  for (const target of [parameter, m, v]) target.thaw()
  apply('adamw', [parameter, m, v, grad, lr, clip, step], attributes)
}
