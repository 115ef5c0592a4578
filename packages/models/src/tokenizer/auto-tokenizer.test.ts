import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { goldenFolder } from '../../test/golden.js'
import { AutoTokenizer, type Tokenizer } from './index.js'

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'tiny-auto-tokenizer-'))
})
afterAll(() => rm(root, { recursive: true }))

/** The WordPiece tokenizer (its [CLS] is 2, its vocabulary ends with `next` - 1) beside other files. */
async function load(files: Readonly<Record<string, object>>): Promise<Tokenizer> {
  const folder = await mkdtemp(join(root, 'case-'))
  await cp(`${goldenFolder('tokenizers/wordpiece-bert')}/tokenizer.json`, join(folder, 'tokenizer.json'))
  for (const [name, value] of Object.entries(files)) {
    await writeFile(join(folder, `${name}.json`), JSON.stringify(value))
  }
  return AutoTokenizer.fromPretrained(folder)
}

describe('files of older folders', () => {
  const token = (content: string) => ({
    content,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  })

  it('special_tokens_map.json counts before tokenizer_config.json', async () => {
    const tokenizer = await load({
      tokenizer_config: { pad_token: '[PAD]', mask_token: '[UNK]' },
      special_tokens_map: { mask_token: token('[MASK]'), sep_token: '[SEP]' },
    })
    expect([tokenizer.padToken, tokenizer.maskToken, tokenizer.sepToken]).toEqual([
      '[PAD]',
      '[MASK]',
      '[SEP]',
    ])
  })

  it('neither it nor added_tokens.json counts where the config lists its tokens', async () => {
    const tokenizer = await load({
      tokenizer_config: {
        added_tokens_decoder: { 0: token('[PAD]') },
        pad_token: '[PAD]',
        sep_token: '[SEP]',
      },
      special_tokens_map: { sep_token: '[CLS]' },
      added_tokens: { '<new>': 1000 },
    })
    expect(tokenizer.sepToken).toBe('[SEP]')
    expect(tokenizer.tokenToId('<new>')).toBeUndefined()
  })

  it('added_tokens.json adds tokens, which are special where they have a role', async () => {
    const plain = await load({})
    const next = plain.vocabSize
    const tokenizer = await load({
      special_tokens_map: { additional_special_tokens: ['<ctrl>'] },
      added_tokens: { '<word>': next, '<ctrl>': next + 1 },
    })
    expect(tokenizer.vocabSize).toBe(next + 2)
    const ids = await tokenizer.encode('<ctrl><word>', { addSpecialTokens: false })
    expect(ids).toEqual([next + 1, next])
    expect(await tokenizer.decode(ids, { skipSpecialTokens: true })).toBe('<word>')
    await expect(load({ added_tokens: { '<word>': 'last' } })).rejects.toMatchObject({ code: 'CHECKPOINT' })
  })
})
