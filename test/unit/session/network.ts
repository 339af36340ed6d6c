import { after, type Millis, millis, NEVER, Prng, seconds } from '../../../src/core/base/index.ts'
import { type Asn, toAsn } from '../../../src/core/net/index.ts'
import {
  type ConnectionId,
  PeerSession,
  type SessionConfig,
  type SessionError,
  type SessionOutput,
  type State,
} from '../../../src/core/session/index.ts'
import type { Capability, Negotiated, RouteRefresh } from '../../../src/core/wire/index.ts'

/**
 * Two ends of one peering, on a virtual clock, joined by connections that behave as TCP does: in
 * order, late, in pieces, sometimes silent.
 */

/** `number` as an AS. */
export function asn(number: number): Asn {
  const parsed = toAsn(number)
  if (parsed === undefined) throw new Error(`${number} is no AS`)
  return parsed
}

/** A session to AS 65002 from AS 65001, with the usual timers. */
export const CONFIG: SessionConfig = {
  localAs: asn(65001),
  peerAs: asn(65002),
  routerId: 0x0a000001,
  passive: false,
  hold: seconds(90),
  connectRetry: seconds(120),
  families: ['ipv4', 'ipv6'],
  restart: seconds(120),
}

/** Ids of one end's own connections: even. */
export function evenIds(): () => ConnectionId {
  let next = 0
  return () => {
    next += 2
    return next as ConnectionId
  }
}

/** Writes down what a session does, and answers nothing. */
export class Recorder implements SessionOutput {
  readonly connects: ConnectionId[] = []
  readonly sent: { connection: ConnectionId; bytes: Uint8Array }[] = []
  readonly closes: ConnectionId[] = []
  readonly ups: {
    connection: ConnectionId
    negotiated: Negotiated
    offered: readonly Capability[]
  }[] = []
  readonly downs: { connection: ConnectionId; error: SessionError; kept: boolean }[] = []
  readonly updates: Uint8Array[] = []
  readonly refreshes: RouteRefresh[] = []
  readonly moves: string[] = []

  connect(connection: ConnectionId): void {
    this.connects.push(connection)
  }
  send(connection: ConnectionId, bytes: Uint8Array): void {
    this.sent.push({ connection, bytes })
  }
  close(connection: ConnectionId): void {
    this.closes.push(connection)
  }
  up(connection: ConnectionId, negotiated: Negotiated, offered: readonly Capability[]): void {
    this.ups.push({ connection, negotiated, offered })
  }
  down(connection: ConnectionId, error: SessionError, kept: boolean): void {
    this.downs.push({ connection, error, kept })
  }
  update(_connection: ConnectionId, body: Uint8Array): void {
    this.updates.push(body.slice())
  }
  refresh(_connection: ConnectionId, message: RouteRefresh): void {
    this.refreshes.push(message)
  }
  moved(_connection: ConnectionId | undefined, from: State, to: State): void {
    this.moves.push(`${from}>${to}`)
  }
}

/** One end: a session, what it did, and how the world treats its connections. */
export class End {
  readonly record: Recorder
  readonly session: PeerSession
  /** nobody listens: a connection to it is refused */
  refuses = false
  /** its host is gone: what is sent to it vanishes */
  dark = false

  constructor(world: World, side: Side, config: SessionConfig, seed: number) {
    this.record = new WorldRecorder(world, side)
    this.session = new PeerSession(config, this.record, {
      chance: new Prng(seed),
      nextConnection: evenIds(),
    })
  }
}

type Side = 'left' | 'right'

const other = (side: Side): Side => (side === 'left' ? 'right' : 'left')

/** A TCP connection: its name at each end, and where its bytes are. */
interface Wire {
  readonly opener: Side
  readonly ids: { left?: ConnectionId; right?: ConnectionId }
  readonly open: { left: boolean; right: boolean }
  /** when the last bytes to each side arrive: later ones may not overtake them */
  readonly arrival: { left: Millis; right: Millis }
}

interface Action {
  readonly at: Millis
  readonly order: number
  readonly run: () => void
}

/** How the network treats its bytes. */
export interface WorldOptions {
  readonly seed?: number
  /** of each message, in milliseconds: drawn anew each time, between these */
  readonly latencyMin?: number
  readonly latencyMax?: number
  /** bytes of a message arrive in pieces of at most this many */
  readonly pieceMax?: number
}

/** Two ends, a clock, and what is on its way. */
export class World {
  readonly left: End
  readonly right: End
  now: Millis = millis(1000)
  readonly #chance: Prng
  readonly #options: Required<WorldOptions>
  #actions: Action[] = []
  #wires: Wire[] = []
  #order = 0
  #nextOdd = 1

  constructor(left: SessionConfig, right: SessionConfig, options: WorldOptions = {}) {
    this.#options = { seed: 1, latencyMin: 1, latencyMax: 1, pieceMax: 65535, ...options }
    this.#chance = new Prng(this.#options.seed)
    this.left = new End(this, 'left', left, this.#options.seed + 1)
    this.right = new End(this, 'right', right, this.#options.seed + 2)
  }

  /** Runs until `time` is over, or until `done` says so; returns whether it did. */
  run(time: Millis, done: () => boolean = () => false): boolean {
    const end = after(this.now, time)
    while (!done()) {
      const next = this.#next()
      if (next > end) {
        this.now = end
        return done()
      }
      this.now = millis(Math.max(this.now, next))
      this.#step()
    }
    return true
  }

  /** Runs until both ends are Established on one and the same connection. */
  meet(time: Millis = seconds(600)): boolean {
    return this.run(time, () => this.met)
  }

  /** Both Established, on one and the same connection. */
  get met(): boolean {
    const { left, right } = this
    const both = left.session.state === 'Established' && right.session.state === 'Established'
    const ids = { left: left.record.ups.at(-1), right: right.record.ups.at(-1) }
    return (
      both &&
      this.#wires.some(
        wire => wire.ids.left === ids.left?.connection && wire.ids.right === ids.right?.connection,
      )
    )
  }

  /** Both start, the right one `delay` later. */
  start(delay: Millis = millis(0)): void {
    this.left.session.start(this.now)
    this.at(delay, () => this.right.session.start(this.now))
  }

  /** The network cuts every connection. */
  cut(): void {
    for (const wire of this.#wires)
      for (const side of ['left', 'right'] as const) this.#hangUp(wire, side, 'connection reset')
  }

  /** Runs `action` after `delay`. */
  at(delay: Millis, action: () => void): void {
    this.#actions.push({ at: after(this.now, delay), order: this.#order++, run: action })
  }

  /** An end asks for a connection. */
  connect(side: Side, id: ConnectionId): void {
    const far = other(side)
    const wire: Wire = {
      opener: side,
      ids: { [side]: id },
      open: { left: true, right: true },
      arrival: { left: this.now, right: this.now },
    }
    this.#wires.push(wire)
    this.at(this.#latency(), () => {
      if (this[far].dark || !wire.open[side]) return
      if (this[far].refuses) this[side].session.failed(id, 'connection refused', this.now)
      else this.#accept(wire, side, id)
    })
  }

  /** An end sends on a connection. */
  send(side: Side, id: ConnectionId, bytes: Uint8Array): void {
    const wire = this.#wires.find(({ ids }) => ids[side] === id)
    if (wire === undefined) throw new Error(`${side} sends on ${id}, which it does not have`)
    if (!wire.open[side]) throw new Error(`${side} sends on ${id}, which it closed`)
    const { pieceMax } = this.#options
    for (let start = 0; start < bytes.length; start += pieceMax) {
      const piece = bytes.slice(start, start + pieceMax)
      this.#arrive(wire, other(side), to =>
        this[to].session.received(idAt(wire, to), piece, this.now),
      )
    }
  }

  /** An end closes a connection: what it sent before still arrives. */
  close(side: Side, id: ConnectionId): void {
    const wire = this.#wires.find(({ ids }) => ids[side] === id)
    if (wire === undefined) return
    wire.open[side] = false
    this.#arrive(wire, other(side), to => this.#hangUp(wire, to, 'connection closed by the peer'))
  }

  #accept(wire: Wire, side: Side, id: ConnectionId): void {
    const far = other(side)
    wire.ids[far] = this.#nextOdd as ConnectionId
    this.#nextOdd += 2
    // the opener may learn of it before the other side does, or after
    this.#arrive(wire, side, () => this[side].session.connected(id, this.now))
    this.#arrive(wire, far, () => this[far].session.accepted(idAt(wire, far), this.now))
  }

  #arrive(wire: Wire, to: Side, deliver: (to: Side) => void): void {
    if (wire.ids[to] === undefined) return
    const due = millis(Math.max(wire.arrival[to], after(this.now, this.#latency())))
    wire.arrival[to] = due
    this.#actions.push({
      at: due,
      order: this.#order++,
      run: () => {
        if (wire.open[to] && !this[to].dark) deliver(to)
      },
    })
  }

  #hangUp(wire: Wire, side: Side, why: string): void {
    if (!wire.open[side] || wire.ids[side] === undefined) return
    wire.open[side] = false
    this[side].session.closed(idAt(wire, side), why, this.now)
  }

  #latency(): Millis {
    const { latencyMin, latencyMax } = this.#options
    return millis(latencyMin + (latencyMax - latencyMin) * this.#chance.next())
  }

  #next(): Millis {
    const due = this.#actions.map(({ at }) => at)
    return millis(
      Math.min(NEVER, this.left.session.deadline(), this.right.session.deadline(), ...due),
    )
  }

  /** What is due now: arrivals first, as a loop reads its sockets before its timers. */
  #step(): void {
    const due = this.#actions
      .filter(({ at }) => at <= this.now)
      .sort((a, b) => a.at - b.at || a.order - b.order)
    const first = due[0]
    if (first !== undefined) {
      this.#actions = this.#actions.filter(action => action !== first)
      first.run()
      return
    }
    for (const { session } of [this.left, this.right])
      if (session.deadline() <= this.now) session.tick(this.now)
  }
}

function idAt(wire: Wire, side: Side): ConnectionId {
  const id = wire.ids[side]
  if (id === undefined) throw new Error('a connection has a name where it is used')
  return id
}

/** A record whose connections are the world's. */
class WorldRecorder extends Recorder {
  readonly #world: World
  readonly #side: Side

  constructor(world: World, side: Side) {
    super()
    this.#world = world
    this.#side = side
  }

  override connect(connection: ConnectionId): void {
    super.connect(connection)
    this.#world.connect(this.#side, connection)
  }
  override send(connection: ConnectionId, bytes: Uint8Array): void {
    super.send(connection, bytes)
    this.#world.send(this.#side, connection, bytes)
  }
  override close(connection: ConnectionId): void {
    super.close(connection)
    this.#world.close(this.#side, connection)
  }
}

/** The other end of `CONFIG`. */
export const MIRROR: SessionConfig = {
  ...CONFIG,
  localAs: CONFIG.peerAs,
  peerAs: CONFIG.localAs,
  routerId: 0x0a000002,
}
