import { startCancellable } from './cancellation.js'
import { core, type TensorHandle, type VariableHandle } from './native.js'
import { Tensor } from './tensor.js'
import { refuseWhileTracing } from './trace.js'

/**
 * Computes tensors, all in one pass, and keeps their results; runs the updates that they reach and those pending on
 * variables among them. A rejected evaluation leaves every variable as it was.
 *
 * The last argument may be `{ signal }`.
 */
export async function evaluate(
  ...tensors: (Tensor | Iterable<Tensor> | { signal?: AbortSignal | undefined })[]
): Promise<void> {
  refuseWhileTracing('evaluate()')
  let signal: AbortSignal | undefined
  const roots: TensorHandle[] = []
  const updates: VariableHandle[] = []
  const take = (tensor: Tensor): void => {
    const handle = tensor.handle
    if ('read' in handle) updates.push(handle)
    else roots.push(handle)
  }
  for (const item of tensors) {
    if (item instanceof Tensor) take(item)
    else if (Symbol.iterator in item) for (const tensor of item) take(tensor)
    else signal = item.signal
  }
  const { done } = startCancellable(signal, (cancellation) => {
    const pending: Promise<void>[] = []
    if (updates.length > 0) pending.push(core().evaluateUpdates(updates, cancellation))
    if (roots.length > 0) pending.push(core().evaluate(roots, cancellation))
    return { done: settled(pending) }
  })
  await done
}

// Waits for all before it rejects with the first failure: nothing is in flight afterwards.
async function settled(pending: Promise<void>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(pending)) {
    if (outcome.status === 'rejected') throw outcome.reason
  }
}
