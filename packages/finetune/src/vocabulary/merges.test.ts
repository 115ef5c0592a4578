import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { RandomStream } from '../data/random.js'
import { AlphabetTooLargeError, learnMerges, type MergeSettings } from './merges.js'
import { byteCharacters, countWords, inBytes } from './words.js'

interface Golden {
  lines: string[]
  merges: string[]
}

const golden = JSON.parse(
  readFileSync(new URL('../../../../golden/vocabulary/bpe.json', import.meta.url), 'utf8'),
) as Golden
const plain = { vocabSize: 30000, minFrequency: 0, specialTokens: [], initialAlphabet: [] }

/** The definition, counting everything anew for every merge. */
function naive(words: ReadonlyMap<string, number>, vocabSize: number, prefix: string): string[] {
  const vocab: string[] = [...new Set([...words.keys()].join(''))].sort()
  const continuing = [...words.keys()].flatMap((word) => Array.from(word).slice(1))
  if (prefix) vocab.push(...[...new Set(continuing)].sort().map((character) => prefix + character))
  const rows = [...words].map(([word, count]) => ({
    count,
    ids: Array.from(word, (character, i) => vocab.indexOf(i ? prefix + character : character)),
  }))
  while (vocab.length < vocabSize) {
    const counts = new Map<string, number>()
    for (const { ids, count } of rows) {
      for (let i = 1; i < ids.length; i++) {
        const pair = `${ids[i - 1]} ${ids[i]}`
        counts.set(pair, (counts.get(pair) ?? 0) + count)
      }
    }
    const ranked = [...counts].map(([pair, count]) => [count, ...pair.split(' ').map(Number)] as number[])
    ranked.sort((x, y) => y[0]! - x[0]! || x[1]! - y[1]! || x[2]! - y[2]!)
    if (ranked.length === 0) break
    const [, first, second] = ranked[0]!
    const token = vocab[first!]! + vocab[second!]!.slice(prefix.length)
    if (!vocab.includes(token)) vocab.push(token)
    for (const { ids } of rows) {
      for (let i = 0; i + 1 < ids.length; i++) {
        if (ids[i] === first && ids[i + 1] === second) ids.splice(i, 2, vocab.indexOf(token))
      }
    }
  }
  return vocab
}

describe('learnMerges', () => {
  it("gives Hugging Face's merges, all of them, on bytes with runs and emoji", () => {
    const counts = new Map<string, number>()
    const settings = { model: 'bpe', lowercase: false, stripAccents: false, addPrefixSpace: false } as const
    for (const line of golden.lines) countWords(line, counts, settings)
    const { vocab, merges } = learnMerges(inBytes(counts), plain)
    expect(merges.map(([a, b]) => `${vocab[a]} ${vocab[b]}`)).toEqual(golden.merges)
  })

  it.each(['', '##'])('gives what counting anew for each merge gives, prefix "%s"', (prefix) => {
    const words = new Map<string, number>()
    const random = new RandomStream(7)
    for (let i = 0; i < 60; i++) {
      let word = ''
      do {
        word += 'abcde'[random.below(5)]!
      } while (random.below(9) > 0 && word.length < 12)
      words.set(word, (words.get(word) ?? 0) + 1 + (i % 4))
    }
    const settings = prefix ? { ...plain, continuingPrefix: prefix } : plain
    for (const vocabSize of [20, 40, 70]) {
      expect(learnMerges(words, { ...settings, vocabSize }).vocab).toEqual(naive(words, vocabSize, prefix))
    }
  })

  const words = new Map([
    ['hug', 10],
    ['pug', 5],
    ['pun', 12],
    ['bun', 4],
    ['hugs', 5],
  ])

  it('puts special tokens and the alphabet first and stops at the size', () => {
    const settings: MergeSettings = { ...plain, specialTokens: ['<pad>', 'h'], vocabSize: 11 }
    const { vocab, merges } = learnMerges(words, settings)
    expect(vocab).toEqual(['<pad>', 'h', 'b', 'g', 'n', 'p', 's', 'u', 'ug', 'un', 'hug'])
    expect(merges).toEqual([
      [7, 3],
      [7, 4],
      [1, 8],
    ])
  })

  it('keeps to minFrequency and to the longest token', () => {
    expect(learnMerges(words, { ...plain, minFrequency: 16 }).vocab).toHaveLength(7 + 2)
    const short = learnMerges(words, { ...plain, maxTokenLength: 3 }).vocab
    expect(Math.max(...short.map((token) => token.length))).toBe(2)
  })

  it('drops the rarest characters and joins their neighbours', () => {
    const { vocab } = learnMerges(
      new Map([
        ['axb', 3],
        ['ab', 2],
      ]),
      { ...plain, limitAlphabet: 2 },
    )
    expect(vocab).toEqual(['a', 'b', 'ab'])
  })

  it('takes no words, and says how many entries it needs', () => {
    expect(learnMerges(new Map(), plain)).toEqual({ vocab: [], merges: [] })
    const bytes = { ...plain, initialAlphabet: byteCharacters, vocabSize: 255 }
    expect(() => learnMerges(new Map(), bytes)).toThrow(AlphabetTooLargeError)
  })
})
