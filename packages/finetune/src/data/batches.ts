import { RandomStream } from './random.js'

/** Hugging Face's `train_sampling_strategy`. */
export type SamplingStrategy = 'random' | 'sequential' | 'group_by_length'

export interface BatchSettings {
  /** Rows of a batch; or, in its place, `maxTokens`. */
  readonly batchSize?: number | undefined
  /** Tokens of a batch at most; a longer row is a batch of its own. Nothing is padded, so tokens are what it costs. */
  readonly maxTokens?: number | undefined
  readonly strategy: SamplingStrategy
  readonly seed: number
}

/** Numbers of the places in `RandomStream` that draw for one epoch, apart from those that draw masks. */
const orderPlace = 1

/**
 * The batches of one epoch, as indices of rows. Seed and epoch determine them, so that an epoch can be taken up in its
 * middle.
 *
 * 'group_by_length' keeps rows of similar length together as transformers does: shuffled rows in groups of 50 batches,
 * each sorted by falling length, the longest row of all in the first batch. The batches then come in random order but
 * for that first one, which shows at once what memory the run needs.
 *
 * @param lengths tokens of each row
 */
export function epochBatches(lengths: readonly number[], settings: BatchSettings, epoch: number): number[][] {
  const order = lengths.map((_, row) => row)
  if (settings.strategy === 'sequential') return cut(order, lengths, settings)
  const random = new RandomStream(settings.seed, orderPlace, epoch)
  random.shuffle(order)
  if (settings.strategy === 'random' || order.length === 0) return cut(order, lengths, settings)

  const total = lengths.reduce((sum, length) => sum + length, 0)
  const perBatch =
    settings.batchSize ?? Math.max(1, Math.floor((settings.maxTokens! * lengths.length) / total))
  const group = 50 * perBatch
  const batches: number[][] = []
  for (let start = 0; start < order.length; start += group) {
    const rows = order.slice(start, start + group).sort((a, b) => lengths[b]! - lengths[a]!)
    batches.push(...cut(rows, lengths, settings))
  }
  const longest = (batch: readonly number[]): number => Math.max(...batch.map((row) => lengths[row]!))
  const first = batches.reduce((best, batch, i) => (longest(batch) > longest(batches[best]!) ? i : best), 0)
  const [head] = batches.splice(first, 1)
  return [head!, ...random.shuffle(batches)]
}

/** Rows in the given order, cut into batches. */
export function cut(
  order: readonly number[],
  lengths: readonly number[],
  settings: Omit<BatchSettings, 'strategy' | 'seed'>,
): number[][] {
  const { batchSize = Infinity, maxTokens = Infinity } = settings
  const batches: number[][] = []
  let tokens = 0
  for (const row of order) {
    const batch = batches.at(-1)
    const length = lengths[row]!
    if (batch === undefined || batch.length >= batchSize || tokens + length > maxTokens) {
      batches.push([row])
      tokens = length
    } else {
      batch.push(row)
      tokens += length
    }
  }
  return batches
}

/** Consecutive groups of `size` items; the last may be short. */
export function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  )
}
