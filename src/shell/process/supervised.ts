import { Server } from 'node:net'
import { type Address, parseAddress } from '../../core/net/index.ts'

/**
 * The child's side of supervision: what it asks of the process that started it.
 *
 *   child to parent                          parent to child
 *   { ask: 'settings' }                      { settings }
 *   { ask: 'listen', family, port, id,       { listen: id } with the listener,
 *     address? }                             or { listen: id, code, text }
 *   { ask: 'allow', ports }                  nothing
 *
 * The speaker asks for listeners, and the controller says which ports the store names: a speaker
 * that a peer has taken over cannot have the port of the machine's ssh opened for it.
 */

/** What a child asks. */
export type Question =
  | { readonly ask: 'settings' }
  | {
      readonly ask: 'listen'
      readonly id: number
      readonly family: 'ipv4' | 'ipv6'
      readonly port: number
      readonly address?: Address
    }
  | { readonly ask: 'allow'; readonly ports: readonly number[] }

/** The variable that a supervisor sets: the channel is its, not that of another program. */
export const SUPERVISED = 'MARTLET_SUPERVISED'

/** How long the parent may take to answer. */
const ANSWER_MS = 5_000

/** The process that started this one. */
export interface Parent {
  /** What this process has to know, as the parent sends it. */
  settings(): Promise<unknown>
  /** A listener that the parent opened. Rejects with an error that has the system's `code`. */
  listen(at: Omit<Extract<Question, { ask: 'listen' }>, 'ask' | 'id'>): Promise<Server>
  /** Says that these ports, and no others of before, may be opened for the speaker. */
  allow(ports: readonly number[]): void
  /** Calls `run` when the parent has gone. */
  onGone(run: () => void): void
}

/** The supervisor of this process; undefined where a user or a service manager started it. */
export function parent(): Parent | undefined {
  if (process.env[SUPERVISED] !== '1' || process.send === undefined) return undefined
  let listens = 0
  return {
    settings: async () => {
      const { message } = await ask({ ask: 'settings' }, message => 'settings' in message)
      return Reflect.get(message, 'settings')
    },
    listen: async at => {
      const id = ++listens
      const { message, handle } = await ask(
        { ask: 'listen', id, ...at },
        message => 'listen' in message && message.listen === id,
      )
      if (handle instanceof Server) return handle
      const text = String(Reflect.get(message, 'text') ?? 'no listener came')
      throw Object.assign(new Error(text), { code: Reflect.get(message, 'code') })
    },
    allow: ports => {
      const asked: Question = { ask: 'allow', ports }
      // without a channel the parent has gone, and this process ends too
      if (process.connected) process.send?.(asked)
    },
    onGone: run => {
      process.once('disconnect', run)
    },
  }
}

function ask(
  question: Question,
  isAnswer: (message: object) => boolean,
): Promise<{ message: object; handle: unknown }> {
  return new Promise((resolve, reject) => {
    const heard = (message: unknown, handle: unknown): void => {
      if (typeof message !== 'object' || message === null || !isAnswer(message)) return
      done()
      resolve({ message, handle })
    }
    const timer = setTimeout(() => {
      done()
      reject(new Error(`the supervisor did not answer within ${ANSWER_MS} ms`))
    }, ANSWER_MS)
    const done = (): void => {
      clearTimeout(timer)
      process.off('message', heard)
    }
    process.on('message', heard)
    process.send?.(question)
  })
}

/** A message of a child as a question; undefined for anything else: the child is not trusted. */
export function question(message: unknown): Question | undefined {
  if (typeof message !== 'object' || message === null || !('ask' in message)) return undefined
  if (message.ask === 'settings') return { ask: 'settings' }
  if (message.ask === 'allow') return allowQuestion(message)
  if (message.ask !== 'listen' || !('id' in message && 'family' in message && 'port' in message))
    return undefined
  const { id, family, port } = message
  const address = 'address' in message ? parseAddress(String(message.address)) : undefined
  if (typeof id !== 'number' || (family !== 'ipv4' && family !== 'ipv6')) return undefined
  if (!isPort(port)) return undefined
  if ('address' in message && address === undefined) return undefined
  return { ask: 'listen', id, family, port, ...(address !== undefined && { address }) }
}

function allowQuestion(message: object): Question | undefined {
  const ports: unknown = Reflect.get(message, 'ports')
  return Array.isArray(ports) && ports.every(isPort) ? { ask: 'allow', ports } : undefined
}

const isPort = (port: unknown): port is number =>
  typeof port === 'number' && Number.isInteger(port) && port >= 1 && port <= 65_535
