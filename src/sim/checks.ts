import { Writer } from '../core/base/index.ts'
import type { GroupId } from '../core/fib/index.ts'
import { FAMILIES, type Family, type Prefix, type PrefixId } from '../core/net/index.ts'
import {
  type AttributeSetId,
  FACTS,
  type LocRib,
  NONE,
  PEER_KINDS,
  type PeerId,
} from '../core/rib/index.ts'
import type { Speaker } from '../core/speaker/index.ts'
import { decodeAttributes, encodeAttributes, type PathAttributes } from '../core/wire/index.ts'
import type { Node } from './node.ts'
import type { World } from './world.ts'

/**
 * What must be true of nodes that have come to rest, and what must be true at every step.
 *
 * Each check returns what it found wrong, one sentence each, empty for nothing. They look at the
 * tables and work everything out anew, the slow way.
 */

/** Two nodes, and under which name each has the other as a peer. */
export interface Pair {
  readonly left: Node
  readonly right: Node
  /** the peer `right` in the configuration of `left`, and the other way */
  readonly rightName: string
  readonly leftName: string
}

/** Whose tables are looked at: a node, or a speaker on a bench. */
interface Rested {
  readonly speaker: Speaker
}

/** What one believes it has sent is what the other has received, before policy. */
export function checkPair({ left, right, rightName, leftName }: Pair): string[] {
  return [
    ...checkDirection(left.speaker, rightName, right.speaker, leftName),
    ...checkDirection(right.speaker, leftName, left.speaker, rightName),
  ]
}

function checkDirection(from: Speaker, to: string, at: Speaker, as: string): string[] {
  const sender = from.peer(to)
  const receiver = at.peer(as)
  if (sender?.link === undefined || receiver?.link === undefined) return []
  const context = {
    ebgp: receiver.external,
    fourOctetAs: receiver.link.negotiated.fourOctetAs,
  }
  const wrong: string[] = []
  for (const family of sender.link.negotiated.families) {
    const sent = sentTo(from, sender.id, family, context)
    const received = receivedFrom(at, receiver.id, family)
    for (const [prefix, attributes] of sent)
      if (received.get(prefix) !== attributes)
        wrong.push(
          `${to} was sent ${prefix} ${attributes} but has ${received.get(prefix) ?? 'nothing'}`,
        )
    for (const prefix of received.keys())
      if (!sent.has(prefix)) wrong.push(`${to} has ${prefix}, which was withdrawn or never sent`)
  }
  return wrong
}

function sentTo(
  speaker: Speaker,
  peer: PeerId,
  family: Family,
  context: { ebgp: boolean; fourOctetAs: boolean },
): Map<string, string> {
  const { prefixes } = speaker.tables.locRibs[family]
  const planes = speaker.exports[family].groupOf(peer)?.planes ?? []
  const sent = new Map<string, string>()
  for (const { adj, path } of planes)
    for (let at = 0; at < prefixes.rows; at++) {
      const row = at as PrefixId
      if (!adj.holds(row, peer)) continue
      const record = speaker.tables.outSets.view(adj.get(row))
      const octets = record[0]!
      const { attributes } = decodeAttributes(record.subarray(1 + octets), context)
      const nextHop = octets === 0 ? '' : record.subarray(1, 1 + octets).join('.')
      sent.set(nameOf(prefixes.text(row), path), textOf(attributes, nextHop))
    }
  return sent
}

function receivedFrom(speaker: Speaker, peer: PeerId, family: Family): Map<string, string> {
  const locRib = speaker.tables.locRibs[family]
  const received = new Map<string, string>()
  for (const source of speaker.tables.peers.sourcesOf(peer)) {
    const column = locRib.source(source)
    for (let at = column.next(0); at >= 0; at = column.next(at + 1)) {
      const row = at as PrefixId
      const record = speaker.tables.sets.record(column.get(row))
      const octets = record[0]!
      const context = { ebgp: false, fourOctetAs: true }
      const { attributes } = decodeAttributes(record.subarray(1 + octets), context)
      const nextHop = octets === 0 ? '' : record.subarray(1, 1 + octets).join('.')
      const name = nameOf(locRib.prefixes.text(row), Math.max(0, column.identifier(row)))
      received.set(name, textOf(attributes, nextHop))
    }
  }
  return received
}

/** A path of a prefix; 0: paths have no identifiers. */
const nameOf = (prefix: Prefix, path: number): string =>
  path === 0 ? prefix : `${prefix} path ${path}`

function textOf(attributes: PathAttributes, nextHop: string): string {
  const writer = new Writer(1 << 16)
  encodeAttributes(attributes, { fourOctetAs: true }, writer)
  const octets = [...writer.bytes()].map(octet => octet.toString(16).padStart(2, '0'))
  return `${octets.join('')} ${nextHop}`
}

/**
 * Loc-RIB is what a decision made afresh from the Adj-RIBs-In gives: the path taken does not
 * matter.
 */
export function checkDecisions({ speaker }: Rested): string[] {
  const wrong: string[] = []
  for (const family of FAMILIES) {
    const locRib = speaker.tables.locRibs[family]
    for (let at = 0; at < locRib.prefixes.rows; at++) {
      if (!locRib.prefixes.has(at)) continue
      const row = at as PrefixId
      const best = slowDecision(slowPaths(speaker.tables, locRib, row))
      const chosen = locRib.best[row] === NONE ? undefined : locRib.from[row]
      if (best?.peer !== chosen)
        wrong.push(`${locRib.prefixes.text(row)} is from ${chosen}, should be from ${best?.peer}`)
      if (best !== undefined && locRib.best[row] !== best.set)
        wrong.push(`${locRib.prefixes.text(row)} has set ${locRib.best[row]}, not ${best.set}`)
    }
  }
  return wrong
}

/** A path as an object: what the decision's slow twin works on. */
export interface SlowPath {
  readonly peer: PeerId
  readonly set: AttributeSetId
  readonly local: boolean
  readonly localPref: number
  readonly asPathLength: number
  readonly origin: number
  readonly med: number
  readonly neighbourAs: number
  /** LLGR_STALE */
  readonly stale: boolean
  readonly external: boolean
  readonly metric: number
  readonly identifier: number
  readonly clusterListLength: number
  readonly rank: number
  /** NONE without */
  readonly pathId: number
}

/** The candidates of a row, as objects. */
export function slowPaths(tables: Speaker['tables'], locRib: LocRib, row: PrefixId): SlowPath[] {
  const { sets, peers, nextHops } = tables
  const paths: SlowPath[] = []
  locRib.pathsOf(row, (peer, _received, set, eligible) => {
    if (!eligible) return
    const kind = peers.kind[peer]
    const nextHop = sets.nextHop[set]!
    const reflected = (sets.facts[set]! & FACTS.HAS_ORIGINATOR) !== 0
    paths.push({
      peer,
      set,
      local: kind === PEER_KINDS.LOCAL,
      localPref: sets.localPref[set]!,
      asPathLength: sets.asPathLength[set]!,
      origin: sets.origin[set]!,
      med: sets.med[set]!,
      neighbourAs: sets.neighbourAs[set]!,
      stale: (sets.facts[set]! & FACTS.LLGR_STALE) !== 0,
      external: kind === PEER_KINDS.EXTERNAL,
      metric: nextHop === NONE ? 0 : nextHops.metric[nextHop]!,
      identifier: reflected ? sets.originatorId[set]! : peers.routerId[peer]!,
      clusterListLength: sets.clusterListLength[set]!,
      rank: peers.rank[peer]!,
      pathId: locRib.source(peer).identifier(row),
    })
  })
  return paths
}

/** RFC 4271 §9.1.2.2 as it is written: each rule removes paths from consideration. */
export function slowDecision(paths: readonly SlowPath[]): SlowPath | undefined {
  let left = [...paths]
  const keepLeast = (of: (path: SlowPath) => number): void => {
    const least = Math.min(...left.map(of))
    left = left.filter(path => of(path) === least)
  }
  keepLeast(({ local }) => (local ? 0 : 1))
  keepLeast(({ stale }) => (stale ? 1 : 0))
  keepLeast(({ localPref }) => -localPref)
  keepLeast(({ asPathLength }) => asPathLength)
  keepLeast(({ origin }) => origin)
  left = left.filter(
    path => !left.some(other => other.neighbourAs === path.neighbourAs && other.med < path.med),
  )
  keepLeast(({ external }) => (external ? 0 : 1))
  keepLeast(({ metric }) => metric)
  keepLeast(({ identifier }) => identifier)
  keepLeast(({ clusterListLength }) => clusterListLength)
  keepLeast(({ rank }) => rank)
  keepLeast(({ pathId }) => pathId)
  return left[0]
}

/** The FIB has what the Loc-RIB wants, was never told nonsense, and knows that it is complete. */
export function checkFib({ speaker, fib }: Node): string[] {
  const wrong = [...fib.faults]
  const wanted = new Map<Prefix, string>()
  for (const family of FAMILIES) {
    const locRib = speaker.tables.locRibs[family]
    for (let at = 0; at < locRib.prefixes.rows; at++) {
      const group = (locRib.prefixes.has(at) ? locRib.group[at]! : NONE) as GroupId
      if (group === NONE) continue
      const { nextHops } = speaker.tables
      const hops = nextHops.hopsOf(group).map(({ address }) => address)
      const text = `${hops.join(' ')} at ${nextHops.metricOf(group)}`
      wanted.set(locRib.prefixes.text(at as PrefixId), text)
    }
  }
  for (const [prefix, way] of wanted)
    if (fib.wayOf(prefix) !== way)
      wrong.push(`${prefix} goes through ${fib.wayOf(prefix)}, should through ${way}`)
  for (const prefix of fib.routes.keys())
    if (!wanted.has(prefix)) wrong.push(`${prefix} is in the FIB, but is not wanted`)
  if (fib.epoch === undefined || fib.synced !== fib.epoch) return wrong
  for (const prefix of fib.kernel.keys())
    if (!wanted.has(prefix)) wrong.push(`${prefix} is in the kernel, but is not wanted`)
  return wrong
}

/** A peer has as many accepted paths as are counted for it. */
export function checkAccepted({ speaker }: Rested): string[] {
  const wrong: string[] = []
  for (const family of FAMILIES) {
    const { acceptances } = speaker.tables.locRibs[family]
    const { peers } = speaker.tables
    for (let peer = 1; peer < peers.rows; peer++) {
      if (peers.owner[peer] !== peer) continue
      const count = slowAccepted(speaker, family, peer as PeerId)
      if (count !== acceptances.accepted(peer as PeerId))
        wrong.push(`peer ${peer} has ${count} accepted paths, not what is counted`)
    }
  }
  return wrong
}

function slowAccepted({ tables }: Speaker, family: Family, peer: PeerId): number {
  const locRib = tables.locRibs[family]
  let count = 0
  for (const source of tables.peers.sourcesOf(peer)) {
    const column = locRib.source(source)
    for (let row = column.next(0); row >= 0; row = column.next(row + 1)) {
      const set = column.get(row as PrefixId)
      if (locRib.acceptances.accept(source, row as PrefixId, set) !== NONE) count++
    }
  }
  return count
}

/** References to attribute sets are as many as there are holders. */
export function checkReferences({ speaker }: Rested): string[] {
  const { sets, outSets, locRibs } = speaker.tables
  const held = new Map<number, number>()
  const sent = new Map<number, number>()
  const count = (counts: Map<number, number>, set: number): void => {
    if (set !== NONE) counts.set(set, (counts.get(set) ?? 0) + 1)
  }
  for (const family of FAMILIES) {
    const locRib = locRibs[family]
    for (let at = 0; at < locRib.prefixes.rows; at++)
      if (locRib.prefixes.has(at)) count(held, locRib.best[at]!)
    for (let source = 0; source < speaker.tables.peers.rows; source++) {
      const adj = locRib.source(source as PeerId)
      for (let row = adj.next(0); row >= 0; row = adj.next(row + 1))
        count(held, adj.get(row as PrefixId))
    }
    for (const group of speaker.exports[family].all) group.references(set => count(sent, set))
  }
  for (const acceptance of speaker.importRules.all) acceptance.references(set => count(held, set))
  const wrong: string[] = []
  for (let set = 0; set < sets.rows; set++)
    if (sets.references(set as AttributeSetId) !== (held.get(set) ?? 0))
      wrong.push(
        `set ${set} has ${sets.references(set as AttributeSetId)} references, not ${held.get(set)}`,
      )
  for (let set = 0; set < outSets.rows; set++)
    if (outSets.count(set) !== (sent.get(set) ?? 0))
      wrong.push(`out set ${set} has ${outSets.count(set)} references, not ${sent.get(set)}`)
  return wrong
}

/** After the last peer has left, and nothing is originated, nothing is held. */
export function checkEmpty({ speaker }: Rested): string[] {
  const { sets, outSets, locRibs, nextHops } = speaker.tables
  const sizes: Readonly<Record<string, number>> = {
    'attribute sets': sets.size,
    aliases: sets.aliases,
    'out sets': outSets.size,
    'next hops': nextHops.size,
    'IPv4 prefixes': locRibs.ipv4.prefixes.size,
    'IPv6 prefixes': locRibs.ipv6.prefixes.size,
    'dirty rows': speaker.tables.dirty,
  }
  return Object.entries(sizes)
    .filter(([, size]) => size !== 0)
    .map(([what, size]) => `${size} ${what} are left`)
}

/**
 * At every step: no session outlives its hold time in silence. A margin is for the tick that is
 * due.
 */
export function checkSilence({ now }: World, node: Node, names: readonly string[]): string[] {
  const wrong: string[] = []
  if (!node.alive) return wrong
  for (const name of names) {
    const link = node.speaker.peer(name)?.link
    if (link === undefined || link.negotiated.holdSeconds === 0) continue
    const silent = now - (node.heard.get(link.connection) ?? link.since)
    if (silent > link.negotiated.holdSeconds * 1000 + 1)
      wrong.push(`${name} was silent for ${silent} ms and is still Established`)
  }
  return wrong
}
