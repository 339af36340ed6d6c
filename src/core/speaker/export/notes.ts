import type { Family } from '../../net/index.ts'
import type { Peer } from '../peer.ts'
import type { Tables } from '../tables.ts'
import type { SpeakerOutput } from '../types.ts'
import type { ExportListener } from './rules.ts'

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
