import { millis, Prng, seconds, Writer } from '../../src/core/base/index.ts'
import { type Address, type Asn, address, toAsn } from '../../src/core/net/index.ts'
import type { ConnectionId } from '../../src/core/session/index.ts'
import { type PeerConfig, Speaker, type SpeakerOutput } from '../../src/core/speaker/index.ts'
import {
  encodeAttributes,
  encodeKeepalive,
  encodeOpen,
  endOfRib,
  UpdateBuilder,
} from '../../src/core/wire/index.ts'

/**
 * How fast and how large: a full table in by one peer and out to another, through the speaker
 * alone.
 *
 *     node test/perf/ingest.ts [prefixes] [receivers] [senders]
 *
 * Prints times and memory; asserts nothing, since a machine that is busy proves nothing.
 */

const count = Number(process.argv[2] ?? 1_000_000)
const receivers = Number(process.argv[3] ?? 1)
const senders = Number(process.argv[4] ?? 1)

const LOCAL_AS = asn(65000)

function asn(value: number): Asn {
  const parsed = toAsn(value)
  if (parsed === undefined) throw new Error(`${value} is not an AS number`)
  return parsed
}

/** UPDATEs of a table that resembles the internet's: 5.3 prefixes a set, lengths mostly 24. */
function table(peerAs: number, nextHop: Address): Uint8Array[] {
  const chance = new Prng(42)
  const messages: Uint8Array[] = []
  const builder = new UpdateBuilder(4096)
  const writer = new Writer(4096)
  const bytes = new Uint8Array(4)
  const lengths = [24, 24, 24, 24, 24, 24, 23, 22, 22, 21, 20, 19, 18, 17, 16]
  let left = count
  for (let number = 0; left > 0; ) {
    writer.reset()
    const hops = 2 + chance.below(5)
    const asns = [peerAs, ...Array.from({ length: hops }, () => 1 + chance.below(400_000))]
    const communities = Array.from({ length: chance.below(5) }, () => chance.below(2 ** 31))
    encodeAttributes(
      {
        origin: 0,
        asPath: [{ type: 'sequence', asns }],
        nextHop,
        ...(communities.length > 0 && { communities }),
      },
      { fourOctetAs: true },
      writer,
    )
    builder.announce('ipv4', writer.bytes().slice(), new Uint8Array(0))
    const share = Math.min(left, 1 + chance.below(10))
    for (let each = 0; each < share; each++, number++) {
      const length = lengths[chance.below(lengths.length)]!
      // distinct /24s scattered over the address space; shorter ones may meet
      const network = (Math.imul(number, 0x9e3779b1) >>> 8) & 0xffffff
      bytes[0] = 1 + ((network >>> 16) % 222)
      bytes[1] = network >>> 8
      bytes[2] = network
      builder.add(bytes, 0, length)
    }
    left -= share
    messages.push(builder.finish())
  }
  messages.push(endOfRib('ipv4'))
  return messages
}

class Sink implements SpeakerOutput {
  octets = 0
  messages = 0
  routes = 0
  synced = false
  readonly fib = {
    begin: () => {},
    group: () => {},
    dropGroup: () => {},
    route: () => {
      this.routes++
    },
    withdraw: () => {},
    track: () => {},
    untrack: () => {},
    inSync: () => {
      this.synced = true
    },
  }
  connect(): void {}
  send(_connection: ConnectionId, bytes: Uint8Array): void {
    this.octets += bytes.length
    this.messages++
  }
  close(): void {}
  pause(): void {}
  resume(): void {}
  note(note: { code: string }): void {
    if (note.code !== 'SESSION_STATE' && note.code !== 'PEER_ADDED' && note.code !== 'SESSION_UP')
      console.log(note)
  }
}

const sink = new Sink()
const speaker = new Speaker(sink, { chance: new Prng(1) })
const now = millis(1)
const peer = (at: number, peerAs: Asn): PeerConfig => ({
  name: `p${at}`,
  address: address(`192.0.2.${at + 1}`),
  port: 179,
  peerAs,
  localAs: LOCAL_AS,
  passive: true,
  hold: seconds(90),
  connectRetry: seconds(5),
  families: ['ipv4'],
  routeReflectorClient: false,
  nextHop: 'auto',
  export: 'all',
})
const all = receivers + senders
speaker.handle(
  {
    type: 'Configure',
    config: {
      routerId: 0x0a000001,
      localAs: LOCAL_AS,
      multipathMax: 1,
      peers: Array.from({ length: all }, (_, at) => peer(at, asn(65001 + at))),
      originated: [],
      watched: [],
      watchedMax: 0,
    },
  },
  now,
)
if (process.env.FIB !== undefined) {
  speaker.handle({ type: 'FibUp', preserved: false }, now)
  speaker.handle({ type: 'FibCredit', routes: 1 << 28 }, now)
}
for (let at = 0; at < all; at++) {
  const connection = (2 * at + 1) as ConnectionId
  speaker.handle(
    {
      type: 'Accepted',
      connection,
      remote: address(`192.0.2.${at + 1}`),
      local: address('192.0.2.254'),
    },
    now,
  )
  const open = encodeOpen({
    type: 'OPEN',
    version: 4,
    asn: 65001 + at,
    holdSeconds: 90,
    routerId: 0x0a000010 + at,
    capabilities: [
      { type: 'multiprotocol', afi: 1, safi: 1 },
      { type: 'four-octet-as', asn: asn(65001 + at) },
    ],
  })
  for (const bytes of [open, encodeKeepalive()])
    speaker.handle({ type: 'Received', connection, bytes }, now)
}
while (speaker.work(1000, now)) {
  // until all is quiet
}
console.log(
  'sessions',
  speaker
    .snapshot(now)
    .sessions.map(({ state }) => state)
    .join(' '),
)
const feeds = Array.from({ length: senders }, (_, at) => {
  const from = receivers + at
  return {
    connection: (2 * from + 1) as ConnectionId,
    messages: table(65001 + from, address(`192.0.2.${from + 1}`)),
    next: 0,
  }
})
const total = feeds.reduce((sum, { messages }) => sum + messages.length, 0)
globalThis.gc?.()
const rss = (): number => Math.round(process.memoryUsage.rss() / 1e6)
const before = rss()
console.log('UPDATEs', total, 'RSS before', before, 'MB')
const chunk = new Writer(65_536)
const cpu = process.cpuUsage()
const start = performance.now()
let busy = true
while (busy) {
  busy = false
  for (const feed of feeds) {
    chunk.reset()
    while (feed.next < feed.messages.length && chunk.length < 60_000)
      chunk.put(feed.messages[feed.next++]!)
    if (chunk.length === 0) continue
    busy = true
    const bytes = chunk.bytes()
    speaker.handle({ type: 'Received', connection: feed.connection, bytes }, now)
  }
  // the queue is drained before more is read, as back-pressure would
  while (speaker.work(1000, now)) {
    // a slice
  }
}
const took = performance.now() - start
const used = process.cpuUsage(cpu)
console.log(`CPU ${((used.user + used.system) / 1000).toFixed(0)} ms`)
const { ipv4 } = speaker.tables.locRibs
console.log(
  `${ipv4.destinations} destinations, ${ipv4.paths} paths, ${speaker.tables.sets.size} sets`,
)
console.log(`in and out: ${took.toFixed(0)} ms; ${sink.messages} messages, ${sink.octets} octets`)
console.log(`FIB routes ${sink.routes} in sync ${sink.synced}`)
globalThis.gc?.()
console.log(
  `RSS ${rss()} MB, grown by ${rss() - before}; tables ${(speaker.tables.bytes / 1e6).toFixed(1)}`,
)
const memory = process.memoryUsage()
console.log(
  `heap ${Math.round(memory.heapUsed / 1e6)} array buffers ${Math.round(memory.arrayBuffers / 1e6)}`,
)
const snapshotStart = performance.now()
speaker.snapshot(now)
console.log(`snapshot ${(performance.now() - snapshotStart).toFixed(1)} ms`)
const downStart = performance.now()
for (const { connection } of feeds)
  speaker.handle({ type: 'Closed', connection, why: 'reset' }, now)
const handled = performance.now() - downStart
while (speaker.work(1000, now)) {
  // a slice
}
console.log(
  `senders gone: ${handled.toFixed(2)} ms to take note, ${(performance.now() - downStart).toFixed(0)} ms of work; ` +
    `${ipv4.prefixes.size} prefixes, ${speaker.tables.sets.size} sets left`,
)
