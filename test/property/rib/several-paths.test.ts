import test from 'ava'
import fc from 'fast-check'
import {
  type Address,
  address,
  type PrefixId,
  prefix,
  prefixParts,
} from '../../../src/core/net/index.ts'
import {
  type AttributeSetId,
  AttributeTable,
  LocRib,
  NextHops,
  NO_SET,
  newWalk,
  PATHS_PER_PEER_MAX,
  PEER_KINDS,
  PeerColumns,
  type PeerId,
} from '../../../src/core/rib/index.ts'

/** Several paths of a prefix from one peer, against a map of all of them. RFC 7911 */

const PREFIXES = ['10.0.0.0/8', '10.1.0.0/16', '192.0.2.0/24', '198.51.100.7/32'].map(prefix)
const PEERS = 3
const SETS = 4

/** A path as the slow twin has it. */
interface Path {
  readonly peer: number
  readonly row: number
  readonly identifier: number
  readonly set: number
  stale: boolean
}

/** A Loc-RIB with peers that are up, and sets of which a later one is better. */
function tables() {
  const nextHops = new NextHops()
  const peers = new PeerColumns()
  const sets = new AttributeTable({ seed: 1, nextHops, freed: () => {} })
  const locRib = new LocRib('ipv4', { sets, peers, nextHops }, 2)
  const numbers = Array.from({ length: PEERS }, (_, at): PeerId => {
    const peer = peers.take()
    if (peer === undefined) throw new Error('there is room for a few peers')
    peers.describe(peer, PEER_KINDS.EXTERNAL, 1)
    peers.order(peer, at + 1)
    locRib.adjRibIn(peer).live = true
    return peer
  })
  const known = Array.from({ length: SETS }, (_, at) =>
    sets.intern({ origin: 0, asPath: [], nextHop: hop(at), localPref: at }),
  )
  return { locRib, peers, sets, numbers, known }
}

const hop = (at: number): Address => address(`10.9.9.${at + 1}`)

const of = (count: number) => fc.integer({ min: 0, max: count - 1 })

const act = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record({
      act: fc.constant('announce' as const),
      peer: of(PEERS),
      row: of(PREFIXES.length),
      identifier: fc.constantFrom(0, 1, 2, 3, 0xffffffff),
      set: of(SETS),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      act: fc.constant('withdraw' as const),
      peer: of(PEERS),
      row: of(PREFIXES.length),
      identifier: fc.constantFrom(0, 1, 2, 3, 0xffffffff),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      act: fc.constantFrom('age' as const, 'renew' as const, 'sweep' as const, 'clear' as const),
      peer: of(PEERS),
    }),
  },
  { weight: 4, arbitrary: fc.constant({ act: 'decide' as const }) },
)

/** Takes the paths of a peer out as the sweeper does. */
function sweep(locRib: LocRib, peer: PeerId, what: 'all' | 'stale'): number {
  const walk = newWalk()
  const adj = locRib.adjRibIn(peer)
  let count = 0
  for (let source = adj.next(walk, what); source !== undefined; source = adj.next(walk, what)) {
    locRib.put(source, walk.row as PrefixId, NO_SET)
    count++
  }
  return count
}

test('paths by identifier agree with a map through restarts and sweeps, whatever slot each is in', t => {
  let several = 0
  let swept = 0
  fc.assert(
    fc.property(fc.array(act, { maxLength: 150, size: 'max' }), acts => {
      const { locRib, peers, numbers, known, sets } = tables()
      let paths: Path[] = []
      const rowOf = (at: number): PrefixId => {
        const { bytes, length } = prefixParts(PREFIXES[at]!)
        return locRib.add(bytes, 0, length)
      }
      const decide = (): void => {
        locRib.dropAll(locRib.decideDirty(Number.POSITIVE_INFINITY))
      }
      for (const each of acts) {
        if (each.act === 'decide') {
          decide()
          continue
        }
        const peer = numbers[each.peer]!
        const adj = locRib.adjRibIn(peer)
        const isSame = (path: Path): boolean =>
          path.peer === each.peer &&
          'identifier' in each &&
          path.row === each.row &&
          path.identifier === each.identifier
        switch (each.act) {
          case 'announce':
            locRib.putIdentified(peer, rowOf(each.row), each.identifier, known[each.set]!)
            paths = [...paths.filter(path => !isSame(path)), { ...each, stale: false }]
            break
          case 'withdraw':
            locRib.putIdentified(peer, rowOf(each.row), each.identifier, NO_SET)
            locRib.touch(rowOf(each.row))
            paths = paths.filter(path => !isSame(path))
            break
          case 'age':
          case 'renew':
            if (each.act === 'age') adj.age()
            else adj.renew()
            for (const path of paths) if (path.peer === each.peer) path.stale = each.act === 'age'
            break
          case 'sweep':
          case 'clear': {
            const goes = ({ peer, stale }: Path): boolean =>
              peer === each.peer && (each.act === 'clear' || stale)
            const count = sweep(locRib, peer, each.act === 'clear' ? 'all' : 'stale')
            if (count !== paths.filter(goes).length) return false
            swept += count
            paths = paths.filter(path => !goes(path))
            break
          }
          default:
            each satisfies never
        }
      }
      decide()
      for (const [at, number] of numbers.entries()) {
        const own = paths.filter(({ peer }) => peer === at)
        const { size, stale } = locRib.adjRibIn(number)
        if (size !== own.length || stale !== own.filter(path => path.stale).length) return false
        several += peers.sourcesOf(number).length - 1
      }
      if (locRib.paths !== paths.length) return false
      const best = new Map<number, number>()
      for (const [at] of PREFIXES.entries()) {
        const row = locRib.prefixes.findPrefix(PREFIXES[at]!)
        const here = paths.filter(path => path.row === at)
        if (here.length === 0) {
          if (row >= 0) return false
          continue
        }
        const seen: string[] = []
        locRib.pathsOf(row, (source, set) => {
          const owner = numbers.indexOf(peers.owner[source] as PeerId)
          seen.push(`${owner} ${locRib.source(source).identifier(row)} ${known.indexOf(set)}`)
        })
        const wanted = here.map(({ peer, identifier, set }) => `${peer} ${identifier} ${set}`)
        if (seen.sort().join() !== wanted.sort().join()) return false
        // the highest LOCAL_PREF, then the lowest address, then the lowest identifier
        const [first] = here.sort(
          (a, b) => b.set - a.set || a.peer - b.peer || a.identifier - b.identifier,
        )
        const from = locRib.from[row] as PeerId
        const owner = peers.owner[from] as PeerId
        if (
          known.indexOf(locRib.best[row] as AttributeSetId) !== first!.set ||
          owner !== numbers[first!.peer] ||
          locRib.source(from).identifier(row) !== first!.identifier
        )
          return false
        best.set(owner, (best.get(owner) ?? 0) + 1)
      }
      for (const number of numbers)
        if (locRib.bestCount(number) !== (best.get(number) ?? 0)) return false
      for (const number of numbers) sweep(locRib, number, 'all')
      decide()
      for (const set of known) sets.release(set)
      const tests = [locRib.paths, locRib.prefixes.size, sets.size]
      return tests.every(count => count === 0)
    }),
    { numRuns: 400 },
  )
  t.true(several > 100, 'slots were used')
  t.true(swept > 100, 'paths were swept')
})

test('a peer has so many paths of a prefix and no more, and a stale one makes room', t => {
  const { locRib, numbers, known } = tables()
  const { bytes, length } = prefixParts(PREFIXES[0]!)
  const row = locRib.add(bytes, 0, length)
  const [peer] = numbers
  for (let at = 0; at < PATHS_PER_PEER_MAX; at++)
    t.true(locRib.putIdentified(peer!, row, at, known[0]!))
  t.false(locRib.putIdentified(peer!, row, 1000, known[0]!))
  t.is(locRib.adjRibIn(peer!).size, PATHS_PER_PEER_MAX)
  t.true(locRib.putIdentified(peer!, row, 7, known[1]!), 'one that it has may change')
  locRib.adjRibIn(peer!).age()
  locRib.dropAll(locRib.decideDirty(1))
  t.true(locRib.putIdentified(peer!, row, 1000, known[0]!))
  t.is(locRib.dirty, 1, 'with the same attributes it is another path all the same')
  const { size, stale } = locRib.adjRibIn(peer!)
  t.deepEqual({ size, stale }, { size: PATHS_PER_PEER_MAX, stale: PATHS_PER_PEER_MAX - 1 })
})

test('numbers of a peer that went, and of its slots, are numbers of the next', t => {
  const { locRib, peers, numbers, known } = tables()
  const { bytes, length } = prefixParts(PREFIXES[0]!)
  const row = locRib.add(bytes, 0, length)
  const rows = peers.rows
  for (let round = 0; round < 5; round++) {
    const [gone] = numbers.splice(0, 1)
    for (let at = 0; at < 4; at++) locRib.putIdentified(gone!, row, at, known[at]!)
    t.is(peers.sourcesOf(gone!).length, 4)
    sweep(locRib, gone!, 'all')
    locRib.forget(gone!)
    peers.free(gone!)
    const next = peers.take()
    if (next === undefined) throw new Error('there is room for a few peers')
    numbers.push(next)
    t.deepEqual(peers.sourcesOf(next), [next])
    const adj = locRib.adjRibIn(next)
    t.deepEqual([adj.size, adj.stale, adj.live], [0, 0, false])
    t.is(peers.owner[next], next)
  }
  t.is(peers.rows, rows + 3)
})
