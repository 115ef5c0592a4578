import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { CheckpointError, OptionError } from '@tiny/core'
import { chatTemplateJson, type ChatTemplates } from './chat-template.js'
import { requireString } from './options.js'
import { specialTokenRoles } from './special-tokens.js'
import type { TokenizerConfigJson } from './tokenizer-config.js'
import { Tokenizer } from './tokenizer.js'

/** Makes the tokenizer that belongs to a checkpoint. */
export class AutoTokenizer {
  /**
   * Reads tokenizer.json of a folder, and tokenizer_config.json, special_tokens_map.json and config.json where they
   * are there.
   *
   * @throws CheckpointError where the folder or its tokenizer.json is missing or cannot be read.
   */
  static async fromPretrained(
    folder: string,
    options: Readonly<Record<string, never>> = {},
  ): Promise<Tokenizer> {
    requireString('AutoTokenizer.fromPretrained', 'folder', folder)
    const [option] = Object.keys(options ?? {})
    if (option !== undefined) {
      throw new OptionError(`AutoTokenizer.fromPretrained has no option ${option}: it reads a local folder`, {
        option,
      })
    }
    const isFolder = await stat(folder).then(
      (found) => found.isDirectory(),
      () => false,
    )
    if (!isFolder) {
      throw new CheckpointError(
        `${folder} is not a folder; a tokenizer is read from a folder with tokenizer.json`,
        {
          path: folder,
        },
      )
    }
    const path = join(folder, 'tokenizer.json')
    const json = await readText(path)
    if (json === undefined) {
      throw new CheckpointError(
        `${folder} has no tokenizer.json; transformers writes one with AutoTokenizer.from_pretrained(…).save_pretrained(…)`,
        { path },
      )
    }
    const [config, map, model, templates] = await Promise.all([
      readObject(join(folder, 'tokenizer_config.json')),
      readObject(join(folder, 'special_tokens_map.json')),
      readObject(join(folder, 'config.json')),
      templatesOf(folder),
    ])
    const modelType = model?.['model_type']
    return Tokenizer.fromJson(
      json,
      withTemplates(withSpecialTokens(config, map), templates),
      typeof modelType === 'string' ? modelType : undefined,
    )
  }
}

/** Older folders keep the special tokens in special_tokens_map.json only; where both have one, the config's counts. */
function withSpecialTokens(
  config: TokenizerConfigJson = {},
  map: TokenizerConfigJson = {},
): TokenizerConfigJson {
  const merged = { ...config }
  for (const key of [...specialTokenRoles, 'additional_special_tokens']) {
    if (!(key in merged) && key in map) merged[key] = map[key]
  }
  return merged
}

/** Chat templates in files of their own, by name. */
async function templatesOf(folder: string): Promise<ChatTemplates> {
  const single = await readText(join(folder, 'chat_template.jinja'))
  const more = join(folder, 'additional_chat_templates')
  const files = (await readdir(more).catch(() => [])).filter((name) => name.endsWith('.jinja'))
  const named = files.map(async (name) => [
    name.slice(0, -'.jinja'.length),
    (await readText(join(more, name)))!,
  ])
  return {
    ...(single === undefined ? {} : { default: single }),
    ...(Object.fromEntries(await Promise.all(named)) as ChatTemplates),
  }
}

/** Templates in files replace those of tokenizer_config.json, as in transformers. */
function withTemplates(config: TokenizerConfigJson, templates: ChatTemplates): TokenizerConfigJson {
  return Object.keys(templates).length === 0
    ? config
    : { ...config, chat_template: chatTemplateJson(templates) }
}

async function readObject(path: string): Promise<TokenizerConfigJson | undefined> {
  const text = await readText(path)
  if (text === undefined) return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new CheckpointError(`${path} is not JSON: ${(error as Error).message}`, { path, cause: error })
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as TokenizerConfigJson
  throw new CheckpointError(`${path} must hold an object`, { path })
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new CheckpointError(`${path} cannot be read: ${(error as Error).message}`, { path, cause: error })
  }
}
