import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Tokenizer as Binding } from 'tokenizers'
import type { TokenizerConfig, TokenizerConfigJson } from './tokenizer-config.js'

/** Writes a tokenizer's three files; existing ones are replaced whole. */
export async function saveTokenizer(
  directory: string,
  binding: Binding,
  { specialTokens, additionalSpecialTokens, tokenizerClass, tokenTypeIds }: TokenizerConfig,
  raw: TokenizerConfigJson,
): Promise<void> {
  await mkdir(directory, { recursive: true })
  const additional =
    additionalSpecialTokens.length > 0 ? { additional_special_tokens: additionalSpecialTokens } : {}
  // Versions of transformers differ in which inputs they take for granted, so they are always written.
  const config = {
    tokenizer_class: tokenizerClass,
    model_input_names: ['input_ids', ...(tokenTypeIds ? ['token_type_ids'] : []), 'attention_mask'],
    ...specialTokens,
    ...raw,
  }
  const map = { ...specialTokens, ...additional }
  await replaceFile(directory, 'tokenizer.json', async (path) => binding.save(path, true))
  await replaceFile(directory, 'tokenizer_config.json', (path) => writeFile(path, stringify(config)))
  await replaceFile(directory, 'special_tokens_map.json', (path) => writeFile(path, stringify(map)))
}

function stringify(value: object): string {
  return `${JSON.stringify(value, undefined, 2)}\n`
}

async function replaceFile(
  directory: string,
  name: string,
  write: (path: string) => Promise<void>,
): Promise<void> {
  const temporary = join(directory, `.${name}.${process.pid}.tmp`)
  try {
    await write(temporary)
    await rename(temporary, join(directory, name))
  } finally {
    await rm(temporary, { force: true })
  }
}
