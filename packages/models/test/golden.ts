import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export interface GoldenTensor {
  readonly shape: number[]
  readonly data: Float32Array | number[]
}

export type Nested = number | Nested[]

/** Folder of a golden case: 'encoder/bert'. */
export const goldenFolder = (name: string): string =>
  fileURLToPath(new URL(`../../../golden/${name}`, import.meta.url))

/** A safetensors file of float32 and int64 tensors, read without the code under test. */
export function readGolden(path: string): Record<string, GoldenTensor> {
  const file = readFileSync(path)
  const headerBytes = Number(file.readBigUInt64LE(0))
  const header = JSON.parse(file.toString('utf8', 8, 8 + headerBytes)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >
  const tensors: Record<string, GoldenTensor> = {}
  for (const [name, { dtype, shape, data_offsets: range } = {} as never] of Object.entries(header)) {
    if (name === '__metadata__') continue
    const bytes = Uint8Array.from(
      file.subarray(8 + headerBytes + range[0], 8 + headerBytes + range[1]),
    ).buffer
    tensors[name] = {
      shape,
      data: dtype === 'F32' ? new Float32Array(bytes) : Array.from(new BigInt64Array(bytes), Number),
    }
  }
  return tensors
}

/** Writes float32 tensors as a safetensors file's bytes. */
export function safetensorsBytes(tensors: Readonly<Record<string, GoldenTensor>>): Buffer {
  const header: Record<string, object> = {}
  let at = 0
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    header[name] = { dtype: 'F32', shape, data_offsets: [at, (at += data.length * 4)] }
  }
  const text = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(text.length))
  const contents = Object.values(tensors).map(({ data }) => Buffer.from(Float32Array.from(data).buffer))
  return Buffer.concat([length, text, ...contents])
}

export function nested({ shape, data }: GoldenTensor, at = 0, depth = 0): Nested {
  if (depth === shape.length) return data[at]!
  const step = shape.slice(depth + 1).reduce((product, size) => product * size, 1)
  return Array.from({ length: shape[depth]! }, (_, i) => nested({ shape, data }, at + i * step, depth + 1))
}

/** The `input.*` tensors of a case under the names that `run` takes. */
export function inputsOf(expected: Readonly<Record<string, GoldenTensor>>): Record<string, never> {
  const inputs: Record<string, Nested> = {}
  for (const [name, tensor] of Object.entries(expected)) {
    if (name.startsWith('input.')) inputs[camel(name.slice('input.'.length))] = nested(tensor)
  }
  return inputs as Record<string, never>
}

export const camel = (name: string): string =>
  name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())

/** Largest difference over the largest magnitude, at the elements that `counts` keeps. */
export function difference(
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  counts: (i: number) => boolean = () => true,
): number {
  if (got.length !== want.length) return Infinity
  let worst = 0
  let scale = 1e-6
  for (let i = 0; i < got.length; i++) {
    if (!counts(i)) continue
    if (!Number.isFinite(got[i]!)) return Infinity
    worst = Math.max(worst, Math.abs(got[i]! - want[i]!))
    scale = Math.max(scale, Math.abs(want[i]!))
  }
  return worst / scale
}

/** Norm of the difference over the norm. */
export function relative(got: ArrayLike<number>, want: ArrayLike<number>): number {
  let d = 0
  let n = 0
  for (let i = 0; i < want.length; i++) {
    d += (got[i]! - want[i]!) ** 2
    n += want[i]! ** 2
  }
  return Math.sqrt(d) / Math.max(Math.sqrt(n), 1e-4)
}
