import {
  API_VERSION,
  kindNamed,
  type NodeResource,
  parseNodeAddress,
  resourceKey,
} from '../../calico/index.ts'
import { type Asn, FAMILIES, type Family, parseAddress } from '../../net/index.ts'
import type { Desired, Problem } from '../types.ts'
import type { DetectionMethod, HostAddress } from './autodetect.ts'

/**
 * A node's own Node object: what it is to say, and when an address may not be this node's. Pure;
 * who detects addresses and writes objects is app/controller.
 */

/** What a node's configuration says of its Node object. */
export interface RegistrationFacts {
  readonly ipv4: AddressSource
  readonly ipv6: AddressSource
  /** absent: the Node's own is left as it is */
  readonly asNumber?: Asn
  /** set on the Node; others that it has stay */
  readonly labels: Readonly<Record<string, string>>
}

/** Where the address of a family comes from. */
export type AddressSource =
  | { readonly type: 'none' }
  | { readonly type: 'given'; readonly address: string }
  | { readonly type: 'detect'; readonly method: DetectionMethod; readonly text: string }

/** What a registration is decided by. */
export interface RegistrationView {
  readonly node: string
  readonly facts: RegistrationFacts
  /** where one was found; of an address that is given, with which length an interface has it */
  readonly detected: Readonly<Partial<Record<Family, HostAddress>>>
  /** the Node's value as stored; absent: there is none */
  readonly stored?: string
  /** every valid Node of the cluster */
  readonly nodes: readonly NodeResource[]
}

/** What only the world knows, for an object that is made. */
export interface Birth {
  readonly uid: string
  /** RFC 3339, UTC, whole seconds */
  readonly time: string
}

/** What is to be done. */
export interface Registration {
  /** what the Node is to be; absent: it is so, or may not be */
  readonly value?: string
  /** another node holds an address of this one: it has no sessions */
  readonly refused: boolean
  readonly problems: readonly Problem[]
}

/** The key of a node's object. */
export const nodeKey = (name: string): string => resourceKey({ kind: kindNamed('Node')!, name })

/**
 * Compares the Node as it is with what it should be. What is not this node's to say stays as it is
 * stored: other labels, tunnel addresses, fields of later releases. O(nodes).
 */
export function registrationOf(view: RegistrationView, birth: Birth): Registration {
  const { stored } = view
  const object = stored === undefined ? {} : parse(stored)
  if (object === undefined) return { refused: false, problems: [] }
  const spec = mappingOf(object.spec)
  const bgp = mappingOf(spec.bgp)
  const problems: Problem[] = []
  const addresses = new Map<Family, string>()
  for (const family of FAMILIES) {
    const { address, problem } = addressOf(view, family, bgp[FIELDS[family]])
    if (problem !== undefined) problems.push(problem)
    if (address !== undefined) addresses.set(family, address)
  }
  if (addresses.size === 0) return { refused: false, problems }
  const clashes = [...addresses].flatMap(([family, address]) => clashOf(view, family, address))
  problems.push(...clashes.map(({ problem }) => problem))
  if (clashes.some(({ lost }) => lost)) return { refused: true, problems }
  const written = withSpec(object, view, addresses, birth)
  const value = JSON.stringify(written)
  return {
    ...(stored !== undefined && value === JSON.stringify(object) ? {} : { value }),
    refused: false,
    problems,
  }
}

/** What a node does whose address is another's: nothing, and it says why. */
export function withheld(desired: Desired): Desired {
  const { speaker: _, ...rest } = desired
  return { ...rest, listen: [] }
}

const FIELDS = { ipv4: 'ipv4Address', ipv6: 'ipv6Address' } as const

/** What a family's address is to be. One that is not found for a while stays as it was. */
function addressOf(
  { node, facts, detected }: RegistrationView,
  family: Family,
  stored: unknown,
): { readonly address?: string; readonly problem?: Problem } {
  const source = facts[family]
  if (source.type === 'none') return {}
  const found = detected[family]
  if (source.type === 'given') {
    const isFound = found !== undefined && found.address === source.address
    return { address: isFound ? `${found.address}/${found.length}` : source.address }
  }
  if (found !== undefined) return { address: `${found.address}/${found.length}` }
  const kept = typeof stored === 'string' ? stored : undefined
  const reason =
    `no ${family} address of this machine is found by "${source.text}"` +
    (kept === undefined
      ? '; write "registration" into the configuration so that one is'
      : `; ${kept} stays`)
  return {
    ...(kept !== undefined && { address: kept }),
    problem: { object: nodeKey(node), field: `spec.bgp.${FIELDS[family]}`, reason },
  }
}

/**
 * Who else has the address. Of two that both say so already, the older Node has it, so that all
 * nodes decide alike.
 */
function clashOf(
  { node, nodes }: RegistrationView,
  family: Family,
  text: string,
): { readonly lost: boolean; readonly problem: Problem }[] {
  const address = parseNodeAddress(text)
  const held = (resource: NodeResource | undefined): boolean =>
    parseNodeAddress(resource?.spec.bgp?.[FIELDS[family]] ?? '') === address
  const own = nodes.find(({ metadata }) => metadata.name === node)
  return nodes
    .filter(other => other.metadata.name !== node && held(other))
    .map(other => {
      const lost = own === undefined || !held(own) || !isOlder(own, other)
      const { name } = other.metadata
      const reason = lost
        ? `${address} is held by node ${name}, so that ${node} has no sessions; ` +
          `give one of the two another address, or delete node ${name} if it is no more`
        : `${address} is claimed by node ${name} too, which is younger`
      const field = `spec.bgp.${FIELDS[family]}`
      return { lost, problem: { object: nodeKey(node), field, reason } }
    })
}

function isOlder(one: NodeResource, other: NodeResource): boolean {
  const [born, otherBorn] = [
    one.metadata.creationTimestamp ?? '',
    other.metadata.creationTimestamp ?? '',
  ]
  return born === otherBorn ? one.metadata.name < other.metadata.name : born < otherBorn
}

/** The object with this node's part of it; every field stays at its place. */
function withSpec(
  object: Mapping,
  { node, facts }: RegistrationView,
  addresses: ReadonlyMap<Family, string>,
  birth: Birth,
): Mapping {
  const metadata = mappingOf(object.metadata)
  const spec = mappingOf(object.spec)
  const labels = { ...mappingOf(metadata.labels), ...facts.labels }
  return {
    ...object,
    kind: 'Node',
    apiVersion: API_VERSION,
    metadata: {
      ...metadata,
      name: node,
      uid: metadata.uid ?? birth.uid,
      creationTimestamp: metadata.creationTimestamp ?? birth.time,
      ...(Object.keys(labels).length > 0 && { labels }),
    },
    spec: {
      ...spec,
      bgp: {
        ...mappingOf(spec.bgp),
        ...(facts.asNumber !== undefined && { asNumber: facts.asNumber }),
        // JSON leaves out what is undefined
        ...Object.fromEntries(FAMILIES.map(family => [FIELDS[family], addresses.get(family)])),
      },
      addresses: addressList(spec.addresses, addresses),
    },
    status: object.status ?? {},
  }
}

/** Calico's list of all addresses of a node: ours among those that others found. */
function addressList(stored: unknown, addresses: ReadonlyMap<Family, string>): unknown[] {
  const list: readonly unknown[] = Array.isArray(stored) ? stored : []
  const ours = [...addresses.values()].map(address => ({ address, type: 'CalicoNodeIP' }))
  const before = list.filter(item => mappingOf(item).type === 'CalicoNodeIP')
  if (JSON.stringify(before) === JSON.stringify(ours)) return [...list]
  return [...ours, ...list.filter(item => mappingOf(item).type !== 'CalicoNodeIP')]
}

type Mapping = Readonly<Record<string, unknown>>

const mappingOf = (value: unknown): Mapping =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}

/** Undefined where it is no object: somebody has to repair it first. */
function parse(text: string): Mapping | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : undefined
  } catch {
    return undefined
  }
}

/** The InternalIP that a Node's object has of a family. */
export function internalAddressOf(node: NodeResource | undefined, family: Family) {
  return node?.spec.addresses
    ?.filter(({ type }) => type === 'InternalIP')
    .map(({ address }) => parseNodeAddress(address) ?? parseAddress(address))
    .find(address => address !== undefined && address.includes(':') === (family === 'ipv6'))
}
