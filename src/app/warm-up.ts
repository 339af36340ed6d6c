import { millis, Prng, seconds, Writer } from '../core/base/index.ts'
import { type Address, type Asn, address, type Family, toAsn } from '../core/net/index.ts'
import type { ConnectionId } from '../core/session/index.ts'
import { type PeerConfig, Speaker, type SpeakerOutput } from '../core/speaker/index.ts'
import {
  encodeAttributes,
  encodeKeepalive,
  encodeOpen,
  endOfRib,
  UpdateBuilder,
} from '../core/wire/index.ts'

/**
 * A speaker that nobody hears takes in a table, sends it on and forgets it, before the first peer
 * is there: the runtime compiles what is called often, and a real table would otherwise be three
 * times as slow for its first hundred thousand routes, which is when a node has just started and
 * everybody waits for it.
 */

/** Prefixes of a table, of each family, and how often it is said. */
const PREFIXES: Readonly<Record<Family, number>> = { ipv4: 8_000, ipv6: 3_000 }
const ROUNDS = 2

/**
 * Speakers, one after another. What the runtime has compiled for the only one that it knows counts
 * on there being no other, and would be thrown away when the speaker of this process has its turn.
 */
const LIVES = 3

/** UPDATEs that are handed in at a time, and rows of a slice: both are over in milliseconds. */
const UPDATES = 100
const BUDGET = 500

/**
 * Does the exercise, a few milliseconds at a time. Costs a quarter of a second, and twice as much
 * in the threads of the runtime's compilers, and memory that is free again afterwards.
 *
 * @param pause  resolves when others have had their turn; false where there is to be an end of it
 */
export async function warmUp(pause: () => Promise<boolean>): Promise<void> {
  for (let life = 0; life < LIVES; life++) if (!(await live(pause))) return
}

/** The life of one speaker; false where it was to end. */
async function live(pause: () => Promise<boolean>): Promise<boolean> {
  const now = millis(1)
  const speaker = new Speaker(NOBODY, { chance: new Prng(1) })
  const peers = [0, 1].map(peerOf)
  speaker.handle({ type: 'Configure', config: { ...NODE, peers } }, now)
  for (const [at, peer] of peers.entries()) {
    const connection = connectionOf(at)
    speaker.handle({ type: 'Accepted', connection, remote: peer.address, local: LOCAL }, now)
    for (const bytes of [openOf(peer.peerAs, at), encodeKeepalive()])
      speaker.handle({ type: 'Received', connection, bytes }, now)
  }
  const connection = connectionOf(0)
  for (const bytes of whatIsSaid()) {
    speaker.handle({ type: 'Received', connection, bytes }, now)
    while (speaker.work(BUDGET, now)) if (!(await pause())) return false
  }
  for (const at of peers.keys())
    speaker.handle({ type: 'Closed', connection: connectionOf(at), why: 'the end' }, now)
  while (speaker.work(BUDGET, now)) if (!(await pause())) return false
  return true
}

const connectionOf = (peer: number): ConnectionId => (2 * peer + 1) as ConnectionId

const asnOf = (value: number): Asn => toAsn(value) ?? LOCAL_AS

const LOCAL_AS = 64_512 as Asn
const LOCAL = address('192.0.2.254')

const NODE = {
  routerId: 0xc00002fe,
  localAs: LOCAL_AS,
  multipathMax: 16,
  originated: [],
  watched: [],
  watchedMax: 0,
}

const peerOf = (at: number): PeerConfig => ({
  name: `warm-up-${at}`,
  address: address(`192.0.2.${at + 1}`),
  port: 179,
  peerAs: asnOf(64_513 + at),
  localAs: LOCAL_AS,
  passive: true,
  hold: seconds(90),
  connectRetry: seconds(5),
  families: ['ipv4', 'ipv6'],
  routeReflectorClient: false,
  nextHop: 'auto',
  nextHopIpv6: address('2001:db8::254'),
  export: 'all',
})

const openOf = (asn: Asn, at: number): Uint8Array =>
  encodeOpen({
    type: 'OPEN',
    version: 4,
    asn,
    holdSeconds: 90,
    routerId: 0xc0000201 + at,
    capabilities: [
      { type: 'multiprotocol', afi: 1, safi: 1 },
      { type: 'multiprotocol', afi: 2, safi: 1 },
      { type: 'four-octet-as', asn },
    ],
  })

const NEXT_HOP: Readonly<Record<Family, Address>> = {
  ipv4: address('192.0.2.1'),
  ipv6: address('2001:db8::1'),
}

/** Tables that come, are replaced, and go but for what is left when the session ends. */
function* whatIsSaid(): Generator<Uint8Array> {
  for (let round = 0; round < ROUNDS; round++)
    for (const family of ['ipv4', 'ipv6'] as const) yield* tableOf(family, round)
  for (const family of ['ipv4', 'ipv6'] as const) yield* withdrawalsOf(family)
}

/** Pieces of a table: in the first round its routes are new, in the second others replace them. */
function* tableOf(family: Family, round: number): Generator<Uint8Array> {
  const chance = new Prng(round + 1)
  const builder = new UpdateBuilder(4096)
  const writer = new Writer(4096)
  const nextHop = new Uint8Array(family === 'ipv4' ? 0 : 16)
  nextHop.set([0x20, 0x01, 0x0d, 0xb8].slice(0, nextHop.length))
  let updates = 0
  for (let at = 0; at < PREFIXES[family]; ) {
    writer.reset()
    const asns = Array.from({ length: 3 + chance.below(4) }, () => asnOf(1 + chance.below(60_000)))
    const communities = Array.from({ length: chance.below(6) }, () => chance.below(2 ** 31))
    encodeAttributes(
      {
        origin: 0,
        asPath: [{ type: 'sequence', asns: [asnOf(64_513), ...asns] }],
        ...(family === 'ipv4' && { nextHop: NEXT_HOP.ipv4 }),
        ...(communities.length > 0 && { communities }),
      },
      { fourOctetAs: true },
      writer,
    )
    builder.announce(family, writer.bytes(), nextHop)
    for (const end = at + 1 + chance.below(10); at < end; at++) addPrefix(builder, family, at)
    builder.end()
    if (++updates % UPDATES === 0) yield taken(builder)
  }
  yield taken(builder)
  yield endOfRib(family)
}

/** Pieces of withdrawals: of most of the table. */
function* withdrawalsOf(family: Family): Generator<Uint8Array> {
  const builder = new UpdateBuilder(4096)
  builder.withdraw(family)
  for (let at = 0; at < (3 * PREFIXES[family]) / 4; at++) {
    if (addPrefix(builder, family, at)) continue
    yield builder.finish()
    addPrefix(builder, family, at)
  }
  yield builder.finish()
}

/** Adds the prefix of a number; false where the message is full. */
function addPrefix(builder: UpdateBuilder, family: Family, at: number): boolean {
  const number = Math.imul(at + 1, 0x9e3779b1)
  const octets = Uint8Array.of(0x20, number >>> 24, number >>> 16, number >>> 8)
  return builder.add(octets, 0, family === 'ipv4' ? 17 + (at % 8 === 0 ? at % 7 : 7) : 32)
}

function taken(builder: UpdateBuilder): Uint8Array {
  const pieces: Uint8Array[] = []
  builder.take(piece => pieces.push(piece))
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}

const nothing = (): void => {}

const NOBODY: SpeakerOutput = {
  connect: nothing,
  send: nothing,
  close: nothing,
  pause: nothing,
  resume: nothing,
  note: nothing,
  fib: {
    begin: nothing,
    group: nothing,
    dropGroup: nothing,
    route: nothing,
    withdraw: nothing,
    track: nothing,
    untrack: nothing,
    inSync: nothing,
  },
}
