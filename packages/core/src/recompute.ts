import { apply } from './apply.js'
import { OptionError } from './errors.js'
import { core } from './native.js'
import { mapTree } from './pytree.js'
import { Tensor } from './tensor.js'

const isTensor = (value: object): value is Tensor => value instanceof Tensor

/**
 * `fn(...args)`, whose intermediate results are not kept for the backward pass: they are computed again there, once
 * the gradient of what `fn` returned has arrived (Chen et al. 2016). Costs a second forward pass of `fn` and holds, of
 * a stack of such layers, each one's inputs and everything of one. Random ops inside draw what they drew at first, and
 * gradients are those without it, bit for bit where each outer value that `fn` reads is read once (else they are added
 * up in another order). What `fn` captures counts as an input. Checkpoints may be nested.
 *
 * @param fn returns tensors, in arrays and plain objects or alone.
 * @throws OptionError where `fn` returns a promise or updates a variable, which happens once.
 */
export function checkpoint<A extends readonly unknown[], R>(fn: (...args: A) => R, ...args: A): R {
  const since = core().newestNode()
  const result: unknown = fn(...args)
  if (result instanceof Promise) {
    result.catch(() => {}) // it failed because of this, too
    throw new OptionError('checkpoint takes a synchronous function, not one that returns a promise', {
      option: 'fn',
    })
  }
  const tensors: Tensor[] = []
  mapTree(result, isTensor, (leaf) => tensors.push(leaf))
  if (tensors.length === 0) return result as R
  const kept = apply('checkpoint', tensors, { since })
  return mapTree(result, isTensor, () => kept.shift()) as R
}
