import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { getHFHubCachePath, HUB_URL } from '@huggingface/hub'
import { OptionError, requireSignal } from '@tiny/core'
import type { Progress } from './progress.js'

/** Where a hub's model comes from; `fromPretrained` takes these for a hub id in place of a folder. */
export interface HubOptions {
  /** A branch, a tag or a commit; default 'main'. Hub ids only. */
  readonly revision?: string | undefined
  /** The cache; default that of Python's huggingface_hub (HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME), which shares it. */
  readonly cacheDir?: string | undefined
  /** Nothing is asked over the network; HF_HUB_OFFLINE=1 says so, too. */
  readonly localFilesOnly?: boolean | undefined
  /** What opens private and gated repositories; default HF_TOKEN, then the token file in HF_HOME. `false` sends none. */
  readonly token?: string | false | undefined
  /** Called as files are downloaded; what is in the cache already is not reported. */
  readonly progress?: ((progress: Progress) => void) | undefined
  /** Stops downloads; what has come is kept and continued next time. */
  readonly signal?: AbortSignal | undefined
}

export const hubOptions = ['revision', 'cacheDir', 'localFilesOnly', 'token', 'progress', 'signal'] as const

/** The options of the hub among others. */
export function hubOptionsOf(options: HubOptions): HubOptions {
  return Object.fromEntries(hubOptions.map((name) => [name, options[name]]))
}

/** The options that are not the hub's. */
export function withoutHubOptions<T extends HubOptions>(options: T): Omit<T, keyof HubOptions> {
  const names: readonly string[] = hubOptions
  const others = Object.entries(options).filter(([name]) => !names.includes(name))
  return Object.fromEntries(others) as unknown as Omit<T, keyof HubOptions>
}

// Revisions become paths of the cache.
const isRevision = (revision: string): boolean =>
  /^[\w.\-+/@]+$/.test(revision) &&
  revision.split('/').every((part) => part !== '' && part !== '.' && part !== '..')

const kinds: Readonly<Record<string, readonly [what: string, holds: (value: unknown) => boolean]>> = {
  revision: ['a branch, a tag or a commit', (value) => typeof value === 'string' && isRevision(value)],
  cacheDir: ['the path of a folder', (value) => typeof value === 'string' && value !== ''],
  localFilesOnly: ['true or false', (value) => typeof value === 'boolean'],
  token: [
    'an access token, or false to send none',
    (value) => value === false || (typeof value === 'string' && /^[\x21-\x7e]+$/.test(value)),
  ],
  progress: ['a function', (value) => typeof value === 'function'],
}

/** @throws OptionError for a value that an option does not take. */
export function requireHubOptions(options: HubOptions): void {
  for (const [option, [what, holds]] of Object.entries(kinds)) {
    const value: unknown = options[option as keyof HubOptions]
    if (value === undefined || holds(value)) continue
    // A token is not to be seen in messages.
    const given = option === 'token' ? `this ${typeof value}` : (JSON.stringify(value) ?? typeof value)
    throw new OptionError(`${option} is ${what}, not ${given}`, { option })
  }
  requireSignal(options.signal)
}

/** Options over the environment over defaults. */
export interface HubSettings {
  readonly endpoint: string
  readonly cacheDir: string
  readonly revision: string
  readonly offline: boolean
  readonly token: string | undefined
  /** Milliseconds without an answer, and without a byte of a file, after which a request fails. */
  readonly answerTimeout: number
  readonly stallTimeout: number
  readonly progress: ((progress: Progress) => void) | undefined
  readonly signal: AbortSignal | undefined
}

const isTrue = (value: string | undefined): boolean => /^(1|on|yes|true)$/i.test(value ?? '')
const expanded = (path: string): string => resolve(path.replace(/^~(?=$|[/\\])/, homedir()))
const secondsOf = (value: string | undefined): number => (Number(value) > 0 ? Number(value) : 10)

export async function hubSettings(options: HubOptions): Promise<HubSettings> {
  const { env } = process
  const offline = isTrue(env['HF_HUB_OFFLINE']) || isTrue(env['TRANSFORMERS_OFFLINE'])
  return {
    endpoint: (env['HF_ENDPOINT'] || HUB_URL).replace(/\/+$/, ''),
    cacheDir: expanded(options.cacheDir ?? getHFHubCachePath()),
    revision: options.revision ?? 'main',
    offline: offline || options.localFilesOnly === true,
    token: await tokenOf(options.token),
    answerTimeout: 1000 * secondsOf(env['HF_HUB_ETAG_TIMEOUT']),
    stallTimeout: 1000 * secondsOf(env['HF_HUB_DOWNLOAD_TIMEOUT']),
    progress: options.progress,
    signal: options.signal,
  }
}

async function tokenOf(given: string | false | undefined): Promise<string | undefined> {
  if (given !== undefined) return given === false ? undefined : given
  const { env } = process
  if (isTrue(env['HF_HUB_DISABLE_IMPLICIT_TOKEN'])) return undefined
  const named = (env['HF_TOKEN'] ?? env['HUGGING_FACE_HUB_TOKEN'])?.trim()
  if (named) return named
  const home = env['HF_HOME'] ?? join(env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'huggingface')
  const path = expanded(env['HF_TOKEN_PATH'] ?? join(home, 'token'))
  return (await readFile(path, 'utf8').catch(() => '')).trim() || undefined
}
