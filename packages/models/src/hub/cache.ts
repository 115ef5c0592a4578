import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { copyFile, mkdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { getRepoFolderName } from '@huggingface/hub'

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )

/**
 * A repository in the cache that Python's huggingface_hub has, too:
 *
 *     models--org--name/blobs/<sha256, or git's sha1 of small files>
 *                       refs/<branch or tag>        the commit that it was last time
 *                       snapshots/<commit>/<file>   a relative link to the blob
 *                       .no_exist/<commit>/<file>   empty: the commit is known to lack the file
 */
export class RepoCache {
  readonly path: string
  /** Where processes say which blob they are fetching. */
  readonly locks: string

  constructor(cacheDir: string, repo: string) {
    const folder = getRepoFolderName({ name: repo, type: 'model' })
    this.path = join(cacheDir, folder)
    this.locks = join(cacheDir, '.locks', folder)
  }

  blob(name: string): string {
    return join(this.path, 'blobs', name)
  }

  snapshot(commit: string): string {
    return join(this.path, 'snapshots', commit)
  }

  /** The commit of a branch or tag when it was last asked for. */
  async readRef(revision: string): Promise<string | undefined> {
    const text = (await readFile(join(this.path, 'refs', revision), 'utf8').catch(() => '')).trim()
    return /^[0-9a-f]{40}$/.test(text) ? text : undefined
  }

  async writeRef(revision: string, commit: string): Promise<void> {
    if (revision === commit || (await this.readRef(revision)) === commit) return
    await place(join(this.path, 'refs', revision), (path) => writeFile(path, commit))
  }

  has(commit: string, file: string): Promise<boolean> {
    return isThere(join(this.snapshot(commit), file))
  }

  isKnownAbsent(commit: string, file: string): Promise<boolean> {
    return isThere(join(this.path, '.no_exist', commit, file))
  }

  /** Notes that a commit lacks a file, or a folder where its name ends in '/'. */
  async noteAbsent(commit: string, file: string): Promise<void> {
    const path = join(this.path, '.no_exist', commit, file)
    await mkdir(file.endsWith('/') ? path : dirname(path), { recursive: true })
    if (!file.endsWith('/')) await writeFile(path, '')
  }

  /** Puts a blob into a snapshot: a link where the system lets us make one, else a copy. */
  async link(commit: string, file: string, blob: string): Promise<void> {
    const path = join(this.snapshot(commit), file)
    const target = relative(dirname(path), this.blob(blob))
    await place(path, (temporary) =>
      symlink(target, temporary).catch(() =>
        copyFile(this.blob(blob), temporary, constants.COPYFILE_FICLONE),
      ),
    )
  }
}

/** Makes a file beside its place and moves it there, so that nobody sees half of it. */
async function place(path: string, make: (temporary: string) => Promise<void>): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const temporary = `${path}.${randomUUID()}.tmp`
  try {
    await make(temporary)
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}
