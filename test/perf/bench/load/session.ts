/**
 * The load generator's end of a BGP session: an OPEN, KEEPALIVEs, octets made before, and a count of the prefixes that
 * come back. It is no BGP implementation: it believes what it reads, and looks at no attribute.
 */
import { Socket } from 'node:net'
import { seconds } from '../../../../src/core/base/index.ts'
import type { Address, Family } from '../../../../src/core/net/index.ts'
import {
  encodeKeepalive,
  encodeOpen,
  encodeRouteRefresh,
  endOfRib,
} from '../../../../src/core/wire/index.ts'
import { asNumber, placeOf } from './traffic.ts'

const HEADER_OCTETS = 19
const [OPEN, UPDATE, NOTIFICATION, KEEPALIVE] = [1, 2, 3, 4]
const MP_REACH_NLRI = 14
const MP_UNREACH_NLRI = 15
const READ_OCTETS = 1 << 18
const RETRY_MS = 50
/** A connection that a full listener's queue has lost looks open, and is not. */
const ESTABLISH_MS = 3_000

/** All sessions read into one buffer, behind what is left of a message. */
const buffer = Buffer.allocUnsafe(READ_OCTETS)

/** How a session is spoken. */
export interface SessionSettings {
  readonly local: Address
  readonly remote: Address
  readonly port: number
  readonly asn: number
  readonly routerId: number
  readonly family: Family
  readonly holdSeconds: number
  /** it has nothing to announce, and says so: a daemon may wait for that */
  readonly listens: boolean
  /** places of prefixes that may come, from `first` on: a bit for each */
  readonly places: { readonly first: number; readonly count: number }
}

/** What a session tells. Called from inside a read: time is the time of that read. */
export interface Listener {
  established?(session: BenchSession): void
  /** an UPDATE came; the counts are up to date */
  updated?(session: BenchSession): void
  keepalive?(session: BenchSession, at: number): void
}

/** One session with the daemon under test. */
export class BenchSession {
  readonly index: number
  /** prefixes that are there: each counts once */
  prefixes = 0
  /** prefixes that were announced or withdrawn, each time */
  announced = 0
  withdrawn = 0
  octets = 0
  messages = 0
  /** when the last UPDATE came */
  lastUpdate = 0
  established = false
  listener: Listener = {}
  readonly #settings: SessionSettings
  readonly #seen: Uint8Array
  #left = Buffer.alloc(0)
  #socket: Socket | undefined
  #keepalives: NodeJS.Timeout | undefined
  #closed = false

  constructor(index: number, settings: SessionSettings) {
    this.index = index
    this.#settings = settings
    this.#seen = new Uint8Array(settings.places.count >> 3)
  }

  /** Connects, and again where nobody listens yet. Resolves when the session is Established. */
  connect(deadline: number): Promise<void> {
    return new Promise((resolve, reject) => this.#attempt(deadline, resolve, reject))
  }

  send(octets: Uint8Array): void {
    this.#socket?.write(octets)
  }

  /** Octets that are not in the kernel yet. */
  get unsent(): number {
    return this.#socket?.writableLength ?? 0
  }

  /** Asks for all routes again. RFC 2918 */
  refresh(): void {
    this.send(
      encodeRouteRefresh({ type: 'ROUTE-REFRESH', ...AFI_SAFI[this.#settings.family], subtype: 0 }),
    )
  }

  /** Forgets which prefixes were announced, so that they are counted again. */
  forget(): void {
    this.#seen.fill(0)
    this.prefixes = 0
    this.announced = 0
    this.withdrawn = 0
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#keepalives)
    this.#socket?.destroy()
  }

  #attempt(deadline: number, resolve: () => void, reject: (why: Error) => void): void {
    const { local, remote, port } = this.#settings
    const socket = new Socket({
      onread: {
        buffer,
        callback: octets => {
          this.#read(buffer.subarray(0, octets), resolve)
          return true
        },
      },
    })
    this.#socket = socket
    this.#left = Buffer.alloc(0)
    socket.setNoDelay(true)
    socket.on('connect', () => this.#open())
    socket.on('error', () => {})
    const timer = setTimeout(() => {
      if (!this.established) socket.destroy()
    }, ESTABLISH_MS)
    socket.on('close', () => {
      clearTimeout(timer)
      clearInterval(this.#keepalives)
      if (this.#closed) return
      if (this.established)
        throw new Error(`session ${this.index} (${local}) was closed by the daemon`)
      if (performance.now() > deadline)
        reject(new Error(`session ${this.index} (${local}) does not come up`))
      else setTimeout(() => this.#attempt(deadline, resolve, reject), RETRY_MS)
    })
    socket.connect({ host: remote, port, localAddress: local })
  }

  #open(): void {
    const { asn, family, holdSeconds, routerId } = this.#settings
    this.send(
      encodeOpen({
        type: 'OPEN',
        version: 4,
        asn,
        holdSeconds,
        routerId,
        capabilities: [
          { type: 'multiprotocol', ...AFI_SAFI[family] },
          { type: 'route-refresh' },
          { type: 'four-octet-as', asn: asNumber(asn) },
        ],
      }),
    )
  }

  #read(chunk: Buffer, established: () => void): void {
    this.octets += chunk.length
    const bytes = this.#left.length === 0 ? chunk : Buffer.concat([this.#left, chunk])
    let at = 0
    let updated = false
    while (bytes.length - at >= HEADER_OCTETS) {
      const length = ((bytes[at + 16] ?? 0) << 8) | (bytes[at + 17] ?? 0)
      if (bytes.length - at < length) break
      const type = bytes[at + 18]
      this.messages++
      if (type === UPDATE) {
        this.#update(bytes, at + HEADER_OCTETS, at + length)
        updated = true
      } else if (type === OPEN) this.send(encodeKeepalive())
      else if (type === KEEPALIVE) this.#keepalive(established)
      else if (type === NOTIFICATION) {
        const [code, subcode] = [bytes[at + 19], bytes[at + 20]]
        if (this.established)
          throw new Error(`session ${this.index}: NOTIFICATION ${code}/${subcode}`)
      }
      at += length
    }
    this.#left = at === bytes.length ? EMPTY : Buffer.from(bytes.subarray(at))
    if (!updated) return
    this.lastUpdate = performance.now()
    this.listener.updated?.(this)
  }

  #keepalive(established: () => void): void {
    this.listener.keepalive?.(this, performance.now())
    if (this.established) return
    this.established = true
    if (this.#settings.listens) this.send(endOfRib(this.#settings.family))
    const every = seconds(Math.max(1, this.#settings.holdSeconds / 3))
    if (this.#settings.holdSeconds > 0)
      this.#keepalives = setInterval(() => this.send(encodeKeepalive()), every)
    this.listener.established?.(this)
    established()
  }

  #update(bytes: Uint8Array, from: number, to: number): void {
    const withdrawnEnd = from + 2 + word(bytes, from)
    const attributesEnd = withdrawnEnd + 2 + word(bytes, withdrawnEnd)
    this.#routes(bytes, from + 2, withdrawnEnd, 0, false)
    this.#routes(bytes, attributesEnd, to, 0, true)
    if (this.#settings.family === 'ipv6')
      this.#multiprotocol(bytes, withdrawnEnd + 2, attributesEnd)
  }

  #multiprotocol(bytes: Uint8Array, from: number, to: number): void {
    for (let at = from; at < to; ) {
      const extended = ((bytes[at] ?? 0) & 0x10) !== 0
      const code = bytes[at + 1]
      const length = extended ? word(bytes, at + 2) : (bytes[at + 2] ?? 0)
      at += extended ? 4 : 3
      if (code === MP_REACH_NLRI)
        this.#routes(bytes, at + 5 + (bytes[at + 3] ?? 0), at + length, 1, true)
      else if (code === MP_UNREACH_NLRI) this.#routes(bytes, at + 3, at + length, 1, false)
      at += length
    }
  }

  /** The hot loop. `skip`: octets before a prefix's number; with one it is IPv6, and 24 bits longer than IPv4's. */
  #routes(bytes: Uint8Array, from: number, to: number, skip: number, there: boolean): void {
    const seen = this.#seen
    const { first: base } = this.#settings.places
    let changed = 0
    let count = 0
    for (let at = from; at < to; count++) {
      const length = bytes[at] ?? 0
      const first = at + 1 + skip
      at += 1 + ((length + 7) >>> 3)
      const number =
        ((bytes[first] ?? 0) << 16) |
        (first + 1 < at ? (bytes[first + 1] ?? 0) << 8 : 0) |
        (first + 2 < at ? (bytes[first + 2] ?? 0) : 0)
      const place = placeOf(number, length - 24 * skip) - base
      const bit = 1 << (place & 7)
      const old = seen[place >>> 3] ?? 0
      if (((old & bit) !== 0) === there) continue
      seen[place >>> 3] = old ^ bit
      changed++
    }
    if (there) {
      this.prefixes += changed
      this.announced += count
    } else {
      this.prefixes -= changed
      this.withdrawn += count
    }
  }
}

const EMPTY = Buffer.alloc(0)

const AFI_SAFI = { ipv4: { afi: 1, safi: 1 }, ipv6: { afi: 2, safi: 1 } } as const

const word = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
