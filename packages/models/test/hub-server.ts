// A hub on this machine that speaks as much of the protocol as loading needs, and fails as it is told.
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export const sha1Of = (data: Buffer): string =>
  createHash('sha1').update(`blob ${data.length}\0`).update(data).digest('hex')
export const sha256Of = (data: Buffer): string => createHash('sha256').update(data).digest('hex')

export interface HubRepo {
  readonly refs: Record<string, string>
  readonly commits: Record<string, Record<string, Buffer>>
  /** The token that opens it. */
  readonly gated?: string
}

const isLfs = (path: string): boolean => path.endsWith('.safetensors') || path.endsWith('.bin')
export const hashOf = (path: string, data: Buffer): string => (isLfs(path) ? sha256Of(data) : sha1Of(data))

export class HubServer {
  readonly repos = new Map<string, HubRepo>()
  /** 'GET /path' of what was asked. */
  readonly log: string[] = []
  /** What comes in place of a body: called with the bytes that would. */
  send: ((path: string, body: Buffer, response: ServerResponse) => void) | undefined
  /** Answers every request, if it is set. */
  status: number | undefined
  readonly #server: Server = createServer((request, response) => this.#answer(request, response))
  url = ''

  async listen(): Promise<void> {
    await new Promise<void>((done) => this.#server.listen(0, '127.0.0.1', done))
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((done) => this.#server.close(done))
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url!, 'http://hub')
    const path = decodeURIComponent(url.pathname)
    this.log.push(`${request.method} ${path}${request.headers.range ? ` ${request.headers.range}` : ''}`)
    const fail = (status: number, code?: string) =>
      response.writeHead(status, code === undefined ? {} : { 'x-error-code': code }).end()
    if (this.status !== undefined) return void fail(this.status)
    const stored = /^\/cdn\/(.+?)@(\w+)\/(.+)$/.exec(path)
    if (stored !== null) {
      const [, id, commit, file] = stored
      // As storage elsewhere does: a token that is not its own is refused.
      if (request.headers.authorization !== undefined) return void fail(400)
      return this.#body(file!, this.repos.get(id!)!.commits[commit!]![file!]!, request, response, {})
    }
    const info = /^\/api\/models\/(.+?)\/(revision|tree)\/(.+)$/.exec(path)
    const file = /^\/(.+?)\/resolve\/([^/]+)\/(.+)$/.exec(path)
    const [, id, what, revision] = info ?? (file && [undefined, file[1], 'resolve', file[2]]) ?? []
    const repo = this.repos.get(id ?? '')
    if (repo === undefined) return void fail(401, 'RepoNotFound')
    const commit = repo.refs[revision!] ?? revision!
    const files = repo.commits[commit]
    if (files === undefined) return void fail(404, 'RevisionNotFound')
    if (what === 'revision') {
      return void response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ _id: '1', id, sha: commit, lastModified: '2024-01-01T00:00:00.000Z' }))
    }
    if (what === 'tree') {
      const foreign = request.headers.host!.startsWith('localhost')
      if (foreign && request.headers.authorization !== undefined) return void fail(400)
      return this.#tree(files, url, response)
    }
    const token = repo.gated
    if (token !== undefined && request.headers.authorization !== `Bearer ${token}`) {
      return void fail(request.headers.authorization === undefined ? 401 : 403, 'GatedRepo')
    }
    const name = file![3]!
    const data = files[name]
    if (data === undefined) return void fail(404, 'EntryNotFound')
    const head = { 'x-repo-commit': commit, etag: `"${hashOf(name, data)}"` }
    if (!isLfs(name)) return this.#body(name, data, request, response, head)
    // 'localhost' is another origin than the address.
    const location = `${this.url.replace('127.0.0.1', 'localhost')}/cdn/${id}@${commit}/${name}`
    response
      .writeHead(302, { ...head, location, 'x-linked-etag': head.etag, 'x-linked-size': data.length })
      .end()
  }

  /** Half of the files: the rest is behind a Link, which leads to another origin. */
  #tree(files: Record<string, Buffer>, url: URL, response: ServerResponse): void {
    const names = Object.keys(files)
    const from = Number(url.searchParams.get('cursor') ?? 0)
    const size = Math.ceil(names.length / 2)
    const page = names.slice(from, from + size).map((path) => {
      const data = files[path]!
      const lfs = isLfs(path) ? { lfs: { oid: sha256Of(data), size: data.length, pointerSize: 130 } } : {}
      return { type: 'file', path, size: data.length, oid: sha1Of(data), ...lfs }
    })
    const next = new URL(url.pathname + url.search, this.url.replace('127.0.0.1', 'localhost'))
    next.searchParams.set('cursor', String(from + size))
    const more = from + size < names.length ? { link: `<${next.href}>; rel="next"` } : {}
    response.writeHead(200, { 'content-type': 'application/json', ...more }).end(JSON.stringify(page))
  }

  #body(
    path: string,
    data: Buffer,
    request: IncomingMessage,
    response: ServerResponse,
    head: Record<string, string>,
  ): void {
    const from = /^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1]
    const start = Number(from ?? 0)
    const body = data.subarray(start)
    response.writeHead(from === undefined ? 200 : 206, {
      ...head,
      'content-length': body.length,
      ...(from !== undefined && { 'content-range': `bytes ${start}-${data.length - 1}/${data.length}` }),
    })
    if (this.send === undefined) response.end(body)
    else this.send(path, body, response)
  }
}
