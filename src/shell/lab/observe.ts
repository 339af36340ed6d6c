/**
 * What a lab's nodes say of themselves, asked in each program's own words: addresses, sessions,
 * routes.
 */
import type { Lab } from './lab.ts'
import type { NodeRecord } from './record.ts'

/** One BGP session as one of its ends sees it. */
export interface ObservedSession {
  readonly node: string
  /** `martlet`, `bird`, `frr`, `gobgp` */
  readonly program: string
  readonly peer: string
  readonly peerAs: number | undefined
  /** in RFC 4271's words where the program uses them */
  readonly state: string
}

/** One route that Martlet put into the kernel of a node. */
export interface ObservedRoute {
  readonly node: string
  readonly prefix: string
  /** `via ADDRESS dev INTERFACE`, several for ECMP; `blackhole` */
  readonly nextHops: readonly string[]
}

/** The nodes of a lab by what they are for. */
export interface Roles {
  /** nodes of the group `pod` */
  readonly pods: readonly string[]
  /** nodes that a pod is linked to */
  readonly workers: readonly string[]
  /** all nodes that speak BGP, in the order of the file */
  readonly speakers: readonly NodeRecord[]
}

const SPEAKERS = ['martlet', 'bird', 'frr', 'gobgp']
/** What a busy machine may take to answer a question. In milliseconds. */
const PATIENCE = 15_000

/** Sorts the nodes of a lab by their roles. */
export function rolesOf(lab: Lab): Roles {
  const { nodes, links } = lab.record()
  const pods = nodes.filter(node => node.group === 'pod').map(node => node.name)
  const near = (name: string): boolean =>
    links.some(ends => {
      const names = ends.map(end => end.slice(0, end.lastIndexOf(':')))
      return names.includes(name) && names.some(other => pods.includes(other))
    })
  const workers = nodes.map(node => node.name).filter(name => !pods.includes(name) && near(name))
  const speakers = nodes.filter(node => SPEAKERS.includes(node.program))
  return { pods, workers, speakers }
}

interface IpAddress {
  readonly ifname: string
  readonly addr_info: readonly { readonly local?: string; readonly scope: string }[]
}

/**
 * Global addresses of a node, IPv4 first, without those of the management network and the loopback.
 */
export async function addressesOf(lab: Lab, node: string): Promise<readonly string[]> {
  const { managementAddress } = lab.node(node).record()
  const { stdout } = await lab.node(node).exec(['ip', '-json', 'address'], { timeoutMs: PATIENCE })
  const interfaces: readonly IpAddress[] = JSON.parse(stdout || '[]')
  const found = interfaces
    .filter(({ ifname }) => ifname !== 'lo')
    .flatMap(({ addr_info }) => addr_info.filter(({ scope }) => scope === 'global'))
    .flatMap(({ local }) => (local === undefined || local === managementAddress ? [] : [local]))
  return [...found.filter(text => !text.includes(':')), ...found.filter(text => text.includes(':'))]
}

/** The sessions of all speakers, as they stand. */
export async function sessionsOf(lab: Lab): Promise<readonly ObservedSession[]> {
  const { speakers } = rolesOf(lab)
  return (await Promise.all(speakers.map(node => sessionsOfNode(lab, node)))).flat()
}

async function sessionsOfNode(lab: Lab, node: NodeRecord): Promise<readonly ObservedSession[]> {
  const reader = READERS[node.program]
  if (reader === undefined) return []
  const { stdout } = await lab.node(node.name).exec(reader.command, { timeoutMs: PATIENCE })
  // a program that is not up yet says nothing; one that found trouble says it and ends with 1
  if (stdout.trim() === '') return []
  return reader
    .read(stdout)
    .map(session => ({ node: node.name, program: node.program, ...session }))
}

type Session = Omit<ObservedSession, 'node' | 'program'>

interface Reader {
  readonly command: readonly string[]
  readonly read: (output: string) => readonly Session[]
}

const READERS: Readonly<Record<string, Reader>> = {
  martlet: { command: ['martlet', 'peers', '-o', 'json'], read: readMartlet },
  bird: { command: ['birdc', 'show', 'protocols', 'all'], read: readBird },
  frr: { command: ['vtysh', '-c', 'show bgp summary json'], read: readFrr },
  gobgp: { command: ['gobgp', 'neighbor', '-j'], read: readGobgp },
}

/** Reads `martlet peers -o json`. */
export function readMartlet(output: string): readonly Session[] {
  const peers: readonly { peerAddress: string; peerAsNumber: number; state: string }[] =
    JSON.parse(output)
  return peers.map(({ peerAddress, peerAsNumber, state }) => ({
    peer: peerAddress,
    peerAs: peerAsNumber,
    state,
  }))
}

/** Reads `birdc show protocols all`. */
export function readBird(output: string): readonly Session[] {
  return output
    .split(/\n(?=\S)/)
    .filter(block => /^\S+\s+BGP\s/.test(block))
    .map(block => ({
      peer: /Neighbor address:\s+(\S+)/.exec(block)?.[1] ?? '?',
      peerAs: numberOf(/Neighbor AS:\s+(\d+)/.exec(block)?.[1]),
      state: /BGP state:\s+(\S+)/.exec(block)?.[1] ?? 'Idle',
    }))
}

/** Reads `show bgp summary json` of FRR: a map of families, each with a map of peers. */
export function readFrr(output: string): readonly Session[] {
  type Family = { peers?: Readonly<Record<string, { remoteAs: number; state: string }>> }
  const families: Readonly<Record<string, Family>> = JSON.parse(output)
  const peers = new Map<string, Session>()
  for (const family of Object.values(families)) {
    for (const [peer, { remoteAs, state }] of Object.entries(family.peers ?? {})) {
      peers.set(peer, { peer, peerAs: remoteAs, state })
    }
  }
  return [...peers.values()]
}

const GOBGP_STATES = ['?', 'Idle', 'Connect', 'Active', 'OpenSent', 'OpenConfirm', 'Established']

/** Reads `gobgp neighbor -j`. */
export function readGobgp(output: string): readonly Session[] {
  type Neighbour = {
    state: { neighbor_address: string; peer_asn: number; session_state?: number }
  }
  // what it could not find out it tells as an object
  const said: readonly Neighbour[] | { error: string } = JSON.parse(output)
  if ('error' in said) return []
  return said.map(({ state }) => ({
    peer: state.neighbor_address,
    peerAs: state.peer_asn,
    state: GOBGP_STATES[state.session_state ?? 0] ?? '?',
  }))
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text)
}

/**
 * The routes of the agent in the kernel of each worker; `protocol` is what the agent marks its own
 * with.
 */
export async function routesOf(lab: Lab, protocol = 77): Promise<readonly ObservedRoute[]> {
  const { workers } = rolesOf(lab)
  const asked = workers.flatMap(node => (['-4', '-6'] as const).map(family => ({ node, family })))
  const answers = await Promise.all(
    asked.map(async ({ node, family }) => {
      const command = ['ip', '-json', family, 'route', 'show', 'proto', String(protocol)]
      const { stdout } = await lab.node(node).exec(command, { timeoutMs: PATIENCE })
      return readRoutes(stdout).map(route => ({ node, ...route }))
    }),
  )
  return answers.flat()
}

/** Reads `ip -json route show`. */
export function readRoutes(output: string): readonly Omit<ObservedRoute, 'node'>[] {
  type Hop = { gateway?: string; via?: { host: string }; dev?: string }
  type Route = Hop & { dst: string; type?: string; nexthops?: readonly Hop[] }
  const routes: readonly Route[] = JSON.parse(output.trim() || '[]')
  const tell = ({ gateway, via, dev }: Hop): string => {
    const host = gateway ?? via?.host
    return [
      ...(host === undefined ? [] : ['via', host]),
      ...(dev === undefined ? [] : ['dev', dev]),
    ].join(' ')
  }
  return routes.map(route => ({
    prefix: route.dst,
    nextHops:
      route.type === 'blackhole'
        ? ['blackhole']
        : (route.nexthops ?? [route]).map(hop => tell(hop)),
  }))
}
