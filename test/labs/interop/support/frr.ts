/** FRR: zebra and bgpd, configured by files and `vtysh -f`, asked by `vtysh -c 'show … json'`. */
import {
  FAMILIES,
  type Family,
  formatPrefix,
  prefix,
  prefixParts,
} from '../../../../src/core/net/index.ts'
import {
  type Announcement,
  type Attributes,
  type Change,
  familyOf,
  type Neighbour,
  type Program,
  type RouterDescription,
  type Run,
  type SeenRoute,
} from './program.ts'

const show = async <Answer>(run: Run, words: string): Promise<Answer> =>
  JSON.parse(await run(['vtysh', '-c', `show ${words} json`]))

const configure = async (run: Run, asn: number, line: string): Promise<void> => {
  const [terminal, router] = ['configure terminal', `router bgp ${asn}`]
  await run(['vtysh', '-c', terminal, '-c', router, '-c', line])
}

/** A route's name in its route map, which has no dots and colons elsewhere either. */
const mapOf = (prefix: string): string => `R-${prefix.replaceAll(/[.:/]/g, '-')}`

const isSet = (part: number | readonly number[]): part is readonly number[] =>
  typeof part !== 'number'

function clauses(attributes: Attributes): readonly string[] {
  const { asPath = [], origin, med, localPref, aggregator, atomicAggregate } = attributes
  const { communities = [], largeCommunities = [], routeTargets = [] } = attributes
  const path = asPath.filter(part => !isSet(part))
  const list = (words: string, values: readonly string[]): readonly string[] =>
    values.length === 0 ? [] : [`${words} ${values.join(' ')}`]
  return [
    ...list('set as-path prepend', path.map(String)),
    ...(origin === undefined ? [] : [`set origin ${origin.toLowerCase()}`]),
    ...(med === undefined ? [] : [`set metric ${med}`]),
    ...(localPref === undefined ? [] : [`set local-preference ${localPref}`]),
    ...list('set community', communities),
    ...list('set large-community', largeCommunities),
    ...list('set extcommunity rt', routeTargets),
    ...(aggregator ? [`set aggregator as ${aggregator.asn} ${aggregator.address}`] : []),
    ...(atomicAggregate === true ? ['set atomic-aggregate'] : []),
  ]
}

/** The two halves of a prefix. */
function halves(whole: string): readonly [string, string] {
  const { bytes, length } = prefixParts(prefix(whole))
  const upper = Uint8Array.from(bytes)
  upper[length >> 3] = (upper[length >> 3] ?? 0) | (128 >> (length & 7))
  return [formatPrefix(bytes, length + 1), formatPrefix(upper, length + 1)]
}

/** Lines under an address family, and route maps, that announce a route or, by `no`, do not. */
interface Lines {
  readonly family: readonly string[]
  readonly maps: readonly string[]
}

function linesOf({ prefix: announced, attributes = {} }: Announcement): Lines {
  const set = attributes.asPath?.find(isSet)
  if (set !== undefined) return aggregateOf(announced, set)
  const said = clauses(attributes)
  if (said.length === 0) return { family: [`network ${announced}`], maps: [] }
  const map = mapOf(announced)
  return {
    family: [`network ${announced} route-map ${map}`],
    maps: [`route-map ${map} permit 10`, ...said.map(clause => ` ${clause}`), 'exit'],
  }
}

/** The way to an AS_SET: an aggregate of two routes whose paths differ. */
function aggregateOf(whole: string, set: readonly number[]): Lines {
  const parts = halves(whole).map((half, at) =>
    linesOf({ prefix: half, attributes: { asPath: [set[at] ?? 0] } }),
  )
  return {
    family: [
      ...parts.flatMap(({ family }) => family),
      `aggregate-address ${whole} as-set summary-only`,
    ],
    maps: parts.flatMap(({ maps }) => maps),
  }
}

function changeText({ description, announced, withdrawn }: Change): string {
  const lines = announced.map(route => ({ of: familyOf(route.prefix), ...linesOf(route) }))
  const families = FAMILIES.flatMap(family => [
    ` address-family ${family} unicast`,
    ...withdrawn
      .filter(prefix => familyOf(prefix) === family)
      .map(prefix => `  no network ${prefix}`),
    ...lines
      .filter(({ of }) => of === family)
      .flatMap(line => line.family.map(said => `  ${said}`)),
    ' exit-address-family',
  ])
  const maps = lines.flatMap(line => line.maps)
  return [...maps, `router bgp ${description.asn}`, ...families, 'exit', ''].join('\n')
}

const optionLines = ({ address, options }: Neighbour): readonly string[] => [
  ...(options.password === undefined ? [] : [` neighbor ${address} password ${options.password}`]),
  ...(options.ttlSecurity === true ? [` neighbor ${address} ttl-security hops 1`] : []),
  ...(options.role === undefined ? [] : [` neighbor ${address} local-role ${options.role}`]),
  ...(options.extendedNextHop === true ? [` neighbor ${address} capability extended-nexthop`] : []),
]

const restarts = ({ neighbours }: RouterDescription): boolean =>
  neighbours.some(({ options }) => options.restart === true)

function configuration(description: RouterDescription): string {
  const { asn, routerId, neighbours } = description
  const activated = (family: Family): readonly string[] =>
    neighbours
      .filter(({ families }) => families.includes(family))
      .flatMap(({ address, asn, ownAsn, client, options }) => [
        `  neighbor ${address} activate`,
        ...(asn === ownAsn ? [] : [`  neighbor ${address} filter-list BEYOND-${asn} out`]),
        ...(options.addPath === true ? [`  neighbor ${address} addpath-tx-all-paths`] : []),
        ...(options.prefixesMax !== undefined && family === 'ipv4'
          ? [`  neighbor ${address} maximum-prefix ${options.prefixesMax} 80 restart 1`]
          : []),
        ...(client ? [`  neighbor ${address} route-reflector-client`] : []),
      ])
  // left to itself, it says to a neighbour what it has from that neighbour
  const filters = neighbours
    .filter(neighbour => neighbour.asn !== asn)
    .flatMap(neighbour => [
      `bgp as-path access-list BEYOND-${neighbour.asn} seq 5 deny ^${neighbour.asn}_`,
      `bgp as-path access-list BEYOND-${neighbour.asn} seq 10 permit .*`,
    ])
  return [
    ...filters,
    `router bgp ${asn}`,
    ` bgp router-id ${routerId}`,
    ` bgp cluster-id ${routerId}`,
    ' no bgp default ipv4-unicast',
    ' no bgp ebgp-requires-policy',
    ' no bgp network import-check',
    ...(restarts(description)
      ? [' bgp graceful-restart', ' bgp graceful-restart preserve-fw-state']
      : []),
    ...neighbours.flatMap(neighbour => [
      ` neighbor ${neighbour.address} remote-as ${neighbour.asn}`,
      ` neighbor ${neighbour.address} update-source ${neighbour.localAddress}`,
      ` neighbor ${neighbour.address} timers connect 1`,
      ...optionLines(neighbour),
    ]),
    ...FAMILIES.flatMap(family => [
      ` address-family ${family} unicast`,
      ...activated(family),
      ' exit-address-family',
    ]),
    '',
  ].join('\n')
}

const announcedText = (
  description: RouterDescription,
  announced: readonly Announcement[],
): string => changeText({ description, announced, withdrawn: [], withdrawnTwice: [] })

interface NeighbourAnswer {
  readonly remoteAs: number
  readonly remoteRouterId: string
  readonly bgpState: string
  readonly bgpTimerHoldTimeMsecs?: number
  readonly neighborCapabilities?: {
    readonly '4byteAs'?: string
    readonly routeRefresh?: string
    readonly multiprotocolExtensions?: Readonly<
      Record<string, { readonly advertisedAndReceived?: boolean }>
    >
  }
  readonly messageStats: { readonly updatesRecv: number }
  readonly lastNotificationReason?: string
  readonly lastShutdownDescription?: string
}

const neighbourAnswer = async (
  run: Run,
  { address }: Neighbour,
): Promise<NeighbourAnswer | undefined> => {
  const answer = await show<Readonly<Record<string, NeighbourAnswer>>>(
    run,
    `bgp neighbors ${address}`,
  )
  return answer[address]
}

interface PathAnswer {
  readonly aspath: {
    readonly segments: readonly { readonly type: string; readonly list: readonly number[] }[]
  }
  readonly origin: string
  readonly metric?: number
  readonly locPrf?: number
  readonly community?: { readonly list: readonly string[] }
  readonly largeCommunity?: { readonly list: readonly string[] }
  readonly extendedCommunity?: { readonly string: string }
  readonly aggregatorAs?: number
  readonly aggregatorId?: string
  readonly atomicAggregate?: boolean
  readonly otc?: number
  readonly originatorId?: string
  readonly clusterList?: { readonly list: readonly string[] }
  readonly nexthops: readonly { readonly ip: string; readonly scope?: string }[]
  readonly peer: { readonly peerId: string }
}

const ORIGINS: Readonly<Record<string, SeenRoute['origin']>> = { IGP: 'IGP', EGP: 'EGP' }

function seenRoute(path: PathAnswer): SeenRoute {
  const { aggregatorAs } = path
  const targets = path.extendedCommunity?.string.split(' ')
  return {
    nextHop: path.nexthops.find(({ scope }) => scope !== 'link-local')?.ip ?? '',
    asPath: path.aspath.segments
      .map(({ type, list }) => (type === 'as-set' ? `{${list.join(' ')}}` : list.join(' ')))
      .join(' '),
    origin: ORIGINS[path.origin] ?? 'incomplete',
    med: path.metric,
    localPref: path.locPrf,
    communities: path.community?.list,
    largeCommunities: path.largeCommunity?.list,
    routeTargets: targets?.map(text => text.replace('RT:', '')),
    aggregator: aggregatorAs === undefined ? undefined : `${aggregatorAs} ${path.aggregatorId}`,
    atomicAggregate: path.atomicAggregate ?? false,
    onlyToCustomer: path.otc,
    originatorId: path.originatorId,
    clusterList: path.clusterList?.list,
  }
}

/** FRR */
export const FRR: Program = {
  name: 'FRR',
  requires: { package: 'frr', file: '/usr/lib/frr/bgpd' },
  processes: 'bgpd',
  fileMode: 0o644,
  cannot: {
    'announce what was reflected before': 'its route maps cannot set CLUSTER_LIST',
    'be kept for long': 'this version keeps routes of others, and does not say so of its own',
    'announce two paths of a prefix': 'of a network of its it has one path',
    'end a session and be waited for': 'each reset by hand is a Hard Reset',
    'announce an unknown attribute': 'its route maps set only attributes that it knows',
    'do without four-octet AS numbers': 'it leaves out all capabilities, or none',
    'show why its OPEN was refused': 'of a connection that it accepted, it keeps no such thing',
    'show unknown attributes': 'it passes them on and shows none of them',
  },
  files: (description, announced) => ({
    'start.sh': [
      'install -d -o frr -g frr /run/frr',
      // bgpd is what is stopped and started; zebra stays
      '[ -e /run/frr/zebra.pid ] || /usr/lib/frr/zebra -d -u frr -g frr -f /etc/router/zebra.conf',
      'exec /usr/lib/frr/bgpd -u frr -g frr -f /etc/router/bgpd.conf --log stdout',
      '',
    ].join('\n'),
    'zebra.conf': '',
    'bgpd.conf': `${configuration(description)}${announcedText(description, announced)}`,
  }),
  changeFiles: change => ({ 'change.conf': changeText(change) }),
  apply: async run => {
    await run(['vtysh', '-f', '/etc/router/change.conf'])
  },
  session: async (run, neighbour) => {
    const answer = await neighbourAnswer(run, neighbour)
    if (answer === undefined) return { established: false }
    const both = answer.neighborCapabilities?.multiprotocolExtensions ?? {}
    return {
      established: answer.bgpState === 'Established',
      peerAsn: answer.remoteAs,
      peerRouterId: answer.remoteRouterId,
      families: FAMILIES.filter(family => both[`${family}Unicast`]?.advertisedAndReceived === true),
      holdSeconds: (answer.bgpTimerHoldTimeMsecs ?? 0) / 1000,
      fourOctetAs: answer.neighborCapabilities?.['4byteAs'] === 'advertisedAndReceived',
      routeRefresh:
        answer.neighborCapabilities?.routeRefresh?.startsWith('advertisedAndReceived') ?? false,
    }
  },
  received: async (run, { address }, family) => {
    const words = `bgp ${family} unicast neighbors ${address} routes`
    const { routes } = await show<{ readonly routes: object }>(run, words)
    return Object.keys(routes)
  },
  routes: async (run, { address }, prefix) => {
    const words = `bgp ${familyOf(prefix)} unicast ${prefix}`
    const { paths = [] } = await show<{ readonly paths?: readonly PathAnswer[] }>(run, words)
    return paths.filter(({ peer }) => peer.peerId === address).map(seenRoute)
  },
  refresh: async (run, { address, families }) => {
    for (const family of families) await run(['vtysh', '-c', `clear bgp ${family} ${address} in`])
  },
  updatesReceived: async (run, neighbour) =>
    (await neighbourAnswer(run, neighbour))?.messageStats.updatesRecv ?? 0,
  shutDown: async (run, { address, ownAsn }, text) => {
    await configure(run, ownAsn, `neighbor ${address} shutdown message ${text}`)
  },
  refuse: async (run, { address, ownAsn }, prefix, refused) => {
    const line = `neighbor ${address} prefix-list REFUSED in`
    const words = [
      'configure terminal',
      `ip prefix-list REFUSED seq 5 deny ${prefix}`,
      'ip prefix-list REFUSED seq 10 permit any',
      `router bgp ${ownAsn}`,
      'address-family ipv4 unicast',
      refused ? line : `no ${line}`,
    ]
    await run(['vtysh', ...words.flatMap(word => ['-c', word])])
    await run(['vtysh', '-c', `clear bgp ipv4 ${address} in`])
  },
  reset: async (run, { address }) => {
    await run(['vtysh', '-c', `clear bgp ${address}`])
  },
  bringUp: async (run, { address, ownAsn }) => {
    await configure(run, ownAsn, `no neighbor ${address} shutdown`)
  },
  notifications: async (run, neighbour) => {
    const answer = await neighbourAnswer(run, neighbour)
    return `${answer?.lastNotificationReason} ${answer?.lastShutdownDescription ?? ''}`
  },
}
