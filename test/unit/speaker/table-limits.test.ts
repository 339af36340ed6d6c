/** What happens where a table of the speaker has all that it may have. docs/LIMITS.md */
import test from 'ava'
import { address, prefix } from '../../../src/core/net/index.ts'
import {
  MULTIPATH_LIMIT_MAX,
  NextHops,
  PATHS_PER_PEER_MAX,
  PeerColumns,
  SEND_PATHS_MAX,
} from '../../../src/core/rib/index.ts'
import { LINKS_MAX } from '../../../src/core/rib/links.ts'
import { SLOTS_MAX } from '../../../src/core/rib/rows.ts'
import { PASSED_ON_MAX, ThirdParties } from '../../../src/core/speaker/export/next-hop.ts'
import { checkDecisions, checkReferences } from '../../../src/sim/index.ts'
import { Bench } from './bench.ts'

const P = prefix('10.1.0.0/16')

test('a route has MULTIPATH_LIMIT_MAX next hops at most, whatever is configured', t => {
  const bench = new Bench()
  const peers = Array.from({ length: MULTIPATH_LIMIT_MAX + 6 }, (_, at) =>
    bench.peer(`peer-${at}`, 65001 + at),
  )
  bench.configure({ multipathMax: 1000 })
  bench.deliver({ type: 'FibUp', preserved: false })
  bench.deliver({ type: 'FibCredit', routes: 10_000 })
  for (const peer of peers) peer.up().announce({}, P)
  t.is(bench.fib.hopsOf(P).length, MULTIPATH_LIMIT_MAX)
  // one of those used goes: one of those left out takes its place
  peers[0]!.down()
  const hops = bench.fib.hopsOf(P)
  t.is(hops.length, MULTIPATH_LIMIT_MAX)
  t.false(hops.includes(peers[0]!.config.address))
  t.deepEqual([...checkDecisions(bench), ...checkReferences(bench)], [])
})

test('a peer is sent SEND_PATHS_MAX paths of a prefix at most, whatever is configured', t => {
  const bench = new Bench()
  const takes = { options: { addPath: { receive: true, send: false } } }
  const from = [0, 1].map(at => bench.peer(`from-${at}`, 65001 + at, takes))
  const to = bench.peer('to', 65009, {
    options: { addPath: { receive: false, send: true } },
    sendPaths: { which: 'all', most: 1000 },
  })
  bench.configure()
  for (const peer of from) peer.up({ addPath: { send: true } })
  to.up({ addPath: { receive: true } })
  to.news()
  for (const peer of from)
    for (let path = 1; path <= 20; path++)
      peer.announcePath(path, { nextHop: address(`203.0.113.${path}`) }, P)
  const { id } = bench.speaker.peer('to')!
  t.is(bench.speaker.exports.ipv4.advertised(id), SEND_PATHS_MAX)
})

test('peers have SLOTS_MAX slots together; who goes leaves its slots to others', t => {
  const peers = new PeerColumns()
  const ids = Array.from({ length: Math.ceil(SLOTS_MAX / (PATHS_PER_PEER_MAX - 1)) }, () =>
    peers.take(),
  )
  let slots = 0
  for (const id of ids) while (peers.takeSlot(id!) !== undefined) slots++
  t.is(slots, SLOTS_MAX)
  const last = ids.at(-1)!
  const others = peers.sourcesOf(last).length
  t.true(others < PATHS_PER_PEER_MAX, 'it is not its own limit that the last one met')
  peers.free(ids[0]!)
  t.not(peers.takeSlot(last), undefined)
  t.is(peers.sourcesOf(last).length, others + 1)
})

test('a group passes PASSED_ON_MAX third-party next hops on, and no further one', t => {
  const parties = new ThirdParties(prefix('10.0.0.0/8'), () => undefined)
  const hop = (at: number) => address(`10.0.${at >> 8}.${at & 255}`)
  for (let at = 0; at < PASSED_ON_MAX; at++) t.true(parties.passOn(hop(at)))
  t.false(parties.passOn(hop(PASSED_ON_MAX)))
  t.true(parties.passOn(hop(0)), 'those that are remembered stay')
  t.false(parties.mayTell(hop(0)))
  t.true(parties.mayTell(hop(PASSED_ON_MAX)))
})

test('LINKS_MAX links have a number; link-local next hops on a further one are not used', t => {
  const hops = new NextHops()
  for (let at = 1; at <= LINKS_MAX; at++) if (hops.link(`eth${at}`) !== at) t.fail(`eth${at}`)
  t.is(hops.link('one-more'), 0)
  t.is(hops.link(`eth${LINKS_MAX}`), LINKS_MAX, 'those that have one keep it')
  const local = [0xfe, 0x80, ...Array(13).fill(0), 1]
  const on = (link: number) => hops.hold(Uint8Array.of(...local, link >> 8, link), 0, 18)
  t.is(hops.eligible[on(LINKS_MAX)], 1)
  const lost = hops.hold(Uint8Array.from(local), 0, 16)
  t.is(hops.eligible[lost], 0)
})
