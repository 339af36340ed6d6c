import { type Millis, NEVER, Prng, seconds } from '../core/base/index.ts'
import type { Epoch, FibWriter, GroupId, NextHopGroup, NextHopName } from '../core/fib/index.ts'
import { type Address, type Family, formatPrefix, type Prefix } from '../core/net/index.ts'
import type { ConnectionId } from '../core/session/index.ts'
import {
  type Endpoint,
  Speaker,
  type SpeakerConfig,
  type SpeakerEvent,
  type SpeakerNote,
  type SpeakerOutput,
} from '../core/speaker/index.ts'
import type { Network, StreamEnd, StreamEvents } from './network.ts'
import type { World } from './world.ts'

/**
 * A node of the world: the production speaker, with the network for its sockets and a map for its
 * FIB.
 */

/** Rows of table work a turn: small, so that turns and events interleave. */
const BUDGET = 64

/**
 * What a dataplane would hold: what the speaker said in this epoch, and what the kernel has of it
 * and of epochs before.
 */
export class FibRecord implements FibWriter {
  readonly groups = new Map<GroupId, { readonly hops: NextHopGroup; readonly metric: number }>()
  readonly routes = new Map<Prefix, GroupId>()
  /** next hops that the speaker wants to hear of, `fe80::1%eth0` where they have a link */
  readonly tracked = new Map<string, NextHopName>()
  epoch: Epoch | undefined
  synced: Epoch | undefined
  /** things said that contradict what was said before */
  readonly faults: string[] = []
  /** the kernel's routes with their next hops: those that are not said again go at in-sync */
  readonly kernel: Map<Prefix, string>
  /** routes that were said or taken back */
  told = 0

  /** @param kernel  what an earlier speaker left */
  constructor(kernel: ReadonlyMap<Prefix, string> = new Map()) {
    this.kernel = new Map(kernel)
  }

  begin(epoch: Epoch): void {
    this.epoch = epoch
    this.groups.clear()
    this.routes.clear()
    this.tracked.clear()
  }

  group(id: GroupId, hops: NextHopGroup, metric: number): void {
    const known = this.groups.get(id)
    if (known !== undefined && known.metric !== metric)
      this.faults.push(`group ${id} moves with another metric`)
    this.groups.set(id, { hops, metric })
    if (known === undefined) return
    for (const [prefix, group] of this.routes)
      if (group === id) this.kernel.set(prefix, this.hopsOf(prefix).join(' '))
  }

  dropGroup(id: GroupId): void {
    if ([...this.routes.values()].includes(id)) this.faults.push(`group ${id} has routes`)
    if (!this.groups.delete(id)) this.faults.push(`group ${id} was never named`)
  }

  route(family: Family, bytes: Uint8Array, offset: number, length: number, id: GroupId): void {
    if (!this.groups.has(id)) this.faults.push(`group ${id} is used before it is named`)
    const prefix = prefixAt(family, bytes, offset, length)
    this.routes.set(prefix, id)
    this.kernel.set(prefix, this.hopsOf(prefix).join(' '))
    this.told++
  }

  withdraw(family: Family, bytes: Uint8Array, offset: number, length: number): void {
    const prefix = prefixAt(family, bytes, offset, length)
    if (!this.routes.delete(prefix)) this.faults.push(`${prefix} was never said`)
    this.kernel.delete(prefix)
    this.told++
  }

  track(hop: NextHopName): void {
    if (this.tracked.has(nameOf(hop))) this.faults.push(`${nameOf(hop)} is tracked twice`)
    this.tracked.set(nameOf(hop), hop)
  }

  untrack(hop: NextHopName): void {
    if (!this.tracked.delete(nameOf(hop))) this.faults.push(`${nameOf(hop)} was never tracked`)
  }

  inSync(epoch: Epoch): void {
    if (epoch !== this.epoch) this.faults.push(`epoch ${epoch} is not the present one`)
    this.synced = epoch
    for (const prefix of this.kernel.keys())
      if (!this.routes.has(prefix)) this.kernel.delete(prefix)
  }

  /** The next hops of a prefix and its metric, as one text. */
  wayOf(prefix: Prefix): string {
    const { metric } = this.groups.get(this.routes.get(prefix) ?? NOWHERE) ?? {}
    return `${this.hopsOf(prefix).join(' ')} at ${metric}`
  }

  /** The next hops of a prefix, as text. */
  hopsOf(prefix: Prefix): readonly string[] {
    const id = this.routes.get(prefix)
    return id === undefined ? [] : (this.groups.get(id)?.hops ?? []).map(({ address }) => address)
  }
}

/** No group has this name. */
const NOWHERE = -1 as GroupId

const nameOf = ({ address, interface: link }: NextHopName): string =>
  link === undefined ? address : `${address}%${link}`

function prefixAt(family: Family, bytes: Uint8Array, offset: number, length: number): Prefix {
  const padded = new Uint8Array(family === 'ipv4' ? 4 : 16)
  padded.set(bytes.subarray(offset, offset + ((length + 7) >> 3)))
  return formatPrefix(padded, length)
}

/** A speaker that lives in the world. */
export class Node implements SpeakerOutput {
  readonly address: Address
  readonly port: number
  readonly notes: SpeakerNote[] = []
  fib = new FibRecord()
  speaker: Speaker
  readonly #world: World
  readonly #network: Network
  readonly #ends = new Map<ConnectionId, StreamEnd>()
  /** when a connection was last heard */
  readonly heard = new Map<ConnectionId, Millis>()
  #nextAccepted = 1
  /** a speaker has told a dataplane of this kernel something */
  #preserved = false
  /** rises when the node is killed: what was under way for the last life is not heard */
  #life = 0
  #alive = true
  #working = false
  #wakesAt: Millis = NEVER

  constructor(world: World, network: Network, address: Address, port = 179) {
    this.address = address
    this.port = port
    this.#world = world
    this.#network = network
    this.speaker = this.#newSpeaker()
    this.#listen()
  }

  /** False between `kill` and `restart`. */
  get alive(): boolean {
    return this.#alive
  }

  /** Tells the speaker something. */
  deliver(event: SpeakerEvent): void {
    this.speaker.handle(event, this.#world.now)
    this.#turn()
  }

  /** The node gets a configuration. */
  configure(config: SpeakerConfig): void {
    this.deliver({ type: 'Configure', config })
  }

  /** A dataplane attaches; it gives credit as it likes. */
  attachFib(credit = 1 << 20): void {
    this.deliver({ type: 'FibUp', preserved: this.#preserved })
    this.#preserved = true
    this.deliver({ type: 'FibCredit', routes: credit })
  }

  /** The process dies at once: nothing is said, the system resets its connections. */
  kill(): void {
    this.#life++
    this.#alive = false
    this.#network.vanish(this.address)
    this.#network.unlisten(this.address, this.port)
    this.#ends.clear()
    this.heard.clear()
    this.#working = false
    this.#wakesAt = NEVER
  }

  /**
   * A new process; it has no configuration yet. The kernel forwards as before, or, if the whole
   * machine went down, has forgotten everything.
   */
  restart({ rebooted = false }: { readonly rebooted?: boolean } = {}): void {
    this.#alive = true
    if (rebooted) this.#preserved = false
    this.fib = new FibRecord(rebooted ? new Map() : this.fib.kernel)
    this.speaker = this.#newSpeaker()
    this.#listen()
  }

  connect(connection: ConnectionId, endpoint: Endpoint): void {
    const life = this.#life
    const from = endpoint.localAddress ?? this.address
    this.#network.connect(from, endpoint.address, endpoint.port, {
      connected: end => {
        if (life !== this.#life) end.close()
        else {
          this.#ends.set(connection, end)
          this.#later(() => this.deliver({ type: 'Connected', connection, local: from }))
        }
        return this.#events(connection, life)
      },
      failed: why => {
        if (life === this.#life) this.deliver({ type: 'Failed', connection, why })
      },
    })
  }

  send(connection: ConnectionId, bytes: Uint8Array): void {
    this.#ends.get(connection)?.send(bytes)
  }

  close(connection: ConnectionId): void {
    this.#ends.get(connection)?.close()
    this.#ends.delete(connection)
  }

  pause(connection: ConnectionId): void {
    this.#ends.get(connection)?.pause(true)
  }

  resume(connection: ConnectionId): void {
    this.#ends.get(connection)?.pause(false)
  }

  note(note: SpeakerNote): void {
    this.notes.push(note)
  }

  #newSpeaker(): Speaker {
    const chance = new Prng(this.#world.chance.below(0x100000000))
    return new Speaker(this, { chance, fibDeferral: seconds(60) })
  }

  #listen(): void {
    this.#network.listen(this.address, this.port, {
      accept: (end, remote) => {
        const connection = this.#nextAccepted as ConnectionId
        this.#nextAccepted += 2
        this.#ends.set(connection, end)
        const local = this.address
        this.#later(() => this.deliver({ type: 'Accepted', connection, remote, local }))
        return this.#events(connection, this.#life)
      },
    })
  }

  #events(connection: ConnectionId, life: number): StreamEvents {
    const alive = (): boolean => life === this.#life && this.#ends.has(connection)
    return {
      received: bytes => {
        if (!alive()) return
        this.heard.set(connection, this.#world.now)
        this.deliver({ type: 'Received', connection, bytes })
      },
      closed: why => {
        if (!alive()) return
        this.#ends.delete(connection)
        this.deliver({ type: 'Closed', connection, why })
      },
      congested: full => {
        if (!alive()) return
        this.deliver({ type: full ? 'Blocked' : 'Unblocked', connection })
        this.deliver({ type: full ? 'Congested' : 'Drained', connection })
      },
    }
  }

  #later(run: () => void): void {
    const life = this.#life
    this.#world.after(0, () => {
      if (life === this.#life) run()
    })
  }

  /** As the loop of the shell: a slice of work, again while there is more, then sleep. */
  #turn(): void {
    if (this.#working) return
    this.#working = true
    this.#later(() => {
      this.#working = false
      if (this.speaker.work(BUDGET, this.#world.now)) this.#turn()
      else this.#sleep()
    })
  }

  #sleep(): void {
    const at = this.speaker.deadline()
    if (at === NEVER || (this.#wakesAt > this.#world.now && this.#wakesAt <= at)) return
    this.#wakesAt = at
    const life = this.#life
    this.#world.after(at - this.#world.now, () => {
      if (life !== this.#life || this.#wakesAt !== at) return
      this.#wakesAt = NEVER
      this.deliver({ type: 'Tick' })
    })
  }
}
