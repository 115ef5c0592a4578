import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { AutoTokenizer, Tokenizer } from './index.js'

interface Expected {
  single: { text: string; ids: number[]; offsets: [number, number][]; decoded: string }[]
  pair: { a: string; b: string; ids: number[]; type_ids: number[] }
  stride: { max_length: number; stride: number; chunks: number[][] }
}

const golden = fileURLToPath(new URL('../../../../golden/tokenizers/', import.meta.url))
const families = ['wordpiece-bert', 'bpe-roberta', 'unigram-t5'] as const
const load = (family: string) => AutoTokenizer.fromPretrained(golden + family)

/** The goldens count code points, as Python does. */
function utf16(text: string, codePoint: number): number {
  return Array.from(text).slice(0, codePoint).join('').length
}

describe.each(families)('%s', (family) => {
  const expected = JSON.parse(readFileSync(`${golden}${family}/expected.json`, 'utf8')) as Expected
  const texts = expected.single.map(({ text }) => text)

  it('encodes and decodes single texts', async () => {
    const tokenizer = await load(family)
    for (const { text, ids, decoded } of expected.single) {
      expect(await tokenizer.encode(text)).toEqual(ids)
      expect(await tokenizer.decode(ids, { skipSpecialTokens: true })).toBe(decoded)
    }
    const rows = expected.single.map(({ ids }) => ids)
    expect(await tokenizer.decodeBatch(rows, { skipSpecialTokens: true })).toEqual(
      expected.single.map((s) => s.decoded),
    )
  })

  it('encodes a batch with UTF-16 offsets', async () => {
    const tokenizer = await load(family)
    const { inputIds, offsets } = await tokenizer.encodeBatch(texts, { returnOffsets: true })
    expected.single.forEach(({ text, ids, offsets: codePoints }, row) => {
      expect(inputIds[row]).toEqual(ids)
      expect(offsets![row]).toEqual(codePoints.map(([start, end]) => [utf16(text, start), utf16(text, end)]))
    })
  })

  it('encodes pairs and strides', async () => {
    const tokenizer = await load(family)
    const { a, b, ids, type_ids: typeIds } = expected.pair
    expect(await tokenizer.encode(a, { textPair: b })).toEqual(ids)
    const batch = await tokenizer.encodeBatch([a], { textPairs: [b], returnOffsets: true })
    expect(batch.inputIds).toEqual([ids])
    expect(batch.tokenTypeIds ?? [typeIds]).toEqual([typeIds])
    const { max_length: maxLength, stride, chunks } = expected.stride
    const rows = await tokenizer.encodeBatch([a], {
      textPairs: [b],
      truncation: 'only_second',
      maxLength,
      stride,
    })
    expect(rows.inputIds).toEqual(chunks)
    expect(rows.overflowToSampleMapping).toEqual(chunks.map(() => 0))
  })

  it('keeps a row the same alone, in a batch and beside calls that cut', async () => {
    const tokenizer = await load(family)
    const [whole, cut, alone] = await Promise.all([
      tokenizer.encodeBatch(texts),
      tokenizer.encodeBatch(texts, { maxLength: 5 }),
      Promise.all(texts.map((text) => tokenizer.encode(text))),
    ])
    expect(whole.inputIds).toEqual(alone)
    for (const row of cut.inputIds) expect(row.length).toBeLessThanOrEqual(5)
  })
})

describe('special tokens', () => {
  it('are known by their spelling where tokenizer.json stands alone', async () => {
    const tokenizer = await load('wordpiece-bert')
    const { padTokenId, unkTokenId, clsTokenId, sepTokenId, maskTokenId, bosTokenId } = tokenizer
    expect([padTokenId, unkTokenId, clsTokenId, sepTokenId, maskTokenId]).toEqual([0, 1, 2, 3, 4])
    expect(bosTokenId).toBeUndefined()
    expect(tokenizer.specialTokenIds.sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4])
    expect(tokenizer.vocabSize).toBe(233)
    expect(tokenizer.idToToken(tokenizer.tokenToId('[SEP]')!)).toBe('[SEP]')
    expect(tokenizer.tokenToId('no such token')).toBeUndefined()
  })

  const json = readFileSync(`${golden}bpe-roberta/tokenizer.json`, 'utf8')

  it('come from the config, as strings or objects', () => {
    const tokenizer = Tokenizer.fromJson(json, {
      eos_token: { content: '</s>', lstrip: false },
      pad_token: '<pad>',
    })
    expect([tokenizer.eosTokenId, tokenizer.padTokenId, tokenizer.maskTokenId]).toEqual([2, 1, undefined])
  })

  it('come from the tokenizer class and from the model type', () => {
    expect(Tokenizer.fromJson(json, { tokenizer_class: 'RobertaTokenizerFast' }).clsTokenId).toBe(0)
    expect(Tokenizer.fromJson(json, {}, 'xlm-roberta').maskTokenId).toBe(4)
  })

  it('are added where only the config has them', async () => {
    const tokenizer = Tokenizer.fromJson(json, {
      tokenizer_class: 'RobertaTokenizer',
      additional_special_tokens: ['<user>'],
      added_tokens_decoder: { 400: { content: '<tool>', special: true } },
    })
    expect(tokenizer.tokenToId('<tool>')).toBe(400)
    expect(tokenizer.tokenToId('<user>')).toBe(401)
    expect(await tokenizer.encode('<user><tool>', { addSpecialTokens: false })).toEqual([401, 400])
    expect(tokenizer.specialTokenIds).toContain(401)
  })
})

describe('segments', () => {
  it('are given where the family takes them', async () => {
    expect((await (await load('wordpiece-bert')).encodeBatch(['a'])).tokenTypeIds).toEqual([[0, 0, 0]])
    expect(await (await load('bpe-roberta')).encodeBatch(['a'])).not.toHaveProperty('tokenTypeIds')
    const json = readFileSync(`${golden}wordpiece-bert/tokenizer.json`, 'utf8')
    const distilled = Tokenizer.fromJson(json, { tokenizer_class: 'DistilBertTokenizer' })
    expect(await distilled.encodeBatch(['a'])).not.toHaveProperty('tokenTypeIds')
    const named = Tokenizer.fromJson(json, { model_input_names: ['input_ids', 'token_type_ids'] })
    expect((await named.encodeBatch(['a'], { textPairs: ['a'] })).tokenTypeIds).toEqual([[0, 0, 0, 1, 1]])
  })
})

describe('decoding', () => {
  it('cleans up where it is asked to or the config says so', async () => {
    const json = readFileSync(`${golden}unigram-t5/tokenizer.json`, 'utf8')
    const plain = Tokenizer.fromJson(json)
    const ids = await plain.encode('the , x . y')
    expect(await plain.decode(ids, { skipSpecialTokens: true })).toBe('the , x . y')
    expect(await plain.decode(ids, { skipSpecialTokens: true, cleanUpTokenizationSpaces: true })).toBe(
      'the, x. y',
    )
    const cleaning = Tokenizer.fromJson(json, { clean_up_tokenization_spaces: true })
    expect(await cleaning.decode(ids)).toBe('the, x. y</s>')
  })

  it('takes typed arrays and rejects what is no id', async () => {
    const tokenizer = await load('bpe-roberta')
    const ids = await tokenizer.encode('reads')
    expect(await tokenizer.decode(Int32Array.from(ids))).toBe('<s>reads</s>')
    await expect(tokenizer.decode([-100])).rejects.toThrow(/at least 0 as ids, not -100/)
    await expect(tokenizer.decode(ids, { cleanUpTokenizationSpaces: true })).rejects.toThrow(/BPE/)
  })

  it.each(['🙂👍🏽 naïve\r\n\t x', '', '  ', '👩‍👩‍👧‍👦 ﷽ \u0000 \ufeff', 'ÅÅ Ω don’t'])(
    'gives %j back from bytes',
    async (text) => {
      const tokenizer = await load('bpe-roberta')
      expect(await tokenizer.decode(await tokenizer.encode(text, { addSpecialTokens: false }))).toBe(text)
    },
  )
})
