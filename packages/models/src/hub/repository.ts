import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HubError } from '@tiny/core'
import { RepoCache } from './cache.js'
import { HubClient, type RemoteFile } from './client.js'
import { Downloader } from './download.js'
import { asCacheError, isOutage, noSafetensors, notCached } from './errors.js'
import type { HubSettings } from './options.js'
import { ProgressReport } from './progress.js'
import { shardsOf, weightsOf, type Wanted } from './wanted.js'

/** Files that are fetched at the same time. */
const parallel = 4

/** A repository of models at one revision, by way of the cache. */
export class HubRepository {
  readonly #settings: HubSettings
  readonly #repo: string
  readonly #client: HubClient
  readonly #cache: RepoCache
  #commit: Promise<{ commit: string; outage?: unknown }> | undefined

  constructor(repo: string, settings: HubSettings) {
    this.#settings = settings
    this.#repo = repo
    this.#client = new HubClient(settings, repo)
    this.#cache = new RepoCache(settings.cacheDir, repo)
  }

  /**
   * A folder with the wanted files of the revision's commit, downloading what the cache lacks. Without the network it is
   * the commit that the revision was last time, if its files are there.
   *
   * @throws HubError naming repository, revision, file and status; the signal's reason.
   */
  async folder(...wanted: readonly Wanted[]): Promise<string> {
    const { signal, offline, revision, cacheDir } = this.#settings
    signal?.throwIfAborted()
    const { commit, outage } = await (this.#commit ??= this.#resolve())
    const folder = this.#cache.snapshot(commit)
    if ((await this.#missing(commit, wanted, true)).length > 0) {
      const missing = await this.#missing(commit, wanted, false)
      if (offline || outage !== undefined) {
        if (missing.length > 0) throw outage ?? notCached(this.#client.asked(), cacheDir, missing)
      } else {
        try {
          await this.#download(commit, wanted)
        } catch (reason) {
          const error = asCacheError(this.#client.asked(), cacheDir, reason)
          if (!isOutage(error) || missing.length > 0) throw error
        }
      }
    }
    if (!offline && outage === undefined) await this.#cache.writeRef(revision, commit)
    return folder
  }

  async #resolve(): Promise<{ commit: string; outage?: unknown }> {
    const { revision, offline, cacheDir } = this.#settings
    if (/^[0-9a-f]{40}$/.test(revision)) return { commit: revision }
    const last = await this.#cache.readRef(revision)
    if (offline) {
      if (last !== undefined) return { commit: last }
      throw notCached(this.#client.asked(), cacheDir, ['the revision'])
    }
    try {
      return { commit: await this.#client.commitOf(revision) }
    } catch (error) {
      if (!isOutage(error) || last === undefined) throw error
      return { commit: last, outage: error }
    }
  }

  /**
   * Which files the cache lacks. With `known`, those too of which it is not known that the commit lacks them: Python
   * notes that for single files only.
   */
  async #missing(commit: string, wanted: readonly Wanted[], known: boolean): Promise<string[]> {
    const missing: string[] = []
    const cached = (file: string) => this.#cache.has(commit, file)
    const accounted = async (file: string) =>
      (await cached(file.replace(/\/$/, ''))) || this.#cache.isKnownAbsent(commit, file)
    for (const { required, optional, folders = [], weights } of wanted) {
      const named = known ? [...required, ...optional, ...folders.map(({ path }) => `${path}/`)] : required
      for (const file of named) if (!(await accounted(file))) missing.push(file)
      if (weights === undefined) continue
      const { single, index } = weightsOf(weights)
      if (await cached(single)) continue
      if (!(await cached(index))) missing.push(single)
      else {
        const text = await readFile(join(this.#cache.snapshot(commit), index), 'utf8')
        for (const shard of shardsOf(text, weights.folder)) if (!(await cached(shard))) missing.push(shard)
      }
    }
    return missing
  }

  async #download(commit: string, wanted: readonly Wanted[]): Promise<void> {
    const files = await this.#client.files(commit)
    const chosen = new Set<RemoteFile>()
    const absent: string[] = []
    for (const { required, optional, folders = [], weights } of wanted) {
      for (const name of [...required, ...optional]) {
        const file = files.get(name)
        if (file === undefined) absent.push(name)
        else chosen.add(file)
      }
      for (const { path, ending } of folders) {
        const within = [...files.values()].filter(
          (file) => file.path.startsWith(`${path}/`) && file.path.endsWith(ending),
        )
        if (within.length === 0) absent.push(`${path}/`)
        for (const file of within) chosen.add(file)
      }
      if (weights === undefined) continue
      for (const file of await this.#weights(commit, weights, files)) chosen.add(file)
    }
    await this.#fetch(commit, [...chosen])
    // Once every blob is there: a snapshot holds all of a kind of files or none.
    for (const file of chosen) {
      if (!(await this.#cache.has(commit, file.path))) await this.#cache.link(commit, file.path, file.hash)
    }
    for (const name of absent) await this.#cache.noteAbsent(commit, name)
  }

  async #weights(
    commit: string,
    weights: NonNullable<Wanted['weights']>,
    files: ReadonlyMap<string, RemoteFile>,
  ): Promise<RemoteFile[]> {
    const { single, index } = weightsOf(weights)
    const [one, many] = [files.get(single), files.get(index)]
    if (one !== undefined) return [one]
    if (many === undefined) throw noSafetensors(this.#client.asked(single), [...files.keys()])
    await this.#fetch(commit, [many])
    const shards = shardsOf(await readFile(this.#cache.blob(many.hash), 'utf8'), weights.folder)
    return [
      many,
      ...shards.map((name) => {
        const shard = files.get(name)
        if (shard !== undefined) return shard
        throw new HubError(`${many.path} names ${name}, which the repository lacks`, {
          ...this.#client.asked(name),
          missing: 'file',
        })
      }),
    ]
  }

  /** Fetches what the blobs lack; the first failure stops the others, which keep what they have. */
  async #fetch(commit: string, files: readonly RemoteFile[]): Promise<void> {
    const stop = new AbortController()
    const signals = [this.#settings.signal, stop.signal].filter((signal) => signal !== undefined)
    const settings = { ...this.#settings, signal: AbortSignal.any(signals) }
    const downloader = new Downloader(new HubClient(settings, this.#repo), this.#cache, settings)
    const lacking: RemoteFile[] = []
    for (const file of files) if (!(await downloader.has(file))) lacking.push(file)
    const report = new ProgressReport(this.#settings.progress, lacking)
    const queue = [...lacking]
    const failures: unknown[] = []
    const worker = async (): Promise<void> => {
      for (let file = queue.shift(); file !== undefined && !stop.signal.aborted; file = queue.shift()) {
        const { path, size } = file
        try {
          await downloader.fetch(commit, file, (loaded) => report.at(path, loaded))
          report.at(path, size, true)
        } catch (error) {
          failures.push(error)
          stop.abort()
        }
      }
    }
    await Promise.all(Array.from({ length: parallel }, worker))
    if (failures.length > 0) throw failures[0]
  }
}
