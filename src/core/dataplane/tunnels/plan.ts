import { type Address, familyOf, isLinkLocal, maxLength } from '../../net/index.ts'
import type { Device, DeviceChange, Neighbour, Vxlan } from '../../rtnl/index.ts'
import type { DevicesSeen, Tunnel } from './types.ts'

/**
 * The difference between the tunnels that are wanted and the links that are there. Level-triggered:
 * it looks at nothing else, so that whatever somebody did is undone.
 */

/** What we write on a tunnel's link: the next life knows by this that it is ours. */
export const ALIAS = 'martlet'

/** Kinds of links that are ever ours. */
const KINDS: ReadonlySet<string> = new Set(['vxlan', 'ipip'])

/** The link that the kernel makes with its module, and does not give up. */
const FALLBACK = 'tunl0'

/** What is to be done now. */
export interface TunnelPlan {
  readonly changes: readonly DeviceChange[]
  /** why tunnels cannot be made, by name */
  readonly faults: ReadonlyMap<string, string>
  /** the tunnels that are not as wanted yet, by name */
  readonly unfinished: ReadonlySet<string>
  /** indices of the links whose changes matter */
  readonly links: ReadonlySet<number>
}

/**
 * What makes `seen` what is wanted: in this order, and where a link is made, once more after it has
 * an index. A link whose making differs is made again; of the rest only what differs is changed. A
 * link that nobody wants goes where it is ours. O(links + addresses + neighbours).
 */
export function planTunnels(wanted: readonly Tunnel[], seen: DevicesSeen): TunnelPlan {
  const changes: DeviceChange[] = []
  const faults = new Map<string, string>()
  const unfinished = new Set<string>()
  const links = new Set<number>()
  const byName = new Map(seen.links.map(link => [link.name, link]))
  const names = new Set(wanted.map(({ name }) => name))
  // first: one that somebody has renamed is in the way of its successor
  for (const device of seen.links)
    if (device.alias === ALIAS && KINDS.has(device.kind) && !names.has(device.name))
      changes.push(...removalOf(device, seen))
  for (const tunnel of wanted) {
    const device = byName.get(tunnel.name)
    const parent = linkOf(tunnel.local, seen)
    if (device !== undefined) links.add(device.index)
    if (parent !== undefined) links.add(parent.index)
    else faults.set(tunnel.name, `no link has ${tunnel.local}`)
    const own = changesOf(tunnel, { device, parent, seen })
    if (own.length > 0 || device === undefined) unfinished.add(tunnel.name)
    changes.push(...own)
  }
  return { changes, faults, unfinished, links }
}

/** What one tunnel needs. */
function changesOf(
  tunnel: Tunnel,
  {
    device,
    parent,
    seen,
  }: {
    readonly device: Device | undefined
    readonly parent: Device | undefined
    readonly seen: DevicesSeen
  },
): DeviceChange[] {
  if (device === undefined) return parent === undefined ? [] : [creationOf(tunnel, parent)]
  if (parent !== undefined && !isMadeSo(tunnel, device, parent))
    return [{ type: 'remove', link: device.index }, creationOf(tunnel, parent)]
  return [
    ...settingOf(tunnel, device, parent),
    ...addressesOf(tunnel, device, seen),
    ...neighboursOf(tunnel, device, seen),
  ]
}

/** The link that has an address of this node. */
function linkOf(local: Address, { links, addresses }: DevicesSeen): Device | undefined {
  const index = addresses.find(({ address }) => address === local)?.index
  return links.find(link => link.index === index)
}

/** Octets that a tunnel adds to each packet: outer headers of IP, UDP, VXLAN and Ethernet. */
function overheadOf({ kind, local }: Tunnel): number {
  if (kind === 'ipip') return 20
  return familyOf(local) === 'ipv4' ? 50 : 70
}

const mtuOf = (tunnel: Tunnel, parent: Device): number =>
  tunnel.mtu ?? parent.mtu - overheadOf(tunnel)

function vxlanOf({ vxlan, local }: Tunnel, parent: Device): Vxlan | undefined {
  if (vxlan === undefined) return undefined
  const { vni, port } = vxlan
  return { vni, port, local, parent: parent.index, learning: false }
}

function creationOf(tunnel: Tunnel, parent: Device): DeviceChange {
  const vxlan = vxlanOf(tunnel, parent)
  return {
    type: 'create',
    name: tunnel.name,
    kind: tunnel.kind,
    // the kernel's own link is there with its module, and has an MTU
    ...(vxlan !== undefined && { mtu: mtuOf(tunnel, parent), vxlan }),
    ...(tunnel.vxlan !== undefined && { mac: tunnel.vxlan.mac }),
  }
}

/** False where only a new link would be as wanted. */
function isMadeSo(tunnel: Tunnel, device: Device, parent: Device): boolean {
  if (device.kind !== tunnel.kind) return false
  const vxlan = vxlanOf(tunnel, parent)
  if (vxlan === undefined) return true
  const is = device.vxlan
  return (
    device.mac === tunnel.vxlan?.mac &&
    is !== undefined &&
    is.vni === vxlan.vni &&
    is.port === vxlan.port &&
    is.local === vxlan.local &&
    is.parent === vxlan.parent &&
    is.learning === vxlan.learning
  )
}

function settingOf(tunnel: Tunnel, device: Device, parent: Device | undefined): DeviceChange[] {
  const mtu = parent === undefined ? device.mtu : mtuOf(tunnel, parent)
  const differs = {
    ...(!device.up && { up: true }),
    ...(device.mtu !== mtu && { mtu }),
    ...(device.alias !== ALIAS && { alias: ALIAS }),
  }
  return Object.keys(differs).length === 0 ? [] : [{ type: 'set', link: device.index, ...differs }]
}

/** Exactly the tunnel's own, of its family; the kernel's link-local one stays. */
function addressesOf(tunnel: Tunnel, { index: link }: Device, seen: DevicesSeen): DeviceChange[] {
  const family = familyOf(tunnel.address)
  const whole = maxLength(family)
  const here = seen.addresses.filter(
    ({ index, address }) => index === link && familyOf(address) === family && !isLinkLocal(address),
  )
  const isOwn = ({ address, length }: { readonly address: Address; readonly length: number }) =>
    address === tunnel.address && length === whole
  const changes: DeviceChange[] = here
    .filter(other => !isOwn(other))
    .map(({ address, length }) => ({ type: 'address', verb: 'delete', link, address, length }))
  if (!here.some(isOwn)) {
    const { address } = tunnel
    changes.push({ type: 'address', verb: 'add', link, address, length: whole })
  }
  return changes
}

/**
 * Two entries for each other end: which link address its address has, and at which node that is.
 * What differs is replaced in one step; what nobody wants goes after that.
 */
function neighboursOf(tunnel: Tunnel, { index: link }: Device, seen: DevicesSeen): DeviceChange[] {
  const wanted = new Map<string, Neighbour>()
  for (const { address, mac, node } of tunnel.ends) {
    for (const neighbour of [
      { table: 'neighbours' as const, link, address, mac },
      { table: 'forwarding' as const, link, address: node, mac },
    ])
      wanted.set(placeOf(neighbour), neighbour)
  }
  const deletions: DeviceChange[] = []
  const family = familyOf(tunnel.local)
  for (const neighbour of seen.neighbours) {
    if (neighbour.link !== link || familyOf(neighbour.address) !== family) continue
    const place = placeOf(neighbour)
    const want = wanted.get(place)
    if (want === undefined) deletions.push({ type: 'neighbour', verb: 'delete', neighbour })
    else if (want.address === neighbour.address && want.mac === neighbour.mac) wanted.delete(place)
  }
  const additions = [...wanted.values()].map(
    (neighbour): DeviceChange => ({ type: 'neighbour', verb: 'set', neighbour }),
  )
  return [...additions, ...deletions]
}

/** The kernel's key of an entry: of its table by gateway, or by link address. */
const placeOf = ({ table, address, mac }: Neighbour): string =>
  table === 'neighbours' ? `neighbours ${address}` : `forwarding ${mac}`

function removalOf({ name, index: link }: Device, { addresses }: DevicesSeen): DeviceChange[] {
  if (name !== FALLBACK) return [{ type: 'remove', link }]
  const own = addresses.filter(({ index, address }) => index === link && !isLinkLocal(address))
  return [
    ...own.map(
      ({ address, length }): DeviceChange => ({
        ...{ type: 'address', verb: 'delete', link, address, length },
      }),
    ),
    { type: 'set', link, up: false, alias: '' },
  ]
}
