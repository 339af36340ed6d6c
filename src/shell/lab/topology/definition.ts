/**
 * The subset of containerlab's topology file that a lab here understands, as it is written, before
 * groups and kinds are merged into nodes. Every other key is refused by name: nothing is silently
 * left out.
 */
import {
  flag,
  list,
  mapOf,
  matching,
  oneOf,
  type Path,
  parseFile,
  type Shape,
  struct,
  text,
  whole,
} from './shape.ts'
import { expand } from './words.ts'

/** Kinds of node that a lab here can be made of. */
export type Kind = 'linux' | 'bridge' | 'host'

/** What another node must have reached before this one is created. */
export type Stage = 'create' | 'create-links' | 'configure' | 'healthy' | 'exit'

/** Docker's health check; times in seconds. */
export interface HealthcheckDefinition {
  readonly test: readonly string[]
  readonly 'start-period': number
  readonly interval: number
  readonly retries: number
  readonly timeout: number
}

interface WaitForDefinition {
  readonly node: string
  readonly stage: Stage
}

interface StagesDefinition {
  readonly create: { readonly 'wait-for'?: readonly Partial<WaitForDefinition>[] }
}

/** What defaults, kinds, groups and nodes may say. */
export interface SettingsDefinition {
  readonly kind: Kind
  readonly group: string
  readonly image: string
  readonly entrypoint: string
  readonly cmd: string
  readonly exec: readonly string[]
  readonly binds: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly user: string
  readonly privileged: boolean
  readonly 'cap-add': readonly string[]
  readonly sysctls: Readonly<Record<string, string>>
  readonly 'mgmt-ipv4': string
  readonly 'network-mode': string
  readonly hostname: string
  readonly aliases: readonly string[]
  readonly 'startup-delay': number
  readonly stages: Partial<StagesDefinition>
  readonly healthcheck: Partial<HealthcheckDefinition>
  readonly 'restart-policy': 'no' | 'on-failure' | 'always' | 'unless-stopped'
}

/** One end of a link, `node:interface` or as a map. */
export interface EndpointDefinition {
  readonly node: string
  readonly interface: string
  readonly mac?: string
  readonly ipv4?: string
  readonly ipv6?: string
}

/** A link as written; `endpoints` has two ends, or one for the types that have one. */
export interface LinkDefinition {
  readonly type?: 'veth' | 'host' | 'mgmt-net' | 'dummy'
  readonly endpoints?: readonly EndpointDefinition[]
  readonly endpoint?: EndpointDefinition
  readonly 'host-interface'?: string
  readonly mtu?: number
  readonly ipv4?: readonly string[]
  readonly ipv6?: readonly string[]
}

/** The management network. */
export interface ManagementDefinition {
  readonly bridge: string
  readonly 'ipv4-subnet': string
}

/** The whole file. */
export interface TopologyDefinition {
  readonly name: string
  readonly prefix: string
  readonly mgmt: Partial<ManagementDefinition>
  readonly topology: Partial<{
    readonly defaults: Partial<SettingsDefinition>
    readonly kinds: Readonly<Record<string, Partial<SettingsDefinition>>>
    readonly groups: Readonly<Record<string, Partial<SettingsDefinition>>>
    readonly nodes: Readonly<Record<string, Partial<SettingsDefinition>>>
    readonly links: readonly LinkDefinition[]
  }>
}

const NO_VENDOR = 'the lab runs programs of this machine, not router images: use kind linux'
const IN_EXEC = 'say it by exec'

const SETTINGS_IGNORED = [
  'ports',
  'memory',
  'cpu',
  'cpu-set',
  'labels',
  'image-pull-policy',
  'auto-remove',
]

const SETTINGS_REFUSED = {
  type: NO_VENDOR,
  license: NO_VENDOR,
  'startup-config': 'kind linux does not use it: bind the file instead',
  'enforce-startup-config': 'kind linux does not use it: bind the file instead',
  'suppress-startup-config': 'kind linux does not use it: bind the file instead',
  'env-files': 'write the variables under env',
  'mgmt-ipv6': 'management is IPv4 only: give addresses by exec',
  runtime: 'there are no containers here: remove it',
  dns: 'nodes have no uplink: write /etc/hosts entries as aliases',
  certificate: 'bind the files instead',
  extras: NO_VENDOR,
  config: NO_VENDOR,
  credentials: NO_VENDOR,
  components: NO_VENDOR,
  devices: 'nodes get the usual device files only: remove it',
  'shm-size': 'remove it',
  tmpfs: 'a node may write anywhere, into memory: remove it',
  'cap-drop': 'write privileged: false and the wanted ones under cap-add',
} satisfies Record<string, string>

const endpoint: Shape<EndpointDefinition> = (value, path, findings) => {
  if (typeof value === 'string') {
    // the last colon: a node name may hold none, an interface neither
    const [node, name, more] = value.split(':')
    if (node && name && more === undefined) return { node, interface: interfaceName(name) }
    findings.problem(path, `is ${JSON.stringify(value)}; write "node:interface"`)
    return undefined
  }
  const shape = struct<EndpointDefinition>({
    node: text,
    interface: text,
    mac: matching(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i, 'write aa:bb:cc:dd:ee:ff'),
    ipv4: text,
    ipv6: text,
  })
  const read = shape(value, path, findings)
  if (read === undefined) return undefined
  const { node, interface: name, ...rest } = read
  if (node !== undefined && name !== undefined) {
    return { node, interface: interfaceName(name), ...rest }
  }
  findings.problem(path, 'needs node and interface')
  return undefined
}

/** containerlab allows a `/` in names of interfaces and writes `-`. */
function interfaceName(name: string): string {
  return name.replaceAll('/', '-')
}

const LINK_TYPES = ['veth', 'host', 'mgmt-net', 'dummy'] as const

const linkType: Shape<(typeof LINK_TYPES)[number]> = (value, path, findings) => {
  const found = LINK_TYPES.find(type => type === value)
  if (found === undefined) {
    const wanted = LINK_TYPES.join(', ')
    findings.problem(path, `link type ${JSON.stringify(value)} is not realised here; use ${wanted}`)
  }
  return found
}

const link = struct<LinkDefinition>(
  {
    type: linkType,
    endpoints: list(endpoint),
    endpoint,
    'host-interface': text,
    mtu: whole(68),
    ipv4: list(text),
    ipv6: list(text),
  },
  {
    ignored: ['labels', 'vars'],
    refused: {
      remote: 'vxlan links leave the machine: use veth',
      vni: 'vxlan links leave the machine: use veth',
    },
  },
)

const healthcheck = struct<HealthcheckDefinition>({
  test: list(text),
  'start-period': whole(0),
  interval: whole(1),
  retries: whole(1),
  timeout: whole(1),
})

const LATER = { refused: { exec: IN_EXEC } }

const stages = struct<StagesDefinition>(
  {
    create: struct<StagesDefinition['create']>(
      {
        'wait-for': list(
          struct<WaitForDefinition>({
            node: text,
            stage: oneOf('create', 'create-links', 'configure', 'healthy', 'exit'),
          }),
        ),
      },
      LATER,
    ),
  },
  {
    refused: Object.fromEntries(
      ['create-links', 'configure', 'healthy', 'exit'].map(name => [name, 'only create can wait']),
    ),
  },
)

const kind: Shape<Kind> = (value, path, findings) => {
  if (value === 'linux' || value === 'bridge' || value === 'host') return value
  findings.problem(path, `kind ${JSON.stringify(value)}: ${NO_VENDOR}, bridge or host`)
  return undefined
}

const settings = struct<SettingsDefinition>(
  {
    kind,
    group: text,
    image: text,
    entrypoint: text,
    cmd: text,
    exec: list(text),
    binds: list(text),
    env: mapOf(text),
    user: text,
    privileged: flag,
    'cap-add': list(text),
    sysctls: mapOf(text),
    'mgmt-ipv4': matching(/^\d+\.\d+\.\d+\.\d+$/, 'write an IPv4 address'),
    'network-mode': matching(
      /^(none|host|bridge|container:.+)$/,
      'write none, host, bridge or container:NODE',
    ),
    hostname: text,
    aliases: list(text),
    'startup-delay': whole(0),
    stages,
    healthcheck,
    'restart-policy': oneOf('no', 'on-failure', 'always', 'unless-stopped'),
  },
  { ignored: SETTINGS_IGNORED, refused: SETTINGS_REFUSED },
)

const MANAGEMENT_REFUSED = Object.fromEntries(
  ['ipv6-subnet', 'ipv4-gw', 'ipv6-gw', 'ipv4-range', 'ipv6-range', 'mtu', 'driver-opts'].map(
    key => [key, 'management here is a bridge with ipv4-subnet: remove it'],
  ),
)

const file = struct<TopologyDefinition>({
  name: matching(/^[A-Za-z0-9][\w.-]*$/, 'write letters, digits, "-", "_", "."'),
  prefix: text,
  mgmt: struct<ManagementDefinition>(
    { bridge: text, 'ipv4-subnet': matching(/^\d+\.\d+\.\d+\.\d+\/\d+$/, 'write a.b.c.d/n') },
    {
      ignored: ['network', 'external-access', 'skip-when-unused'],
      refused: MANAGEMENT_REFUSED,
    },
  ),
  topology: struct<NonNullable<TopologyDefinition['topology']>>({
    defaults: settings,
    kinds: mapOf(settings),
    groups: mapOf(settings),
    nodes: mapOf(settings),
    links: list(link),
  }),
})

/** What a file says, and what is wrong with it. */
export interface DefinitionResult {
  readonly definition: Partial<TopologyDefinition> | undefined
  readonly problem: (path: Path, said: string) => void
  /** grows as later passes find more */
  readonly problems: readonly string[]
  readonly notices: readonly string[]
}

/** Reads the text of a topology file: variables, then YAML, then shape. */
export function readDefinition(
  source: string,
  name: string,
  variables: Readonly<Record<string, string | undefined>>,
): DefinitionResult {
  const parsed = parseFile(expand(source, variables), name)
  const definition =
    parsed.problems.length > 0 ? undefined : file(parsed.value, [], parsed.findings)
  return {
    definition,
    problem: parsed.findings.problem,
    problems: parsed.problems,
    notices: parsed.notices,
  }
}
