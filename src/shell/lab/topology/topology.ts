/**
 * A topology as it is realised: defaults, kinds, groups and nodes merged by containerlab's rules,
 * command lines split, paths made absolute, magic words replaced, every reference checked. Pure but
 * for the arguments it is given.
 */
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, dirname, isAbsolute, join, resolve } from 'node:path'
import { LabError } from '../error.ts'
import {
  type DefinitionResult,
  type EndpointDefinition,
  type Kind,
  type LinkDefinition,
  readDefinition,
  type SettingsDefinition,
  type Stage,
  type TopologyDefinition,
} from './definition.ts'
import type { Path } from './shape.ts'
import { splitCommand } from './words.ts'

/** A file or folder of this machine that a node sees; writes stay inside the lab. */
export interface Bind {
  readonly source: string
  readonly destination: string
  readonly readOnly: boolean
}

/** How a node is asked whether it is well; times in milliseconds. */
export interface Healthcheck {
  readonly command: readonly string[]
  readonly startMs: number
  readonly intervalMs: number
  readonly retries: number
  readonly timeoutMs: number
}

/** One node, complete. */
export interface Node {
  readonly name: string
  readonly kind: Kind
  readonly group: string
  readonly image: string
  /** absent: the image's own */
  readonly entrypoint?: readonly string[]
  readonly cmd?: readonly string[]
  readonly exec: readonly (readonly string[])[]
  readonly binds: readonly Bind[]
  readonly env: Readonly<Record<string, string>>
  readonly user: string
  readonly privileged: boolean
  readonly capAdd: readonly string[]
  readonly sysctls: Readonly<Record<string, string>>
  readonly managementAddress?: string
  /** `container:` names the node whose network this one shares */
  readonly network: 'management' | 'none' | 'host' | { readonly container: string }
  readonly hostname: string
  readonly aliases: readonly string[]
  readonly startupDelayMs: number
  readonly waitFor: readonly { readonly node: string; readonly stage: Stage }[]
  readonly healthcheck?: Healthcheck
  readonly restart: 'no' | 'on-failure' | 'always'
}

/**
 * One end of a link; node `host` is the lab's own root network, `mgmt-net` its management bridge.
 */
export interface Endpoint {
  readonly node: string
  readonly interface: string
  readonly mac?: string
  readonly addresses: readonly string[]
}

/** Two ends joined, or one interface alone (dummy). */
export interface Link {
  readonly ends: readonly [Endpoint, Endpoint] | readonly [Endpoint]
  readonly mtu: number
}

/** The whole topology. */
export interface Topology {
  readonly name: string
  readonly file: string
  /** IPv4 subnet of the management bridge */
  readonly management: { readonly bridge: string; readonly subnet: string }
  readonly nodes: readonly Node[]
  readonly links: readonly Link[]
  /** what the file says that has no effect here */
  readonly notices: readonly string[]
}

type Settings = Partial<SettingsDefinition>
type Variables = Readonly<Record<string, string | undefined>>

/** containerlab's own. */
const DEFAULT_MTU = 9500
const DEFAULT_SUBNET = '172.20.20.0/24'

/** Reads and checks a topology file. Throws a LabError that lists every problem with its line. */
export function loadTopology(file: string, variables: Variables): Topology {
  let source: string
  try {
    source = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new LabError('LAB_TOPOLOGY', `${file}: cannot be read: ${String(cause)}`, { cause })
  }
  return parseTopology(source, file, variables)
}

/**
 * As `loadTopology`, from text; `file` says where relative paths start and what problems are
 * called.
 */
export function parseTopology(source: string, file: string, variables: Variables): Topology {
  const result = readDefinition(source, file, variables)
  const topology = result.definition && build(result.definition, file, result)
  if (topology === undefined || result.problems.length > 0) {
    throw new LabError('LAB_TOPOLOGY', result.problems.join('\n'))
  }
  return topology
}

function build(
  definition: Partial<TopologyDefinition>,
  file: string,
  result: DefinitionResult,
): Topology {
  const name = definition.name ?? basename(file).replace(/(\.clab)?\.ya?ml$/, '')
  const directory = resolve(dirname(file))
  const inner = definition.topology ?? {}
  const nodes: Node[] = []
  for (const [node, own] of Object.entries(inner.nodes ?? {})) {
    const at: Path = ['topology', 'nodes', node]
    const group = own.group ?? inner.defaults?.group ?? ''
    if (group !== '' && inner.groups?.[group] === undefined) {
      result.problem([...at, 'group'], `there is no group "${group}" under topology.groups`)
    }
    const grouped = inner.groups?.[group] ?? {}
    const kind = own.kind ?? grouped.kind ?? inner.defaults?.kind ?? 'linux'
    const layers = [inner.defaults ?? {}, inner.kinds?.[kind] ?? {}, grouped, own]
    const magic = {
      __clabNodeName__: node,
      __clabNodeDir__: join(directory, `clab-${name}`, node),
      __clabDir__: join(directory, `clab-${name}`),
    }
    nodes.push(nodeOf({ node, group, kind, directory, at, layers, magic }, result))
  }
  const links = (inner.links ?? []).flatMap((link, index) =>
    linkOf(link, ['topology', 'links', index], result),
  )
  checkReferences(nodes, links, result)
  return {
    name,
    file: resolve(file),
    management: {
      bridge: definition.mgmt?.bridge ?? 'clab',
      subnet: definition.mgmt?.['ipv4-subnet'] ?? DEFAULT_SUBNET,
    },
    nodes,
    links,
    notices: result.notices,
  }
}

interface NodeContext {
  readonly node: string
  readonly group: string
  readonly kind: Kind
  readonly directory: string
  readonly at: Path
  readonly layers: readonly Settings[]
  readonly magic: Readonly<Record<string, string>>
}

function nodeOf(context: NodeContext, result: DefinitionResult): Node {
  const { node, kind, layers, at } = context
  const merged: Settings = Object.assign({}, ...layers)
  const replace = (value: string): string =>
    Object.entries(context.magic).reduce(
      (text, [word, with_]) => text.replaceAll(word, with_),
      value,
    )
  const command = (key: 'entrypoint' | 'cmd' | 'exec', line: string): readonly string[] => {
    const words = splitCommand(replace(line))
    if (!('fault' in words)) return words
    result.problem([...at, key], words.fault)
    return []
  }
  // containerlab concatenates and drops a line that was said before
  const exec = [...new Set(layers.flatMap(layer => layer.exec ?? []))]
  const binds = layers
    .flatMap(layer => layer.binds ?? [])
    .map(bind => bindOf(replace(bind), context, result))
  if (kind === 'linux' && merged.image === undefined) {
    result.problem(at, 'has no image; say which program it runs, as image: martlet')
  }
  return {
    name: node,
    kind,
    group: context.group,
    image: replace(merged.image ?? ''),
    ...(merged.entrypoint === undefined
      ? {}
      : { entrypoint: command('entrypoint', merged.entrypoint) }),
    ...(merged.cmd === undefined ? {} : { cmd: command('cmd', merged.cmd) }),
    exec: exec.map(line => command('exec', line)).filter(words => words.length > 0),
    // merged by destination: the last one that says it
    binds: [...new Map(binds.map(bind => [bind.destination, bind])).values()],
    env: mapValues(Object.assign({}, ...layers.map(layer => layer.env ?? {})), replace),
    user: merged.user ?? '',
    privileged: merged.privileged ?? true,
    capAdd: merged['cap-add'] ?? [],
    sysctls: Object.assign({}, ...layers.map(layer => layer.sysctls ?? {})),
    ...(merged['mgmt-ipv4'] === undefined ? {} : { managementAddress: merged['mgmt-ipv4'] }),
    network: networkOf(merged['network-mode'], kind),
    hostname: replace(merged.hostname ?? node),
    aliases: merged.aliases ?? [],
    startupDelayMs: (merged['startup-delay'] ?? 0) * 1000,
    waitFor: waitsOf(merged, at, result),
    ...healthcheckOf(merged, at, result),
    restart: restartOf(merged['restart-policy']),
  }
}

function networkOf(mode: string | undefined, kind: Kind): Node['network'] {
  if (mode === 'host' || kind === 'host') return 'host'
  if (mode?.startsWith('container:')) return { container: mode.slice('container:'.length) }
  return mode === 'none' || kind === 'bridge' ? 'none' : 'management'
}

function restartOf(policy: SettingsDefinition['restart-policy'] | undefined): Node['restart'] {
  return policy === undefined || policy === 'unless-stopped' ? 'always' : policy
}

function waitsOf(merged: Settings, at: Path, result: DefinitionResult): Node['waitFor'] {
  return (merged.stages?.create?.['wait-for'] ?? []).flatMap((wait, index) => {
    if (wait.node !== undefined && wait.stage !== undefined) {
      return [{ node: wait.node, stage: wait.stage }]
    }
    result.problem([...at, 'stages', 'create', 'wait-for', index], 'needs node and stage')
    return []
  })
}

function healthcheckOf(
  merged: Settings,
  at: Path,
  result: DefinitionResult,
): { healthcheck?: Healthcheck } {
  const check = merged.healthcheck
  if (check === undefined) return {}
  const [how, ...rest] = check.test ?? []
  const shell = how === 'CMD-SHELL'
  if (rest.length === 0 || (how !== 'CMD' && !shell)) {
    result.problem(
      [...at, 'healthcheck', 'test'],
      'write [CMD, program, argument…] or [CMD-SHELL, line]',
    )
    return {}
  }
  return {
    healthcheck: {
      command: shell ? ['sh', '-c', rest.join(' ')] : rest,
      startMs: (check['start-period'] ?? 0) * 1000,
      intervalMs: (check.interval ?? 30) * 1000,
      retries: check.retries ?? 3,
      timeoutMs: (check.timeout ?? 30) * 1000,
    },
  }
}

function bindOf(bind: string, context: NodeContext, result: DefinitionResult): Bind {
  const [from = '', to = '', mode = 'rw'] = bind.split(':')
  if (!to.startsWith('/') || (mode !== 'ro' && mode !== 'rw')) {
    result.problem(
      [...context.at, 'binds'],
      `"${bind}" is not source:/destination or source:/destination:ro`,
    )
  }
  const home = from === '~' || from.startsWith('~/') ? join(homedir(), from.slice(1)) : from
  const source = isAbsolute(home) ? home : resolve(context.directory, home)
  return { source, destination: to, readOnly: mode === 'ro' }
}

function mapValues(
  map: Readonly<Record<string, string>>,
  change: (value: string) => string,
): Record<string, string> {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, change(value)]))
}

function linkOf(link: LinkDefinition, at: Path, result: DefinitionResult): readonly Link[] {
  const mtu = link.mtu ?? DEFAULT_MTU
  const single = link.type === 'host' || link.type === 'mgmt-net' || link.type === 'dummy'
  const given = single ? (link.endpoint ? [link.endpoint] : []) : (link.endpoints ?? [])
  const [first, second] = given.map((end, index) => endpointOf(end, link, index))
  if (first === undefined || (!single && (second === undefined || given.length > 2))) {
    result.problem(at, single ? 'needs endpoint' : 'needs two endpoints')
    return []
  }
  if (link.type === 'dummy') return [{ ends: [first], mtu }]
  if (second !== undefined) return [{ ends: [first, second], mtu }]
  const far = link['host-interface']
  if (far === undefined) {
    result.problem(at, 'needs host-interface')
    return []
  }
  const node = link.type === 'host' ? 'host' : 'mgmt-net'
  return [{ ends: [first, { node, interface: far, addresses: [] }], mtu }]
}

function endpointOf(end: EndpointDefinition, link: LinkDefinition, index: number): Endpoint {
  const addresses = [end.ipv4, end.ipv6, link.ipv4?.[index], link.ipv6?.[index]]
  return {
    node: end.node,
    interface: end.interface,
    ...(end.mac === undefined ? {} : { mac: end.mac }),
    addresses: addresses.flatMap(address => (address ? [address] : [])),
  }
}

function checkReferences(
  nodes: readonly Node[],
  links: readonly Link[],
  result: DefinitionResult,
): void {
  const names = new Map(nodes.map(node => [node.name, node]))
  for (const node of nodes) {
    const at: Path = ['topology', 'nodes', node.name]
    if (typeof node.network === 'object' && !names.has(node.network.container)) {
      result.problem([...at, 'network-mode'], `there is no node "${node.network.container}"`)
    }
    for (const { node: other } of node.waitFor) {
      if (!names.has(other)) result.problem([...at, 'stages'], `there is no node "${other}"`)
    }
    if (waitsForItself(node, names)) {
      result.problem([...at, 'stages'], 'waits for itself, by way of others: nothing would start')
    }
  }
  const taken = new Set<string>()
  links.forEach((link, index) => {
    for (const end of link.ends) checkEnd(end, ['topology', 'links', index], names, taken, result)
  })
}

function checkEnd(
  end: Endpoint,
  at: Path,
  names: ReadonlyMap<string, Node>,
  taken: Set<string>,
  result: DefinitionResult,
): void {
  const where = `${end.node}:${end.interface}`
  const node = names.get(end.node)
  if (node === undefined && end.node !== 'host' && end.node !== 'mgmt-net') {
    result.problem(at, `there is no node "${end.node}"`)
  }
  if (!/^[^\s/:]{1,15}$/.test(end.interface)) {
    result.problem(at, `"${end.interface}" is no name for an interface: 1 to 15 characters`)
  }
  if (end.interface === 'eth0' && node?.network === 'management') {
    result.problem(at, `${where} is the management interface; use eth1, or network-mode: none`)
  }
  if (taken.has(where)) result.problem(at, `${where} is the end of another link already`)
  taken.add(where)
}

function waitsForItself(node: Node, names: ReadonlyMap<string, Node>): boolean {
  const seen = new Set<string>()
  const open = before(node)
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (next === node.name) return true
    if (seen.has(next)) continue
    seen.add(next)
    open.push(...before(names.get(next)))
  }
  return false
}

/** The nodes that must exist before this one. */
function before(node: Node | undefined): string[] {
  if (node === undefined) return []
  const shared = typeof node.network === 'object' ? [node.network.container] : []
  return [...node.waitFor.map(wait => wait.node), ...shared]
}
