/** OpenBGPD: configured by a file and `bgpctl reload`, asked by `bgpctl -j show`. */
import { FAMILIES } from '../../../../src/core/net/index.ts'
import {
  type Announcement,
  type Attributes,
  familyOf,
  type Neighbour,
  type Program,
  type RouterDescription,
  type Run,
  type SeenRoute,
  type SeenUnknown,
} from './program.ts'

const show = async <Answer>(run: Run, ...words: readonly string[]): Promise<Answer> =>
  JSON.parse(await run(['bgpctl', '-j', 'show', ...words]))

const NONE = { ipv4: 'IPv4 none', ipv6: 'IPv6 none' } as const

/** The families in capabilities. */
const WORDS = { ipv4: 'IPv4 unicast', ipv6: 'IPv6 unicast' } as const

function settings(attributes: Attributes): readonly string[] {
  const { origin, med, localPref } = attributes
  const { communities = [], largeCommunities = [], routeTargets = [] } = attributes
  return [
    ...(origin === undefined ? [] : [`origin ${origin.toLowerCase()}`]),
    ...(med === undefined ? [] : [`metric ${med}`]),
    ...(localPref === undefined ? [] : [`localpref ${localPref}`]),
    ...communities.map(text => `community ${text}`),
    ...largeCommunities.map(text => `large-community ${text}`),
    ...routeTargets.map(text => `ext-community rt ${text}`),
  ]
}

/**
 * With its next hop, and `no-modify` below: left to itself, OpenBGPD names ::1 or 127.0.0.1 in
 * routes of the family that a session is not over.
 */
function network(
  { prefix, attributes = {} }: Announcement,
  description: RouterDescription,
): string {
  const nextHop = description.addresses[familyOf(prefix)]
  return `network ${prefix} set { ${[`nexthop ${nextHop}`, ...settings(attributes)].join(' ')} }`
}

const optionLines = (options: Neighbour['options']): readonly string[] => [
  ...(options.password === undefined ? [] : [`  tcp md5sig password ${options.password}`]),
  ...(options.ttlSecurity === true ? ['  ttl-security yes'] : []),
  ...(options.addPath === true
    ? ['  announce add-path recv yes', '  announce add-path send all']
    : []),
  ...(options.role === undefined ? [] : [`  announce policy ${options.role}`]),
  ...(options.prefixesMax === undefined ? [] : [`  max-prefix ${options.prefixesMax} restart 1`]),
]

const neighbourText = (neighbour: Neighbour): string =>
  [
    `neighbor ${neighbour.address} {`,
    `  remote-as ${neighbour.asn}`,
    `  local-address ${neighbour.localAddress}`,
    // next hops are kept as they are only where the neighbour may be far
    ...(neighbour.asn === neighbour.ownAsn || neighbour.options.ttlSecurity === true
      ? []
      : ['  multihop 2']),
    ...FAMILIES.map(
      family => `  announce ${neighbour.families.includes(family) ? WORDS[family] : NONE[family]}`,
    ),
    `  announce as-4byte ${neighbour.fourOctetAs ? 'yes' : 'no'}`,
    ...(neighbour.client ? ['  route-reflector'] : []),
    ...optionLines(neighbour.options),
    '}',
  ].join('\n')

const configuration = (description: RouterDescription, routes: readonly Announcement[]): string =>
  [
    `AS ${description.asn}`,
    `router-id ${description.routerId}`,
    'fib-update no',
    'connect-retry 1',
    ...routes.map(route => network(route, description)),
    ...description.neighbours.map(neighbourText),
    'allow from any',
    'allow to any',
    'match to any set nexthop no-modify',
    '',
  ].join('\n')

interface NeighbourAnswer {
  readonly remote_as: string
  readonly remote_addr: string
  readonly bgpid: string
  readonly state: string
  readonly last_error_received?: string
  readonly last_shutdown_reason?: string
  readonly stats: {
    readonly update: { readonly received: { readonly updates: number } }
  }
  readonly session?: {
    readonly holdtime: number
    readonly capabilities: {
      readonly as4byte: boolean
      readonly refresh: boolean
      readonly multiprotocol: readonly string[]
    }
  }
}

async function neighbourAnswer(
  run: Run,
  { address }: Neighbour,
): Promise<NeighbourAnswer | undefined> {
  const words = ['neighbor', address]
  const { neighbors } = await show<{ readonly neighbors: readonly NeighbourAnswer[] }>(
    run,
    ...words,
  )
  return neighbors.find(({ remote_addr }) => remote_addr === address)
}

interface AttributeAnswer {
  readonly type: string
  readonly flags: { readonly partial: boolean }
  readonly AS?: number
  readonly as?: number
  readonly router_id?: string
  readonly originator?: string
  readonly cluster_list?: readonly string[]
  /** hexadecimal */
  readonly data?: string
}

interface RouteAnswer {
  readonly prefix: string
  readonly aspath: string
  readonly exit_nexthop: string
  readonly origin: string
  readonly metric: number
  readonly localpref: number
  readonly neighbor: { readonly remote_addr: string }
  readonly communities?: readonly string[]
  readonly large_communities?: readonly string[]
  readonly extended_communities?: readonly string[]
  readonly attributes?: readonly AttributeAnswer[]
}

async function routes(run: Run, ...words: readonly string[]): Promise<readonly RouteAnswer[]> {
  const { rib } = await show<{ readonly rib?: readonly RouteAnswer[] }>(run, 'rib', ...words)
  return rib ?? []
}

const ORIGINS: Readonly<Record<string, SeenRoute['origin']>> = { IGP: 'IGP', EGP: 'EGP' }

function unknownOf({ type, flags, data = '' }: AttributeAnswer): readonly SeenUnknown[] {
  const [, code] = /^Unknown Attribute #(\d+)$/.exec(type) ?? []
  if (code === undefined) return []
  return [{ code: Number(code), partial: flags.partial, value: [...Buffer.from(data, 'hex')] }]
}

/**
 * A reflector itself, it prepends its own cluster to what it receives, and names an originator where
 * there was none: where its cluster is alone in the list, the route came without either.
 */
function reflectionOf(
  attributes: readonly AttributeAnswer[],
  ownRouterId: string,
): Pick<SeenRoute, 'originatorId' | 'clusterList'> {
  const list = attributes.flatMap(({ cluster_list = [] }) => cluster_list)
  const received = list[0] === ownRouterId ? list.slice(1) : list
  if (received.length === 0) return { originatorId: undefined, clusterList: undefined }
  const originator = attributes.find(attribute => attribute.originator !== undefined)
  return { originatorId: originator?.originator, clusterList: received }
}

function seenRoute(route: RouteAnswer, { ownRouterId }: Neighbour): SeenRoute {
  const others = route.attributes ?? []
  const aggregator = others.find(({ type }) => type === 'Aggregator')
  return {
    nextHop: route.exit_nexthop,
    asPath: route.aspath.replace('{ ', '{').replace(' }', '}'),
    origin: ORIGINS[route.origin] ?? 'incomplete',
    // it shows 0 where there is none
    med: route.metric === 0 ? undefined : route.metric,
    localPref: route.localpref,
    communities: route.communities,
    largeCommunities: route.large_communities,
    routeTargets: route.extended_communities?.map(text => text.replace('rt ', '')),
    aggregator: aggregator && `${aggregator.AS} ${aggregator.router_id}`,
    atomicAggregate: others.some(({ type }) => type === 'Atomic Aggregate'),
    onlyToCustomer: others.find(({ type }) => type === 'OTC')?.as,
    ...reflectionOf(others, ownRouterId),
    unknown: others.flatMap(unknownOf),
  }
}

/** OpenBGPD */
export const OPENBGPD: Program = {
  name: 'OpenBGPD',
  requires: { package: 'openbgpd', file: '/usr/sbin/bgpctl' },
  processes: 'bgpd',
  fileMode: 0o600,
  cannot: {
    'announce what was reflected before':
      'its configuration has no words for ORIGINATOR_ID and CLUSTER_LIST',
    'forget what its policy refuses': 'it keeps what it refuses, and needs not ask',
    'say again what has not changed':
      'this version answers a ROUTE-REFRESH with nothing where nothing is new',
    'be kept for long': 'this version does not know RFC 9494',
    'announce two paths of a prefix': 'of a network of its it has one path',
    'use longer messages': 'this version does not know RFC 8654',
    'announce IPv4 by an IPv6 next hop': 'this version does not know RFC 8950',
    'end a session and be waited for': 'it does not know RFC 8538, in which that is possible',
    'restart and keep its routes':
      'it waits for others that restart, and does not say that it does',
    'announce a path of other numbers': 'a network of its has no path but its own number',
    'announce an AS_SET': 'a network of its has no path but its own number',
    'announce AGGREGATOR and ATOMIC_AGGREGATE': 'its filters cannot set them',
    'show that LOCAL_PREF is absent': 'it shows its own default then',
    'announce an unknown attribute': 'its filters set only attributes that it knows',
  },
  files: (description, announced) => ({
    'start.sh': 'mkdir -p /run/openbgpd\nexec bgpd -d -v -f /etc/router/bgpd.conf\n',
    'bgpd.conf': configuration(description, announced),
  }),
  apply: async run => {
    await run(['bgpctl', 'reload'])
  },
  session: async (run, neighbour) => {
    const answer = await neighbourAnswer(run, neighbour)
    if (answer === undefined) return { established: false }
    const agreed = answer.session?.capabilities
    return {
      established: answer.state === 'Established',
      peerAsn: Number(answer.remote_as),
      peerRouterId: answer.bgpid,
      families: FAMILIES.filter(family => agreed?.multiprotocol.includes(WORDS[family]) ?? false),
      holdSeconds: answer.session?.holdtime ?? 0,
      fourOctetAs: agreed?.as4byte ?? false,
      routeRefresh: agreed?.refresh ?? false,
    }
  },
  received: async (run, { address }, family) => {
    const found = await routes(run, family, 'neighbor', address)
    return found.map(({ prefix }) => prefix)
  },
  routes: async (run, neighbour, prefix) => {
    const found = await routes(run, 'detail', prefix)
    return found
      .filter(({ neighbor }) => neighbor.remote_addr === neighbour.address)
      .map(route => seenRoute(route, neighbour))
  },
  refresh: async (run, { address }) => {
    await run(['bgpctl', 'neighbor', address, 'refresh'])
  },
  updatesReceived: async (run, neighbour) =>
    (await neighbourAnswer(run, neighbour))?.stats.update.received.updates ?? 0,
  shutDown: async (run, { address }, text) => {
    await run(['bgpctl', 'neighbor', address, 'down', text])
  },
  refuse: async () => {},
  reset: async (run, { address }) => {
    await run(['bgpctl', 'neighbor', address, 'clear'])
  },
  bringUp: async (run, { address }) => {
    await run(['bgpctl', 'neighbor', address, 'up'])
  },
  notifications: async (run, neighbour) => {
    const answer = await neighbourAnswer(run, neighbour)
    return `${answer?.last_error_received} ${answer?.last_shutdown_reason ?? ''}`
  },
}
