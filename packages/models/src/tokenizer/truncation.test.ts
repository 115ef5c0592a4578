import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { Tokenizer } from './index.js'
import { truncate, type SequenceId, type Truncation } from './truncation.js'

interface Case {
  text: string
  textPair: string | null
  strategy: 'longest_first' | 'only_first' | 'only_second'
  side: 'left' | 'right'
  stride: number | null
  maxLength: number
  addSpecialTokens: boolean
  ids: number[][]
  typeIds: number[][]
  sequenceIds: SequenceId[][]
  offsets: [number, number][][]
}

const golden = fileURLToPath(new URL('../../../../golden/tokenizers/', import.meta.url))
const cases = JSON.parse(readFileSync(`${golden}truncation.json`, 'utf8')) as Record<string, Case[]>

describe.each(Object.keys(cases))('%s cuts as tokenizers does', (family) => {
  const json = readFileSync(`${golden}${family}/tokenizer.json`, 'utf8')
  const config = { model_input_names: ['input_ids', 'token_type_ids'] }
  const tokenizers = {
    right: Tokenizer.fromJson(json, config),
    left: Tokenizer.fromJson(json, { ...config, truncation_side: 'left' }),
  }

  it.each(cases[family]!.map((c, i) => [i, c] as const))('%i', async (_, c) => {
    const batch = await tokenizers[c.side].encodeBatch([c.text], {
      textPairs: c.textPair === null ? undefined : [c.textPair],
      truncation: c.strategy,
      maxLength: c.maxLength,
      stride: c.stride ?? undefined,
      addSpecialTokens: c.addSpecialTokens,
      returnOffsets: true,
    })
    expect(batch.inputIds).toEqual(c.ids)
    // tokenizers sets the segments of a template on a text's first part alone: further parts of a second text keep
    // segment 1 there, which models with one segment do not have.
    const segments = family === 'wordpiece-bert' ? c.typeIds : c.typeIds.map((row) => row.map(() => 0))
    expect(batch.tokenTypeIds).toEqual(segments)
    expect(batch.tokenTypeIds![0]).toEqual(c.typeIds[0])
    expect(batch.sequenceIds).toEqual(c.sequenceIds)
    const texts = [c.text, c.textPair ?? '']
    batch.offsets!.forEach((row, r) =>
      row.forEach(([start, end], i) => {
        const text = texts[batch.sequenceIds![r]![i] ?? 0]!
        const [from, to] = c.offsets[r]![i]!
        const token = Array.from(text).slice(from, to).join('')
        // tokenizers leaves a byte-level token its leading space where a row starts with it, and nowhere else.
        const kept = family === 'bpe-roberta' ? token.trimStart() : token
        expect(text.slice(start, end)).toBe(kept)
        const begins = token !== '' && token === token.trimStart()
        expect(begins ? Array.from(text.slice(0, start)).length : from).toBe(from)
      }),
    )
  })
})

describe('any row', () => {
  let seed = 7
  const random = (n: number): number => {
    seed = (seed * 48271) % 2147483647
    return seed % n
  }
  const row = (first: number, second: number): SequenceId[] => [
    null,
    ...Array<SequenceId>(first).fill(0),
    null,
    ...Array<SequenceId>(second).fill(1),
    null,
  ]

  it('fits, keeps its special tokens and, with a stride, loses nothing', () => {
    for (let n = 0; n < 2000; n++) {
      const ids = row(random(30), random(30))
      const stride = random(2) === 0 ? undefined : random(4)
      const truncation: Truncation = {
        strategy: 'longest_first',
        maxLength: 13 + random(60),
        side: random(2) === 0 ? 'left' : 'right',
        stride,
      }
      const rows = truncate(ids, truncation)
      const kept = new Set<number>()
      for (const positions of rows) {
        expect(positions.length).toBeLessThanOrEqual(truncation.maxLength)
        expect(positions.filter((i) => ids[i] === null)).toHaveLength(3)
        positions.forEach((position) => kept.add(position))
      }
      const lost = ids.length - kept.size
      expect(stride === undefined ? rows.length : 1 + lost).toBe(1)
    }
  })

  it('that cannot be made to fit by the text named says so', () => {
    const truncation: Truncation = { strategy: 'only_first', maxLength: 10, side: 'right' }
    expect(() => truncate(row(2, 20), truncation)).toThrow(
      /the first text has 2 tokens and 15 would have to go/,
    )
  })
})
