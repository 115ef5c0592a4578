import { OptionError } from '@tiny/core'

/** Rows in batches of `batchSize`, the longest first, so that the rows of a batch cost alike. */
export function* batchesByLength(lengths: readonly number[], batchSize: number): Generator<number[]> {
  const order = [...lengths.keys()].sort((a, b) => lengths[b]! - lengths[a]!)
  for (let start = 0; start < order.length; start += batchSize) yield order.slice(start, start + batchSize)
}

/** @throws OptionError unless it is a positive integer; 32 where it is left out. */
export function batchSizeOf(call: string, batchSize: number | undefined): number {
  if (batchSize === undefined) return 32
  if (Number.isInteger(batchSize) && batchSize > 0) return batchSize
  throw new OptionError(`${call} takes a positive integer as batchSize, not ${String(batchSize)}`, {
    call,
    option: 'batchSize',
  })
}
