import type { Family } from '../../net/index.ts'
import type { Programs } from '../../policy/index.ts'
import type { Link, Peer } from '../peer.ts'
import type { Tables } from '../tables.ts'
import type { SpeakerConfig, SpeakerOutput } from '../types.ts'
import { type ExportListener, type ExportRules, exportPolicy } from './rules.ts'

/** A peer as a member of an update group: by which rules, and what is noted about it. */

/** What decides the bytes that a peer is sent over `link`. */
export function rulesFor(
  peer: Peer,
  { negotiated }: Link,
  family: Family,
  { routerId, clusterId = routerId }: SpeakerConfig,
  programs: Programs,
): ExportRules {
  return {
    family,
    kind: peer.kind,
    localAs: peer.config.localAs,
    routerId,
    clusterId,
    fourOctetAs: negotiated.fourOctetAs,
    messageMax: negotiated.messageMax,
    nextHop: peer.config.nextHop,
    ownNextHop: peer.ownNextHop(family),
    program: programs.compile(exportPolicy(peer.config)),
  }
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
  }
}
