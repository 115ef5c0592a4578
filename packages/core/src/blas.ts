import { core } from './native.js'

/** A CBLAS library in place of our own kernels for large float32 products. */
export const blas = {
  /** Loads a library by name or path. @throws OptionError where it has no cblas_sgemm. */
  use: (path: string): void => core().blasUse(path),
  off: (): void => core().blasOff(),
  /** The library in use, or null. */
  active: (): string | null => core().blasActive(),
}
