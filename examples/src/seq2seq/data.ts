import { dictionary } from 'cmu-pronouncing-dictionary'

import { splitByGroup } from '../random.js'

export interface Word {
  spelling: string
  /** One or more, each a sequence of ARPAbet phonemes without stress: K AE T. */
  pronunciations: string[][]
}

/**
 * The dictionary by word: "word(2)" joins "word", comments after "#" go, stress digits go (as in the published figures
 * for this dictionary), and pronunciations that become equal are one. Entries with digits, stops or hyphens are
 * abbreviations and compounds and are left out, as are words of one letter.
 */
export function readWords(entries: Readonly<Record<string, string>> = dictionary): Word[] {
  const words = new Map<string, Map<string, string[]>>()
  for (const [key, value] of Object.entries(entries)) {
    const spelling = key.replace(/\(\d+\)$/, '')
    if (!/^[a-z'][a-z']{1,30}$/.test(spelling)) continue
    const phonemes = value.replace(/#.*$/, '').trim().replace(/\d/g, '').split(/\s+/)
    const variants = words.get(spelling) ?? new Map<string, string[]>()
    variants.set(phonemes.join(' '), phonemes)
    words.set(spelling, variants)
  }
  return [...words].map(([spelling, variants]) => ({ spelling, pronunciations: [...variants.values()] }))
}

/** "smith", "smith's", "smiths'" and "smiths" are one entry: knowing one gives the others away. */
export function stemOf(spelling: string): string {
  const bare = spelling.replace(/'/g, '')
  return bare.length > 3 ? bare.replace(/s$/, '') : bare
}

/** Unseen means that neither the word nor its plural or possessive was trained on. */
export function splitWords(
  words: readonly Word[],
  testCount: number,
  seed: number,
): { train: Word[]; test: Word[] } {
  const { train, heldOut } = splitByGroup(words, ({ spelling }) => stemOf(spelling), testCount, seed)
  return { train, test: heldOut }
}
