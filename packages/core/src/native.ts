import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { nativeErrors } from './errors.js'

/** Element types. float64 is for checks; bfloat16 and float16 are how weights are stored. */
export type Dtype = 'float32' | 'float64' | 'bfloat16' | 'float16' | 'int32' | 'int64' | 'int8' | 'uint8'

/** A size as it crosses into native code: a number, or an affine form over symbols. */
export type NativeDim = number | { constant: number; terms: [name: string, factor: number][] }

/** A value of the graph. */
export interface TensorHandle {
  dtype(): Dtype
  dims(): NativeDim[]
  str(): string
  /** Whether there is a result: made from data, or evaluated as a root. */
  computed(): boolean
  dispose(): void
  disposed(): boolean
}

/** State: a parameter, an optimizer moment, a cache. */
export interface VariableHandle {
  name(): string
  dtype(): Dtype
  dims(): NativeDim[]
  /** The newest version; inside a trace, the trace's own. */
  read(): TensorHandle
  freeze(frozen: boolean): void
  frozen(): boolean
  dispose(): void
  disposed(): boolean
  bytes(): number
}

export interface PlanStep {
  op: string
  stage: number
  storage: string
}

export interface PlanHandle {
  argumentCount(): number
  outputCount(): number
  dispose(): void
  describe(): PlanStep[]
}

export interface CancellationHandle {
  cancel(): void
}

/** A safetensors file, mapped. */
export interface FileHandle {
  metadata(): Record<string, string>
  entries(): { name: string; dtype: string; shape: number[]; bytes: number }[]
  /** A constant over the mapped file; its dtype as stored. */
  tensor(name: string): TensorHandle
  close(): void
}

export type AttributeValue = boolean | number | string | NativeDim | NativeDim[] | number[]

export interface NativeBinding {
  setErrorClasses(
    classes: Record<string, new (message: string, facts: Record<string, unknown>) => Error>,
  ): void
  /** A variable as an input stands for its newest version; for updates the variables are the targets. */
  apply(
    op: string,
    inputs: (TensorHandle | VariableHandle | null)[],
    attributes: Record<string, AttributeValue>,
  ): TensorHandle[]
  /** The number of the node that was made last, for the op `checkpoint`. */
  newestNode(): number
  fromData(dtype: Dtype, dims: number[], data: ArrayBufferView): TensorHandle
  /** Zeros where there is no data. */
  createVariable(name: string, dtype: Dtype, dims: number[], data: ArrayBufferView | null): VariableHandle
  /** Takes over the memory of an evaluated tensor or of a file's window. */
  variableFrom(name: string, tensor: TensorHandle): VariableHandle
  /** Runs the pending updates that the roots reach, too. */
  evaluate(roots: TensorHandle[], cancellation: CancellationHandle | null): Promise<void>
  evaluateUpdates(variables: VariableHandle[], cancellation: CancellationHandle | null): Promise<void>
  /** A copy; raw bits for bfloat16 and float16. */
  read(tensor: TensorHandle): Promise<ArrayBufferView>
  gradients(of: TensorHandle, wrt: (TensorHandle | VariableHandle)[]): (TensorHandle | null)[]
  beginTrace(): void
  placeholder(index: number, dtype: Dtype, dims: NativeDim[]): TensorHandle
  endTrace(outputs: TensorHandle[], kinds: ('host' | 'native')[]): PlanHandle
  abandonTrace(): void
  /** One crossing. Host outputs are filled before `done` resolves; native ones may be passed on at once. */
  run(
    plan: PlanHandle,
    args: (ArrayBufferView | TensorHandle | VariableHandle)[],
    sizes: Record<string, number>,
    cancellation: CancellationHandle | null,
  ): { done: Promise<void>; outputs: (ArrayBufferView | TensorHandle)[] }
  cancellation(): CancellationHandle
  memoryStats(): { live: number; peak: number; limit: number; cached: number }
  setMemoryLimit(bytes: number): void
  resetMemoryPeak(): void
  threads(): number
  setThreads(count: number): void
  cpu(): {
    isa: string
    isas: string[]
    model: string
    caches: { l1: number; l2: number; l3: number }
    processors: number
  }
  peaks(): Promise<{ fma: number; bf16: number; read: number }>
  blasUse(path: string): void
  blasOff(): void
  blasActive(): string | null
  ops(): string[]
  /** Calls into native code so far. */
  crossings(): number
  setProfiling(on: boolean): void
  profile(): { op: string; calls: number; seconds: number }[]
  openSafetensors(path: string): Promise<FileHandle>
  saveSafetensors(
    path: string,
    entries: { name: string; source: TensorHandle | VariableHandle }[],
    metadata: Record<string, string>,
  ): Promise<void>
}

let loaded: NativeBinding | undefined

/** The native core, loaded at its first use: what needs only the errors does not load a binary. */
export function core(): NativeBinding {
  if (loaded === undefined) {
    const load = createRequire(import.meta.url)('node-gyp-build') as (folder: string) => NativeBinding
    const binding = load(fileURLToPath(new URL('..', import.meta.url)))
    binding.setErrorClasses(nativeErrors)
    loaded = binding
  }
  return loaded
}
