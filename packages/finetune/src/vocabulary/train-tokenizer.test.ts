import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AutoTokenizer } from '@tiny/models'
import { OptionError, UnsupportedError } from '@tiny/core'
import { describe, expect, it } from 'vitest'
import { RandomStream } from '../data/random.js'
import { trainTokenizer, type TrainTokenizerOptions, type VocabularyProgress } from './train-tokenizer.js'

const rare = ['ké', 'MI', "'s", '-', 'Über', '世', '🙂', '1', '20', ', ']

/** Texts of made-up words, the frequent ones mostly. */
function textsOf(count: number, words = 40): string[] {
  const random = new RandomStream(1)
  const one = (from: string): string => from[random.below(from.length)]!
  const syllable = (): string =>
    random.below(40) === 0 ? rare[random.below(rare.length)]! : one('bdfgklmnprst') + one('aeiou')
  const all = Array.from({ length: 2000 }, () =>
    Array.from({ length: 1 + random.below(4) }, syllable).join(''),
  )
  const word = (): string => all[Math.floor(random.below(2000) / (1 + random.below(60)))]!
  return Array.from({ length: count }, () => Array.from({ length: words }, word).join(' '))
}

describe.each(['wordpiece', 'bpe'] as const)('a %s vocabulary', (model) => {
  const texts = textsOf(200)

  it('spells the texts with no unknown token, the trained size, and the same when trained again', async () => {
    const tokenizer = await trainTokenizer(texts, { model, vocabSize: 800 })
    expect(tokenizer.vocabSize).toBe(800)
    const { inputIds } = await tokenizer.encodeBatch(texts, { addSpecialTokens: false })
    const unknown = tokenizer.unkTokenId
    expect(inputIds.flat()).not.toContain(unknown)
    expect(inputIds.flat().length).toBeLessThan(texts.join('').length / 2.5)
    const again = await trainTokenizer(
      (async function* () {
        yield* texts
      })(),
      { model, vocabSize: 800 },
    )
    expect((await again.encodeBatch(texts, { addSpecialTokens: false })).inputIds).toEqual(inputIds)
  })

  it('is the same after saving and loading', async () => {
    const tokenizer = await trainTokenizer(texts, { model, vocabSize: 600, modelMaxLength: 16 })
    const folder = await mkdtemp(join(tmpdir(), 'tiny-vocabulary-'))
    try {
      await tokenizer.savePretrained(folder)
      const loaded = await AutoTokenizer.fromPretrained(folder)
      for (const other of [tokenizer, loaded]) {
        expect(await other.encode(texts[0]!, { truncation: true })).toHaveLength(16)
        expect(other.vocabSize).toBe(600)
      }
      expect(await loaded.encodeBatch(texts)).toEqual(await tokenizer.encodeBatch(texts))
      expect(loaded.padTokenId).toBe(tokenizer.padTokenId)
      expect(loaded.eosTokenId).toBe(tokenizer.eosTokenId)
      expect(loaded.maskTokenId).toBe(tokenizer.maskTokenId)
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

describe('trainTokenizer', () => {
  it('gives special tokens their roles and puts them around texts', async () => {
    const bert = await trainTokenizer(['Some café, some text'], { model: 'wordpiece' })
    expect([bert.padTokenId, bert.unkTokenId, bert.clsTokenId, bert.sepTokenId, bert.maskTokenId]).toEqual([
      0, 1, 2, 3, 4,
    ])
    expect(await bert.decode(await bert.encode('some CAFE, text', { textPair: 'text' }))).toBe(
      '[CLS] some cafe, text [SEP] text [SEP]',
    )
    expect((await bert.encodeBatch(['text'], { textPairs: ['text'] })).tokenTypeIds).toEqual([
      [0, 0, 0, 1, 1],
    ])

    const t5 = await trainTokenizer(['Some text'], {
      model: 'bpe',
      vocabSize: 270,
      specialTokens: ['<pad>', '</s>', '<unk>'],
    })
    expect((await t5.encode('text')).at(-1)).toBe(t5.eosTokenId)
    expect(t5.eosTokenId).toBe(1)
    const gpt = await trainTokenizer(['Some text'], { model: 'bpe', vocabSize: 270 })
    expect(gpt.eosTokenId).toBe(0)
    expect(await gpt.decode(await gpt.encode('Ω anything\n at  all 🙂'))).toBe('Ω anything\n at  all 🙂')

    const template = { single: '[CLS] $A', pair: '[CLS] $A $B:1' }
    const own = await trainTokenizer(['a b'], {
      model: 'wordpiece',
      specialTokens: ['[UNK]', '[CLS]'],
      template,
    })
    expect(await own.decode(await own.encode('b', { textPair: 'a' }))).toBe('[CLS] b a')
  })

  it('keeps capitals and accents where asked', async () => {
    const cased = await trainTokenizer(['École École'], {
      model: 'wordpiece',
      lowercase: false,
      specialTokens: ['[UNK]'],
    })
    expect(await cased.decode(await cased.encode('École'))).toBe('École')
    expect(cased.tokenToId('École')).toBeDefined()
  })

  it('refuses what it does not do', async () => {
    const refused = async (options: object, name: RegExp, type: unknown = OptionError): Promise<void> => {
      const result = trainTokenizer(['a'], options as TrainTokenizerOptions)
      await expect(result).rejects.toThrow(name)
      await expect(result).rejects.toBeInstanceOf(type)
    }
    await refused({ model: 'unigram' }, /unigram/, UnsupportedError)
    await refused({ model: 'word' }, /'word'/)
    await refused({ model: 'bpe', vocab_size: 8 }, /vocabSize/)
    await refused({ model: 'bpe', vocabSize: 100 }, /257/)
    await refused({ model: 'bpe', vocabSize: 1.5 }, /vocabSize must be an integer/)
    await refused({ model: 'bpe', lowercase: true }, /lowercase belongs to model 'wordpiece'/)
    await refused({ model: 'wordpiece', addPrefixSpace: true }, /addPrefixSpace/)
    await refused({ model: 'wordpiece', specialTokens: ['[PAD]'] }, /\[UNK\]/)
    await refused({ model: 'wordpiece', template: { single: '[BOS] $A' } }, /\[BOS\]/)
    await expect(trainTokenizer('a text' as never, { model: 'bpe' })).rejects.toThrow(/texts/)
    await expect(trainTokenizer(['a', 5 as never], { model: 'bpe' })).rejects.toThrow(/texts\[1\]/)
  })

  it('tells its progress, passes on what a callback throws and stops on a signal', async () => {
    const seen: VocabularyProgress[] = []
    const texts = textsOf(300)
    await trainTokenizer(texts, {
      model: 'bpe',
      vocabSize: 1000,
      onProgress: (progress) => seen.push(progress),
    })
    const length = texts.join('').length
    expect(seen.filter((p) => p.stage === 'counting').at(-1)).toEqual({
      stage: 'counting',
      done: length,
      total: length,
    })
    expect(seen.some((p) => p.stage === 'merging' && p.done > 500 && p.total === 1000)).toBe(true)

    const throwing = (): void => {
      throw new RangeError('mine')
    }
    await expect(trainTokenizer(texts, { model: 'bpe', onProgress: throwing })).rejects.toThrow('mine')
    const reason = new Error('enough')
    const controller = new AbortController()
    const stopped = trainTokenizer(texts, {
      model: 'bpe',
      signal: controller.signal,
      onProgress: ({ stage }) => stage === 'merging' && controller.abort(reason),
    })
    await expect(stopped).rejects.toBe(reason)
  })

  it('leaves the event loop free', async () => {
    const texts = textsOf(5000, 60)
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    await trainTokenizer(texts, { model: 'bpe', vocabSize: 3000 })
    clearInterval(timer)
    // Work on the event loop would have kept it from turning once.
    expect(turns).toBeGreaterThan(2)
  })
})
