import { sumSquares, type Checkpoint, type Tensor } from '@tiny/core'
import { storedName, type LoadOptions } from './load.js'

/** How a head and the token embeddings stand to each other in a file. */
export interface ResolvedTie {
  readonly tied: boolean
  /** Names that the file uses instead. */
  readonly alsoNamed: Readonly<Record<string, string>>
}

/**
 * transformers' rule: a tie that the configuration asks for holds unless the file has both tensors and they differ;
 * where it has the head alone, that is the embeddings, too.
 */
export async function resolveTie(
  tie: { readonly embeddings: string; readonly head: string },
  asked: boolean,
  file: Checkpoint,
  options: Pick<LoadOptions, 'prefix' | 'names'>,
): Promise<ResolvedTie> {
  const none = { tied: asked, alsoNamed: {} }
  if (!asked) return none
  const embeddings = storedName(tie.embeddings, file, options)
  const head = storedName(tie.head, file, options)
  if (head === undefined) return none
  if (embeddings === undefined) return { tied: true, alsoNamed: { [tie.embeddings]: head } }
  return { tied: await equal(file, embeddings, head), alsoNamed: {} }
}

/** Tables that a file holds beside the one which they repeat in other files, and that differ from it. */
export async function differingTables(
  repeated: Readonly<Record<string, string>>,
  file: Checkpoint,
  { prefix, names }: Pick<LoadOptions, 'prefix' | 'names'>,
): Promise<ReadonlySet<string>> {
  const differing = new Set<string>()
  for (const [table, original] of Object.entries(repeated)) {
    const stored = storedName(table, file, { prefix, names: {} })
    const repeats = storedName(original, file, { prefix, names })
    if (stored === undefined || repeats === undefined || stored === repeats) continue
    if (!(await equal(file, repeats, stored))) differing.add(table)
  }
  return differing
}

async function equal(file: Checkpoint, a: string, b: string): Promise<boolean> {
  const [one, other] = [file.info(a), file.info(b)]
  if (one.shape.join() !== other.shape.join() || one.dtype !== other.dtype) return false
  const [rows = 1, ...rest] = one.shape
  const width = rest.reduce((product, size) => product * size, 1)
  const step = Math.max(1, Math.floor(elementsAtOnce / Math.max(1, width)))
  const [tensorA, tensorB] = [file.tensor(a), file.tensor(b)]
  for (let start = 0; start < rows; start += step) {
    const part = (x: Tensor) => x.sliceRows(start, Math.min(step, rows - start)).cast('float32')
    if ((await sumSquares([part(tensorA).sub(part(tensorB))]).item()) !== 0) return false
  }
  return true
}

/** What is compared at once: what a comparison holds beside the file. */
const elementsAtOnce = 2 ** 23
