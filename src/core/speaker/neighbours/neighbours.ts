import { invariant, type Millis, millis, type Prng } from '../../base/index.ts'
import type { Address, Family } from '../../net/index.ts'
import { PEERS_MAX, type PeerColumns, type PeerId } from '../../rib/index.ts'
import {
  type ConnectionId,
  PeerSession,
  type SessionError,
  type SessionOutput,
} from '../../session/index.ts'
import { CEASE, cease, type Negotiated, type Notification } from '../../wire/index.ts'
import { byAddress, NOT_CONFIGURED, type PeerChange } from '../configure.ts'
import type { Suspension } from '../inbound/limits.ts'
import { INBOUND_OCTETS_MAX, Peer, sessionConfig } from '../peer.ts'
import type { PeerConfig, SpeakerConfig, SpeakerOutput } from '../types.ts'
import { Deadlines } from './deadlines.ts'
import type { NeighbourListener } from './listener.ts'
import { Visitors } from './visitors.ts'

/** The peers, their sessions and connections: which connection is whose. */
export class Neighbours {
  readonly #output: SpeakerOutput
  readonly #listener: NeighbourListener
  readonly #chance: Prng
  readonly #columns: PeerColumns
  readonly #visitors: Visitors
  readonly #byName = new Map<string, Peer>()
  readonly #byId = new Map<PeerId, Peer>()
  #byAddress = new Map<Address, Peer[]>()
  #unordered = false
  readonly #connections = new Map<ConnectionId, Peer>()
  readonly #locals = new Map<ConnectionId, Address>()
  readonly #deadlines = new Deadlines()
  #speaker = NOT_CONFIGURED
  #nextConnection = 2
  // when the event that is being handled happened
  #now = millis(0)

  constructor(
    output: SpeakerOutput,
    options: { chance: Prng; columns: PeerColumns; listener: NeighbourListener },
  ) {
    this.#output = output
    this.#chance = options.chance
    this.#columns = options.columns
    this.#listener = options.listener
    this.#visitors = new Visitors({
      add: (config, now, why) => {
        const peer = this.add(config, now, why)
        if (peer !== undefined) this.#byAddress.set(config.address, [peer])
        return peer
      },
      dismiss: (peer, why, now) => this.#dismiss(peer, why, now),
    })
  }

  /** The configured peers and those of ranges, in the order in which they came. */
  get all(): Iterable<Peer> {
    return this.#byName.values()
  }

  /** By number: also those that are gone but still in the tables. */
  get byId(): ReadonlyMap<PeerId, Peer> {
    return this.#byId
  }

  /** Those who came from ranges, by address. */
  get visitors(): readonly Peer[] {
    return this.#visitors.all
  }

  /** True where peers may come that nobody can name yet. */
  get hasRanges(): boolean {
    return this.#visitors.mayCome
  }

  /** When `tick` is due next. */
  get deadline(): Millis {
    return this.#deadlines.next
  }

  /** The configured peer of a name. */
  named(name: string): Peer | undefined {
    return this.#byName.get(name)
  }

  /** A peer that has an address. */
  at(address: Address): Peer | undefined {
    return this.#byAddress.get(address)?.[0]
  }

  /** Who we are, and who may come from where, from now on. */
  identify(speaker: SpeakerConfig): void {
    this.#speaker = speaker
    this.#visitors.configure(speaker)
  }

  /** A peer is configured. */
  add(config: PeerConfig, now: Millis, why = 'configured'): Peer | undefined {
    this.#now = now
    const id = this.#columns.take()
    if (id === undefined) {
      const why = `peer ${config.name} is left out: there are ${PEERS_MAX - 1} others`
      this.#output.note({ code: 'TABLE_FULL', limit: PEERS_MAX - 1, why })
      return undefined
    }
    const peer: Peer = new Peer(id, config, handle => this.#session(handle, config))
    this.#byName.set(config.name, peer)
    this.#byId.set(id, peer)
    this.#output.note({ code: 'PEER_ADDED', peer: config.name, why })
    peer.session.start(now)
    this.schedule(peer)
    return peer
  }

  /** A peer is not configured any more. */
  remove({ name }: PeerConfig, now: Millis, why = 'no longer configured'): Peer | undefined {
    this.#now = now
    const peer = this.#byName.get(name)
    if (peer === undefined) return undefined
    this.#byName.delete(name)
    peer.session.stop(cease(CEASE.PEER_DECONFIGURED), now)
    this.#listener.forget(peer)
    peer.removed = true
    this.#visitors.forget(peer)
    this.#output.note({ code: 'PEER_REMOVED', peer: name, why })
    return peer
  }

  /** Nothing refers to a peer that was removed: its number may be used again. */
  forget(peer: Peer): void {
    this.#byId.delete(peer.id)
    this.#columns.free(peer.id)
  }

  /** A peer's configuration has changed. Its session is reset only where `RESETS` says so. */
  change({ after: config, fields, resets }: PeerChange, now: Millis): void {
    const peer = this.#byName.get(config.name)
    if (peer === undefined) return
    if (resets) this.#restart(peer, config, `${fields.join(', ')} changed`, now)
    else {
      peer.config = config
      this.#resume(peer, now)
    }
  }

  /** Who we are has changed: a new session for a peer. */
  reidentify(peer: Peer, now: Millis): void {
    const config = peer.config
    this.#restart(peer, config, 'the identity of this node changed', now)
  }

  /** After peers came, went or changed: their order, and who is found by which address. */
  index(): void {
    this.#unordered = false
    const sorted = [...this.#byName.values()].sort((a, b) => byAddress(a.config, b.config))
    for (const [at, peer] of sorted.entries()) this.#columns.order(peer.id, at + 1)
    this.#byAddress = Map.groupBy(sorted, ({ config }) => config.address)
  }

  /** Those who came since have their place among the others: before routes are decided. */
  settle(): void {
    if (this.#unordered) this.index()
  }

  /** A connection came in. */
  accepted(connection: ConnectionId, remote: Address, local: Address, now: Millis): void {
    this.#now = now
    const candidates = this.#byAddress.get(remote) ?? []
    const peer =
      candidates.find(({ session }) => session.state !== 'Established') ??
      candidates[0] ??
      this.#visitors.come(remote, now)
    if (typeof peer === 'string') {
      this.#output.note({ code: 'CONNECTION_REFUSED', remote, why: peer })
      this.#output.close(connection)
      return
    }
    this.#connections.set(connection, peer)
    this.#locals.set(connection, local)
    peer.attempts = 0
    peer.session.accepted(connection, now)
    this.schedule(peer)
  }

  connected(connection: ConnectionId, local: Address, now: Millis): void {
    this.#locals.set(connection, local)
    this.#with(connection, now, peer => {
      peer.attempts = 0
      peer.session.connected(connection, now)
    })
  }

  failed(connection: ConnectionId, why: string, now: Millis): void {
    this.#with(connection, now, peer => peer.session.failed(connection, why, now))
    this.#unregister(connection)
  }

  closed(connection: ConnectionId, why: string, now: Millis): void {
    this.#with(connection, now, peer => peer.session.closed(connection, why, now))
    this.#unregister(connection)
  }

  received(connection: ConnectionId, bytes: Uint8Array, now: Millis): void {
    this.#with(connection, now, peer => peer.session.received(connection, bytes, now))
  }

  /** Something of what was sent waits in the socket, or nothing any more. RFC 9687 §4.3 */
  blocked(connection: ConnectionId, waits: boolean, now: Millis): void {
    this.#with(connection, now, ({ session }) => {
      if (waits) session.blocked(connection, now)
      else session.unblocked(connection)
    })
  }

  /** A peer sent what resets its session. */
  reset(peer: Peer, notification: Notification, why: string, now: Millis): void {
    this.#now = now
    if (peer.link === undefined) return
    peer.session.reset(peer.link.connection, notification, why, now)
    this.schedule(peer)
  }

  /** Ends the session of a peer, whose routes go. None begins before the suspension is over. */
  suspend(peer: Peer, farewell: Notification, suspension: Suspension, now: Millis): void {
    this.#now = now
    peer.session.stop(farewell, now)
    this.#listener.forget(peer)
    peer.suspended = suspension
    this.schedule(peer)
  }

  /** Ends every session; none begins again. */
  stop(text: string, now: Millis): void {
    this.#now = now
    this.#visitors.configure({})
    for (const peer of this.#byName.values()) {
      peer.suspended = undefined
      peer.session.stop(cease(CEASE.ADMINISTRATIVE_SHUTDOWN, text), now)
      this.schedule(peer)
    }
  }

  /** The peer whose session runs over a connection. */
  linked(connection: ConnectionId): Peer | undefined {
    const peer = this.#connections.get(connection)
    return peer?.link?.connection === connection ? peer : undefined
  }

  /** Runs the timers that are due. True when there were any. */
  tick(now: Millis): boolean {
    this.#now = now
    let any = false
    for (;;) {
      const peer = this.#deadlines.take(now)
      if (peer === undefined) return any
      if (this.#visitors.leaves(peer, now)) {
        any = true
        continue
      }
      if (peer.staleUntil <= now) {
        any = true
        this.#listener.expired(peer, now)
      }
      if (peer.suspended !== undefined && peer.suspended.until <= now) {
        any = true
        this.#resume(peer, now)
      }
      if (peer.session.deadline() <= now) {
        any = true
        if (peer.paused && peer.link !== undefined) peer.session.unread(peer.link.connection, now)
        peer.session.tick(now)
      }
      this.schedule(peer)
    }
  }

  /** A deadline of a peer may be earlier than it was. */
  schedule(peer: Peer): void {
    this.#deadlines.schedule(peer)
  }

  /** What a peer said waits its turn, in order. Above the high mark its socket is not read. */
  enqueue(peer: Peer, element: Uint8Array): void {
    peer.inbound.push(element)
    this.#listener.queued(peer)
    if (peer.paused || peer.inbound.octets <= INBOUND_OCTETS_MAX || peer.link === undefined) return
    peer.paused = true
    this.#output.pause(peer.link.connection)
  }

  /** A ROUTE-REFRESH of a peer means nothing, and is reported. */
  ignoreRefresh({ config }: Peer, family: Family, why: string): void {
    this.#output.note({ code: 'REFRESH_IGNORED', peer: config.name, family, why })
  }

  #with(connection: ConnectionId, now: Millis, act: (peer: Peer) => void): void {
    const peer = this.#connections.get(connection)
    if (peer === undefined) return
    this.#now = now
    act(peer)
    this.schedule(peer)
  }

  #unregister(connection: ConnectionId): void {
    this.#connections.delete(connection)
    this.#locals.delete(connection)
  }

  #dismiss(peer: Peer, why: string, now: Millis): void {
    this.#byAddress.delete(peer.config.address)
    this.remove(peer.config, now, why)
    this.#listener.left(peer)
  }

  #restart(peer: Peer, config: PeerConfig, why: string, now: Millis): void {
    this.#now = now
    peer.session.stop(cease(CEASE.OTHER_CONFIGURATION_CHANGE), now)
    this.#listener.forget(peer)
    peer.suspended = undefined
    peer.config = config
    peer.session = this.#session(peer, config)
    this.#output.note({ code: 'PEER_RESET', peer: config.name, why })
    peer.session.start(now)
    this.schedule(peer)
  }

  /** A suspended peer may have a session again. */
  #resume(peer: Peer, now: Millis): void {
    if (peer.suspended === undefined) return
    this.#now = now
    peer.suspended = undefined
    peer.session.start(now)
    this.schedule(peer)
  }

  #session(peer: Peer, config: PeerConfig): PeerSession {
    return new PeerSession(sessionConfig(config, this.#speaker), this.#sessionOutput(peer), {
      chance: this.#chance,
      standing: () => this.#listener.standing(peer),
      nextConnection: () => {
        const connection = this.#nextConnection as ConnectionId
        this.#nextConnection += 2
        this.#connections.set(connection, peer)
        return connection
      },
    })
  }

  /** What the session of one peer does to the world, and what it tells the speaker. */
  #sessionOutput(peer: Peer): SessionOutput {
    const output = this.#output
    return {
      connect: connection => {
        const { address, port, localAddress, transport, password } = peer.config
        peer.attempts++
        output.connect(connection, {
          address,
          port,
          ...(localAddress !== undefined && { localAddress }),
          ...(transport !== undefined && { transport }),
          ...(password !== undefined && { password }),
        })
      },
      send: (connection, bytes) => output.send(connection, bytes),
      close: connection => {
        output.close(connection)
        this.#unregister(connection)
      },
      up: (connection, negotiated) => this.#up(peer, connection, negotiated),
      down: (_connection, error, kept) => this.#down(peer, error, kept),
      update: (_connection, body) => this.enqueue(peer, body),
      refresh: (_connection, message) => this.#listener.refresh(peer, message),
      moved: (_connection, from, to, why) =>
        output.note({ code: 'SESSION_STATE', peer: peer.config.name, from, to, why }),
    }
  }

  #up(peer: Peer, connection: ConnectionId, negotiated: Negotiated): void {
    const local = this.#locals.get(connection) ?? peer.config.address
    peer.link = { connection, negotiated, local, since: this.#now, complete: new Set() }
    peer.local = local
    peer.said.clear()
    this.#visitors.moved(peer, true, this.#now)
    // its routes may come now, and need its place among those of others
    if (peer.range !== undefined) this.#unordered = true
    this.#output.note({ code: 'SESSION_UP', peer: peer.config.name })
    this.#listener.up(peer, this.#now)
  }

  #down(peer: Peer, error: SessionError, kept: boolean): void {
    const { link } = peer
    invariant(link !== undefined, 'a session that ends was up')
    peer.link = undefined
    peer.inbound.clear()
    peer.paused = false
    this.#visitors.moved(peer, false, this.#now)
    this.#output.note({ code: 'SESSION_DOWN', peer: peer.config.name, error })
    this.#listener.down(peer, link, kept, this.#now)
  }
}
