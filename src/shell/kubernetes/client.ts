import { type IncomingMessage, get as plain } from 'node:http'
import { type RequestOptions, get as secure } from 'node:https'
import type { KubeConfig } from '@kubernetes/client-node'
import type { KubernetesConfiguration } from '../config/index.ts'
import { KubernetesError, refusalOf, sentenceOf } from './error.ts'

/**
 * Requests to Kubernetes' API. Where it is and who we are to it is the package's business: files
 * as kubectl has them, service accounts, programs that are asked for a token. The requests are our
 * own, because a list has a deadline and a watch has none.
 */

/** Most octets of an answer, or of one line of a watch. */
const ANSWER_OCTETS_MAX = 64 * 1024 * 1024
/** A peer that is gone without a word is noticed within seconds: a watch may be silent for long. */
const KEEPALIVE_MS = 10_000

/** One cluster's API. */
export class KubernetesClient {
  readonly #configuration: KubernetesConfiguration
  #access: KubeConfig | undefined

  constructor(configuration: KubernetesConfiguration) {
    this.#configuration = configuration
  }

  /** Reads anew who we are: credentials are replaced while we run. */
  forget(): void {
    this.#access = undefined
  }

  /**
   * Asks for `path`; resolves when the answer begins, which is 200.
   *
   * @throws KubernetesError
   */
  async open(path: string, query: URLSearchParams, signal: AbortSignal): Promise<IncomingMessage> {
    const access = await this.#whoWeAre()
    const server = access.getCurrentCluster()?.server
    if (server === undefined || !URL.canParse(server))
      throw new KubernetesError('KUBERNETES_REFUSED', 'the kubeconfig names no cluster')
    const url = new URL(`${server.replace(/\/+$/, '')}${path}?${query}`)
    const options: RequestOptions = { headers: { accept: 'application/json' }, signal }
    try {
      await access.applyToHTTPSOptions(options)
    } catch (cause) {
      const why = `no credentials for ${server}: ${sentenceOf(cause)}`
      throw new KubernetesError('KUBERNETES_REFUSED', why, { cause })
    }
    const answer = await begin(url, options)
    if (answer.statusCode === 200) return answer
    const message = messageOf(await jsonOf(answer).catch(() => undefined))
    throw refusalOf(answer.statusCode ?? 0, message ?? answer.statusMessage ?? '')
  }

  async #whoWeAre(): Promise<KubeConfig> {
    if (this.#access !== undefined) return this.#access
    // 90 MB and half a second of work: only where somebody asks for it
    const { KubeConfig } = await import('@kubernetes/client-node')
    const access = new KubeConfig()
    const { kubeconfig, context } = this.#configuration
    if (kubeconfig === undefined && process.env.KUBERNETES_SERVICE_HOST === undefined)
      throw new KubernetesError(
        'KUBERNETES_REFUSED',
        'this is no pod of a cluster; write "kubernetes: {kubeconfig: PATH}"',
      )
    try {
      if (kubeconfig === undefined) access.loadFromCluster()
      else access.loadFromFile(kubeconfig)
      if (context !== undefined) access.setCurrentContext(context)
    } catch (cause) {
      const why = `${kubeconfig ?? 'the service account'} cannot be read: ${sentenceOf(cause)}`
      throw new KubernetesError('KUBERNETES_REFUSED', why, { cause })
    }
    this.#access = access
    return access
  }
}

function begin(url: URL, options: RequestOptions): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = url.protocol === 'http:' ? plain(url, options) : secure(url, options)
    request.on('response', resolve)
    request.on('socket', socket => socket.setKeepAlive(true, KEEPALIVE_MS))
    request.on('error', cause => {
      const { signal } = options
      const why = `${url.host} does not answer: ${sentenceOf(signal?.reason ?? cause)}`
      reject(new KubernetesError('KUBERNETES_UNAVAILABLE', why, { cause }))
    })
  })
}

/** The whole answer as JSON. @throws KubernetesError */
export async function jsonOf(answer: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let octets = 0
  try {
    for await (const chunk of answer) {
      const buffer = Buffer.from(chunk)
      octets += buffer.length
      if (octets > ANSWER_OCTETS_MAX) throw tooLong()
      chunks.push(buffer)
    }
    const value: unknown = JSON.parse(Buffer.concat(chunks).toString())
    return value
  } catch (cause) {
    throw unusable(cause)
  }
}

/** The lines of a watch, each as JSON, until its end. @throws KubernetesError */
export async function* linesOf(answer: IncomingMessage): AsyncGenerator<unknown, void, undefined> {
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for await (const chunk of answer) {
      const text = rest + decoder.decode(Buffer.from(chunk), { stream: true })
      const lines = text.split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > ANSWER_OCTETS_MAX) throw tooLong()
      for (const line of lines) if (line.trim() !== '') yield JSON.parse(line)
    }
  } catch (cause) {
    throw unusable(cause)
  }
}

const tooLong = (): KubernetesError =>
  new KubernetesError(
    'KUBERNETES_UNAVAILABLE',
    `an answer of more than ${ANSWER_OCTETS_MAX} octets`,
  )

const unusable = (cause: unknown): KubernetesError =>
  cause instanceof KubernetesError
    ? cause
    : new KubernetesError('KUBERNETES_UNAVAILABLE', `an answer broke: ${sentenceOf(cause)}`, {
        cause,
      })

/** What a `Status` object says. */
export function messageOf(status: unknown): string | undefined {
  const message = fieldOf(status, 'message')
  return typeof message === 'string' ? message : undefined
}

/** A field of an object that nobody has looked at yet. */
export const fieldOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
