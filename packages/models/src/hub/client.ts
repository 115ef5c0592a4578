import { listFiles, modelInfo } from '@huggingface/hub'
import { HubError } from '@tiny/core'
import { refusal, unreachable, type Asked } from './errors.js'
import type { HubSettings } from './options.js'

/** A file of a commit. */
export interface RemoteFile {
  readonly path: string
  readonly size: number
  /** The sha256 of a large file, git's sha1 of a small one: its name among the blobs. */
  readonly hash: string
}

/** A body as it comes. `read` rejects where nothing comes for too long. */
export interface Transfer {
  /** Where it begins; 0 where the server does not continue files. */
  readonly start: number
  read(): Promise<Uint8Array | undefined>
  close(): Promise<void>
}

/** Asks the hub about one repository. Every failure is a HubError, or the signal's reason. */
export class HubClient {
  readonly #settings: HubSettings
  readonly #repo: string

  constructor(settings: HubSettings, repo: string) {
    this.#settings = settings
    this.#repo = repo
  }

  /** The commit that a branch or tag is now. */
  async commitOf(revision: string): Promise<string> {
    const asked = this.asked()
    const { sha } = await this.#ask(asked, (hub) =>
      modelInfo({ ...hub, name: this.#repo, revision, additionalFields: ['sha'] }),
    )
    if (typeof sha === 'string' && /^[0-9a-f]{40}$/.test(sha)) return sha
    throw malformed(asked, 'a commit')
  }

  /** The files of a commit, those of its folders too. */
  async files(commit: string): Promise<ReadonlyMap<string, RemoteFile>> {
    const asked = this.asked()
    return this.#ask(asked, async (hub) => {
      const files = new Map<string, RemoteFile>()
      const listing = { ...hub, repo: this.#repo, revision: commit, recursive: true }
      for await (const { type, path, size, oid, lfs } of listFiles(listing)) {
        if (type !== 'file') continue
        const hash = lfs?.oid ?? oid
        if (
          !staysInside(path) ||
          !Number.isSafeInteger(size) ||
          !/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(hash ?? '')
        ) {
          throw malformed(asked, `the file ${JSON.stringify(path)}`)
        }
        files.set(path, { path, size: lfs?.size ?? size, hash: hash! })
      }
      return files
    })
  }

  /** A file's contents from byte `from` on, if the server can. */
  async open(commit: string, file: RemoteFile, from: number): Promise<Transfer> {
    const asked = this.asked(file.path)
    const { endpoint, stallTimeout, signal } = this.#settings
    const path = [this.#repo, 'resolve', commit, ...file.path.split('/').map(encodeURIComponent)].join('/')
    const stall = new AbortController()
    const timer = setTimeout(
      () => stall.abort(new Error(`nothing came for ${stallTimeout / 1000} s`)),
      stallTimeout,
    )
    const failed = (error: unknown): unknown => {
      signal?.throwIfAborted()
      return error instanceof HubError ? error : unreachable(asked, endpoint, stall.signal.reason ?? error)
    }
    try {
      // Compressed, a body's bytes would not be the file's.
      const headers = { 'accept-encoding': 'identity', ...(from > 0 && { range: `bytes=${from}-` }) }
      const response = await this.#fetch(asked, stall.signal)(`${endpoint}/${path}`, { headers })
      const start = response.status === 206 ? startOf(response, asked) : 0
      const reader = response.body?.getReader()
      return {
        start,
        read: async () => {
          timer.refresh()
          try {
            return (await reader?.read())?.value
          } catch (error) {
            throw failed(error)
          }
        },
        close: async () => {
          clearTimeout(timer)
          await reader?.cancel().catch(() => undefined)
        },
      }
    } catch (error) {
      clearTimeout(timer)
      throw failed(error)
    }
  }

  asked(file?: string): Asked {
    return { repo: this.#repo, revision: this.#settings.revision, ...(file !== undefined && { file }) }
  }

  /** Calls the hub's library, each request within the time for an answer. */
  async #ask<T>(
    asked: Asked,
    call: (hub: { hubUrl: string; fetch: typeof fetch }) => Promise<T>,
  ): Promise<T> {
    const { endpoint, answerTimeout, signal } = this.#settings
    const request: typeof fetch = (url, init) =>
      this.#fetch(asked, AbortSignal.timeout(answerTimeout))(url, init)
    try {
      return await call({ hubUrl: endpoint, fetch: request })
    } catch (error) {
      signal?.throwIfAborted()
      throw error instanceof HubError ? error : unreachable(asked, endpoint, error)
    }
  }

  /** The token goes to the hub alone: pages and files may be elsewhere. */
  #fetch(asked: Asked, timeout: AbortSignal): typeof fetch {
    const { endpoint, token, signal } = this.#settings
    return async (url, init) => {
      const address = url instanceof Request ? url.url : url
      const own = new URL(address).origin === new URL(endpoint).origin
      const headers = new Headers(init?.headers)
      if (own && token !== undefined) headers.set('authorization', `Bearer ${token}`)
      const either = signal === undefined ? timeout : AbortSignal.any([signal, timeout])
      const response = await fetch(url, { ...init, headers, signal: either })
      if (!response.ok) throw await refusal(asked, response, own && token !== undefined)
      return response
    }
  }
}

function startOf(response: Response, asked: Asked): number {
  const start = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1]
  if (start === undefined) throw malformed(asked, 'a Content-Range')
  return Number(start)
}

const malformed = (asked: Asked, what: string): HubError =>
  new HubError(`the hub's answer about ${asked.file ?? asked.repo} is malformed: ${what} was expected`, {
    ...asked,
    missing: 'malformed',
  })

// Names become paths of the cache, on Windows too.
const staysInside = (path: string): boolean =>
  !/[\\\0]|^[a-zA-Z]:/.test(path) &&
  path.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
