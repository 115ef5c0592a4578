import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { CheckpointError, UnsupportedError } from '@tiny/core'

/** @throws CheckpointError unless `path` is a folder; UnsupportedError for what is not read yet. */
export async function requireFolder(path: string): Promise<void> {
  if (typeof path !== 'string')
    throw new CheckpointError(`a model is loaded from a folder, not from ${typeof path}`, {})
  if (path.endsWith('.gguf')) throw new UnsupportedError(`${path}: GGUF files are not read yet`, { path })
  const found = await stat(path).catch(() => undefined)
  if (found?.isDirectory() === true) return
  const what = found === undefined ? 'does not exist' : 'is not a folder'
  throw new CheckpointError(
    `${path} ${what}; a model and its tokenizer are loaded from a local folder, or from the hub by "owner/name"`,
    { path },
  )
}

/** A file's JSON object; undefined where there is no such file. @throws CheckpointError naming the file. */
export async function readJson(folder: string, name: string): Promise<Record<string, unknown> | undefined> {
  const value = await readValue(folder, name)
  if (value === undefined) return undefined
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>
  const path = join(folder, name)
  throw new CheckpointError(`${path} must hold an object`, { path })
}

/** A file's JSON list of objects; undefined where there is no such file. @throws CheckpointError naming the file. */
export async function readJsonList(
  folder: string,
  name: string,
): Promise<Record<string, unknown>[] | undefined> {
  const value = await readValue(folder, name)
  const isObject = (item: unknown) => typeof item === 'object' && item !== null && !Array.isArray(item)
  if (value === undefined) return undefined
  if (Array.isArray(value) && value.every(isObject)) return value as Record<string, unknown>[]
  const path = join(folder, name)
  throw new CheckpointError(`${path} must hold a list of objects`, { path })
}

async function readValue(folder: string, name: string): Promise<unknown> {
  const path = join(folder, name)
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new CheckpointError(`${path} cannot be read: ${(error as Error).message}`, { path, cause: error })
  }
  try {
    return JSON.parse(withoutBareFloats(text)) as unknown
  } catch (error) {
    throw new CheckpointError(`${path} is not JSON: ${(error as Error).message}`, { path, cause: error })
  }
}

/**
 * Python writes infinities and NaN as bare words, which JSON does not have; transformers 5 writes them as
 * `{ "__float__": "Infinity" }`, and so they are read. Words inside strings stay.
 */
const withoutBareFloats = (text: string): string =>
  /Infinity|NaN/.test(text)
    ? text.replace(/"(?:\\.|[^"\\])*"|-?\bInfinity\b|\bNaN\b/g, (found) =>
        found.startsWith('"') ? found : JSON.stringify({ __float__: found }),
      )
    : text
