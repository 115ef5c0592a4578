import { readFile, stat } from 'node:fs/promises'
import { isAbsolute, join, normalize, sep } from 'node:path'
import { CheckpointError } from './errors.js'
import { core, type Dtype, type FileHandle } from './native.js'
import { checkOptions, nearestName } from './options.js'
import { Tensor } from './tensor.js'
import { refuseWhileTracing } from './trace.js'

/** An index of a model with a million tensors has 100 MB. */
const indexBytes = 128 * 2 ** 20

/** The format's spelling of what is read; it has more (BOOL, F8_E4M3, …). */
const dtypes: ReadonlyMap<string, Dtype> = new Map([
  ['F32', 'float32'],
  ['F64', 'float64'],
  ['BF16', 'bfloat16'],
  ['F16', 'float16'],
  ['I32', 'int32'],
  ['I64', 'int64'],
  ['I8', 'int8'],
  ['U8', 'uint8'],
])

export interface TensorInfo {
  dtype: Dtype
  shape: number[]
  bytes: number
  /** The file that holds it. */
  file: string
}

interface Entry {
  file: OpenFile
  dtype: string
  shape: number[]
  bytes: number
}

interface OpenFile {
  path: string
  handle: FileHandle
}

/** Tensors in one or several safetensors files, mapped into memory: reading one copies nothing. */
export class Checkpoint {
  readonly path: string
  readonly metadata: Readonly<Record<string, string>>
  readonly #entries: ReadonlyMap<string, Entry>
  readonly #files: readonly OpenFile[]

  /** @internal Use `openCheckpoint`. */
  constructor(path: string, files: readonly OpenFile[], entries: ReadonlyMap<string, Entry>) {
    this.path = path
    this.#files = files
    this.#entries = entries
    this.metadata = Object.assign({}, ...files.map(({ handle }) => handle.metadata()))
  }

  keys(): IterableIterator<string> {
    return this.#entries.keys()
  }

  has(name: string): boolean {
    return this.#entries.has(name)
  }

  /** @throws CheckpointError for a name that it lacks, naming the nearest, or a dtype that no tensor has. */
  info(name: string): TensorInfo {
    const { dtype, shape, bytes, file } = this.#entry(name)
    return { dtype: toDtype(dtype, name, file.path), shape: [...shape], bytes, file: file.path }
  }

  /** A tensor over the file's memory, its dtype as stored. @throws CheckpointError like `info`. */
  tensor(name: string): Tensor {
    const { dtype, file } = this.#entry(name)
    toDtype(dtype, name, file.path)
    return new Tensor(file.handle.tensor(name))
  }

  /** Lets go of the files; tensors already taken stay valid. */
  close(): void {
    for (const { handle } of this.#files) handle.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #entry(name: string): Entry {
    const entry = this.#entries.get(name)
    if (entry !== undefined) return entry
    const nearest = nearestName(name, [...this.#entries.keys()])
    throw new CheckpointError(
      `${this.path} has no tensor '${name}'${nearest === undefined ? '' : `; the nearest is '${nearest}'`}`,
      { path: this.path, tensor: name },
    )
  }
}

function toDtype(stored: string, tensor: string, path: string): Dtype {
  const dtype = dtypes.get(stored)
  if (dtype !== undefined) return dtype
  throw new CheckpointError(`the tensor '${tensor}' of ${path} has dtype ${stored}, which is not read`, {
    path,
    tensor,
    dtype: stored,
  })
}

export interface OpenCheckpointOptions {
  /** Of a folder with several sets of weights, which: 'fp16' opens `model.fp16.safetensors` or its shards. */
  readonly variant?: string | undefined
}

/**
 * Opens a safetensors file, or a folder that holds `model.safetensors` or its shards with their index.
 *
 * @throws CheckpointError naming the file, and the tensor where there is one.
 */
export async function openCheckpoint(path: string, options: OpenCheckpointOptions = {}): Promise<Checkpoint> {
  checkOptions(options, ['variant'], 'openCheckpoint')
  if (!(await isFolder(path))) {
    return /\.index(\.[\w-]+)?\.json$/.test(path)
      ? openShards(path, join(path, '..'))
      : openFiles(path, [path])
  }
  const word = options.variant === undefined ? '' : `.${options.variant}`
  const single = `model${word}.safetensors`
  const index = `model.safetensors.index${word}.json`
  if (await exists(join(path, single))) return openFiles(path, [join(path, single)])
  if (await exists(join(path, index))) return openShards(join(path, index), path)
  throw new CheckpointError(`${path} has neither ${single} nor ${index}`, { path })
}

async function openShards(index: string, folder: string): Promise<Checkpoint> {
  const places = await readIndex(index)
  const shards = [...new Set(places.values())]
  const checkpoint = await openFiles(
    folder,
    shards.map((shard) => join(folder, shard)),
    new Map([...places].map(([name, shard]) => [name, join(folder, shard)])),
  )
  for (const [name, shard] of places) {
    if (checkpoint.has(name)) continue
    checkpoint.close()
    throw new CheckpointError(`${index} places the tensor '${name}' in ${shard}, which lacks it`, {
      path: index,
      tensor: name,
      file: shard,
    })
  }
  return checkpoint
}

async function openFiles(
  path: string,
  paths: readonly string[],
  places?: ReadonlyMap<string, string>,
): Promise<Checkpoint> {
  const files: OpenFile[] = []
  const entries = new Map<string, Entry>()
  try {
    for (const file of paths) files.push({ path: file, handle: await core().openSafetensors(file) })
    for (const file of files) {
      for (const { name, ...entry } of file.handle.entries()) {
        if (places?.has(name) && places.get(name) !== file.path) continue
        entries.set(name, { file, ...entry })
      }
    }
  } catch (error) {
    for (const { handle } of files) handle.close()
    throw error
  }
  return new Checkpoint(path, files, entries)
}

async function readIndex(path: string): Promise<Map<string, string>> {
  const { size } = await stat(path)
  if (size > indexBytes)
    throw new CheckpointError(`${path} has ${size} bytes, which no index has`, { path, bytes: size })
  let parsed: unknown
  try {
    parsed = JSON.parse(await readFile(path, 'utf8'))
  } catch (error) {
    throw new CheckpointError(`${path} is no JSON: ${(error as Error).message}`, { path, cause: error })
  }
  const places = (parsed as { weight_map?: unknown } | null)?.weight_map
  if (typeof places !== 'object' || places === null || Array.isArray(places)) {
    throw new CheckpointError(`${path} has no weight_map`, { path, key: 'weight_map' })
  }
  return new Map(
    Object.entries(places).map(([name, shard]) => {
      if (typeof shard !== 'string' || !staysInside(shard)) {
        throw new CheckpointError(
          `${path} places the tensor '${name}' in ${JSON.stringify(shard)}, which is no file beside it`,
          {
            path,
            tensor: name,
          },
        )
      }
      return [name, shard] as const
    }),
  )
}

// A downloaded index must not make us read files elsewhere.
const staysInside = (path: string): boolean =>
  path !== '' && !path.includes('\0') && !isAbsolute(path) && !normalize(path).split(sep).includes('..')

const exists = async (path: string): Promise<boolean> => stat(path).then(Boolean, () => false)

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch (error) {
    throw new CheckpointError(`${path} cannot be opened: ${(error as Error).message}`, { path, cause: error })
  }
}

/**
 * Writes tensors and parameters as one safetensors file, in their dtype and stored layout. The file appears when it
 * is complete: it is written beside its place and renamed.
 *
 * @throws CheckpointError naming the file or the tensor; what stood there before is unharmed.
 */
export async function saveCheckpoint(
  path: string,
  tensors: Iterable<readonly [name: string, tensor: Tensor]>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  refuseWhileTracing('saveCheckpoint()')
  const entries = [...tensors].map(([name, tensor]) => ({ name, source: tensor.handle }))
  await core().saveSafetensors(path, entries, { ...metadata })
}
