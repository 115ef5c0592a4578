import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CheckpointError, OptionError } from '@tiny/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AutoTokenizer, Tokenizer } from './index.js'

const folder = fileURLToPath(new URL('../../../../golden/tokenizers/wordpiece-bert', import.meta.url))
let tokenizer: Tokenizer
let directory: string

beforeAll(async () => {
  tokenizer = await AutoTokenizer.fromPretrained(folder)
  directory = await mkdtemp(join(tmpdir(), 'tokenizer-'))
})
afterAll(() => rm(directory, { recursive: true }))

describe('options that do not fit', () => {
  const call = (options: object) => tokenizer.encodeBatch(['one text'], options as never)
  it.each([
    [{ max_length: 4 }, /no option max_length: it is spelled maxLength/],
    [{ add_special_tokens: false }, /addSpecialTokens/],
    [{ padding: true }, /no option padding: rows keep their own length/],
    [{ return_tensors: 'pt' }, /arrays of numbers/],
    [{ colour: 1 }, /known are textPairs/],
    [{ truncation: false, maxLength: 4 }, /maxLength without truncation/],
    [{ stride: 1 }, /stride without truncation/],
    [{ truncation: true }, /needs maxLength/],
    [{ truncation: 'longest', maxLength: 4 }, /not 'longest'/],
    [{ truncation: 'only_second', maxLength: 4 }, /without a second text/],
    [{ maxLength: 0 }, /at least 1 as maxLength, not 0/],
    [{ maxLength: 1 }, /no place for the 2 special tokens/],
    [{ maxLength: 4, stride: 2 }, /stride 2 must be smaller than the 2 tokens/],
    [{ textPairs: [] }, /1 texts and 0 textPairs/],
    [{ textPairs: [7] }, /textPairs\[0\], not 7/],
  ])('%j', async (options, message) => {
    const error: unknown = await call(options).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(OptionError)
    expect((error as Error).message).toMatch(message)
  })

  it('are rejected in encode, decode and fromPretrained, too', async () => {
    await expect(tokenizer.encode('x', { text_pair: 'y' } as never)).rejects.toThrow(/spelled textPair/)
    await expect(tokenizer.encode('x', { stride: 2 } as never)).rejects.toThrow(/encodeBatch has it/)
    await expect(tokenizer.decode(null as never)).rejects.toThrow(/array of ids/)
    await expect(tokenizer.decodeBatch(7 as never)).rejects.toThrow(/rows of ids/)
    await expect(tokenizer.encode('x', null as never)).rejects.toThrow(/object of options/)
    await expect(AutoTokenizer.fromPretrained(undefined as never)).rejects.toThrow(/a string as folder/)
    await expect(tokenizer.encode(7 as never)).rejects.toThrow(/takes a string as text, not 7/)
    await expect(tokenizer.decode([1], { skip_special_tokens: true } as never)).rejects.toThrow(
      /skipSpecialTokens/,
    )
    await expect(AutoTokenizer.fromPretrained(folder, { use_fast: true } as never)).rejects.toThrow(
      /use_fast/,
    )
  })
})

describe('files that do not fit', () => {
  it('are named', async () => {
    await expect(AutoTokenizer.fromPretrained(join(directory, 'nowhere'))).rejects.toThrow(
      /nowhere does not exist/,
    )
    await expect(AutoTokenizer.fromPretrained(directory)).rejects.toThrow(/has no tokenizer.json/)
    await writeFile(join(directory, 'tokenizer.json'), '{"model": {"type": "WordPiece"')
    await expect(AutoTokenizer.fromPretrained(directory)).rejects.toThrow(/is not JSON/)
    await writeFile(join(directory, 'tokenizer.json'), '{"model": {"type": "Oracle", "vocab": {}}}')
    await expect(AutoTokenizer.fromPretrained(directory)).rejects.toThrow(CheckpointError)
    await writeFile(join(directory, 'tokenizer.json'), '[]')
    await expect(AutoTokenizer.fromPretrained(directory)).rejects.toThrow(/has no model/)
    await writeFile(join(directory, 'tokenizer_config.json'), '[]')
    await expect(AutoTokenizer.fromPretrained(directory)).rejects.toThrow(/must hold an object/)
  })

  it('of the config name their key', () => {
    const json = { model: { type: 'WordPiece', vocab: { '[UNK]': 0 }, unk_token: '[UNK]' } }
    expect(() => Tokenizer.fromJson(json, { pad_token: 7 })).toThrow(/pad_token/)
    expect(() => Tokenizer.fromJson(json, { model_max_length: 'long' })).toThrow(/model_max_length/)
    expect(() => Tokenizer.fromJson(json, { truncation_side: 'middle' })).toThrow(/truncation_side/)
  })
})
