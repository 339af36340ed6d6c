/** The wires of a lab: bridges, veth pairs between nodes, and the management network. */
import type { Endpoint, Link, Node, Topology } from '../topology/topology.ts'
import { must } from './run.ts'

/** Where an interface is: in the sandbox itself, or with the process 1 of a node. */
export type Place = { readonly pid: number | undefined; readonly bridge?: string }

/** Finds the place of a node by name. */
export type Places = (node: string) => Place

/** A management address for every node that wants one. */
export interface Management {
  readonly gateway: string
  readonly bits: number
  readonly addresses: ReadonlyMap<string, string>
}

/**
 * Gives each node with management an address: its own where it names one, else the next free one in
 * the order of names. (Docker's order is that of creation: do not rely on either without `mgmt-
 * ipv4`.)
 */
export function planManagement(topology: Topology): Management {
  const [network = '', length = '24'] = topology.management.subnet.split('/')
  const bits = Number(length)
  const size = 2 ** (32 - bits)
  const first = toNumber(network) - (toNumber(network) % size)
  const wanting = topology.nodes
    .filter(node => node.kind === 'linux' && node.network === 'management')
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  const addresses = new Map<string, string>()
  for (const node of wanting) {
    if (node.managementAddress !== undefined) addresses.set(node.name, node.managementAddress)
  }
  const taken = new Set(addresses.values())
  let next = first + 2
  for (const node of wanting) {
    if (addresses.has(node.name)) continue
    while (taken.has(toText(next))) next++
    addresses.set(node.name, toText(next++))
  }
  return { gateway: toText(first + 1), bits, addresses }
}

function toNumber(address: string): number {
  return address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0)
}

function toText(address: number): string {
  return [24, 16, 8, 0].map(shift => Math.floor(address / 2 ** shift) % 256).join('.')
}

/** Makes an Ethernet bridge, in the sandbox or in a node. */
export async function makeBridge(name: string, pid?: number): Promise<void> {
  const lines = [`link add name ${name} type bridge`, `link set ${name} up`]
  await ip(`bridge ${name}`, pid, lines)
}

/** Makes a link, its ends up, with their addresses. The nodes of both ends exist. */
export async function makeLink(link: Link, places: Places): Promise<void> {
  const [near, far] = link.ends
  const what = link.ends.map(end => `${end.node}:${end.interface}`).join(' -- ')
  if (far === undefined) {
    // a bridge without ports stands in for a dummy, which not every kernel has; made inside the
    // node, because a bridge cannot change its namespace
    await ip(what, places(near.node).pid, [
      `link add name ${near.interface} mtu ${link.mtu} type bridge`,
      ...upLines(near, undefined),
    ])
    return
  }
  const here = places(near.node)
  const there = places(far.node)
  const half = (end: Endpoint, place: Place): string =>
    `name ${end.interface}${place.pid === undefined ? '' : ` netns ${place.pid}`} mtu ${link.mtu}` +
    (end.mac === undefined ? '' : ` address ${end.mac}`)
  await ip(what, undefined, [`link add ${half(near, here)} type veth peer ${half(far, there)}`])
  await Promise.all([
    ip(what, here.pid, upLines(near, here.bridge)),
    ip(what, there.pid, upLines(far, there.bridge)),
  ])
}

function upLines(end: Endpoint, bridge: string | undefined): readonly string[] {
  return [
    ...(bridge === undefined ? [] : [`link set dev ${end.interface} master ${bridge}`]),
    ...end.addresses.map(address =>
      `address add ${address} dev ${end.interface} nodad`.replace(
        // nodad is a word of IPv6 only
        address.includes(':') ? /$^/ : / nodad$/,
        '',
      ),
    ),
    `link set dev ${end.interface} up`,
  ]
}

/** Connects a node to the management bridge, with the default route that Docker would give it. */
export async function connectManagement(
  options: {
    readonly node: Node
    readonly pid: number
    readonly index: number
    readonly bridge: string
  },
  management: Management,
): Promise<void> {
  const { node, pid, index, bridge } = options
  const address = management.addresses.get(node.name)
  if (address === undefined) return
  const port = `mgmt${index}`
  const what = `management of ${node.name}`
  await ip(what, undefined, [
    `link add name eth0 netns ${pid} type veth peer name ${port}`,
    `link set dev ${port} master ${bridge} up`,
  ])
  await ip(what, pid, [
    `address add ${address}/${management.bits} dev eth0`,
    'link set dev eth0 up',
    `route add default via ${management.gateway} dev eth0`,
  ])
}

/** Runs lines of `ip -batch`, in the network of process `pid`, or in the sandbox's. */
async function ip(what: string, pid: number | undefined, lines: readonly string[]): Promise<void> {
  const enter = pid === undefined ? [] : ['nsenter', '--target', String(pid), '--net', '--']
  await must(what, [...enter, 'ip', '-batch', '-'], { input: `${lines.join('\n')}\n` })
}
