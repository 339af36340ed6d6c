import type {
  BgpDaemonStatus,
  CalicoNodePeer,
  CalicoNodeRoute,
  CalicoNodeStatusSpec,
  CalicoNodeStatusStatus,
} from '../../calico/index.ts'
import { FAMILIES } from '../../net/index.ts'
import { type BirdPeer, type BirdRoute, type BirdSurroundings, birdView } from './bird-view.ts'
import type { StatusFacts } from './facts.ts'
import { instant } from './instant.ts'

/**
 * The answer to a CalicoNodeStatus: what this node's BGP does, in the fields that Calico's tools
 * read. Pure.
 *
 * Departs from Calico where its agent gives no answer at all: a session of a kind that it does not
 * know is a NodePeer, and what one route cannot say is left out of that route.
 */

/** The status of `spec`'s classes at `surroundings.now`. O(sessions + routes listed). */
export function nodeStatusOf(
  spec: CalicoNodeStatusSpec,
  facts: StatusFacts,
  surroundings: BirdSurroundings,
): CalicoNodeStatusStatus {
  const [v4, v6] = FAMILIES.map(family => birdView(facts, family, surroundings))
  if (v4 === undefined || v6 === undefined) return {}
  const asks = (name: CalicoNodeStatusSpec['classes'][number]): boolean =>
    spec.classes.includes(name)
  return {
    // Kubernetes' times have no fraction
    lastUpdated: `${instant(surroundings.now, facts.epochOffset).slice(0, 19)}Z`,
    ...(asks('Agent') && { agent: { birdV4: daemonOf(v4), birdV6: daemonOf(v6) } }),
    ...(asks('BGP') && { bgp: { ...sessionsOf(v4.peers, 'V4'), ...sessionsOf(v6.peers, 'V6') } }),
    ...(asks('Routes') && {
      routes: { ...listOf('routesV4', v4.routes), ...listOf('routesV6', v6.routes) },
    }),
  }
}

function daemonOf(view: ReturnType<typeof birdView>): BgpDaemonStatus {
  if (!view.ready) return { state: 'NotReady' }
  return {
    state: 'Ready',
    version: view.version,
    routerID: view.routerId,
    lastBootTime: view.bootedAt,
    lastReconfigurationTime: view.configuredAt,
  }
}

type Sessions = NonNullable<CalicoNodeStatusStatus['bgp']>

function sessionsOf<Suffix extends 'V4' | 'V6'>(
  peers: readonly BirdPeer[],
  suffix: Suffix,
): Pick<Sessions, `numberEstablished${Suffix}` | `numberNotEstablished${Suffix}` | `peers${Suffix}`>
function sessionsOf(peers: readonly BirdPeer[], suffix: string): object {
  const established = peers.filter(({ state }) => state === 'Established').length
  return {
    [`numberEstablished${suffix}`]: established,
    [`numberNotEstablished${suffix}`]: peers.length - established,
    ...(peers.length > 0 && { [`peers${suffix}`]: peers.map(peerOf) }),
  }
}

const peerOf = ({ address, type = 'NodePeer', state, since }: BirdPeer): CalicoNodePeer => ({
  peerIP: address,
  type,
  state,
  since,
})

/**
 * Most routes of a family in a status: etcd takes 1.5 MiB in a value, and each is some 200 octets.
 */
const ANSWER_ROUTES_MAX = 2000

type List = 'routesV4' | 'routesV6'

const listOf = (
  name: List,
  routes: readonly BirdRoute[],
): Partial<Record<List, readonly CalicoNodeRoute[]>> =>
  routes.length === 0 ? {} : { [name]: routes.slice(0, ANSWER_ROUTES_MAX).map(routeOf) }

/** `N/A` and `blackhole` are Calico's words for what has no gateway. */
function routeOf({ prefix, primary, via, peer }: BirdRoute): CalicoNodeRoute {
  return {
    type: primary ? 'FIB' : 'RIB',
    destination: prefix,
    gateway: via?.gateway ?? 'N/A',
    interface: via?.interface ?? 'blackhole',
    learnedFrom:
      peer === undefined
        ? { sourceType: 'Static' }
        : {
            sourceType: peer.type === 'NodeMesh' ? 'NodeMesh' : 'BGPPeer',
            peerIP: peer.address,
          },
  }
}
