/**
 * A server that lists and watches services and endpoint slices as Kubernetes' API does: pages,
 * versions, bookmarks, and a memory that can be cut short. It fails on demand.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ServiceObject } from '../../src/core/intent/index.ts'

type Kind = ServiceObject['kind']

interface Event {
  readonly kind: Kind
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly object: unknown
  readonly version: number
}

interface Watch {
  readonly kind: Kind
  readonly answer: ServerResponse
  /** what is still to be written, a part at a time */
  readonly parts: Buffer[]
  busy: boolean
}

const PATHS: Readonly<Record<string, Kind>> = {
  '/api/v1/services': 'Service',
  '/apis/discovery.k8s.io/v1/endpointslices': 'EndpointSlice',
}

/** What an object looks like from inside, and who it is. */
export interface Written {
  readonly kind: Kind
  readonly metadata: { readonly namespace: string; readonly name: string }
}

/** One such server, on a port of its own. */
export class KubernetesApi {
  /** who may ask; another token is refused */
  token = 'who-we-are'
  /** of requests, as they came: `list Service`, `watch EndpointSlice 12` */
  readonly asked: string[] = []
  /** is told of each of them, before it is answered */
  onAsked: (what: string) => void = () => {}
  /** objects of a page, whatever is asked for */
  pageMax = 2
  /** instead of an answer to whatever is asked */
  refusal: { readonly status: number; readonly message: string } | undefined
  /** takes questions and does not answer them */
  silent = false
  readonly #folder: string
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #watches = new Set<Watch>()
  readonly #objects = new Map<string, { readonly kind: Kind; readonly object: object }>()
  #events: Event[] = []
  #version = 100
  /** what is older is forgotten */
  #oldest = 0
  #port = 0

  private constructor(folder: string) {
    this.#folder = folder
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
    const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
    const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
    execFileSync('openssl', ['req', ...kind, '-keyout', key, '-out', cert, ...subject], {
      stdio: 'ignore',
    })
    const secrets = { key: readFileSync(key), cert: readFileSync(cert) }
    this.#server = createServer(secrets, (request, answer) => this.#answer(request, answer))
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
  }

  /** Starts one. */
  static async start(): Promise<KubernetesApi> {
    const api = new KubernetesApi(mkdtempSync(join(tmpdir(), 'martlet-kubernetes-')))
    await api.restore()
    return api
  }

  /** A file as kubectl has it, for `token`. */
  kubeconfig(token = this.token): string {
    const path = join(this.#folder, 'kubeconfig')
    const certificate = readFileSync(join(this.#folder, 'cert.pem')).toString('base64')
    const server = `https://127.0.0.1:${this.#port}`
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'here',
      contexts: [{ name: 'here', context: { cluster: 'here', user: 'agent' } }],
      clusters: [{ name: 'here', cluster: { server, 'certificate-authority-data': certificate } }],
      users: [{ name: 'agent', user: { token } }],
    }
    writeFileSync(path, JSON.stringify(config))
    return path
  }

  put(written: Written): void {
    this.#version += 1
    const version = this.#version
    const name = nameOf(written)
    const { kind: _, ...rest } = written
    const metadata = { ...written.metadata, resourceVersion: String(version), uid: `uid-${name}` }
    // items of a list do not say of which kind they are
    const object = { ...rest, apiVersion: undefined, metadata }
    const type = this.#objects.has(name) ? 'MODIFIED' : 'ADDED'
    this.#objects.set(name, { kind: written.kind, object })
    this.#tell({ kind: written.kind, type, object, version })
  }

  remove(written: Written): void {
    this.#version += 1
    const version = this.#version
    const name = nameOf(written)
    const known = this.#objects.get(name)
    if (known === undefined) return
    this.#objects.delete(name)
    const metadata = { ...written.metadata, resourceVersion: String(version) }
    const object = { ...known.object, metadata }
    this.#tell({ kind: written.kind, type: 'DELETED', object, version })
  }

  /** Forgets what happened, so that nobody can go on from before now. */
  compact(): void {
    this.#version += 1
    this.#oldest = this.#version
    this.#events = []
  }

  /** Tells every watch how far it is. */
  bookmark(): void {
    const metadata = { resourceVersion: String(this.#version), creationTimestamp: null }
    for (const { kind, answer } of this.#watches)
      answer.write(`${JSON.stringify({ type: 'BOOKMARK', object: { kind, metadata } })}\n`)
  }

  /** Writes `text` to every watch as it is. */
  say(text: string): void {
    for (const { answer } of this.#watches) answer.write(text)
  }

  /** Ends every watch, as the API does when its time is over. */
  endWatches(): void {
    for (const { answer, parts } of this.#watches) answer.end(Buffer.concat(parts.splice(0)))
    this.#watches.clear()
  }

  /** Every connection breaks. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#watches.clear()
  }

  get watching(): number {
    return this.#watches.size
  }

  /** Nobody answers there until `restore`. */
  async lose(): Promise<void> {
    const closed = new Promise(resolve => this.#server.close(resolve))
    this.cut()
    await closed
  }

  async restore(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(this.#port, '127.0.0.1', resolve)
    })
    const { port } = this.#server.address() as AddressInfo
    this.#port = port
  }

  async close(): Promise<void> {
    if (this.#server.listening) await this.lose()
    rmSync(this.#folder, { recursive: true })
  }

  #answer(request: IncomingMessage, answer: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'https://here')
    const kind = PATHS[url.pathname]
    const watch = url.searchParams.get('watch') === '1'
    const since = url.searchParams.get('resourceVersion')
    const what = [watch ? 'watch' : 'list', kind ?? url.pathname, since ?? []].flat().join(' ')
    this.asked.push(what)
    this.onAsked(what)
    if (this.silent) return
    if (this.refusal !== undefined) refuse(answer, this.refusal.status, this.refusal.message)
    else if (request.headers.authorization !== `Bearer ${this.token}`)
      refuse(answer, 401, 'Unauthorized')
    else if (kind === undefined) refuse(answer, 404, 'the server could not find the resource')
    else if (watch) this.#watch(kind, Number(since), answer)
    else this.#list(kind, url.searchParams.get('continue'), answer)
  }

  #list(kind: Kind, token: string | null, answer: ServerResponse): void {
    const [version = this.#version, from = 0] = token === null ? [] : token.split('.').map(Number)
    if (version < this.#oldest) {
      refuse(answer, 410, 'The provided continue parameter is too old')
      return
    }
    const all = [...this.#objects].filter(([, one]) => one.kind === kind)
    const items = all.slice(from, from + this.pageMax).map(([, { object }]) => object)
    const left = all.length > from + this.pageMax
    const next = left ? { continue: `${version}.${from + this.pageMax}` } : {}
    answer.setHeader('content-type', 'application/json')
    const metadata = { resourceVersion: String(version), ...next }
    answer.end(JSON.stringify({ kind: `${kind}List`, apiVersion: 'v1', metadata, items }))
  }

  #watch(kind: Kind, since: number, answer: ServerResponse): void {
    if (since < this.#oldest) {
      answer.end(
        `${JSON.stringify({
          type: 'ERROR',
          object: { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' },
        })}\n`,
      )
      return
    }
    const watch: Watch = { kind, answer, parts: [], busy: false }
    this.#watches.add(watch)
    answer.on('close', () => this.#watches.delete(watch))
    answer.flushHeaders()
    for (const event of this.#events)
      if (event.kind === kind && event.version > since) write(watch, event)
  }

  #tell(event: Event): void {
    this.#events.push(event)
    for (const watch of this.#watches) if (watch.kind === event.kind) write(watch, event)
  }
}

/** In two parts that break inside a line, and inside a character where there is one to break. */
function write(watch: Watch, { type, object }: Event): void {
  const octets = Buffer.from(`${JSON.stringify({ type, object })}\n`)
  const middle = octets.findIndex(octet => octet >= 0x80)
  const at = middle < 0 ? octets.length >>> 1 : middle + 1
  watch.parts.push(octets.subarray(0, at), octets.subarray(at))
  if (!watch.busy) flush(watch)
}

function flush(watch: Watch): void {
  const part = watch.parts.shift()
  watch.busy = part !== undefined
  if (part === undefined) return
  watch.answer.write(part)
  setImmediate(() => flush(watch))
}

function refuse(answer: ServerResponse, code: number, message: string): void {
  answer.statusCode = code
  answer.setHeader('content-type', 'application/json')
  answer.end(JSON.stringify({ kind: 'Status', status: 'Failure', code, message }))
}

const nameOf = ({ kind, metadata }: Written): string =>
  `${kind} ${metadata.namespace}/${metadata.name}`
