import { FAMILIES, type Family } from '../../net/index.ts'
import {
  afiSafiOf,
  encodeRouteRefresh,
  familyOfAfiSafi,
  REFRESH_SUBTYPE,
  type RouteRefresh,
} from '../../wire/index.ts'
import type { Exports } from '../export/groups.ts'
import type { Neighbours } from '../neighbours/neighbours.ts'
import type { Peer } from '../peer.ts'

/** Tables that are said again: the peer's wish, its marks, and our own wish. RFC 2918, RFC 7313 */

/** A peer's word that it begins to say a family again, or has ended. RFC 7313 §3.2 */
export interface RefreshMark {
  readonly family: Family
  readonly begins: boolean
}

/** Octets of a mark in a queue. The body of an UPDATE is longer. RFC 4271 §4.3 */
const MARK_OCTETS = 2

/** A mark as it stands in a peer's queue, among the UPDATEs that it came between. */
const queued = ({ family, begins }: RefreshMark): Uint8Array =>
  Uint8Array.of(FAMILIES.indexOf(family), begins ? 1 : 0)

/** The mark that an element of a queue is; undefined where it is the body of an UPDATE. */
export function refreshMarkOf(element: Uint8Array): RefreshMark | undefined {
  if (element.length !== MARK_OCTETS) return undefined
  const family = FAMILIES[element[0] ?? 0]
  return family && { family, begins: element[1] === 1 }
}

/** What the refreshes of all peers work with. */
export interface RefreshParts {
  readonly exports: Readonly<Record<Family, Exports>>
  readonly neighbours: Neighbours
}

/** A peer sent a ROUTE-REFRESH, of a family that was agreed on. */
export function takeRefresh(
  peer: Peer,
  { afi, safi, subtype }: RouteRefresh,
  to: RefreshParts,
): void {
  const family = familyOfAfiSafi(afi, safi)
  if (family === undefined) return
  if (subtype > REFRESH_SUBTYPE.ENDS) {
    // RFC 7313 §5: "It SHOULD log an error for further analysis."
    const why = `a ROUTE-REFRESH of subtype ${subtype} means nothing here`
    to.neighbours.ignoreRefresh(peer, family, why)
    return
  }
  if (subtype !== REFRESH_SUBTYPE.REQUEST) {
    const begins = subtype === REFRESH_SUBTYPE.BEGINS
    to.neighbours.enqueue(peer, queued({ family, begins }))
    return
  }
  const { BEGINS, ENDS } = REFRESH_SUBTYPE
  const marked = peer.link?.negotiated.enhancedRefresh === true
  const marks = { begins: message(family, BEGINS), ends: message(family, ENDS) }
  to.exports[family].refresh(peer.id, marked ? marks : undefined)
}

/** Asks a peer for its families again, or for one, where there is one that can. RFC 2918 §4 */
export function askForRefresh(peer: Peer | undefined, only?: Family): void {
  const link = peer?.link
  if (link?.negotiated.routeRefresh !== true) return
  for (const family of only === undefined ? link.negotiated.families : [only])
    peer?.session.send(link.connection, message(family, REFRESH_SUBTYPE.REQUEST))
}

/** Why a peer cannot be asked; undefined where it can. */
export function whyNoRefresh({ link }: Peer): string | undefined {
  if (link === undefined) return 'its session is not Established'
  return link.negotiated.routeRefresh ? undefined : 'it does not offer route refresh'
}

function message(family: Family, subtype: number): Uint8Array {
  const { afi, safi } = afiSafiOf(family)
  return encodeRouteRefresh({ type: 'ROUTE-REFRESH', afi, subtype, safi })
}
