import { readdir } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { HubError, nearestName } from '@tiny/core'

/** What an error of the hub is about. */
export interface Asked {
  readonly repo: string
  readonly revision: string
  readonly file?: string | undefined
}

/** Whether the hub could not be asked or gave no access: what the cache holds may do, as in Python. */
export const isOutage = (error: unknown): boolean =>
  error instanceof HubError && !['revision', 'file', 'malformed'].includes(error.facts['missing'] as string)

/** Says what an answer of the hub means and what helps. */
export async function refusal(asked: Asked, response: Response, token: boolean): Promise<HubError> {
  const { status, headers } = response
  const reason = headers.get('x-error-code') ?? undefined
  const said = headers.get('x-error-message') ?? undefined
  await response.body?.cancel().catch(() => undefined)
  const { missing, message } = await meaning(asked, status, reason, token)
  return new HubError(said === undefined ? message : `${message} (the hub says: ${said})`, {
    ...asked,
    status,
    ...(reason !== undefined && { reason }),
    ...(missing !== undefined && { missing }),
  })
}

const tokenAdvice = (token: boolean): string =>
  token
    ? 'the token that was sent does not open it: its account needs access, and the token the right to read it'
    : 'give a token of an account that has access, as token, in HF_TOKEN or in the token file of HF_HOME'

async function meaning(
  { repo, revision, file }: Asked,
  status: number,
  reason: string | undefined,
  token: boolean,
): Promise<{ message: string; missing?: string }> {
  if (reason === 'GatedRepo') {
    return { message: `${repo} is gated: accept its conditions on its page; then, ${tokenAdvice(token)}` }
  }
  if (reason === 'RevisionNotFound') {
    const message = `${repo} has no revision '${revision}'; a revision is a branch, a tag or a commit`
    return { message, missing: 'revision' }
  }
  if (reason === 'EntryNotFound' || (status === 404 && file !== undefined)) {
    return { message: `${repo} has no file ${file ?? ''} at revision '${revision}'`, missing: 'file' }
  }
  // Of private repositories the hub says that there are none.
  if (reason === 'RepoNotFound' || status === 404) {
    const message = `the hub has no ${repo}, and ${await nearestFolder(repo)}; if it is private, ${tokenAdvice(token)}`
    return { message, missing: 'repo' }
  }
  if (status === 401 || status === 403) {
    const what = file === undefined ? repo : `${file} of ${repo}`
    return { message: `the hub does not give ${what} (status ${status}): ${tokenAdvice(token)}` }
  }
  if (status === 429)
    return { message: 'the hub takes no more requests for now (status 429): wait, or send a token' }
  return { message: `the hub failed for ${file ?? repo} (status ${status}): try again later` }
}

/** A mistyped folder looks like a hub id. */
async function nearestFolder(repo: string): Promise<string> {
  const parent = dirname(repo)
  const entries = await readdir(parent, { withFileTypes: true }).catch(() => [])
  const folders = entries.filter((entry) => entry.isDirectory() || entry.isSymbolicLink())
  const nearest = nearestName(
    basename(repo),
    folders.map(({ name }) => name),
  )
  if (nearest === undefined) return 'here is no such folder: check the spelling'
  return `here is no such folder: did you mean the folder ${parent === '.' ? '' : `${parent}/`}${nearest}?`
}

/** The network failed. */
export function unreachable(asked: Asked, endpoint: string, cause: unknown): HubError {
  const of = asked.file === undefined ? asked.repo : `${asked.file} of ${asked.repo}`
  return new HubError(
    `${of} could not be fetched from ${endpoint}: ${reasonOf(cause)}; check the network and HF_ENDPOINT; ` +
      'localFilesOnly takes what the cache has',
    { ...asked, endpoint, cause },
  )
}

// fetch says "fetch failed" and keeps why to its cause.
function reasonOf(error: unknown): string {
  type Coded = { message?: string; code?: string; cause?: Coded } | undefined
  const { message, cause } = error as NonNullable<Coded>
  return cause?.message || cause?.code || message || String(error)
}

/** An error of the file system, which the cache's place is to blame for; any other as it is. */
export function asCacheError(asked: Asked, cacheDir: string, error: unknown): unknown {
  if (!(error instanceof Error) || !('syscall' in error) || !('path' in error || 'errno' in error))
    return error
  return new HubError(
    `${asked.repo} cannot be put into the cache ${cacheDir}: ${error.message}; give another place as cacheDir or in HF_HOME`,
    { ...asked, cacheDir, cause: error },
  )
}

export function notCached(asked: Asked, cacheDir: string, missing: readonly string[]): HubError {
  return new HubError(
    `${asked.repo} at revision '${asked.revision}' is not in the cache ${cacheDir} (missing: ${missing.join(', ')}), ` +
      'and localFilesOnly or HF_HUB_OFFLINE forbids the network: load it once with it, or give the cacheDir that has it',
    { ...asked, cacheDir, missing: 'cache', files: [...missing] },
  )
}

export function noSafetensors(asked: Asked, files: readonly string[]): HubError {
  const others = files.filter((file) => /\.(bin|pt|pth|ckpt|h5|msgpack|onnx|gguf|safetensors)$/.test(file))
  const has = others.length === 0 ? 'no weights at all' : `only ${others.slice(0, 5).join(', ')}`
  return new HubError(
    `${asked.repo} has no model.safetensors at revision '${asked.revision}', ${has}; Python's transformers converts ` +
      'weights: from_pretrained(…).save_pretrained(…)',
    { ...asked, missing: 'file', files: others },
  )
}
