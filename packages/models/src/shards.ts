import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { OptionError, saveCheckpoint, type Dtype, type Tensor } from '@tiny/core'

export type NamedTensor = readonly [name: string, tensor: Tensor]

/** What transformers 5 splits weights at. */
const usualShardSize = '50GB'

const units: Readonly<Record<string, number>> = { KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 }
const bytesOf: Partial<Record<Dtype, number>> = {
  float64: 8,
  float32: 4,
  bfloat16: 2,
  float16: 2,
  int64: 8,
  int32: 4,
}

/**
 * Bytes of `maxShardSize`: a number, or "5GB" with powers of ten, as huggingface_hub reads it.
 *
 * @throws OptionError for anything else.
 */
export function shardBytes(maxShardSize: number | string = usualShardSize): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*([KMGT]B)$/i.exec(String(maxShardSize)) ?? []
  const bytes =
    typeof maxShardSize === 'number'
      ? maxShardSize
      : Math.floor(Number(number) * (units[unit?.toUpperCase() ?? ''] ?? NaN))
  if (Number.isFinite(bytes) && bytes >= 1) return bytes
  throw new OptionError(
    `maxShardSize is a number of bytes or a text like '5GB', not ${JSON.stringify(maxShardSize)}`,
    {
      option: 'maxShardSize',
    },
  )
}

/**
 * Tensors in files of at most `most` bytes, in their order; one that is larger has a file of its own, as
 * huggingface_hub's `split_torch_state_dict_into_shards` has it.
 */
export function splitIntoShards(tensors: readonly NamedTensor[], most: number): NamedTensor[][] {
  const shards: NamedTensor[][] = []
  let current: NamedTensor[] = []
  let bytes = 0
  for (const entry of tensors) {
    const own = sizeOf(entry[1]).bytes
    if (own > most) {
      shards.push([entry])
      continue
    }
    if (bytes + own > most) {
      shards.push(current)
      current = []
      bytes = 0
    }
    current.push(entry)
    bytes += own
  }
  if (current.length > 0 || shards.length === 0) shards.push(current)
  return shards
}

/** What model.safetensors.index.json says beside which shard holds a tensor. */
export interface ShardIndex {
  readonly metadata: { readonly total_parameters: number; readonly total_size: number }
  readonly weight_map: Readonly<Record<string, string>>
}

/**
 * Writes a model's tensors to a folder: one file, or shards and then `writeIndex` of what is where. What an earlier save
 * left of the other form is removed at the end, since it would be read instead.
 */
export async function saveWeights(
  folder: string,
  tensors: readonly NamedTensor[],
  most: number,
  writeIndex: (path: string, index: ShardIndex) => Promise<void>,
): Promise<void> {
  const shards = splitIntoShards(tensors, most)
  const number = (n: number) => String(n).padStart(5, '0')
  const fileOf = (i: number) =>
    shards.length === 1
      ? 'model.safetensors'
      : `model-${number(i + 1)}-of-${number(shards.length)}.safetensors`
  const written = shards.map((_, i) => fileOf(i))
  for (const [i, shard] of shards.entries()) {
    await saveCheckpoint(join(folder, written[i]!), shard, { format: 'pt' })
  }
  if (shards.length > 1) {
    const places = shards.flatMap((shard, i) => shard.map(([name]) => [name, written[i]!] as const))
    const sizes = tensors.map(([, tensor]) => sizeOf(tensor))
    const sum = (of: (size: (typeof sizes)[number]) => number) =>
      sizes.reduce((all, size) => all + of(size), 0)
    written.push('model.safetensors.index.json')
    await writeIndex(join(folder, 'model.safetensors.index.json'), {
      metadata: { total_parameters: sum(({ elements }) => elements), total_size: sum(({ bytes }) => bytes) },
      weight_map: Object.fromEntries(places.sort(([a], [b]) => (a < b ? -1 : 1))),
    })
  }
  const ofSaves = /^model(-\d{5}-of-\d{5})?\.safetensors(\.index\.json)?$/
  for (const name of await readdir(folder)) {
    if (ofSaves.test(name) && !written.includes(name)) await rm(join(folder, name))
  }
}

function sizeOf({ shape, dtype }: Tensor): { elements: number; bytes: number } {
  const elements = shape.reduce((product, size) => product * size, 1)
  return { elements, bytes: elements * (bytesOf[dtype] ?? 1) }
}
