/**
 * A peer that means no good, in a process of its own: `node hostile-peer.ts WAY ADDRESS AS COUNT`. Each way spends what
 * a speaker has; what came of it is one line of JSON. A way that has two parts waits for a line between them.
 */
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { Writer } from '../../../src/core/base/index.ts'
import { address, toAsn } from '../../../src/core/net/index.ts'
import {
  CEASE,
  cease,
  EXTENDED_MESSAGE_MAX,
  encodeAttributes,
  encodeKeepalive,
  encodeNotification,
  encodeOpen,
  encodeRouteRefresh,
  Framer,
  MESSAGE_TYPES,
  UpdateBuilder,
} from '../../../src/core/wire/index.ts'

const SPEAKER = '10.89.0.1'
const HOLD_SECONDS = 9

const [way = '', from = '', as = '', count = '0'] = process.argv.slice(2)
const asn = toAsn(Number(as))
const most = Number(count)
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

const say = (what: object): void => {
  process.stdout.write(`${JSON.stringify(what)}\n`)
}

const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

const OPEN = (): Uint8Array =>
  encodeOpen({
    type: 'OPEN',
    version: 4,
    asn: 23456,
    holdSeconds: HOLD_SECONDS,
    routerId: 0x0a590000 + (Number(as) & 0xffff),
    capabilities: [
      { type: 'multiprotocol', afi: 1, safi: 1 },
      { type: 'route-refresh' },
      { type: 'extended-message' },
      ...(asn === undefined ? [] : [{ type: 'four-octet-as' as const, asn }]),
    ],
  })

/** One connection, which says OPEN and KEEPALIVE, and counts what it hears. */
class Connection {
  readonly socket: Socket
  readonly heard = { updates: 0, octets: 0, keepalives: 0, notifications: 0 }
  closed = false
  readonly #framer = new Framer(EXTENDED_MESSAGE_MAX)

  constructor(local: string) {
    this.socket = connect({ host: SPEAKER, port: 179, localAddress: local })
    this.socket.on('error', () => {})
    this.socket.on('close', () => {
      this.closed = true
    })
    this.socket.on('data', bytes => {
      this.heard.octets += bytes.length
      this.#framer.push(bytes, type => {
        if (type === MESSAGE_TYPES.UPDATE) this.heard.updates++
        if (type === MESSAGE_TYPES.KEEPALIVE) this.heard.keepalives++
        if (type === MESSAGE_TYPES.NOTIFICATION) this.heard.notifications++
        return true
      })
    })
  }

  /** Resolves when the kernel has taken it. */
  write(bytes: Uint8Array): Promise<void> {
    return new Promise(resolve => {
      if (this.closed) resolve()
      else this.socket.write(bytes, () => resolve())
    })
  }
}

/** A session that is Established; tried until it is. */
async function established(): Promise<Connection> {
  for (;;) {
    const connection = new Connection(from)
    await connection.write(OPEN())
    await connection.write(encodeKeepalive())
    while (!connection.closed && connection.heard.keepalives === 0) await pause(5)
    if (!connection.closed) return connection
    await pause(100)
  }
}

/** Says that it is there until it is closed. */
function beat(connection: Connection): void {
  const timer = setInterval(() => {
    if (connection.closed) clearInterval(timer)
    else void connection.write(encodeKeepalive())
  }, 2_000)
}

/** An UPDATE of one host, or its withdrawal: whose attributes are nobody else's, and end in `more`. */
function update(at: number, octets: number | undefined, more: readonly number[] = []): Uint8Array {
  const builder = new UpdateBuilder(EXTENDED_MESSAGE_MAX)
  if (octets === undefined) builder.withdraw('ipv4')
  else {
    const value = new Uint8Array(octets)
    new DataView(value.buffer).setUint32(0, at)
    const attributes = {
      origin: 0,
      asPath: [{ type: 'sequence', asns: [Number(as)] }],
      nextHop: address('10.89.0.3'),
      unknown: [{ flags: 0xc0, code: 99, value }],
    } as const
    const writer = new Writer(EXTENDED_MESSAGE_MAX)
    encodeAttributes(attributes, { fourOctetAs: true }, writer)
    for (const octet of more) writer.u8(octet)
    builder.announce('ipv4', writer.bytes(), new Uint8Array(0))
  }
  builder.add(Uint8Array.of(100, at >>> 16, at >>> 8, at), 0, 32)
  return builder.finish()
}

async function sayAll(connection: Connection, octets: number | undefined): Promise<void> {
  for (let at = 0; at < most && !connection.closed; at += 100) {
    const part = Array.from({ length: Math.min(100, most - at) }, (_, each) =>
      update(at + each, octets),
    )
    await connection.write(Buffer.concat(part))
  }
}

/**
 * Fewer than a listener's queue holds: what it has no room for looks connected from here, and is not taken before the
 * kernel's next attempt, seconds later.
 */
const AT_ONCE = 100

/** From `from`, as a peer there would; or, without an AS number, from an address of its own, as nobody would. */
function oneOfCrowd(at: number): Connection {
  const [a, b, c, d] = from.split('.').map(Number)
  const connection = new Connection(
    asn === undefined ? `${a}.${b}.${c! + (at >> 7)}.${d! + (at & 127)}` : from,
  )
  void connection.write(asn === undefined ? new Uint8Array(1).fill(0xff) : OPEN())
  return connection
}

const WAYS: Readonly<Record<string, () => Promise<object>>> = {
  /** behaves */
  good: async () => {
    const connection = await established()
    beat(connection)
    say(connection.heard)
    for await (const _line of lines) say({ ...connection.heard, closed: connection.closed })
    return {}
  },

  /** reads nothing from its first KEEPALIVE on, and is there */
  stall: async () => {
    const connection = await established()
    connection.socket.pause()
    beat(connection)
    say(connection.heard)
    await lines.next()
    return { ...connection.heard, closed: connection.closed }
  },

  /** says an octet a second: of an UPDATE, or of its OPEN */
  dribble: async () => {
    const connection = most === 0 ? new Connection(from) : await established()
    const begun = process.hrtime.bigint()
    const message = most === 0 ? OPEN() : update(0, 500)
    let octets = 0
    for (; octets < 60 && !connection.closed; octets++) {
      await connection.write(message.subarray(octets, octets + 1))
      for (let times = 0; times < 20 && !connection.closed; times++) await pause(50)
    }
    const seconds = Number((process.hrtime.bigint() - begun) / 1_000_000_000n)
    return { closed: connection.closed, seconds, ...connection.heard }
  },

  /** opens connections, as many at once as wait for a listener; each speaks, and none goes by itself */
  crowd: async () => {
    const all: Connection[] = []
    while (all.length < most) {
      const part = Array.from({ length: Math.min(AT_ONCE, most - all.length) }, (_, at) =>
        oneOfCrowd(all.length + at),
      )
      all.push(...part)
      while (!part.every(({ closed, heard }) => closed || heard.octets > 0)) await pause(5)
    }
    const left = (): number => all.filter(({ closed }) => !closed).length
    // who was told an OPEN may have made room for another since
    for (let quiet = 0, before = left(); quiet < 20; quiet = left() === before ? quiet + 1 : 0) {
      before = left()
      await pause(50)
    }
    return { left: left() }
  },

  /** routes with attributes of their own, and after a line none of them any more */
  attributes: async () => {
    const connection = await established()
    beat(connection)
    await sayAll(connection, 200)
    say({ said: most })
    await lines.next()
    await sayAll(connection, undefined)
    say({ withdrawn: most })
    await lines.next()
    return { closed: connection.closed }
  },

  /** longest messages, which are something else each time: of one host, and mostly wrong */
  long: async () => {
    const connection = await established()
    beat(connection)
    for (let at = 0; at < most && !connection.closed; at++) {
      // thousands of attributes without a value, of which each comes again and again
      const more = Array.from({ length: 21_000 }, (_, each) => [0xc0, 100 + ((each + at) % 97), 0])
      const message = update(0, 4, more.flat())
      await connection.write(message)
    }
    return { closed: connection.closed }
  },

  /** asks for all again, ten thousand times at a time, and reads what comes */
  refresh: async () => {
    const connection = await established()
    beat(connection)
    const one = encodeRouteRefresh({ type: 'ROUTE-REFRESH', afi: 1, safi: 1, subtype: 0 })
    const burst = Buffer.concat(Array.from({ length: 10_000 }, () => one))
    for (let at = 0; at < most && !connection.closed; at++) {
      await connection.write(burst)
      await pause(20)
    }
    // what comes, comes until it is quiet
    for (let last = -1; last !== connection.heard.updates; await pause(500))
      last = connection.heard.updates
    return { closed: connection.closed, ...connection.heard }
  },

  /** says and takes back the same routes */
  churn: async () => {
    const connection = await established()
    beat(connection)
    const all = Array.from({ length: 500 }, (_, at) => [update(at, 20), update(at, undefined)])
    const come = Buffer.concat(all.map(([one]) => one!))
    const go = Buffer.concat(all.map(([, one]) => one!))
    for (let at = 0; at < most && !connection.closed; at++) {
      await connection.write(come)
      await connection.write(go)
    }
    return { closed: connection.closed }
  },

  /** begins sessions, and ends each at once */
  sessions: async () => {
    for (let at = 0; at < most; at++) {
      const connection = await established()
      await connection.write(encodeNotification(cease(CEASE.ADMINISTRATIVE_RESET)))
      while (!connection.closed) await pause(1)
    }
    return { sessions: most }
  },
}

const result = await WAYS[way]?.()
say(result ?? { error: `no way "${way}"` })
process.exit(result === undefined ? 1 : 0)
