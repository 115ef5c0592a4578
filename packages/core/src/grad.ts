import { OptionError } from './errors.js'
import { core } from './native.js'
import { Tensor } from './tensor.js'

/**
 * Gradients of a scalar with respect to tensors and parameters: graphs, too, computed with whatever reads them. What
 * `loss` does not depend on is not in the map.
 *
 * @throws GradientError where `loss` is no scalar, or an op on the way has no gradient.
 */
export function gradients<T extends Tensor>(loss: Tensor, wrt: Iterable<T>): Map<T, Tensor> {
  const params = [...wrt]
  const handles = core().gradients(
    loss.value(),
    params.map((param) => param.handle),
  )
  const grads = new Map<T, Tensor>()
  handles.forEach((handle, i) => {
    if (handle !== null) grads.set(params[i]!, new Tensor(handle))
  })
  return grads
}

/** The scalar that `fn` builds and its gradients, as `gradients` gives them. Nothing is computed yet. */
export function valueAndGrad<T extends Tensor>(
  fn: () => Tensor,
  params: Iterable<T>,
): { value: Tensor; grads: Map<T, Tensor> } {
  const value = fn()
  if (!(value instanceof Tensor)) {
    throw new OptionError('valueAndGrad takes a function that returns a scalar tensor', { option: 'fn' })
  }
  return { value, grads: gradients(value, params) }
}
