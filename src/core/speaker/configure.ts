import { compareAddresses, type Prefix, prefixParts } from '../net/index.ts'
import type { PeerConfig, SpeakerConfig, Transport } from './types.ts'

/** The difference of two configurations: what is to be done, not how. */

/**
 * Which field of a peer's configuration resets its session when it changes. What does not is taken
 * over in a live session: the peer is sent the difference.
 */
export const RESETS: Readonly<Record<keyof PeerConfig, boolean>> = {
  // a name that changes is another peer
  name: true,
  address: true,
  port: true,
  peerAs: true,
  localAs: true,
  localAddress: true,
  transport: true,
  // changed under the session: a peer that changes it too, within the hold time, keeps it
  password: false,
  passive: true,
  // offered in OPEN
  hold: true,
  keepalive: true,
  families: true,
  connectRetry: true,
  restart: true,
  // changes what the routes of the peer are to all others, not only what it is sent
  routeReflectorClient: true,
  nextHop: false,
  nextHopIpv4: false,
  nextHopIpv6: false,
  export: false,
  // offered in OPEN
  options: true,
  sendPaths: false,
  importRules: false,
  exportRules: false,
  limits: false,
}

/** What is said of a speaker before it has a configuration. */
export const NOT_CONFIGURED: SpeakerConfig = {
  routerId: 0,
  localAs: 0 as SpeakerConfig['localAs'],
  multipathMax: 1,
  peers: [],
  originated: [],
  watched: [],
  watchedMax: 0,
}

/**
 * Any number of hops, as Calico's sessions all have it, and RFC 2474's class selector 6, in which
 * routers send what routes depend on.
 */
export const TRANSPORT_DEFAULT: Transport = { ttl: 64, trafficClass: 0xc0 }

/** Octets of the longest password of a peer, in UTF-8. RFC 2385 §4.5; Linux takes no more. */
export const PASSWORD_OCTETS_MAX = 80

/** What became of one peer. */
export interface PeerChange {
  readonly before: PeerConfig
  readonly after: PeerConfig
  /** fields that differ; those that reset the session first */
  readonly fields: readonly (keyof PeerConfig)[]
  readonly resets: boolean
}

/** The difference of two configurations of the speaker. */
export interface ConfigDifference {
  readonly removed: readonly PeerConfig[]
  readonly added: readonly PeerConfig[]
  /** peers that differ; those that do not are nowhere here */
  readonly changed: readonly PeerChange[]
  /** who we are has changed: every session is reset */
  readonly identity: boolean
  /** which paths are used together has changed */
  readonly multipath: boolean
  readonly withdrawn: readonly Prefix[]
  readonly originated: readonly Prefix[]
}

/** Compares two configurations. Equal ones give empty lists. O(peers + prefixes). */
export function difference(
  before: SpeakerConfig | undefined,
  after: SpeakerConfig,
): ConfigDifference {
  const old = new Map(before?.peers.map(peer => [peer.name, peer]))
  const names = new Set(after.peers.map(({ name }) => name))
  const changed: PeerChange[] = []
  for (const peer of after.peers) {
    const last = old.get(peer.name)
    const change = last && peerChange(last, peer)
    if (change !== undefined) changed.push(change)
  }
  const had = new Set(before?.originated)
  const has = new Set(after.originated)
  return {
    removed: [...old.values()].filter(({ name }) => !names.has(name)),
    added: after.peers.filter(({ name }) => !old.has(name)),
    changed,
    identity: before !== undefined && !sameIdentity(before, after),
    multipath:
      before?.multipathMax !== after.multipathMax ||
      (before.multipathAcrossAses ?? true) !== (after.multipathAcrossAses ?? true),
    withdrawn: [...had].filter(prefix => !has.has(prefix)),
    originated: [...has].filter(
      prefix => !had.has(prefix) || localPref(before, prefix) !== localPref(after, prefix),
    ),
  }
}

/**
 * The peers in the order of their addresses, then ports, then names: the last rule of the decision.
 */
export function byAddress(left: PeerConfig, right: PeerConfig): number {
  return (
    compareAddresses(left.address, right.address) ||
    left.port - right.port ||
    (left.name < right.name ? -1 : 1)
  )
}

function peerChange(before: PeerConfig, after: PeerConfig): PeerChange | undefined {
  const fields = fieldsOf(before, after).filter(field => !equal(before[field], after[field]))
  if (fields.length === 0) return undefined
  fields.sort((a, b) => Number(RESETS[b]) - Number(RESETS[a]))
  return { before, after, fields, resets: fields.some(field => RESETS[field]) }
}

function fieldsOf(before: PeerConfig, after: PeerConfig): (keyof PeerConfig)[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)])
  return FIELDS.filter(field => names.has(field))
}

const isField = (name: string): name is keyof PeerConfig => name in RESETS

const FIELDS: readonly (keyof PeerConfig)[] = Object.keys(RESETS).filter(isField)

function equal(left: PeerConfig[keyof PeerConfig], right: PeerConfig[keyof PeerConfig]): boolean {
  return JSON.stringify(left) === JSON.stringify(right)
}

const localPref = (config: SpeakerConfig | undefined, prefix: Prefix): number | undefined =>
  config?.originatedLocalPref?.[prefixParts(prefix).family]

function sameIdentity(before: SpeakerConfig, after: SpeakerConfig): boolean {
  return (
    before.routerId === after.routerId &&
    before.localAs === after.localAs &&
    (before.clusterId ?? before.routerId) === (after.clusterId ?? after.routerId)
  )
}
