/** How far a download is; bytes that an earlier one had fetched count as loaded. */
export interface Progress {
  /** The file that this is about, as the repository names it. */
  readonly file: string
  /** Its bytes so far, and in all. */
  readonly loaded: number
  readonly total: number
  /** All files of the download. */
  readonly files: {
    readonly finished: number
    readonly count: number
    readonly loaded: number
    readonly total: number
  }
}

/** Milliseconds between two reports about a file. */
const interval = 50

/** Adds up files that are fetched at the same time. Numbers never go back, whatever is fetched again. */
export class ProgressReport {
  readonly #report: ((progress: Progress) => void) | undefined
  readonly #files: Map<string, { loaded: number; readonly total: number; reported: number }>

  constructor(
    report: ((progress: Progress) => void) | undefined,
    files: readonly { readonly path: string; readonly size: number }[],
  ) {
    this.#report = report
    this.#files = new Map(
      files.map(({ path, size }) => [path, { loaded: 0, total: size, reported: -Infinity }]),
    )
  }

  at(path: string, bytes: number, finished = false): void {
    const file = this.#files.get(path)!
    // The last byte is reported once the file is in its place.
    file.loaded = Math.max(file.loaded, Math.min(bytes, file.total))
    const now = performance.now()
    if (this.#report === undefined || (!finished && now - file.reported < interval)) return
    file.reported = finished ? Infinity : now
    const files = [...this.#files.values()]
    this.#report({
      file: path,
      loaded: file.loaded,
      total: file.total,
      files: {
        finished: files.filter(({ reported }) => reported === Infinity).length,
        count: files.length,
        loaded: files.reduce((sum, { loaded }) => sum + loaded, 0),
        total: files.reduce((sum, { total }) => sum + total, 0),
      },
    })
  }
}
