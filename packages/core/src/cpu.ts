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

/** What the engine's pool reaches on this machine, measured just now: the ceilings that benchmarks are held against. */
export interface Peaks {
  /** Float32 multiply-adds, operations per second. */
  fma: number
  /** bfloat16 dot products, operations per second; 0 where the kernels in use have none. */
  bf16: number
  /** Bytes per second read from memory. */
  read: number
}

export const cpu = {
  /** The kernels in use: 'scalar', 'sse2', 'avx2', …; `TINY_ISA` caps it. */
  isa: (): string => core().cpu().isa,
  info: (): CpuInfo => core().cpu(),
  /** Takes about a third of a second on the engine, in turn with what else was asked of it. */
  peaks: (): Promise<Peaks> => core().peaks(),
}
