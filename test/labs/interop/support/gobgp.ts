/** GoBGP: configured by a file, told routes by `gobgp mrt inject`, asked by `gobgp -j`. */
import { FAMILIES } from '../../../../src/core/net/index.ts'
import { tableDump } from './mrt.ts'
import {
  type Announcement,
  familyOf,
  type Neighbour,
  type Program,
  type RouterDescription,
  type Run,
  type SeenRoute,
  type SeenUnknown,
} from './program.ts'

/** What it has nothing of, it says in words. */
const NOTHING = 'Network not in table'

async function ask<Answer>(run: Run, ...words: readonly string[]): Promise<Answer> {
  const said = await run(['gobgp', '-j', ...words])
  return JSON.parse(said.startsWith(NOTHING) ? '{}' : said)
}

const neighbourEntry = (neighbour: Neighbour, { routerId }: RouterDescription, down: boolean) => ({
  config: {
    'neighbor-address': neighbour.address,
    'peer-as': neighbour.asn,
    'admin-down': down,
    ...(neighbour.options.password !== undefined && {
      'auth-password': neighbour.options.password,
    }),
  },
  transport: { config: { 'local-address': neighbour.localAddress } },
  ...(neighbour.options.ttlSecurity === true && {
    'ttl-security': { config: { enabled: true, 'ttl-min': 255 } },
  }),
  ...(neighbour.options.restart === true && {
    'graceful-restart': {
      config: {
        enabled: true,
        'restart-time': neighbour.options.restartSeconds ?? 60,
        'notification-enabled': true,
        'long-lived-enabled': neighbour.options.longLived === true,
      },
    },
  }),
  timers: { config: { 'connect-retry': 1, 'idle-hold-time-after-reset': 1 } },
  'afi-safis': neighbour.families.map(family => ({
    config: { 'afi-safi-name': `${family}-unicast` },
    ...(neighbour.options.addPath === true && {
      'add-paths': { config: { receive: true, 'send-max': 8 } },
    }),
    ...(neighbour.options.prefixesMax !== undefined &&
      family === 'ipv4' && {
        'prefix-limit': { config: { 'max-prefixes': neighbour.options.prefixesMax } },
      }),
    ...(neighbour.options.longLived === true && {
      'long-lived-graceful-restart': { config: { enabled: true, 'restart-time': 600 } },
    }),
    'mp-graceful-restart': { config: { enabled: neighbour.options.restart === true } },
  })),
  ...(neighbour.client && {
    'route-reflector': {
      config: { 'route-reflector-client': true, 'route-reflector-cluster-id': routerId },
    },
  }),
})

/** JSON is YAML. */
const configuration = (description: RouterDescription, down = false): string =>
  JSON.stringify({
    global: { config: { as: description.asn, 'router-id': description.routerId } },
    neighbors: description.neighbours.map(neighbour =>
      neighbourEntry(neighbour, description, down),
    ),
  })

interface NeighbourAnswer {
  readonly state: {
    readonly neighbor_address: string
    readonly peer_asn: number
    /** 6 is Established */
    readonly session_state?: number
    readonly router_id?: string
    readonly remote_cap?: readonly { readonly type_url: string; readonly value?: string }[]
    readonly messages: { readonly received: { readonly update?: number } }
  }
  readonly timers: { readonly state: { readonly negotiated_hold_time?: number } }
}

async function neighbourAnswer(
  run: Run,
  { address }: Neighbour,
): Promise<NeighbourAnswer | undefined> {
  const answers = await ask<readonly NeighbourAnswer[]>(run, 'neighbor')
  return answers.find(({ state }) => state.neighbor_address === address)
}

/** Of a MultiProtocolCapability: protobuf of AFI and SAFI 1. */
const CAPABILITY_VALUES = { ipv4: 'CgQIARAB', ipv6: 'CgQIAhAB' } as const

interface AttributeAnswer {
  readonly type: number
  readonly value?: unknown
  readonly flags?: number
  readonly nexthop?: string
  readonly as_paths?: readonly {
    readonly segment_type: number
    readonly asns: readonly number[]
  }[]
  readonly metric?: number
  readonly communities?: readonly number[]
  readonly as?: number
  readonly address?: string
}

interface PathAnswer {
  readonly 'neighbor-ip'?: string
  readonly attrs: readonly AttributeAnswer[]
}

type Destinations = Readonly<Record<string, readonly PathAnswer[]>>

const ORIGINS = ['IGP', 'EGP', 'incomplete'] as const
const AS_SET = 1
/** From here on, codes that it has no decoder for. */
const KNOWN = new Set([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 14, 15, 16, 32])
const PARTIAL = 0x20

const entriesOf = (value: unknown): readonly Readonly<Record<string, unknown>>[] =>
  Array.isArray(value) ? value : []

const communityText = (value: number): string => `${value >>> 16}:${value & 65_535}`

const pathText = ({ as_paths = [] }: AttributeAnswer): string =>
  as_paths
    .map(({ segment_type, asns }) =>
      segment_type === AS_SET ? `{${asns.join(' ')}}` : asns.join(' '),
    )
    .join(' ')

const unknownOf = ({ type, flags = 0, value }: AttributeAnswer): SeenUnknown => ({
  code: type,
  partial: (flags & PARTIAL) !== 0,
  value: [...Buffer.from(String(value), 'base64')],
})

function seenRoute({ attrs }: PathAnswer): SeenRoute {
  const of = (code: number): AttributeAnswer | undefined => attrs.find(({ type }) => type === code)
  const numberOf = (value: unknown): number | undefined =>
    value === undefined ? undefined : Number(value)
  const aggregator = of(7)
  const clusterList = of(10)?.value
  return {
    nextHop: of(3)?.nexthop ?? of(14)?.nexthop ?? '',
    asPath: pathText(of(2) ?? { type: 2 }),
    origin: ORIGINS[Number(of(1)?.value)] ?? 'incomplete',
    med: of(4)?.metric,
    localPref: numberOf(of(5)?.value),
    communities: of(8)?.communities?.map(communityText),
    routeTargets: of(16) && entriesOf(of(16)?.value).map(({ value }) => String(value)),
    largeCommunities:
      of(32) &&
      entriesOf(of(32)?.value).map(
        ({ ASN, LocalData1, LocalData2 }) => `${ASN}:${LocalData1}:${LocalData2}`,
      ),
    aggregator: aggregator && `${aggregator.as} ${aggregator.address}`,
    atomicAggregate: of(6) !== undefined,
    originatorId: of(9) === undefined ? undefined : String(of(9)?.value),
    clusterList: Array.isArray(clusterList) ? clusterList.map(String) : undefined,
    unknown: attrs.filter(({ type }) => !KNOWN.has(type)).map(unknownOf),
  }
}

/** What its log says of a NOTIFICATION; RFC 9003's text has its length before it. */
function notificationText(line: string): string {
  const { reason } = JSON.parse(line)
  const { ErrorCode, ErrorSubcode, Data } = reason.BGPNotification.Body
  const data = Buffer.from(Data ?? '', 'base64')
  return `${ErrorCode}/${ErrorSubcode} ${data.subarray(1).toString('utf8')}`
}

/**
 * `gobgp mrt inject` ends when it has read all, whether or not what it read has been sent. So it
 * reads from a pipe, which is held open until the last route is in the table.
 */
const INJECT = `
mkfifo /run/routes
gobgp mrt inject global /run/routes &
exec 3>/run/routes
cat /etc/router/routes.mrt >&3
tries=0
until gobgp global rib -a "$1" "$2" | grep -q "$2" || [ $tries = 200 ]; do
  tries=$((tries + 1))
  sleep 0.05
done
exec 3>&-
wait
rm /run/routes
[ $tries -lt 200 ]
`

/**
 * It forgets its routes when it ends. In its next life it has no session before it has them again,
 * or its End-of-RIB would come first.
 */
const startAgain = (
  { neighbours }: RouterDescription,
  announced: readonly Announcement[],
): string => `
{
  until gobgp global >/dev/null 2>&1; do sleep 0.05; done
  rm -f /run/routes
  set -- ${familyOf(announced.at(-1)?.prefix ?? '')} ${announced.at(-1)?.prefix}
  ${announced.length === 0 ? '' : `(${INJECT})`}
  ${neighbours.map(({ address }) => `gobgp neighbor ${address} enable`).join('\n')}
} &
exec gobgpd -r -t yaml -f /etc/router/gobgp.yml -l debug
`

async function inject(run: Run, announced: readonly Announcement[]): Promise<void> {
  const last = announced.at(-1)?.prefix
  if (last !== undefined) await run(['sh', '-c', INJECT, 'inject', familyOf(last), last])
}

/** What a table dump cannot say: path identifiers, and next hops of another family. */
const isApart = ({ second, overIpv6 }: Announcement): boolean =>
  second === true || overIpv6 === true

async function announceApart(
  run: Run,
  { prefix, attributes = {}, second, overIpv6 }: Announcement,
  { addresses }: RouterDescription,
): Promise<void> {
  const { communities = [] } = attributes
  await run([
    ...['gobgp', 'global', 'rib', 'add', '-a', familyOf(prefix), prefix],
    ...(second === true ? ['identifier', '2'] : []),
    ...(overIpv6 === true ? ['nexthop', addresses.ipv6] : []),
    ...(communities.length === 0 ? [] : ['community', communities.join(',')]),
  ])
}

/** GoBGP */
export const GOBGP: Program = {
  name: 'GoBGP',
  requires: { package: 'gobgpd', file: '/usr/bin/gobgpd' },
  processes: 'gobgpd',
  fileMode: 0o644,
  cannot: {
    'announce what was reflected before':
      'of its own routes it sends neither ORIGINATOR_ID nor CLUSTER_LIST',
    'forget what its policy refuses': 'it keeps what it refuses, and needs not ask',
    'say that it does not come back':
      'what it sends then is no Hard Reset, which RFC 8538 asks for',
    'do without four-octet AS numbers': 'it always offers them',
    'take a role': 'it does not know RFC 9234',
    'use longer messages': 'it does not know RFC 8654',
    'show ONLY_TO_CUSTOMER': 'it does not know RFC 9234',
    'show why its OPEN was refused': 'in that state it logs that a read failed',
    'ask for a route refresh': 'it keeps all that it received, and never sends ROUTE-REFRESH',
  },
  files: (description, announced, life) => ({
    'start.sh':
      life === 'again'
        ? startAgain(description, announced)
        : 'exec gobgpd -t yaml -f /etc/router/gobgp.yml -l debug\n',
    'gobgp.yml': configuration(description, life === 'again'),
  }),
  changeFiles: ({ announced, description }) => ({
    'routes.mrt': tableDump(
      announced.filter(route => !isApart(route)),
      description.addresses,
    ),
  }),
  apply: async (run, { description, announced, withdrawn, withdrawnTwice }) => {
    await inject(
      run,
      announced.filter(route => !isApart(route)),
    )
    for (const route of announced.filter(isApart)) await announceApart(run, route, description)
    const line = (prefix: string): string => `gobgp global rib del -a ${familyOf(prefix)} ${prefix}`
    const lines = [
      ...withdrawn.map(line),
      ...withdrawnTwice.map(prefix => `${line(prefix)} identifier 2`),
    ]
    if (lines.length > 0) await run(['sh', '-ec', lines.join('\n')])
  },
  session: async (run, neighbour) => {
    const answer = await neighbourAnswer(run, neighbour)
    const capabilities = answer?.state.remote_cap ?? []
    const offers = (name: string, value?: string): boolean =>
      capabilities.some(one => one.type_url.endsWith(name) && (!value || one.value === value))
    return {
      established: answer?.state.session_state === 6,
      peerAsn: answer?.state.peer_asn,
      peerRouterId: answer?.state.router_id,
      families: FAMILIES.filter(family =>
        offers('MultiProtocolCapability', CAPABILITY_VALUES[family]),
      ),
      holdSeconds: answer?.timers.state.negotiated_hold_time,
      fourOctetAs: offers('FourOctetASNCapability'),
      routeRefresh: offers('RouteRefreshCapability'),
    }
  },
  received: async (run, { address }, family) =>
    Object.keys(await ask<Destinations>(run, 'neighbor', address, 'adj-in', '-a', family)),
  routes: async (run, { address }, prefix) => {
    const words = ['global', 'rib', prefix, '-a', familyOf(prefix)]
    const destinations = await ask<Destinations>(run, ...words)
    const paths = destinations[prefix] ?? []
    return paths.filter(one => one['neighbor-ip'] === address).map(seenRoute)
  },
  refresh: async () => {},
  updatesReceived: async (run, neighbour) =>
    (await neighbourAnswer(run, neighbour))?.state.messages.received.update ?? 0,
  shutDown: async (run, { address }, text) => {
    // by its newer name, `disable`, the text is not sent
    await run(['gobgp', 'neighbor', address, 'shutdown', '--reason', text])
  },
  refuse: async () => {},
  reset: async (run, { address }) => {
    // by its `reset`, it begins again after half a minute
    await run(['gobgp', 'neighbor', address, 'disable'])
    await run(['gobgp', 'neighbor', address, 'enable'])
  },
  bringUp: async (run, { address }) => {
    await run(['gobgp', 'neighbor', address, 'enable'])
  },
  notifications: async (_run, { address }, log) =>
    log
      .split('\n')
      .filter(line => line.includes(`"Key":"${address}"`) && line.includes('"BGPNotification":{'))
      .map(notificationText)
      .join('\n'),
}
