import { chunks, epochBatches, type BatchSettings } from '../data/batches.js'

/** What one update of a run is made from. */
export interface Update {
  /** Number of the pass over the data, from 0. */
  readonly pass: number
  /** Passes that are done after it, with fractions. */
  readonly epoch: number
  /** Rows by number, for each accumulated batch. */
  readonly batches: readonly (readonly number[])[]
}

export interface PlanSettings extends BatchSettings {
  readonly epochs: number
  /** In place of `epochs`. */
  readonly maxSteps?: number | undefined
  readonly accumulation: number
}

/**
 * All updates of a run. A pass ends with what is left: its last batch and its last update may be short, as in
 * transformers. A fraction of an epoch is that share of its updates, rounded up.
 *
 * @param lengths tokens of each row
 */
export function planUpdates(lengths: readonly number[], settings: PlanSettings): Update[] {
  const { epochs, maxSteps, accumulation } = settings
  const updates: Update[] = []
  const wanted = maxSteps ?? Infinity
  for (let pass = 0; updates.length < wanted && (maxSteps !== undefined || pass < epochs); pass++) {
    const groups = chunks(epochBatches(lengths, settings, pass), accumulation)
    const share = maxSteps === undefined ? Math.min(1, epochs - pass) : 1
    const taken = groups.slice(0, Math.min(Math.ceil(share * groups.length), wanted - updates.length))
    taken.forEach((batches, i) => updates.push({ pass, epoch: pass + (i + 1) / groups.length, batches }))
  }
  return updates
}
