import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CheckpointError, checkOptions } from '@tiny/core'
import { hubOptions, type HubOptions } from '../hub/options.js'
import { openSource } from '../hub/source.js'
import { tokenizerFiles } from '../hub/wanted.js'
import { chatTemplateJson, type ChatTemplates } from './chat-template.js'
import { requireString } from './options.js'
import { specialTokenRoles } from './special-tokens.js'
import type { TokenizerConfigJson } from './tokenizer-config.js'
import { Tokenizer } from './tokenizer.js'

/** Makes the tokenizer that belongs to a checkpoint. */
export class AutoTokenizer {
  /**
   * Reads tokenizer.json of a folder or a hub id, and tokenizer_config.json, special_tokens_map.json, added_tokens.json,
   * chat templates and config.json where they are there.
   *
   * @throws CheckpointError where the folder or its tokenizer.json is missing or cannot be read; HubError for what the
   *   hub refuses.
   */
  static async fromPretrained(source: string, options: HubOptions = {}): Promise<Tokenizer> {
    const call = 'AutoTokenizer.fromPretrained'
    requireString(call, 'folder', source)
    checkOptions(options, hubOptions, call)
    const folder = await (await openSource(source, options)).folder(tokenizerFiles())
    const path = join(folder, 'tokenizer.json')
    const json = await readText(path)
    if (json === undefined) {
      throw new CheckpointError(
        `${folder} has no tokenizer.json; transformers writes one with AutoTokenizer.from_pretrained(…).save_pretrained(…)`,
        { path },
      )
    }
    const [config, map, added, model, templates] = await Promise.all([
      readObject(join(folder, 'tokenizer_config.json')),
      readObject(join(folder, 'special_tokens_map.json')),
      readObject(join(folder, 'added_tokens.json')),
      readObject(join(folder, 'config.json')),
      templatesOf(folder),
    ])
    const modelType = model?.['model_type']
    return Tokenizer.fromJson(
      json,
      withTemplates(withOlderFiles(config, map, added), templates),
      typeof modelType === 'string' ? modelType : undefined,
    )
  }
}

/**
 * Older folders keep special tokens in special_tokens_map.json and added ones in added_tokens.json, { token: id }. Both
 * count, before the config, where the config has no `added_tokens_decoder`, and not at all where it has, as in
 * transformers 5.
 */
function withOlderFiles(
  config: TokenizerConfigJson = {},
  map: TokenizerConfigJson = {},
  added: TokenizerConfigJson = {},
): TokenizerConfigJson {
  if (config['added_tokens_decoder'] !== undefined) return config
  const merged = { ...config }
  for (const key of [...specialTokenRoles, 'additional_special_tokens']) {
    if (map[key] !== undefined) merged[key] = map[key]
  }
  if (Object.keys(added).length === 0) return merged
  const contentOf = (token: unknown) => (token as { content?: unknown } | null)?.content ?? token
  const roles = specialTokenRoles.map((role) => merged[role])
  const special = new Set([...roles, merged['additional_special_tokens']].flat().map(contentOf))
  const decoder = Object.entries(added).map(([content, id]) => {
    if (!Number.isInteger(id)) {
      throw new CheckpointError(`added_tokens.json gives '${content}' the id ${JSON.stringify(id)}`, {
        token: content,
      })
    }
    return [String(id), { content, special: special.has(content), normalized: !special.has(content) }]
  })
  return { ...merged, added_tokens_decoder: Object.fromEntries(decoder) as Record<string, unknown> }
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
