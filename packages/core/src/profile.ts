import { core } from './native.js'

/** Time spent in each op, for benchmarks; off it costs nothing. */
export const profile = {
  start: (): void => core().setProfiling(true),
  stop: (): void => core().setProfiling(false),
  /** Since `start`. */
  read: (): { op: string; calls: number; seconds: number }[] => core().profile(),
  /** Calls from JavaScript into native code so far: a compiled call is one. */
  crossings: (): number => core().crossings(),
}
