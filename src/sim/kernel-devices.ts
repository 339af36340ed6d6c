import type { DevicesSeen, ServedLink } from '../core/dataplane/index.ts'
import {
  type Address,
  familyOf,
  maxLength,
  type Prefix,
  prefixOf,
  prefixParts,
} from '../core/net/index.ts'
import {
  type Device,
  type DeviceChange,
  EADDRNOTAVAIL,
  EEXIST,
  ENODEV,
  ENOENT,
  EOPNOTSUPP,
  type Neighbour,
  unicastTarget,
  type Vxlan,
} from '../core/rtnl/index.ts'
import type { SimulatedKernel, SimulatedRoute } from './kernel.ts'

/** What links of a simulated kernel are made of, and their neighbours. */

/** The main routing table, and who has its connected networks. */
export const MAIN = 254
/** The protocol of routes that the kernel makes by itself. */
export const BY_KERNEL = 2

/** A link as routes see it. */
export interface SimulatedLink {
  readonly index: number
  readonly name: string
  up: boolean
  readonly addresses: Map<Address, Prefix>
}

/** MTU of a link that nobody gave one. */
const MTU_DEFAULT = 1_500

/** The networks of a link, as routes. */
export function* connectedBy(link: SimulatedLink): Generator<SimulatedRoute> {
  const target = unicastTarget([{ link: link.index, weight: 1, onlink: false }])
  for (const prefix of link.addresses.values()) {
    const metric = prefixParts(prefix).family === 'ipv4' ? 0 : 256
    yield { table: MAIN, prefix, metric, protocol: BY_KERNEL, target }
  }
}

type Made = Pick<Device, 'mtu' | 'alias' | 'kind' | 'mac' | 'vxlan'>

/** Beside the links themselves, which are the kernel's. */
export class SimulatedDevices {
  /** kinds that this kernel has no module for */
  readonly missing = new Set<string>()
  readonly #kernel: SimulatedKernel
  readonly #made = new Map<number, Made>()
  readonly #neighbours = new Map<string, Neighbour>()
  readonly #served = new Map<number, ServedLink>()

  constructor(kernel: SimulatedKernel) {
    this.#kernel = kernel
  }

  /** Makes a link to a workload what it should be, where it is there. */
  serve(link: ServedLink): void {
    if (this.#kernel.indexOf(link.name) !== link.index) return
    this.#served.set(link.index, link)
    for (const { address, present } of link.addresses)
      this.#address(link.name, {
        ...{ type: 'address', verb: present ? 'add' : 'delete', link: link.index, address },
        length: maxLength(familyOf(address)),
      })
  }

  /** What a link was asked to be; undefined: nobody asked since it is there. */
  served(name: string): ServedLink | undefined {
    return this.#served.get(this.#kernel.indexOf(name))
  }

  /** Somebody makes a link answer for nobody but itself. */
  spoil(name: string): void {
    this.#served.delete(this.#kernel.indexOf(name))
  }

  /** All of it, as a dump tells it. */
  seen(): DevicesSeen {
    return {
      links: [...this.#kernel.links()].map(({ index, name, up }) => ({
        ...{ index, name, up },
        ...this.#of(index),
      })),
      addresses: [...this.#kernel.addresses()],
      neighbours: [...this.#neighbours.values()],
    }
  }

  /** Does what somebody would by `ip link`, `ip address`, `ip neighbour`. Answers the errno. */
  change(change: DeviceChange): number {
    if (change.type === 'create') return this.#create(change)
    const index = change.type === 'neighbour' ? change.neighbour.link : change.link
    const link = [...this.#kernel.links()].find(other => other.index === index)
    if (link === undefined) return ENODEV
    switch (change.type) {
      case 'set': {
        const { mtu, alias, up } = change
        const made = this.#of(index)
        this.#made.set(index, { ...made, ...(mtu && { mtu }), alias: alias ?? made.alias })
        if (up !== undefined && up !== link.up) this.#kernel.setLink(link.name, up)
        else this.#kernel.touchLink(link.name)
        return 0
      }
      case 'remove':
        this.#kernel.deleteLink(link.name)
        return 0
      case 'address':
        return this.#address(link.name, change)
      case 'neighbour':
        return this.#neighbour(change)
      default:
        return change satisfies never
    }
  }

  /** A link is down: the kernel forgets its neighbours, but not where VXLAN goes. */
  down(index: number): void {
    for (const [place, { table, link }] of this.#neighbours)
      if (link === index && table === 'neighbours') this.#neighbours.delete(place)
  }

  /** A link has gone: its neighbours go, and the tunnels over it. */
  gone(index: number): void {
    this.#made.delete(index)
    for (const [place, { link }] of this.#neighbours)
      if (link === index) this.#neighbours.delete(place)
    for (const { index: other, name } of [...this.#kernel.links()])
      if (this.#of(other).vxlan?.parent === index) this.#kernel.deleteLink(name)
  }

  #of(index: number): Made {
    return this.#made.get(index) ?? { mtu: MTU_DEFAULT, alias: '', kind: 'veth' }
  }

  #create(change: Extract<DeviceChange, { readonly type: 'create' }>): number {
    const { name, kind, mtu = MTU_DEFAULT, mac, vxlan } = change
    if (this.missing.has(kind)) return EOPNOTSUPP
    if (this.#kernel.indexOf(name) !== 0 || this.#clashes(vxlan)) return EEXIST
    this.#kernel.addLink(name, false)
    this.#made.set(this.#kernel.indexOf(name), {
      ...{ mtu, alias: '', kind },
      ...(mac !== undefined && { mac }),
      ...(vxlan !== undefined && { vxlan }),
    })
    return 0
  }

  /** One network of a number at one port, for each family. */
  #clashes(vxlan: Vxlan | undefined): boolean {
    if (vxlan?.local === undefined) return false
    const { vni, port, local } = vxlan
    return [...this.#made.values()].some(
      ({ vxlan: other }) =>
        other?.vni === vni &&
        other.port === port &&
        other.local !== undefined &&
        familyOf(other.local) === familyOf(local),
    )
  }

  #address(
    name: string,
    { verb, address, length }: Extract<DeviceChange, { readonly type: 'address' }>,
  ): number {
    const link = this.#kernel.indexOf(name)
    const has = [...this.#kernel.addresses()].some(
      other =>
        other.index === link &&
        other.address === address &&
        (verb === 'add' || other.length === length),
    )
    if (verb === 'add' ? has : !has) return verb === 'add' ? EEXIST : EADDRNOTAVAIL
    if (verb === 'add') this.#kernel.addAddress(name, address, prefixOf(address, length))
    else this.#kernel.deleteAddress(name, address)
    return 0
  }

  #neighbour({ verb, neighbour }: Extract<DeviceChange, { readonly type: 'neighbour' }>): number {
    const { table, link, address, mac } = neighbour
    const place = `${link} ${table} ${table === 'neighbours' ? address : mac}`
    if (verb === 'delete' && !this.#neighbours.delete(place)) return ENOENT
    if (verb === 'set') this.#neighbours.set(place, neighbour)
    this.#kernel.tellNeighbour(link)
    return 0
  }
}
