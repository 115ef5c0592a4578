/** A seeded stream of uniform numbers in [0, 1): mulberry32, 32 bits of state, the same on every machine. */
export function randomStream(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** A shuffled copy (Fisher–Yates). */
export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const out = items.slice()
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    const held = out[i]
    out[i] = out[j]
    out[j] = held
  }
  return out
}

/**
 * Splits whole groups: every item of a group lands on the same side, so that nothing on one side has a sibling on the other.
 * Takes shuffled groups until at least `heldOutCount` items are held out.
 * @throws RangeError when there are not more than `heldOutCount` items, or not so many in groups small enough.
 */
export function splitByGroup<T>(
  items: readonly T[],
  groupOf: (item: T) => string,
  heldOutCount: number,
  seed: number,
): { train: T[]; heldOut: T[] } {
  if (heldOutCount >= items.length) {
    throw new RangeError(`cannot hold out ${heldOutCount} of ${items.length} items`)
  }
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const key = groupOf(item)
    const group = groups.get(key)
    if (group) group.push(item)
    else groups.set(key, [item])
  }
  const train: T[] = []
  const heldOut: T[] = []
  for (const group of shuffled([...groups.values()], randomStream(seed))) {
    // A group larger than what is still missing by far would unbalance the split, so large groups stay in training.
    const fits = heldOut.length < heldOutCount && group.length <= Math.max(1, heldOutCount / 20)
    ;(fits ? heldOut : train).push(...group)
  }
  if (heldOut.length < heldOutCount) {
    throw new RangeError(`cannot hold out ${heldOutCount} items: only ${heldOut.length} are in small groups`)
  }
  return { train, heldOut }
}
