import type { Address } from '../core/net/index.ts'
import type { World } from './world.ts'

/**
 * Reliable byte streams as TCP gives them: latency, any splitting and joining of chunks, resets,
 * half-open deaths and partitions. Never reordering inside a stream.
 */

/** How the network behaves. Probabilities are of each chance to misbehave. */
export interface NetworkOptions {
  /** one way, milliseconds: least and most */
  readonly latencyMin: number
  readonly latencyMax: number
  /** a chunk is delivered in pieces */
  readonly split: number
  /** octets in flight above which the sender is told to wait */
  readonly windowOctets: number
}

/** A quiet network: one to five milliseconds, some splitting. */
export const QUIET_NETWORK: NetworkOptions = {
  latencyMin: 1,
  latencyMax: 5,
  split: 0.2,
  windowOctets: 1 << 16,
}

/** What a host learns of its side of a stream. */
export interface StreamEvents {
  received(bytes: Uint8Array): void
  closed(why: string): void
  /** more is in flight than the window allows, or no longer */
  congested(full: boolean): void
}

/** Who accepts streams at an address. */
export interface Listener {
  /** Returns what hears of the new stream. */
  accept(end: StreamEnd, remote: Address): StreamEvents
}

/** One side of a stream. */
export class StreamEnd {
  readonly #network: Network
  readonly stream: Stream
  readonly side: 0 | 1

  constructor(network: Network, stream: Stream, side: 0 | 1) {
    this.#network = network
    this.stream = stream
    this.side = side
  }

  send(bytes: Uint8Array): void {
    this.#network.send(this.stream, this.side, bytes)
  }

  close(): void {
    this.#network.close(this.stream, this.side)
  }

  /** Stops or goes on reading: what is not read stays in flight. */
  pause(paused: boolean): void {
    this.#network.pause(this.stream, this.side, paused)
  }
}

interface Direction {
  events: StreamEvents | undefined
  /** chunks on their way to this side, in order */
  readonly queue: Uint8Array[]
  octets: number
  /** when the last chunk arrives: later ones do not overtake it */
  busyUntil: number
  paused: boolean
  full: boolean
  /** the other side has closed: said once all has been read */
  ended: string | undefined
}

/** A connection of two hosts. */
export class Stream {
  readonly hosts: readonly [Address, Address]
  /** by the side that hears */
  readonly directions: readonly [Direction, Direction]
  open = true

  constructor(from: Address, to: Address) {
    this.hosts = [from, to]
    this.directions = [emptyDirection(), emptyDirection()]
  }
}

function emptyDirection(): Direction {
  return {
    events: undefined,
    queue: [],
    octets: 0,
    busyUntil: 0,
    paused: false,
    full: false,
    ended: undefined,
  }
}

/** All hosts and the streams between them. */
export class Network {
  readonly #world: World
  readonly #options: NetworkOptions
  readonly #listeners = new Map<string, Listener>()
  readonly #streams = new Set<Stream>()
  readonly #cut = new Set<string>()

  constructor(world: World, options: NetworkOptions = QUIET_NETWORK) {
    this.#world = world
    this.#options = options
  }

  /** Streams that are open. */
  get streams(): number {
    return this.#streams.size
  }

  listen(address: Address, port: number, listener: Listener): void {
    this.#listeners.set(`${address} ${port}`, listener)
  }

  /** Nobody listens there any more. */
  unlisten(address: Address, port: number): void {
    this.#listeners.delete(`${address} ${port}`)
  }

  /** Opens a stream; one of the answers comes later, or none at all across a cut. */
  connect(
    from: Address,
    to: Address,
    port: number,
    answer: { connected(end: StreamEnd): StreamEvents; failed(why: string): void },
  ): void {
    this.#world.after(this.#latency(), () => {
      if (this.#isCut(from, to)) return
      const listener = this.#listeners.get(`${to} ${port}`)
      if (listener === undefined) {
        this.#world.after(this.#latency(), () => answer.failed('connection refused'))
        return
      }
      const stream = new Stream(from, to)
      this.#streams.add(stream)
      stream.directions[1].events = listener.accept(new StreamEnd(this, stream, 1), from)
      this.#world.after(this.#latency(), () => {
        if (!stream.open) {
          answer.failed('connection reset')
          return
        }
        stream.directions[0].events = answer.connected(new StreamEnd(this, stream, 0))
        // after what `connected` has put off until this action ends
        this.#world.after(0, () => this.#deliver(stream, 0))
      })
    })
  }

  send(stream: Stream, from: 0 | 1, bytes: Uint8Array): void {
    if (!stream.open || bytes.length === 0) return
    const to = from === 0 ? 1 : 0
    const direction = stream.directions[to]
    for (const piece of this.#pieces(bytes)) {
      const at = Math.max(direction.busyUntil, this.#world.now + this.#latency())
      direction.busyUntil = at
      direction.octets += piece.length
      this.#world.after(at - this.#world.now, () => {
        if (!stream.open || this.#isCut(...stream.hosts)) return
        direction.queue.push(piece)
        this.#deliver(stream, to)
      })
    }
    this.#checkWindow(stream, to)
  }

  close(stream: Stream, from: 0 | 1): void {
    if (!stream.open) return
    const to = from === 0 ? 1 : 0
    const direction = stream.directions[to]
    stream.directions[from].events = undefined
    const at = Math.max(direction.busyUntil, this.#world.now + this.#latency())
    direction.busyUntil = at
    this.#world.after(at - this.#world.now, () => {
      direction.ended = 'closed by the peer'
      this.#deliver(stream, to)
    })
  }

  pause(stream: Stream, side: 0 | 1, paused: boolean): void {
    stream.directions[side].paused = paused
    if (!paused) this.#world.after(0, () => this.#deliver(stream, side))
  }

  /** Cuts what runs between two hosts, as a reset would: both sides hear of it. */
  reset(a: Address, b: Address): void {
    for (const stream of this.#between(a, b)) this.#end(stream, 'connection reset')
  }

  /** Nothing passes between two hosts, and nobody is told. */
  cut(a: Address, b: Address): void {
    this.#cut.add(pairOf(a, b))
  }

  /** Streams that were open lost what was sent meanwhile: they end. New ones work. */
  heal(a: Address, b: Address): void {
    this.#cut.delete(pairOf(a, b))
    this.reset(a, b)
  }

  /**
   * A host has died without a word: its streams are gone, the others learn of it on their next
   * word.
   */
  vanish(address: Address): void {
    for (const stream of this.#streams)
      if (stream.hosts.includes(address)) {
        const side = stream.hosts[0] === address ? 0 : 1
        stream.directions[side].events = undefined
        this.#end(stream, 'connection reset')
      }
  }

  #between(a: Address, b: Address): Stream[] {
    const pair = pairOf(a, b)
    return [...this.#streams].filter(({ hosts }) => pairOf(...hosts) === pair)
  }

  #end(stream: Stream, why: string): void {
    if (!stream.open) return
    stream.open = false
    this.#streams.delete(stream)
    for (const { events } of stream.directions)
      if (events !== undefined) this.#world.after(this.#latency(), () => events.closed(why))
  }

  #deliver(stream: Stream, to: 0 | 1): void {
    const direction = stream.directions[to]
    const { events, queue } = direction
    if (!stream.open || direction.paused || events === undefined) {
      if (stream.open && direction.ended !== undefined && events === undefined) this.#forget(stream)
      return
    }
    // TCP joins what it likes
    const joins = this.#world.chance.next() < this.#options.split
    const bytes = joins ? joined(queue.splice(0)) : queue.shift()
    if (bytes !== undefined && bytes.length > 0) {
      direction.octets -= bytes.length
      this.#checkWindow(stream, to)
      events.received(bytes)
    }
    if (queue.length > 0) this.#world.after(0, () => this.#deliver(stream, to))
    else if (direction.ended !== undefined) {
      this.#forget(stream)
      events.closed(direction.ended)
    }
  }

  #forget(stream: Stream): void {
    stream.open = false
    this.#streams.delete(stream)
  }

  #checkWindow(stream: Stream, to: 0 | 1): void {
    const direction = stream.directions[to]
    const full = direction.octets > this.#options.windowOctets
    if (full === direction.full) return
    direction.full = full
    const sender = stream.directions[to === 0 ? 1 : 0]
    this.#world.after(0, () => {
      if (stream.open) sender.events?.congested(full)
    })
  }

  #pieces(bytes: Uint8Array): Uint8Array[] {
    const { chance } = this.#world
    if (bytes.length < 2 || chance.next() >= this.#options.split) return [bytes.slice()]
    const at = 1 + chance.below(bytes.length - 1)
    return [bytes.slice(0, at), bytes.slice(at)]
  }

  #latency(): number {
    const { latencyMin, latencyMax } = this.#options
    return latencyMin + this.#world.chance.next() * (latencyMax - latencyMin)
  }

  #isCut(a: Address, b: Address): boolean {
    return this.#cut.has(pairOf(a, b))
  }
}

const pairOf = (a: Address, b: Address): string => (a < b ? `${a} ${b}` : `${b} ${a}`)

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}
