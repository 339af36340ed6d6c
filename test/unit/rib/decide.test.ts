import test from 'ava'
import fc from 'fast-check'
import {
  type AttributeColumns,
  type AttributeSetId,
  Candidates,
  decide,
  FACTS,
  isMultipath,
  lossOf,
  NONE,
  PEER_KINDS,
  PeerColumns,
  type PeerId,
  REASONS,
  TIE_RULE,
} from '../../../src/core/rib/index.ts'
import { type SlowPath, slowDecision } from '../../../src/sim/index.ts'

/** One path, as the columns hold it; what is left out is the same for all. */
interface Path {
  /** of which peer, by its number among the paths; absent: of a peer of its own */
  readonly of?: number
  readonly pathId?: number
  readonly stale?: boolean
  readonly metric?: number
  readonly kind?: number
  readonly localPref?: number
  readonly asPathLength?: number
  readonly origin?: number
  readonly med?: number
  readonly neighbourAs?: number
  readonly routerId?: number
  readonly originatorId?: number
  readonly clusterListLength?: number
  readonly rank?: number
}

/**
 * Columns of some paths, one set each, and the candidates in the given order. Sources are taken in
 * that order too: which slot of a peer a path is in depends on when it came.
 */
function columnsOf(paths: readonly Path[], order: readonly number[]) {
  const peers = new PeerColumns()
  const column = (of: (path: Path) => number | undefined): Uint32Array =>
    Uint32Array.from(paths, path => of(path) ?? 0)
  const sets: AttributeColumns = {
    localPref: column(({ localPref = 100 }) => localPref),
    asPathLength: Uint16Array.from(paths, ({ asPathLength = 0 }) => asPathLength),
    origin: Uint8Array.from(paths, ({ origin = 0 }) => origin),
    med: column(({ med }) => med),
    neighbourAs: column(({ neighbourAs }) => neighbourAs),
    originatorId: column(({ originatorId }) => originatorId),
    clusterListLength: Uint16Array.from(paths, path => path.clusterListLength ?? 0),
    facts: Uint16Array.from(
      paths,
      path => (path.originatorId ? FACTS.HAS_ORIGINATOR : 0) | (path.stale ? FACTS.LLGR_STALE : 0),
    ),
    nextHop: Int32Array.from(inOrder(paths)),
  }
  const nextHops = { metric: paths.map(({ metric = 0 }) => metric) }
  const candidates = new Candidates()
  const known = new Map<number, PeerId>()
  for (const at of order) {
    const path = paths[at]!
    const owner = path.of ?? at
    const peer = known.get(owner)
    const source = peer === undefined ? peers.take() : peers.takeSlot(peer)
    if (source === undefined) throw new Error('there is room for a few peers')
    if (peer === undefined) {
      known.set(owner, source)
      const { kind = PEER_KINDS.EXTERNAL, routerId = 1, rank = owner + 1 } = paths[owner]!
      peers.kind[source] = kind
      peers.routerId[source] = routerId
      peers.rank[source] = rank
    }
    candidates.add(source, at as AttributeSetId, path.pathId ?? NONE)
  }
  return { columns: { sets, peers, nextHops }, candidates }
}

const inOrder = (paths: readonly Path[]): number[] => paths.map((_, at) => at)

/** The number of the best path, and by which rule each other lost. */
function outcome(paths: readonly Path[], order: readonly number[] = inOrder(paths)) {
  const { columns, candidates } = columnsOf(paths, order)
  const best = decide(columns, candidates)
  const losses = new Map<number, number>()
  for (const [at, path] of order.entries()) losses.set(path, lossOf(columns, candidates, best, at))
  const multipath = order.filter((_, at) => isMultipath(columns, candidates, best, at)).sort()
  return {
    best: best < 0 ? -1 : order[best]!,
    losses: paths.map((_, at) => losses.get(at)),
    multipath,
  }
}

const INTERNAL = PEER_KINDS.INTERNAL

const loses = test.macro({
  exec: (t, rule: number, winner: Path, loser: Path) => {
    for (const paths of [
      [winner, loser],
      [loser, winner],
    ]) {
      const { best, losses } = outcome(paths)
      t.is(paths[best], winner)
      t.is(losses[1 - best], rule)
      t.truthy(REASONS[rule])
    }
  },
  title: (title, rule: number) => title ?? `rule ${rule}: a path loses for "${REASONS[rule]}"`,
})

test(loses, 1, { kind: PEER_KINDS.LOCAL, localPref: 1 }, { localPref: 1000 })
test(loses, 2, { localPref: 100 }, { stale: true, localPref: 200 })
test(loses, 3, { localPref: 200, asPathLength: 9 }, { localPref: 100 })
test(loses, 4, { asPathLength: 1, origin: 2 }, { asPathLength: 2 })
test(loses, 5, { origin: 0, med: 9 }, { origin: 1 })
test(loses, 6, { med: 1, neighbourAs: 7, kind: INTERNAL }, { med: 2, neighbourAs: 7 })
test(loses, 7, { metric: 9, routerId: 9 }, { kind: INTERNAL, routerId: 1 })
test(loses, 8, { metric: 1, routerId: 9 }, { metric: 2, routerId: 1 })
test(loses, 9, { routerId: 1, clusterListLength: 3 }, { routerId: 2 })
test(
  'rule 9: ORIGINATOR_ID stands for the router id',
  loses,
  9,
  { originatorId: 1, routerId: 9 },
  { routerId: 2 },
)
test(loses, 10, { clusterListLength: 0, rank: 9 }, { clusterListLength: 1, rank: 1 })
test(loses, 11, { rank: 1 }, { rank: 2 })
test(loses, 12, { of: 0, pathId: 7 }, { of: 0, pathId: 4_000_000_000 })

test('MED of another neighbouring AS is not compared', t => {
  const { best, losses } = outcome([
    { med: 100, neighbourAs: 1, routerId: 1 },
    { med: 1, neighbourAs: 2, routerId: 2 },
  ])
  t.is(best, 0)
  t.deepEqual(losses, [0, 9])
})

test('a path that beats all by router id still loses to a lower MED of its own AS', t => {
  // the classic case in which comparing in pairs depends on the order
  const paths: Path[] = [
    { med: 10, neighbourAs: 1, routerId: 1 },
    { med: 0, neighbourAs: 2, routerId: 2 },
    { med: 5, neighbourAs: 1, routerId: 3 },
  ]
  for (const order of permutations(inOrder(paths))) t.is(outcome(paths, order).best, 1)
})

test('no path, no best path', t => {
  t.is(outcome([]).best, -1)
})

test('all orders of six paths give one result, the one that RFC 4271 describes', t => {
  const orders = permutations([0, 1, 2, 3, 4, 5])
  t.is(orders.length, 720)
  fc.assert(
    fc.property(fc.array(pathArbitrary(), { minLength: 6, maxLength: 6 }), generated => {
      const paths = owned(generated)
      const first = outcome(paths)
      return (
        first.best === slow(paths) &&
        orders.every(order => {
          const { best, losses, multipath } = outcome(paths, order)
          return (
            best === first.best &&
            losses.join() === first.losses.join() &&
            multipath.join() === first.multipath.join()
          )
        })
      )
    }),
    { numRuns: 20 },
  )
})

test('any number of paths gives the result that RFC 4271 describes', t => {
  fc.assert(
    fc.property(fc.array(pathArbitrary(), { maxLength: 30 }), generated => {
      const paths = owned(generated)
      return outcome(paths).best === slow(paths)
    }),
    { numRuns: 500 },
  )
  t.pass()
})

test('paths used beside the best differ from it by a tie-break only', t => {
  fc.assert(
    fc.property(fc.array(pathArbitrary(), { minLength: 1, maxLength: 8 }), generated => {
      const paths = owned(generated)
      const { best, losses, multipath } = outcome(paths)
      return multipath.every(
        at =>
          at === best ||
          ((losses[at] ?? 0) >= TIE_RULE && paths[at]!.localPref === paths[best]!.localPref),
      )
    }),
  )
  const equal = { asPathLength: 2 }
  t.deepEqual(
    outcome([{ ...equal, neighbourAs: 1 }, { ...equal, neighbourAs: 2 }, { asPathLength: 3 }])
      .multipath,
    [0, 1],
  )
  t.deepEqual(
    outcome([
      { neighbourAs: 1, med: 5 },
      { neighbourAs: 2, med: 0 },
      { neighbourAs: 1, med: 0 },
    ]).multipath,
    [1, 2],
    'what lost by MED in its own AS is not used',
  )
})

/** Values close together, so that every rule gets its turn. */
function pathArbitrary(): fc.Arbitrary<Path> {
  const few = fc.integer({ min: 1, max: 2 })
  return fc.record({
    of: fc.integer({ min: 0, max: 5 }),
    stale: fc.constantFrom(false, false, false, true),
    metric: fc.constantFrom(10, 10, 20),
    kind: fc.constantFrom(PEER_KINDS.EXTERNAL, PEER_KINDS.INTERNAL),
    localPref: fc.constantFrom(100, 100, 100, 200),
    asPathLength: fc.constantFrom(2, 2, 2, 3),
    origin: fc.constantFrom(0, 0, 0, 1),
    med: few,
    neighbourAs: few,
    routerId: few,
    originatorId: fc.constantFrom(0, 0, 1),
    clusterListLength: few,
  })
}

/**
 * Paths of three peers, and of peers of their own. Addresses of peers differ, identifiers
 * inside a peer, and what belongs to the peer is the same for all of its paths.
 */
const owned = (paths: readonly Path[]): Path[] =>
  paths.map((path, at) => {
    // 3 and more: of a peer of its own
    const first = paths.findIndex(other => other.of === path.of)
    const owner = (path.of ?? 3) < 3 ? first : at
    const { kind = PEER_KINDS.EXTERNAL, routerId = 1 } = paths[owner]!
    const pathId = (at * 0x9e3779b1) >>> 0
    return { ...path, of: owner, kind, routerId, pathId, rank: ((owner * 7) % 31) + 1 }
  })

function slow(paths: readonly Path[]): number {
  const all = paths.map(
    (path, at): SlowPath => ({
      peer: (at + 1) as PeerId,
      set: at as AttributeSetId,
      local: path.kind === PEER_KINDS.LOCAL,
      localPref: path.localPref ?? 100,
      asPathLength: path.asPathLength ?? 0,
      origin: path.origin ?? 0,
      med: path.med ?? 0,
      neighbourAs: path.neighbourAs ?? 0,
      stale: path.stale ?? false,
      metric: path.metric ?? 0,
      external: (path.kind ?? PEER_KINDS.EXTERNAL) === PEER_KINDS.EXTERNAL,
      identifier: path.originatorId ? path.originatorId : (path.routerId ?? 1),
      clusterListLength: path.clusterListLength ?? 0,
      rank: path.rank ?? at + 1,
      pathId: path.pathId ?? NONE,
    }),
  )
  return slowDecision(all)?.set ?? -1
}

function permutations(items: readonly number[]): number[][] {
  if (items.length <= 1) return [[...items]]
  return items.flatMap((item, at) =>
    permutations([...items.slice(0, at), ...items.slice(at + 1)]).map(rest => [item, ...rest]),
  )
}
