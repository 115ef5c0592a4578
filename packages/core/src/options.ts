import { OptionError } from './errors.js'

/**
 * Rejects options that a call does not know, so that nothing is accepted and ignored. Python's spelling of a known
 * option and near misses are answered with the right name.
 *
 * @throws OptionError naming the option, the call and what it takes.
 */
export function checkOptions(options: object, allowed: readonly string[], where: string): void {
  // Callers without types hand over what they have.
  if (typeof (options as unknown) !== 'object' || (options as unknown) === null) {
    throw new OptionError(`${where}: an object is needed, not ${String(options as unknown)}`, { where })
  }
  for (const option of Object.keys(options)) {
    if (allowed.includes(option)) continue
    throw new OptionError(`${where} has no option '${option}': ${advice(option, allowed)}`, {
      where,
      option,
      allowed: [...allowed],
    })
  }
}

function advice(option: string, allowed: readonly string[]): string {
  const camel = option.replace(/_+([a-zA-Z0-9])/g, (_, letter: string) => letter.toUpperCase())
  if (allowed.includes(camel)) return `use ${camel}`
  const nearest = nearestName(camel, allowed)
  if (nearest !== undefined) return `did you mean ${nearest}?`
  return allowed.length === 0 ? 'it takes none' : `it takes ${allowed.join(', ')}`
}

/** The name closest to `name` by edits, if it is close enough to be meant. */
export function nearestName(name: string, names: readonly string[]): string | undefined {
  let best: string | undefined
  let least = Math.max(1, Math.floor(name.length / 3)) + 1
  for (const candidate of names) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    if (distance < least) [best, least] = [candidate, distance]
  }
  return best
}

// Levenshtein's distance, one row at a time.
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const substituted = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(substituted, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[b.length]!
}
