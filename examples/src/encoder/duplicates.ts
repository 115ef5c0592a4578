/** Words in a shingle; hash functions; hash functions per band: 16 bands of 4 find pairs alike at 0.7 with p > 0.98. */
const SHINGLE = 3
const HASHES = 64
const ROWS = 4

/** FNV-1a over UTF-16 units. */
function hashText(text: string): number {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  return h >>> 0
}

function mix(h: number, salt: number): number {
  let x = (h ^ salt) >>> 0
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return (x ^ (x >>> 16)) >>> 0
}

/** The set of hashed three-word runs: letters only, without case, so that numbers, dates and spacing do not tell copies apart. */
export function shingles(text: string): Set<number> {
  const words = text.toLowerCase().match(/\p{L}+/gu) ?? []
  const out = new Set<number>()
  if (words.length > 0 && words.length < SHINGLE) out.add(hashText(words.join(' ')))
  for (let i = 0; i + SHINGLE <= words.length; i++) out.add(hashText(words.slice(i, i + SHINGLE).join(' ')))
  return out
}

/** |a ∩ b| / |a ∪ b|; 1 for two empty sets. */
export function jaccard(a: Set<number>, b: Set<number>): number {
  if (a.size === 0 && b.size === 0) return 1
  const [small, large] = a.size < b.size ? [a, b] : [b, a]
  let shared = 0
  for (const x of small) if (large.has(x)) shared++
  return shared / (a.size + b.size - shared)
}

function signature(set: Set<number>): Uint32Array {
  const sig = new Uint32Array(HASHES).fill(0xffffffff)
  for (const x of set) {
    for (let k = 0; k < HASHES; k++) {
      const h = mix(x, Math.imul(k + 1, 0x9e3779b9))
      if (h < sig[k]) sig[k] = h
    }
  }
  return sig
}

/**
 * Indices of the items to keep: the first of every family of copies. Two texts are copies when their three-word runs
 * overlap by at least `threshold` (Jaccard). Candidates come from MinHash bands (Broder 1997), every candidate is
 * checked exactly, so nothing is dropped by a collision.
 */
export function withoutDuplicates(
  texts: readonly string[],
  threshold: number,
): { kept: number[]; dropped: number } {
  const kept: number[] = []
  const sets: Set<number>[] = []
  const bands = new Map<string, number[]>()
  for (let i = 0; i < texts.length; i++) {
    const set = shingles(texts[i])
    const sig = signature(set)
    const keys: string[] = []
    for (let b = 0; b < HASHES; b += ROWS) keys.push(`${b}:${sig.subarray(b, b + ROWS).join(',')}`)
    const candidates = new Set<number>()
    for (const key of keys) for (const other of bands.get(key) ?? []) candidates.add(other)
    let copy = false
    for (const other of candidates) {
      if (jaccard(set, sets[other]) >= threshold) {
        copy = true
        break
      }
    }
    sets.push(set)
    if (copy) continue
    kept.push(i)
    for (const key of keys) {
      const bucket = bands.get(key)
      if (bucket) bucket.push(i)
      else bands.set(key, [i])
    }
  }
  return { kept, dropped: texts.length - kept.length }
}
