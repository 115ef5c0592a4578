import { AbortError, OptionError } from './errors.js'
import { core, type CancellationHandle } from './native.js'

// Handles that were never cancelled, for the next call: making one is a crossing into native code.
const unused: CancellationHandle[] = []

/**
 * Runs native work under an AbortSignal. `start` is called at once with what cancels it; the promise rejects with the
 * signal's reason when it was stopped. Already aborted: throws the reason and starts nothing.
 */
export function startCancellable<T extends { done: Promise<void> }>(
  signal: AbortSignal | undefined,
  start: (cancellation: CancellationHandle | null) => T,
): T {
  if (signal === undefined) return start(null)
  requireSignal(signal)
  throwIfAborted(signal)
  const cancellation = unused.pop() ?? core().cancellation()
  const cancel = (): void => cancellation.cancel()
  signal.addEventListener('abort', cancel, { once: true })
  const release = (): void => {
    signal.removeEventListener('abort', cancel)
    if (!signal.aborted) unused.push(cancellation)
  }
  let started: T
  try {
    started = start(cancellation)
  } catch (error) {
    release()
    throw error
  }
  const done = started.done.then(release, (error: unknown) => {
    release()
    throw error instanceof AbortError && signal.aborted ? signal.reason : error
  })
  return { ...started, done }
}

/** @throws OptionError for anything but an AbortSignal. */
export function requireSignal(signal: AbortSignal | undefined): void {
  if (signal === undefined || (signal as unknown) instanceof AbortSignal) return
  throw new OptionError('signal is an AbortSignal, as an AbortController has one', { option: 'signal' })
}

/** @throws the signal's reason if it is aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  signal?.throwIfAborted()
}
