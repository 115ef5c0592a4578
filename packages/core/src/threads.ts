import { core } from './native.js'

/** The engine's pool, shared by all evaluations of the process. Results do not depend on its size. */
export const threads = {
  get: (): number => core().threads(),
  /** @throws OptionError below 1. */
  set: (count: number): void => core().setThreads(count),
}
