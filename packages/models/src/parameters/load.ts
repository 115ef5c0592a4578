import {
  cast,
  CheckpointError,
  evaluate,
  nearestName,
  type Checkpoint,
  type Dtype,
  type Tensor,
} from '@tiny/core'
import type { CheckpointNames } from '../family.js'
import { siteOf } from './initialisers.js'
import type { Weight } from './weights.js'

/** What loading a checkpoint left to be said. */
export interface LoadReport {
  /** Parameters that the file lacks (or has in another size) and that were drawn, as the caller asked. */
  readonly drawn: readonly string[]
  /** Parts that the file lacks and that the model does without. */
  readonly absent: readonly string[]
  /** Tensors of the file that nothing read: other tasks' heads, buffers of older versions. */
  readonly unread: readonly string[]
}

export interface LoadOptions {
  readonly prefix: string
  readonly names: Pick<CheckpointNames, 'stored' | 'spellings' | 'ignored'>
  /** Names that the file may use instead, beside the family's spellings: a tied pair whose roles are swapped. */
  readonly alsoNamed?: Readonly<Record<string, string>>
  /** Whether missing heads are drawn. */
  readonly newHead: boolean
  readonly seed: number
  /** How weights are held; as stored where undefined. */
  readonly dtype: Dtype | undefined
}

/** Bytes that are converted or drawn at once: what loading holds beside the parameters. */
const bytesAtOnce = 256 * 2 ** 20

/**
 * Gives every declared parameter its contents from the file.
 *
 * @throws CheckpointError naming the tensor: missing, of another shape, or of a dtype that weights do not have.
 */
export async function loadWeights(
  weights: readonly Weight[],
  file: Checkpoint,
  options: LoadOptions,
): Promise<LoadReport> {
  const read = new Set<string>()
  const drawn: string[] = []
  const absent: string[] = []
  const batch = new Batch()
  for (const weight of weights) {
    const { name, parameter, role } = weight
    const [stored, ...others] = storedNames(name, file, options)
    const fits = stored !== undefined && file.info(stored).shape.join() === parameter.shape.join()
    if (fits) {
      for (const candidate of [stored, ...others]) read.add(candidate)
      await batch.add(weight, contentsOf(stored, file, weight.buffer ? undefined : options.dtype))
    } else if (role === 'computed' ? stored === undefined : role !== 'backbone' && options.newHead) {
      if (role !== 'computed') drawn.push(name)
      const dtype = options.dtype ?? 'float32'
      await batch.add(
        weight,
        parameter.initialiser!(parameter.shape, dtype, { seed: options.seed, site: siteOf(name) }),
      )
    } else if (stored === undefined && role === 'optional') {
      absent.push(name)
    } else {
      throw stored === undefined ? missing(weight, file) : misshapen(weight, stored, file)
    }
  }
  await batch.flush()
  const unread = [...file.keys()].filter((name) => !read.has(name))
  return { drawn, absent, unread }
}

/** Draws every parameter. What one gets depends on the seed and its name alone. */
export async function drawWeights(
  weights: readonly Weight[],
  options: { seed: number; dtype?: Dtype | undefined },
): Promise<LoadReport> {
  const { seed, dtype = 'float32' } = options
  const batch = new Batch()
  for (const weight of weights) {
    const { name, parameter } = weight
    await batch.add(weight, parameter.initialiser!(parameter.shape, dtype, { seed, site: siteOf(name) }))
  }
  await batch.flush()
  return { drawn: weights.map(({ name }) => name), absent: [], unread: [] }
}

/** Contents that are computed together and then handed over. */
class Batch {
  #items: { weight: Weight; contents: Tensor }[] = []
  #bytes = 0

  async add(weight: Weight, contents: Tensor): Promise<void> {
    this.#items.push({ weight, contents })
    this.#bytes += weight.parameter.shape.reduce((product, size) => product * size, 4)
    if (this.#bytes >= bytesAtOnce) await this.flush()
  }

  async flush(): Promise<void> {
    await evaluate(this.#items.map(({ contents }) => contents))
    for (const { weight, contents } of this.#items) weight.parameter.materialise(contents)
    this.#items = []
    this.#bytes = 0
  }
}

function contentsOf(stored: string, file: Checkpoint, wanted: Dtype | undefined): Tensor {
  const { dtype } = file.info(stored)
  if (!dtype.includes('float')) {
    throw new CheckpointError(
      `the tensor '${stored}' of ${file.path} has dtype ${dtype}; weights are floating-point numbers`,
      {
        path: file.path,
        tensor: stored,
        dtype,
      },
    )
  }
  const target = wanted ?? (dtype === 'float64' ? 'float32' : dtype)
  const tensor = file.tensor(stored)
  return dtype === target ? tensor : cast(tensor, target)
}

/** The name under which the file holds a parameter; undefined where it does not. */
export const storedName = (...args: Parameters<typeof storedNames>): string | undefined =>
  storedNames(...args)[0]

/** All names under which the file holds a parameter, best first. */
function storedNames(
  name: string,
  file: Checkpoint,
  options: Pick<LoadOptions, 'prefix' | 'names' | 'alsoNamed'>,
): string[] {
  const { prefix, names, alsoNamed = {} } = options
  const spelled = [
    ...(names.stored === undefined ? [] : [names.stored(name)]),
    name,
    ...(alsoNamed[name] === undefined ? [] : [alsoNamed[name]]),
    ...(names.spellings?.(name) ?? []),
  ].flatMap(withOlderNorms)
  const dotted = `${prefix}.`
  const places = (spelling: string) =>
    prefix === ''
      ? [spelling]
      : [spelling, ...(spelling.startsWith(dotted) ? [spelling.slice(dotted.length)] : []), dotted + spelling]
  return spelled.flatMap(places).filter((candidate) => file.has(candidate))
}

/** TensorFlow's names of a norm's parameters, which older files of any family have. */
const withOlderNorms = (name: string): string[] =>
  /LayerNorm\.(weight|bias)$/.test(name)
    ? [name, name.replace(/weight$/, 'gamma').replace(/bias$/, 'beta')]
    : [name]

function missing({ name, role }: Weight, file: Checkpoint): CheckpointError {
  const nearest = nearestName(name, [...file.keys()])
  const advice =
    role === 'head'
      ? '; newHead: true (or numLabels, or id2label with label2id) draws a new head'
      : nearest === undefined
        ? ''
        : `; the nearest is '${nearest}'`
  return new CheckpointError(`${file.path} lacks the tensor '${name}'${advice}`, {
    path: file.path,
    tensor: name,
    role,
  })
}

function misshapen({ name, parameter, role }: Weight, stored: string, file: Checkpoint): CheckpointError {
  const found = file.info(stored).shape
  const advice =
    role === 'head' ? '; newHead: true (or numLabels, or id2label with label2id) draws a new head' : ''
  return new CheckpointError(
    `the tensor '${stored}' of ${file.path} has shape [${found.join(', ')}], the configuration asks for [${parameter.shape.join(', ')}]${advice}`,
    { path: file.path, tensor: stored, parameter: name, shape: found, expected: parameter.shape },
  )
}
