import { core } from './native.js'

export interface CpuInfo {
  isa: string
  /** Every ISA whose kernels this machine can run, the best first. */
  isas: string[]
  model: string
  /** Bytes of each level, per core. */
  caches: { l1: number; l2: number; l3: number }
  processors: number
}

export const cpu = {
  /** The kernels in use: 'scalar', 'sse2', 'avx2', …; `TINY_ISA` caps it. */
  isa: (): string => core().cpu().isa,
  info: (): CpuInfo => core().cpu(),
}
