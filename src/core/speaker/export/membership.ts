import { containsAddress, type Family } from '../../net/index.ts'
import type { Programs } from '../../policy/index.ts'
import { fullSets } from '../../rib/index.ts'
import type { Role } from '../../wire/index.ts'
import { tableFull } from '../notes.ts'
import type { Link, Peer } from '../peer.ts'
import type { Tables } from '../tables.ts'
import type { PeerConfig, SpeakerConfig, SpeakerOutput } from '../types.ts'
import type { PathRules } from './as-path.ts'
import type { NextHopChoice } from './next-hop.ts'
import { type ExportListener, type ExportRules, exportPolicy } from './rules.ts'

/** A peer as a member of an update group: by which rules, and what is noted about it. */

/** What decides the bytes that a peer is sent over `link`. */
export function rulesFor(
  peer: Peer,
  { negotiated }: Link,
  family: Family,
  speaker: SpeakerConfig,
  programs: Programs,
): ExportRules {
  const { config, kind } = peer
  const { routerId, clusterId = routerId } = speaker
  const extended = family === 'ipv4' && negotiated.extendedNextHop
  const addPath = negotiated.addPathSend.includes(family)
  const role = peer.external ? config.options?.role : undefined
  return {
    family,
    kind,
    routerId,
    clusterId,
    fourOctetAs: negotiated.fourOctetAs,
    messageMax: negotiated.messageMax,
    addPath,
    ...(addPath && config.sendPaths !== undefined && { sendPaths: config.sendPaths }),
    ...ceilingFor(peer),
    nextHop: {
      keeps: config.nextHop === 'keep' || (config.nextHop === 'auto' && !peer.external),
      own: peer.ownNextHop(family) ?? (extended ? peer.ownNextHop('ipv6') : undefined),
      extended,
      shared: sharedWith(peer),
    },
    path: peer.external ? pathRulesFor(config, speaker) : undefined,
    onlyToCustomer: {
      by: role !== undefined && SAYS_ONLY.has(role) ? config.localAs : undefined,
      stops: role !== undefined && STOPS_AT.has(role),
    },
    takesStale: negotiated.takesStale,
    program: programs.compile(exportPolicy(config)),
  }
}

/** The limit of what a peer is sent, where it blocks. */
function ceilingFor({ id, config }: Peer): Pick<ExportRules, 'ceiling'> {
  const limit = config.limits?.announced
  return limit?.action === 'block' ? { ceiling: { peer: id, most: limit.most } } : {}
}

/** What we are to those whom RFC 9234 §5 calls Customer, Peer, RS-Client. */
const SAYS_ONLY: ReadonlySet<Role> = new Set<Role>(['provider', 'peer', 'route-server'])

/** What we are to those whom it calls Provider, Peer, RS. */
const STOPS_AT: ReadonlySet<Role> = new Set<Role>(['customer', 'peer', 'route-server-client'])

/** The rules for AS_PATH, without what makes no difference: it would part groups. */
function pathRulesFor(
  { localAs, peerAs, exportRules = {} }: PeerConfig,
  { localAs: real }: SpeakerConfig,
): PathRules {
  const { showRealAs = false, overrideAs = false, privateAs } = exportRules
  return {
    front: showRealAs && real !== localAs ? [localAs, real] : [localAs],
    own: localAs,
    ...(overrideAs && { overridden: peerAs }),
    ...(privateAs !== undefined && { privateAs, peerAs }),
  }
}

/**
 * The subnet shared with an external peer, where it is one: the peer's address is in it, nothing
 * else is asked for, and what others announced is sent at all.
 */
function sharedWith({ config, external }: Peer): NextHopChoice['shared'] {
  const { address, nextHop, exportRules: { sharedSubnet: subnet } = {} } = config
  if (!external || nextHop !== 'auto' || config.export !== 'all' || subnet === undefined)
    return undefined
  return containsAddress(subnet, address) ? { subnet, peer: address, alone: false } : undefined
}

/** Notes about what a peer cannot be sent: once a session each. */
export function notesOnExport(
  peer: Peer,
  family: Family,
  tables: Tables,
  output: SpeakerOutput,
): ExportListener {
  const { prefixes } = tables.locRibs[family]
  const once = (key: string): boolean => {
    if (peer.said.has(key)) return false
    peer.said.add(key)
    return true
  }
  return {
    doesNotFit: row => {
      const name = peer.config.name
      if (!once(`fit ${family}`)) return
      output.note({ code: 'ROUTE_DOES_NOT_FIT', peer: name, prefix: prefixes.text(row) })
    },
    nextHopMissing: () => {
      if (!once(`next hop ${family}`)) return
      output.note({ code: 'NEXT_HOP_MISSING', peer: peer.config.name, family })
    },
    tableFull: () => {
      if (!once(`table ${family}`)) return
      const what = `${family} routes are not sent to ${peer.config.name}`
      output.note(tableFull(what, fullSets(tables.outSets)))
    },
  }
}
