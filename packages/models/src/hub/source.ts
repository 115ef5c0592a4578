import { stat } from 'node:fs/promises'
import { OptionError } from '@tiny/core'
import { requireFolder } from '../files.js'
import { hubSettings, requireHubOptions, type HubOptions } from './options.js'
import { HubRepository } from './repository.js'
import type { Wanted } from './wanted.js'

/** Where files are read from: a local folder as it is, or a hub's repository by way of the cache. */
export interface Source {
  /** A local folder with the wanted files, as far as there are. */
  folder(...wanted: readonly Wanted[]): Promise<string>
}

// As Python's huggingface_hub has it: "name" or "owner/name".
const isHubId = (given: string): boolean =>
  /^(?:\w[\w.-]*\/)?\w[\w.-]{0,95}$/.test(given) &&
  !/--|\.\.|[.-](?:\/|$)/.test(given) &&
  !/\.(git|gguf|safetensors)$/.test(given)

/**
 * A local folder wins over a hub id; what begins with '/', '.' or '~' is never an id.
 *
 * @throws CheckpointError for what is neither, OptionError for options that it does not take.
 */
export async function openSource(given: string, options: HubOptions): Promise<Source> {
  requireHubOptions(options)
  options.signal?.throwIfAborted()
  const isLocal =
    typeof given !== 'string' || !isHubId(given) || (await stat(given).then(Boolean, () => false))
  if (!isLocal) return new HubRepository(given, await hubSettings(options))
  await requireFolder(given)
  if (options.revision !== undefined) {
    throw new OptionError(
      `${given} is a local folder, which has no revision '${options.revision}'; revisions are a hub's`,
      { option: 'revision', path: given },
    )
  }
  return {
    folder: async () => {
      options.signal?.throwIfAborted()
      return given
    },
  }
}
