import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { HubError } from '@tiny/core'
import type { RepoCache } from './cache.js'
import type { HubClient, RemoteFile } from './client.js'
import { unreachable } from './errors.js'
import { withLock } from './lock.js'
import type { HubSettings } from './options.js'

/** Attempts in a row that bring no byte; the pause before one doubles from the first. */
const attempts = 5
const firstPause = 250

/** What has come of a file, in the `.incomplete` file that Python's library continues, too. */
class PartialFile {
  readonly path: string
  readonly #file: RemoteFile
  readonly #handle: FileHandle
  #hash: Hash
  loaded = 0

  private constructor(path: string, file: RemoteFile, handle: FileHandle) {
    this.path = path
    this.#file = file
    this.#handle = handle
    this.#hash = hashOf(file)
  }

  static async open(path: string, file: RemoteFile, signal: AbortSignal | undefined): Promise<PartialFile> {
    const partial = new PartialFile(path, file, await open(path, 'a'))
    try {
      const { size } = await stat(path)
      if (size > file.size) await partial.restart()
      else if (size > 0) await partial.#read(signal)
      return partial
    } catch (error) {
      await partial.close()
      throw error
    }
  }

  async #read(signal: AbortSignal | undefined): Promise<void> {
    for await (const chunk of createReadStream(this.path)) {
      signal?.throwIfAborted()
      this.#hash.update(chunk as Buffer)
      this.loaded += (chunk as Buffer).length
    }
  }

  async append(chunk: Uint8Array): Promise<void> {
    await this.#handle.appendFile(chunk)
    this.#hash.update(chunk)
    this.loaded += chunk.byteLength
  }

  async restart(): Promise<void> {
    await this.#handle.truncate(0)
    this.#hash = hashOf(this.#file)
    this.loaded = 0
  }

  digest(): string {
    return this.#hash.digest('hex')
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}

/** Git hashes a small file with its size before it. */
function hashOf({ hash, size }: RemoteFile): Hash {
  return hash.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`)
}

/** Fetches files of a commit into the blobs of a repository's cache. */
export class Downloader {
  readonly #client: HubClient
  readonly #cache: RepoCache
  readonly #settings: HubSettings

  constructor(client: HubClient, cache: RepoCache, settings: HubSettings) {
    this.#client = client
    this.#cache = cache
    this.#settings = settings
  }

  async has({ hash, size }: RemoteFile): Promise<boolean> {
    const found = await stat(this.#cache.blob(hash)).catch(() => undefined)
    return found?.size === size
  }

  /**
   * Leaves a file among the blobs once its hash is right, continuing what an earlier download left.
   *
   * @throws HubError for what the hub refuses and for contents with another hash; the signal's reason, keeping what has come.
   */
  async fetch(commit: string, file: RemoteFile, onBytes: (loaded: number) => void): Promise<void> {
    const blob = this.#cache.blob(file.hash)
    await mkdir(dirname(blob), { recursive: true })
    const { signal } = this.#settings
    await withLock(join(this.#cache.locks, `${file.hash}.download`), signal, async () => {
      if (await this.has(file)) return
      const partial = await PartialFile.open(`${blob}.incomplete`, file, signal)
      try {
        const resumed = partial.loaded > 0
        await this.#complete(commit, file, partial, onBytes)
        let digest = partial.digest()
        // What was left there may have been wrong, which is not the hub's fault.
        if (digest !== file.hash && resumed) {
          await partial.restart()
          await this.#complete(commit, file, partial, onBytes)
          digest = partial.digest()
        }
        if (digest !== file.hash) throw await this.#wrong(file, partial, digest)
      } finally {
        await partial.close()
      }
      await rename(partial.path, blob)
    })
  }

  async #complete(
    commit: string,
    file: RemoteFile,
    partial: PartialFile,
    onBytes: (loaded: number) => void,
  ): Promise<void> {
    const { signal } = this.#settings
    onBytes(partial.loaded)
    for (let failures = 0; partial.loaded < file.size;) {
      const before = partial.loaded
      try {
        await this.#transfer(commit, file, partial, onBytes)
      } catch (error) {
        signal?.throwIfAborted()
        failures = partial.loaded > before ? 1 : failures + 1
        if (!isTemporary(error) || failures >= attempts) throw error
        await delay(firstPause * 2 ** (failures - 1), undefined, { signal }).catch(() => undefined)
        signal?.throwIfAborted()
      }
    }
  }

  async #transfer(
    commit: string,
    file: RemoteFile,
    partial: PartialFile,
    onBytes: (loaded: number) => void,
  ): Promise<void> {
    const transfer = await this.#client.open(commit, file, partial.loaded)
    try {
      if (transfer.start !== partial.loaded) await partial.restart()
      if (transfer.start !== partial.loaded) throw this.#broken(file, 'the server sent another range')
      for (let chunk = await transfer.read(); chunk !== undefined; chunk = await transfer.read()) {
        await partial.append(chunk)
        if (partial.loaded > file.size) throw await this.#wrong(file, partial, undefined)
        onBytes(partial.loaded)
      }
    } finally {
      await transfer.close()
    }
    if (partial.loaded < file.size) throw this.#broken(file, 'the connection ended early')
  }

  #broken(file: RemoteFile, why: string): HubError {
    return unreachable(this.#client.asked(file.path), this.#settings.endpoint, new Error(why))
  }

  async #wrong(file: RemoteFile, partial: PartialFile, digest: string | undefined): Promise<HubError> {
    await rm(partial.path, { force: true })
    const found =
      digest === undefined
        ? `more than its ${file.size} bytes came`
        : `its hash is ${digest}, not ${file.hash}`
    return new HubError(
      `${file.path} came damaged: ${found}; it was discarded: load again, and look at the proxy or mirror if it stays so`,
      {
        ...this.#client.asked(file.path),
        missing: 'malformed',
        expected: file.hash,
        ...(digest !== undefined && { actual: digest }),
      },
    )
  }
}

function isTemporary(error: unknown): boolean {
  if (!(error instanceof HubError) || error.facts['missing'] !== undefined) return false
  const status = error.facts['status'] as number | undefined
  return status === undefined || status === 408 || status === 429 || status >= 500
}
