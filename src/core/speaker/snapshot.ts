import { type Millis, NEVER } from '../base/index.ts'
import {
  type Address,
  FAMILIES,
  type Family,
  familyOf,
  type Prefix,
  type PrefixId,
  prefixParts,
} from '../net/index.ts'
import {
  type AttributeSetId,
  LOCAL_PEER,
  LOOPS,
  type LocRib,
  lossOf,
  type NextHopId,
  NO_SET,
  NONE,
  type PeerId,
  REASONS,
} from '../rib/index.ts'
import {
  asPathText,
  type Capability,
  communityTexts,
  describeCapability,
  type Negotiated,
  type PathAttributes,
} from '../wire/index.ts'
import type { Exports } from './export/groups.ts'
import type { Limits } from './inbound/limits.ts'
import type { Peer } from './peer.ts'
import type { Tables } from './tables.ts'
import type {
  AttributesSnapshot,
  Listening,
  PathSnapshot,
  RouteSnapshot,
  SessionSnapshot,
  SpeakerConfig,
  SpeakerSnapshot,
} from './types.ts'

/**
 * What the speaker is and holds, for people: reads everything, changes nothing. What peers say may
 * be long, and must not be too long for the link to the controller.
 */

/** Octets of the paths of one snapshot or lookup, about; of the further ones nothing is said. */
export const PATHS_OCTETS_MAX = 6 << 20

/** What the link adds to the texts of a path, about. */
const PATH_OCTETS = 200

/** Capabilities of an OPEN that are told, and characters of each. */
const CAPABILITIES_TOLD_MAX = 32
const CAPABILITY_TEXT_MAX = 128

/** What a snapshot is taken of. */
export interface Subject {
  readonly config: SpeakerConfig
  /** in the order of the configuration */
  readonly peers: readonly Peer[]
  readonly byId: ReadonlyMap<PeerId, Peer>
  readonly tables: Tables
  readonly exports: Readonly<Record<Family, Exports>>
  readonly limits: Limits
  readonly listening: readonly Listening[]
}

/** The whole of it. O(peers + rows of the tables + routes listed). */
export function takeSnapshot(subject: Subject, version: number, at: Millis): SpeakerSnapshot {
  const { config, tables } = subject
  const { routes, total } = watchedRoutes(subject)
  return {
    version,
    at,
    routerId: config.routerId,
    localAs: config.localAs,
    listening: subject.listening,
    sessions: subject.peers.map(peer => sessionOf(peer, subject)),
    tables: FAMILIES.map(family => {
      const { destinations, paths } = tables.locRibs[family]
      return { family, destinations, paths }
    }),
    routes,
    routesTotal: total,
  }
}

/**
 * The route of a prefix, or the routes that an address takes: its longest match. Empty for none.
 */
export function lookUp(subject: Subject, target: Prefix | Address): readonly RouteSnapshot[] {
  const text: string = target
  if (text.includes('/')) {
    const prefix = target as Prefix
    const locRib = subject.tables.locRibs[prefixParts(prefix).family]
    const row = locRib.prefixes.findPrefix(prefix)
    return row < 0 ? [] : routesOf(subject, locRib, [row], roomForPaths())
  }
  const address = target as Address
  const locRib = subject.tables.locRibs[familyOf(address)]
  const row = locRib.prefixes.match(address, each => locRib.best[each] !== NONE)
  return row < 0 ? [] : routesOf(subject, locRib, [row], roomForPaths())
}

function sessionOf(peer: Peer, { tables, exports, limits }: Subject): SessionSnapshot {
  const { config, session, link, suspended } = peer
  return {
    name: config.name,
    address: config.address,
    port: config.port,
    peerAs: config.peerAs,
    localAs: config.localAs,
    state: session.state,
    since: session.since,
    ...(link && { negotiated: negotiatedOf(link.negotiated) }),
    capabilities: {
      offered: toldOf(session.capabilities.offered),
      received: toldOf(session.capabilities.received),
    },
    ...(peer.staleUntil !== NEVER && { staleUntil: peer.staleUntil }),
    counters: { ...session.counters },
    prefixes: familiesOf(peer, tables).map(family => ({
      family,
      received: tables.locRibs[family].adjRibIn(peer.id).size,
      accepted: tables.locRibs[family].acceptances.accepted(peer.id),
      stale: tables.locRibs[family].adjRibIn(peer.id).stale,
      ...longLivedUntil(peer, family),
      endOfRib: link?.complete.has(family) ?? false,
      best: tables.locRibs[family].bestCount(peer.id),
      advertised: exports[family].advertised(peer.id),
    })),
    ...(peer.range !== undefined && { range: peer.range }),
    limits: peer.standings.map(({ which, family, limit, near, passed }) => ({
      which,
      family,
      count: limits.count(peer, which, family),
      most: limit.most,
      action: limit.action,
      standing: passed ? 'passed' : near ? 'near' : 'within',
      left: limits.left(peer, which, family),
    })),
    ...(suspended && {
      suspended: {
        why: suspended.why,
        ...(suspended.until !== NEVER && { until: suspended.until }),
      },
    }),
    faults: { ...peer.faults.counts, recent: peer.faults.recent },
    ...(session.lastError && { lastError: session.lastError }),
  }
}

const toldOf = (capabilities: readonly Capability[]): string[] =>
  capabilities
    .slice(0, CAPABILITIES_TOLD_MAX)
    .map(each => describeCapability(each).slice(0, CAPABILITY_TEXT_MAX))

function negotiatedOf({
  peerAs: _peerAs,
  peerRouterId,
  ...rest
}: Negotiated): NonNullable<SessionSnapshot['negotiated']> {
  return { routerId: peerRouterId, ...rest }
}

function longLivedUntil({ kept }: Peer, family: Family): { longLivedUntil?: Millis } {
  const until = kept.get(family)?.longLivedUntil ?? NEVER
  return until === NEVER ? {} : { longLivedUntil: until }
}

/** Those of its session; without one, those of which it has routes that are kept. */
function familiesOf({ id, link }: Peer, tables: Tables): readonly Family[] {
  if (link !== undefined) return link.negotiated.families
  return FAMILIES.filter(family => tables.locRibs[family].adjRibIn(id).stale > 0)
}

/** Best routes inside the watched prefixes, in order. */
function watchedRoutes(subject: Subject): { routes: readonly RouteSnapshot[]; total: number } {
  const { config, tables } = subject
  const routes: RouteSnapshot[] = []
  const space = roomForPaths()
  let total = 0
  for (const family of FAMILIES) {
    const locRib = tables.locRibs[family]
    const rows = new Set<PrefixId>()
    for (const prefix of config.watched)
      locRib.prefixes.within(prefix, row => {
        if (locRib.best[row] !== NONE) rows.add(row)
      })
    total += rows.size
    const room = config.watchedMax - routes.length
    if (room <= 0) continue
    const sorted = [...rows].sort((a, b) => locRib.prefixes.compare(a, b))
    routes.push(...routesOf(subject, locRib, sorted.slice(0, room), space))
  }
  return { routes, total }
}

/** Octets that paths may take yet. */
interface Room {
  octets: number
}

const roomForPaths = (): Room => ({ octets: PATHS_OCTETS_MAX })

/** As many of the routes, and of the last one's paths, as there is room for. */
function routesOf(
  subject: Subject,
  locRib: LocRib,
  rows: readonly PrefixId[],
  room: Room,
): RouteSnapshot[] {
  const routes: RouteSnapshot[] = []
  for (const row of rows) {
    if (room.octets <= 0) break
    const paths = pathsOf(subject, locRib, row).filter(path => {
      const fits = room.octets > 0
      room.octets -= PATH_OCTETS + octetsOf(path) + (path.received ? octetsOf(path.received) : 0)
      return fits
    })
    routes.push({ prefix: locRib.prefixes.text(row), paths })
  }
  return routes
}

const octetsOf = ({ asPath, communities }: AttributesSnapshot): number =>
  communities.reduce((sum, text) => sum + 2 + text.length, asPath.length)

interface Ranked {
  /** the best, then those that lost by the last rule, last what is not eligible */
  readonly rank: number
  /** those of one rank: in the order of their peers' addresses, then of their identifiers */
  readonly address: number
  readonly path: PathSnapshot
}

const byRank = (a: Ranked, b: Ranked): number =>
  a.rank - b.rank || a.address - b.address || (a.path.pathId ?? 0) - (b.path.pathId ?? 0)

function pathsOf(subject: Subject, locRib: LocRib, row: PrefixId): readonly PathSnapshot[] {
  const { columns } = locRib
  const candidates = locRib.candidates(row)
  const set = locRib.best[row]
  let best = -1
  for (let at = 0; at < candidates.count; at++)
    if (candidates.sets[at] === set && candidates.peers[at] === locRib.from[row]) best = at
  const ranked: Ranked[] = []
  locRib.pathsOf(row, (source, received, accepted, eligible) => {
    let at = 0
    while (at < candidates.count && candidates.peers[at] !== source) at++
    const chosen = eligible && best >= 0 && at < candidates.count
    const loss = chosen ? lossOf(columns, candidates, best, at) : 0
    const isBest = chosen && at === best
    const refused = locRib.acceptances.whyRefused(source, row, received)
    const reason = refused || reasonOf(subject, accepted, eligible, loss)
    ranked.push({
      address: subject.tables.peers.rank[source]!,
      rank: isBest ? Number.NEGATIVE_INFINITY : eligible ? -loss : 0,
      path: pathOf(
        subject,
        source,
        { received, accepted },
        {
          identifier: locRib.source(source).identifier(row),
          best: isBest,
          multipath: chosen && !isBest && isUsedBeside(subject, locRib, row, best, at),
          reason: isBest ? undefined : reason,
        },
      ),
    })
  })
  return ranked.sort(byRank).map(({ path }) => path)
}

/** In the class of the best, and its next hop in the group that is installed. */
function isUsedBeside(
  { tables }: Subject,
  locRib: LocRib,
  row: PrefixId,
  best: number,
  at: number,
): boolean {
  const candidates = locRib.candidates(row)
  const group = locRib.group[row]!
  const hop = tables.sets.nextHop[candidates.sets[at]!]!
  if (group < 0 || hop < 0 || !locRib.multipath.allows(candidates, best, at)) return false
  return tables.nextHops.isIn(group, hop)
}

function reasonOf(
  { tables }: Subject,
  set: AttributeSetId,
  eligible: boolean,
  loss: number,
): string {
  if (eligible) return REASONS[loss] ?? 'not decided yet'
  const facts = tables.sets.facts[set]! & LOOPS
  if (facts !== 0) return tables.sets.loopText(set)
  return tables.nextHops.whyNot(tables.sets.nextHop[set]! as NextHopId)
}

function pathOf(
  subject: Subject,
  source: PeerId,
  { received, accepted }: { received: AttributeSetId; accepted: AttributeSetId },
  standing: { identifier: number; best: boolean; multipath: boolean; reason: string | undefined },
): PathSnapshot {
  const { sets, peers } = subject.tables
  const refused = accepted === NO_SET
  const { identifier, reason, ...rest } = standing
  const peer = peers.owner[source] as PeerId
  return {
    from: peer === LOCAL_PEER ? 'local' : (subject.byId.get(peer)?.config.name ?? 'gone'),
    ...(identifier !== NONE && { pathId: identifier }),
    ...rest,
    ...(reason !== undefined && { reason }),
    ...(refused && { refused }),
    ...attributesOf(sets.attributes(refused ? received : accepted)),
    ...(!refused && accepted !== received && { received: attributesOf(sets.attributes(received)) }),
  }
}

function attributesOf(attributes: PathAttributes): AttributesSnapshot {
  return {
    ...(attributes.nextHop !== undefined && { nextHop: attributes.nextHop }),
    asPath: asPathText(attributes.asPath ?? []),
    origin: ORIGINS[attributes.origin ?? 2],
    ...(attributes.localPref !== undefined && { localPref: attributes.localPref }),
    ...(attributes.med !== undefined && { med: attributes.med }),
    communities: communityTexts(attributes),
  }
}

const ORIGINS = ['IGP', 'EGP', 'incomplete'] as const
