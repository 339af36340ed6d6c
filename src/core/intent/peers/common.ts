import { type Millis, millis, seconds } from '../../base/index.ts'
import {
  parseDuration,
  type Selector,
  type SelectorFault,
  type WorkloadEndpointResource,
} from '../../calico/index.ts'
import {
  type Address,
  containsAddress,
  FAMILIES,
  type Family,
  familyOf,
  type Prefix,
} from '../../net/index.ts'
import type { PeerConfig } from '../../speaker/index.ts'
import type { Cluster, ClusterNode } from '../cluster.ts'
import type { NodeFacts, Problem } from '../types.ts'
import type { Secrets } from './secrets.ts'
import { type AnnotatedSettings, SESSION_ANNOTATION, type SessionSettings } from './settings.ts'

/** What the neighbours of all kinds have in common: where they are made, and Calico's rules. */

/** What a neighbour is made of. */
export interface Context {
  readonly cluster: Cluster
  readonly own: ClusterNode
  readonly facts: NodeFacts
  readonly secrets: Secrets
  /** whose an address is; of two nodes with one, the lower name */
  readonly byAddress: ReadonlyMap<Address, ClusterNode>
  /** of this node */
  readonly workloads: readonly WorkloadEndpointResource[]
  /** what the annotations say */
  readonly settings: Annotations
  readonly problems: Problem[]
  /** those that were read, by their text: a resource's is asked for each node */
  readonly selectors: Map<string, Selector | SelectorFault>
}

/** What the annotations of the resources ask for. */
export class Annotations {
  readonly #byName = new Map<string, AnnotatedSettings>()

  constructor(all: readonly AnnotatedSettings[]) {
    for (const each of all) this.#byName.set(`${each.kind} ${each.name}`, each)
  }

  /** Of every session. */
  get common(): SessionSettings {
    return this.#byName.get('BGPConfiguration default')?.settings ?? {}
  }

  /** Of the sessions of one BGPPeer, beside that. */
  own(peer: string): SessionSettings {
    return this.#byName.get(`BGPPeer ${peer}`)?.settings ?? {}
  }

  /** Why no session may be made: of a BGPPeer, or of anything where none is named. */
  withheld(peer?: string): string | undefined {
    const found =
      peer === undefined
        ? this.#byName.get('BGPConfiguration default')
        : this.#byName.get(`BGPPeer ${peer}`)
    if (found === undefined || found.withheldFor.length === 0) return undefined
    return (
      `says ${found.withheldFor.join(', ')} in a way that is not understood, and a session ` +
      'without might do harm; no session is made until it is corrected'
    )
  }
}

/** Where the problems of an annotation are. */
export const ANNOTATION_FIELD = `metadata.annotations.${SESSION_ANNOTATION}`

/** BIRD's, which Calico keeps. */
const RESTART_DEFAULT = seconds(120)

/** What an OPEN can say: twelve bits. RFC 4724 §3 */
const RESTART_TIME_MAX = seconds(4095)

/**
 * For how long peers keep our routes when we go away, in whole seconds as Calico rounds it; 0 is
 * not at all.
 */
export function restartTime(text: string | undefined, tell: (reason: string) => void): Restart {
  const given = text === undefined || text === '' ? undefined : parseDuration(text)
  if (given === undefined) return { config: { restart: RESTART_DEFAULT } }
  if (given > RESTART_TIME_MAX)
    tell(`${text} is longer than BGP can say; ${RESTART_TIME_MAX / 1000}s is used`)
  const whole = millis(Math.round(Math.min(given, RESTART_TIME_MAX) / 1000) * 1000)
  return { config: whole === 0 ? {} : { restart: whole }, restartTime: whole }
}

/** What is asked of a peer, and what a resource said of it. */
interface Restart {
  readonly config: Pick<PeerConfig, 'restart'>
  readonly restartTime?: Millis
}

/**
 * Which end of a session between two Calico nodes waits: the one whose address is the lower *text*
 * (`10.0.0.9` is above `10.0.0.10`). Not what one would write today, but both ends must agree, and
 * a Calico node does it so.
 */
export const waits = (peer: Address, own: Address): boolean => peer > own

/**
 * Our next hop for the routes of the family that a session is not over: its own ends cannot say.
 * RFC 4760 §3
 */
export function otherNextHop(
  own: ClusterNode,
  transport: Family,
  { families = [] }: NodeFacts,
): Pick<PeerConfig, 'nextHopIpv4' | 'nextHopIpv6'> {
  const { ipv4, ipv6 } = own.addresses
  if (transport === 'ipv4')
    return ipv6 !== undefined && families.includes('ipv6') ? { nextHopIpv6: ipv6 } : {}
  return ipv4 !== undefined && families.includes('ipv4') ? { nextHopIpv4: ipv4 } : {}
}

/** A node announces its own pods; a router and a reflector pass on what they learned. */
export const exportMode = (own: ClusterNode, facts: NodeFacts): PeerConfig['export'] =>
  facts.transit || own.clusterId !== undefined ? 'all' : 'originated'

/** As confd names BIRD's protocols. A port is part of the name where anybody wrote it. */
export const sessionName = (scope: Scope, address: Address, port?: number): string =>
  `${scope}_${address.replace(/[.:]/g, '_')}${port === undefined ? '' : `_port_${port}`}`

/** Whose a session is: of the mesh, of a BGPPeer for all nodes, for some, or with a workload. */
export type Scope = 'Mesh' | 'Global' | 'Node' | 'Local_Workload'

/**
 * The addresses of another node that a session may be with: in the families that both have. One
 * that is somebody else's too is a problem, and that of the lower name.
 */
export function addressesOf(node: ClusterNode, context: Context): Address[] {
  const { own, byAddress, problems } = context
  return FAMILIES.flatMap(family => {
    const address = node.addresses[family]
    const ours = own.addresses[family]
    if (address === undefined || ours === undefined) return []
    const holder = address === ours ? own : byAddress.get(address)
    if (holder === node) return address
    problems.push({
      object: node.key,
      field: `spec.bgp.${family}Address`,
      reason: `${address} is ${holder?.name}'s address too; no session is made with ${node.name}`,
    })
    return []
  })
}

/** The subnet that a node shares with `address`. */
export function sharedSubnet(own: ClusterNode, address: Address): Prefix | undefined {
  const subnet = own.subnets[familyOf(address)]
  return subnet !== undefined && containsAddress(subnet, address) ? subnet : undefined
}
