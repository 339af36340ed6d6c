import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import type { DataplaneNote, KernelEvent, KernelOutput } from '../../src/core/dataplane/index.ts'
import { address, type Prefix, parseNetwork, prefix } from '../../src/core/net/index.ts'
import { BLACKHOLE, type TargetHop, unicastTarget } from '../../src/core/rtnl/index.ts'
import { NetlinkKernel } from '../../src/shell/netlink/index.ts'
import { enterNewNetwork } from '../../src/shell/posix/index.ts'
import { type RouteAct, SimulatedKernel } from '../../src/sim/index.ts'

/**
 * A kernel under test, and a hand of the world beside it that does what somebody with `ip` would.
 * The real one is a network namespace of its own, which ends with its test.
 */

/** A route as a hand writes it and as a test reads it. */
export interface RigRoute {
  readonly prefix: string
  /** `via 10.0.0.1 dev a`, or several joined by `, `; `blackhole` */
  readonly to: string
  readonly protocol: number
  readonly metric: number
}

/** What the dataplane's side is opened with. */
export interface RigOptions {
  readonly table: number
  readonly protocol: number
  readonly deliver: (event: KernelEvent) => void
  readonly note?: (note: DataplaneNote) => void
  readonly notificationOctetsMax?: number
}

/** One kernel, empty at first. */
export interface Rig {
  addLink(name: string): void
  deleteLink(name: string): void
  setLink(name: string, up: boolean): void
  /** `10.9.0.1/24` */
  addAddress(link: string, network: string): void
  deleteAddress(link: string, network: string): void
  /** `10.9.0.1/24`, sorted; not those that the kernel gives a link by itself. */
  addresses(link: string): readonly string[]
  /** True when it was done. */
  act(act: RouteAct, table: number, route: RigRoute): boolean
  /** As `ip nexthop`: `add 7 via 10.9.0.2 dev a protocol 99`. True when it was done. */
  nexthop(verb: 'add' | 'replace' | 'del', id: string, ...words: string[]): boolean
  /** Deletes all IPv4 routes of `protocol` in `table`, as fast as the kernel can. */
  flush(table: number, protocol: number): void
  /**
   * All routes of `table` with a protocol above 4 (not the kernel's own), sorted by prefix and
   * protocol.
   */
  routes(table: number): RigRoute[]
  /** What a link to a workload does: answers for others, and knows these by heart; sorted. */
  served(link: string): { readonly answers: boolean; readonly neighbours: readonly string[] }
  /** Makes the link answer for nobody but itself. */
  spoil(link: string): void
  open(options: RigOptions): KernelOutput & { close(): void }
  close(): void
}

/** A hop as text. */
interface Hop {
  readonly via?: string
  readonly dev?: string
  readonly weight: number
}

function parseHops(to: string): Hop[] {
  return to.split(', ').map(text => {
    const words = text.split(' ')
    const after = (word: string): string | undefined =>
      words.includes(word) ? words[words.indexOf(word) + 1] : undefined
    const via = after('via')
    const dev = after('dev')
    return {
      ...(via !== undefined && { via }),
      ...(dev !== undefined && { dev }),
      weight: Number(after('weight') ?? 1),
    }
  })
}

function hopText({ via, dev, weight }: Hop): string {
  const words = [via && `via ${via}`, dev && `dev ${dev}`, weight !== 1 && `weight ${weight}`]
  return words.filter(Boolean).join(' ')
}

const inOrder = (routes: RigRoute[]): RigRoute[] =>
  routes.sort(
    (left, right) => compareText(left.prefix, right.prefix) || left.protocol - right.protocol,
  )

const compareText = (left: string, right: string): number =>
  left < right ? -1 : left > right ? 1 : 0

/** The simulated kernel, with the runtime's turns as its time. */
export function simulatedRig(): Rig {
  const kernel = new SimulatedKernel()
  const names = new Map<number, string>()
  const remember = (name: string): void => {
    names.set(kernel.indexOf(name), name)
  }
  return {
    addLink(name) {
      kernel.addLink(name)
      remember(name)
    },
    deleteLink: name => kernel.deleteLink(name),
    setLink: (name, up) => kernel.setLink(name, up),
    addAddress(link, text) {
      const network = parseNetwork(text)
      if (network !== undefined) kernel.addAddress(link, network.address, network.prefix)
    },
    deleteAddress: (link, text) => kernel.deleteAddress(link, address(text.replace(/\/.*/, ''))),
    addresses: link =>
      [...kernel.addresses()]
        .filter(({ index }) => index === kernel.indexOf(link))
        .map(own => `${own.address}/${own.length}`)
        .sort(),
    act(act, table, route) {
      const target =
        route.to === 'blackhole'
          ? BLACKHOLE
          : unicastTarget(parseHops(route.to).map(hop => toTarget(kernel, hop)))
      const { protocol, metric } = route
      return (
        kernel.act(act, { table, prefix: prefix(route.prefix), metric, protocol, target }) === 0
      )
    },
    nexthop(verb, id, ...rest) {
      const text = rest.join(' ')
      const protocol = Number(text.match(/protocol (\d+)/)?.[1] ?? 0)
      const members = text.match(/^group (\S+)/)?.[1]?.split('/')
      const object =
        members === undefined
          ? { kind: 'hop' as const, hop: toTarget(kernel, parseHops(text)[0] ?? { weight: 1 }) }
          : {
              kind: 'group' as const,
              members: members.map(one => ({ id: Number(one), weight: 1 })),
            }
      const act = verb === 'del' ? 'delete' : verb === 'replace' ? 'replace' : 'add'
      return kernel.objects.change(act, { id: Number(id), protocol, object }, 0x7000_0000) === 0
    },
    flush(table, protocol) {
      for (const route of kernel.routes(table))
        if (route.protocol === protocol) kernel.act('delete', route)
    },
    routes(table) {
      return inOrder(
        kernel
          .routes(table)
          .map(kernel.expand, kernel)
          .map(route => ({
            prefix: route.prefix,
            protocol: route.protocol,
            metric: route.metric,
            to:
              route.target.kind === 'blackhole'
                ? 'blackhole'
                : route.target.hops
                    .map(hop => hopText(fromTarget(names, hop)))
                    .sort(compareText)
                    .join(', '),
          })),
      )
    },
    served(link) {
      const served = kernel.devices.served(link)
      const neighbours = served?.neighbours.map(({ address: text, mac }) => `${text} ${mac}`) ?? []
      return { answers: served !== undefined, neighbours: neighbours.sort() }
    },
    spoil: link => kernel.devices.spoil(link),
    open(options) {
      const later = (_stream: string, act: () => void): void => {
        setImmediate(act)
      }
      if (options.notificationOctetsMax !== undefined) kernel.faults.loseNotifications = 20
      return kernel.open({ ...options, later })
    },
    close() {},
  }
}

function toTarget(kernel: SimulatedKernel, hop: Hop): TargetHop {
  return {
    ...(hop.via !== undefined && { gateway: address(hop.via) }),
    link: hop.dev === undefined ? 0 : kernel.indexOf(hop.dev),
    weight: hop.weight,
    onlink: false,
  }
}

function fromTarget(names: ReadonlyMap<number, string>, hop: TargetHop): Hop {
  const dev = names.get(hop.link)
  return {
    ...(hop.gateway !== undefined && { via: hop.gateway }),
    ...(dev !== undefined && { dev }),
    weight: hop.weight,
  }
}

/**
 * A network namespace of the real kernel. Needs root; the calling thread stays in it until the
 * next.
 */
export function realRig(): Rig {
  enterNewNetwork()
  const ip = (...words: string[]): string =>
    execFileSync('ip', words, {
      encoding: 'utf8',
      maxBuffer: 1 << 30,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
  ip('link', 'set', 'lo', 'up')
  return {
    addLink(name) {
      ip('link', 'add', 'name', name, 'type', 'veth', 'peer', 'name', `${name}-far`)
      ip('link', 'set', 'dev', `${name}-far`, 'up')
      ip('link', 'set', 'dev', name, 'up')
    },
    deleteLink: name => void ip('link', 'del', 'dev', name),
    setLink: (name, up) => void ip('link', 'set', 'dev', name, up ? 'up' : 'down'),
    addAddress: (link, text) =>
      void ip('addr', 'add', text, 'dev', link, ...(text.includes(':') ? ['nodad'] : [])),
    deleteAddress: (link, text) => void ip('addr', 'del', text, 'dev', link),
    addresses: link =>
      ip('-o', 'addr', 'show', 'dev', link)
        .split('\n')
        .flatMap(line => /inet6? (\S+)/.exec(line)?.[1] ?? [])
        .filter(text => !text.startsWith('fe80'))
        .sort(),
    act(act, table, route) {
      const family = route.prefix.includes(':') ? '-6' : '-4'
      const kind = route.to === 'blackhole' ? ['blackhole'] : []
      const common = `table ${table} proto ${route.protocol} metric ${route.metric}`.split(' ')
      const verb = act === 'delete' ? 'del' : act
      try {
        ip(family, 'route', verb, ...kind, route.prefix, ...common, ...hopWords(act, route))
        return true
      } catch {
        // refused: the test says what it expected
        return false
      }
    },
    nexthop(verb, id, ...rest) {
      try {
        ip('nexthop', verb, 'id', id, ...rest)
        return true
      } catch {
        return false
      }
    },
    flush(table, protocol) {
      // not by `ip route flush`, which cannot take routes that name a nexthop object
      const lines = parseRoutes(showTable(ip, '-4', table))
        .filter(route => route.protocol === protocol)
        .map(({ prefix, metric }) => `route del ${prefix} table ${table} metric ${metric}`)
      execFileSync('ip', ['-batch', '-'], { input: lines.join('\n') })
    },
    routes(table) {
      const read = (family: string): RigRoute[] => parseRoutes(showTable(ip, family, table))
      return inOrder([...read('-4'), ...read('-6')])
    },
    served(link) {
      const neighbours: readonly JsonNeighbour[] = JSON.parse(
        ip('-j', 'neigh', 'show', 'dev', link, 'nud', 'permanent') || '[]',
      )
      return {
        answers: SETTINGS.every(([path, value]) => settingAt(path(link)) === value),
        neighbours: neighbours.map(({ dst, lladdr }) => `${dst} ${lladdr}`).sort(),
      }
    },
    spoil: link => {
      for (const [path] of SETTINGS) writeFileSync(path(link), '0')
    },
    open(options) {
      const note = options.note ?? ((): void => {})
      const { table, protocol, deliver, notificationOctetsMax } = options
      return new NetlinkKernel({
        config: { table, protocol },
        deliver,
        note,
        ...(notificationOctetsMax !== undefined && { notificationOctetsMax }),
      })
    },
    close() {},
  }
}

/** Some of what a link to a workload is set to. */
const SETTINGS: readonly (readonly [(link: string) => string, string])[] = [
  [link => `/proc/sys/net/ipv4/conf/${link}/proxy_arp`, '1'],
  [link => `/proc/sys/net/ipv4/conf/${link}/forwarding`, '1'],
  [link => `/proc/sys/net/ipv6/conf/${link}/proxy_ndp`, '1'],
]

const settingAt = (path: string): string => readFileSync(path, 'latin1').trim()

interface JsonNeighbour {
  readonly dst: string
  readonly lladdr: string
}

function hopWords(act: RouteAct, route: RigRoute): string[] {
  if (route.to === 'blackhole' || act === 'delete') return []
  const hops = parseHops(route.to)
  const [only] = hops
  if (hops.length === 1 && only !== undefined) return hopText(only).split(' ')
  return hops.flatMap(hop => [
    'nexthop',
    ...hopText({ ...hop, weight: 1 }).split(' '),
    'weight',
    String(hop.weight),
  ])
}

function showTable(ip: (...words: string[]) => string, family: string, table: number): string {
  try {
    return ip('-j', '-N', '-d', family, 'route', 'show', 'table', String(table))
  } catch {
    // a table that nobody has used yet
    return '[]'
  }
}

interface JsonHop {
  readonly gateway?: string
  /** in its place where its family is not the route's */
  readonly via?: { readonly host: string }
  readonly dev?: string
  readonly weight?: number
}

interface JsonRoute extends JsonHop {
  readonly type?: string
  readonly dst: string
  readonly protocol?: string
  readonly metric?: number
  readonly nexthops?: readonly JsonHop[]
}

function parseRoutes(text: string): RigRoute[] {
  const routes: readonly JsonRoute[] = JSON.parse(text === '' ? '[]' : text)
  return routes
    .map(route => ({
      prefix: wholePrefix(route.dst),
      protocol: Number(route.protocol ?? 0),
      metric: route.metric ?? 0,
      to:
        route.type === '6' || route.type === 'blackhole'
          ? 'blackhole'
          : (route.nexthops ?? [route])
              .map(({ via, gateway = via?.host, dev, weight = 1 }) =>
                hopText({
                  ...(gateway !== undefined && { via: gateway }),
                  ...(dev !== undefined && { dev }),
                  weight,
                }),
              )
              .sort(compareText)
              .join(', '),
    }))
    .filter(route => route.protocol > 4)
}

/** `ip` leaves out the length of a host's prefix. */
function wholePrefix(text: string): Prefix | string {
  if (text === 'default') return '0.0.0.0/0'
  return text.includes('/') ? text : `${text}/${text.includes(':') ? 128 : 32}`
}
