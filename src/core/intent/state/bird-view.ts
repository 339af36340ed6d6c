import { after, type Millis, millis } from '../../base/index.ts'
import {
  type Address,
  contains,
  type Family,
  familyOf,
  formatQuad,
  hostPrefix,
  type Prefix,
  prefixParts,
} from '../../net/index.ts'
import type { PathSnapshot, RouteSnapshot, SessionSnapshot } from '../../speaker/index.ts'
import type { StatusFacts } from './facts.ts'
import { instant } from './instant.ts'

/**
 * A node as Calico's tools know it: one BIRD for each family. What CalicoNodeStatus holds and what
 * BIRD's control socket says are two writings of it. Pure.
 */

/** What beside the facts is asked for. */
export interface BirdSurroundings {
  readonly now: Millis
  /** when the BGP half was last told something new */
  readonly configuredAt?: Millis
  /** the networks of this machine's interfaces: what says through which one a next hop is */
  readonly interfaces: readonly { readonly name: string; readonly network: Prefix }[]
}

/** The BIRD of one family. Times are `2026-08-22 09:58:40`, in UTC. */
export interface BirdView {
  readonly family: Family
  /** there is something to be asked: the BGP half runs, and this node speaks this family */
  readonly ready: boolean
  /** begins with `v`, or Calico does not take it for one */
  readonly version: string
  readonly routerId: string
  readonly now: string
  readonly bootedAt: string
  readonly configuredAt: string
  /** after a start, the table is not complete yet: what peers have is not believed to be all */
  readonly recovering: boolean
  readonly kernelUp: boolean
  readonly peers: readonly BirdPeer[]
  /** by prefix, the best path of each first */
  readonly routes: readonly BirdRoute[]
}

/** One session. */
export interface BirdPeer {
  /** `Mesh_10_0_0_1` */
  readonly name: string
  /** by its name; absent for what Calico's BIRD has not */
  readonly type?: 'NodeMesh' | 'NodePeer' | 'GlobalPeer'
  readonly address: string
  readonly peerAs: number
  readonly localAs: number
  /** of RFC 4271 §8.2.2 */
  readonly state: string
  readonly since: string
  /** the same, in the few columns of a table: the time of today, the date of another day */
  readonly sinceShort: string
  /** why it is not Established */
  readonly error?: string
  /** of the peer, while Established */
  readonly peerRouterId?: string
  readonly imported: number
  readonly exported: number
  readonly preferred: number
}

/** One path. */
export interface BirdRoute {
  readonly prefix: Prefix
  /** the one that is used to forward */
  readonly primary: boolean
  /** absent for a blackhole of our own */
  readonly via?: { readonly gateway: Address; readonly interface: string }
  /** absent: what this node announces itself */
  readonly peer?: BirdPeer
  readonly path: PathSnapshot
}

/** Where no interface has the network of a next hop. */
const NO_INTERFACE = 'unknown'

/** BIRD's default: what is older is shown by its date. */
const TODAY = millis(20 * 3_600_000)

/** The BIRD of `family`. O(sessions + routes). */
export function birdView(
  facts: StatusFacts,
  family: Family,
  surroundings: BirdSurroundings,
): BirdView {
  const { desired, speaker, dataplane, version, startedAt } = facts
  const { now, configuredAt = startedAt } = surroundings
  const text = (time: Millis): string => birdTime(time, facts.epochOffset)
  const peers = (speaker?.sessions ?? [])
    .filter(({ address }) => familyOf(address) === family)
    .map(session => peerOf(session, now, facts.epochOffset))
  const speaks = desired?.listen.some(each => each.family === family) === true
  return {
    family,
    ready: speaks && speaker !== undefined,
    version: `v1.6.8+martlet${version}`,
    routerId: formatQuad(desired?.speaker?.routerId ?? 0),
    now: text(now),
    bootedAt: text(startedAt),
    configuredAt: text(configuredAt),
    recovering: speaks && dataplane?.inSync === false,
    kernelUp: dataplane !== undefined,
    peers,
    routes: routesOf(speaker?.routes ?? [], family, peers, surroundings),
  }
}

/** A time as BIRD writes it in full. */
export const birdTime = (time: Millis, epochOffset: number): string =>
  instant(time, epochOffset).slice(0, 19).replace('T', ' ')

function peerOf(session: SessionSnapshot, now: Millis, epochOffset: number): BirdPeer {
  const { name, address, state, negotiated, lastError, suspended } = session
  const type = TYPES.get(name.slice(0, name.indexOf('_') + 1))
  const since = birdTime(session.since, epochOffset)
  const isToday = after(session.since, TODAY) > now
  const error = suspended?.why ?? lastError?.text
  const sum = (field: 'received' | 'advertised' | 'best'): number =>
    session.prefixes.reduce((total, each) => total + each[field], 0)
  return {
    name,
    ...(type !== undefined && { type }),
    address,
    peerAs: session.peerAs,
    localAs: session.localAs,
    state,
    since,
    sinceShort: isToday ? since.slice(11) : since.slice(0, 10),
    ...(state !== 'Established' && error !== undefined && { error }),
    ...(negotiated !== undefined && { peerRouterId: formatQuad(negotiated.routerId) }),
    imported: sum('received'),
    exported: sum('advertised'),
    preferred: sum('best'),
  }
}

const TYPES: ReadonlyMap<string, NonNullable<BirdPeer['type']>> = new Map([
  ['Mesh_', 'NodeMesh'],
  ['Node_', 'NodePeer'],
  ['Global_', 'GlobalPeer'],
])

function routesOf(
  routes: readonly RouteSnapshot[],
  family: Family,
  peers: readonly BirdPeer[],
  { interfaces }: BirdSurroundings,
): BirdRoute[] {
  const byName = new Map(peers.map(peer => [peer.name, peer]))
  return routes
    .filter(({ prefix }) => prefixParts(prefix).family === family)
    .flatMap(({ prefix, paths }) =>
      paths.flatMap((path): BirdRoute[] => {
        const peer = byName.get(path.from)
        const { nextHop } = path
        const isLocal = path.from === 'local'
        // what import rules refuse is not in a table of BIRD's; a peer may have gone meanwhile
        if (path.refused || (!isLocal && (peer === undefined || nextHop === undefined))) return []
        return [
          {
            prefix,
            primary: path.best,
            path,
            ...(peer !== undefined &&
              nextHop !== undefined && {
                peer,
                via: { gateway: nextHop, interface: interfaceOf(nextHop, interfaces) },
              }),
          },
        ]
      }),
    )
}

/** The interface whose network has `gateway`, the narrowest one. */
function interfaceOf(gateway: Address, interfaces: BirdSurroundings['interfaces']): string {
  const host = hostPrefix(gateway)
  const length = (network: Prefix): number => prefixParts(network).length
  const [found] = interfaces
    .filter(({ network }) => contains(network, host))
    .toSorted((a, b) => length(b.network) - length(a.network))
  return found?.name ?? NO_INTERFACE
}
