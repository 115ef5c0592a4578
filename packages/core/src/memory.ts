import { core } from './native.js'

/** Native memory of the process, in bytes. */
export const memory = {
  /** `cached`: kept for the next evaluation, in part of what is live while one runs. */
  stats: (): { live: number; peak: number; limit: number; cached: number } => core().memoryStats(),
  /** What evaluations may hold together; beyond it they reject with OutOfMemoryError before they start. */
  get limit(): number {
    return core().memoryStats().limit
  },
  set limit(bytes: number) {
    core().setMemoryLimit(bytes)
  },
  /** Makes what is live now the peak. */
  resetPeak: (): void => core().resetMemoryPeak(),
}
