/** BIRD 2: configured by files and `birdc configure`, asked by `birdc show`. */
import { FAMILIES, type Family } from '../../../../src/core/net/index.ts'
import {
  type Announcement,
  type Attributes,
  type Files,
  familyOf,
  type Life,
  type Neighbour,
  type Program,
  type RouterDescription,
  type Run,
  type SeenRoute,
} from './program.ts'

const ORIGINS = { IGP: 'ORIGIN_IGP', EGP: 'ORIGIN_EGP', incomplete: 'ORIGIN_INCOMPLETE' } as const

/** BIRD's `(1,2)` and `(1,2,3)`. */
const tuple = (text: string): string => `(${text.replaceAll(':', ',')})`

function statements(attributes: Attributes): readonly string[] {
  const { asPath = [], origin, med, localPref } = attributes
  const { communities = [], largeCommunities = [], routeTargets = [] } = attributes
  return [
    ...asPath.toReversed().map(asn => `bgp_path.prepend(${asn})`),
    ...(origin === undefined ? [] : [`bgp_origin = ${ORIGINS[origin]}`]),
    ...(med === undefined ? [] : [`bgp_med = ${med}`]),
    ...(localPref === undefined ? [] : [`bgp_local_pref = ${localPref}`]),
    ...communities.map(text => `bgp_community.add(${tuple(text)})`),
    ...largeCommunities.map(text => `bgp_large_community.add(${tuple(text)})`),
    ...(attributes.originatorId ? [`bgp_originator_id = ${attributes.originatorId}`] : []),
    ...(attributes.clusterList ?? []).map(id => `bgp_cluster_list.add(${id})`),
    ...routeTargets.map(text => `bgp_ext_community.add((rt,${text.replace(':', ',')}))`),
  ]
}

const route = ({ prefix, attributes = {} }: Announcement): string => {
  const said = statements(attributes).map(statement => ` ${statement};`)
  return `route ${prefix} blackhole${said.length === 0 ? '' : ` {${said.join('')} }`};`
}

function channel(family: Family, options: Neighbour['options']): string {
  const ipv4 = family === 'ipv4'
  return [
    `${family} { import where ${ipv4 ? 'accepts()' : 'true'}; export where keepsMed();`,
    ...(options.addPath === true ? ['add paths;'] : []),
    ...(options.extendedNextHop === true && ipv4 ? ['extended next hop;'] : []),
    ...(options.prefixesMax !== undefined && ipv4
      ? [`import limit ${options.prefixesMax} action restart;`]
      : []),
    '};',
  ].join(' ')
}

const neighbourText = (
  { name, address, localAddress, asn, families, client, options }: Neighbour,
  description: RouterDescription,
): string => `
protocol bgp ${name} {
  local ${localAddress} as ${description.asn};
  neighbor ${address} as ${asn};
  connect delay time 1; connect retry time 1; error wait time 1, 2;
  ${options.restart === true ? `graceful restart; graceful restart time ${options.restartSeconds ?? 60};` : ''}
  ${options.longLived === true ? 'long lived graceful restart; long lived stale time 600;' : ''}
  ${options.password === undefined ? '' : `password "${options.password}";`}
  ${options.ttlSecurity === true ? 'ttl security on;' : ''}
  ${client ? `rr client; rr cluster id ${description.routerId};` : ''}
  ${options.role === undefined ? '' : `local role ${options.role};`}
  ${options.extendedMessages === true ? 'enable extended messages;' : ''}
  ${families.map(family => channel(family, options)).join('\n  ')}
}
`

/** What the IPv4 channel lets in. */
const accepting = (condition: string): string => `function accepts() { return ${condition}; }`

const startText = (life: Life): string =>
  [
    'mkdir -p /run/bird',
    `echo '${accepting('true')}' >/run/bird/refused`,
    `exec bird -f ${life === 'again' ? '-R' : ''} -c /etc/router/bird.conf`,
    '',
  ].join('\n')

const kernel = (family: Family): string =>
  `protocol kernel { graceful restart; ${family} { import none; export where source = RTS_BGP; }; }`

function files(
  description: RouterDescription,
  routes: readonly Announcement[],
  life: Life = 'first',
): Files {
  const of = (family: Family, again: boolean): string =>
    routes
      .filter(({ prefix }) => familyOf(prefix) === family)
      .filter(({ second = false }) => second === again)
      .map(route)
      .join('\n')
  return {
    'start.sh': startText(life),
    'ipv4.routes': of('ipv4', false),
    'ipv6.routes': of('ipv6', false),
    'ipv4.again': of('ipv4', true),
    'ipv6.again': of('ipv6', true),
    'bird.conf': [
      'log stderr all;',
      `router id ${description.routerId};`,
      'protocol device {}',
      // towards another AS it removes MED, but where its filter has set it
      'function keepsMed() { if defined(bgp_med) then bgp_med = bgp_med; return true; }',
      // an include stands on a line of its own
      ...FAMILIES.flatMap(family =>
        ['routes', 'again'].map(
          name =>
            `protocol static ${name}_${family} {\n${family};\n` +
            `include "/etc/router/${family}.${name}";\n}`,
        ),
      ),
      'include "/run/bird/refused";',
      ...(description.forwards ? FAMILIES.map(kernel) : []),
      ...description.neighbours.map(neighbour => neighbourText(neighbour, description)),
    ].join('\n'),
  }
}

/** `BGP.name: value` of each line, whose value may be empty. */
function fieldsOf(text: string): ReadonlyMap<string, string> {
  const found = text.matchAll(/^\s*BGP\.(\w+)(?: \[[^\]]*\])?: ?(.*)$/gm)
  return new Map([...found].map(([, name = '', value = '']) => [name, value.trim()]))
}

/** `(1,2) (3,4)` as `1:2` and `3:4`. */
const tuples = (text: string | undefined): readonly string[] | undefined =>
  text === undefined
    ? undefined
    : [...text.matchAll(/\(([^)]*)\)/g)].map(([, inner = '']) => inner.replaceAll(/, ?/g, ':'))

const ORIGIN_WORDS: Readonly<Record<string, SeenRoute['origin']>> = {
  IGP: 'IGP',
  EGP: 'EGP',
  Incomplete: 'incomplete',
}

const number = (text: string | undefined): number | undefined =>
  text === undefined ? undefined : Number(text)

function seenRoute(text: string): SeenRoute | undefined {
  const fields = fieldsOf(text)
  if (fields.get('origin') === undefined) return undefined
  const unknown = [...fields].flatMap(([name, value]) => {
    if (!/^[0-9a-f]+$/.test(name)) return []
    const octets = value.split(' ').map(octet => Number.parseInt(octet, 16))
    return [{ code: Number.parseInt(name, 16), value: octets }]
  })
  const [aggregator, aggregatorAsn] = fields.get('aggregator')?.split(' AS') ?? []
  return {
    nextHop: fields.get('next_hop')?.split(' ')[0] ?? '',
    asPath: fields.get('as_path') ?? '',
    origin: ORIGIN_WORDS[fields.get('origin') ?? ''] ?? 'incomplete',
    med: number(fields.get('med')),
    localPref: number(fields.get('local_pref')),
    communities: tuples(fields.get('community')),
    largeCommunities: tuples(fields.get('large_community')),
    routeTargets: tuples(fields.get('ext_community'))?.map(text => text.replace('rt:', '')),
    aggregator: aggregator === undefined ? undefined : `${aggregatorAsn} ${aggregator}`,
    atomicAggregate: fields.has('atomic_aggr'),
    onlyToCustomer: number(fields.get('otc')),
    originatorId: fields.get('originator_id'),
    clusterList: fields.get('cluster_list')?.split(' '),
    unknown,
  }
}

const show = (run: Run, ...words: readonly string[]): Promise<string> =>
  run(['birdc', 'show', ...words])

/** Why an operation is impossible is a fault of the test, not of BIRD: it says so. */
async function command(run: Run, text: string): Promise<string> {
  const answer = await run(['birdc', text])
  if (/syntax error|Reconfiguration failed|error/i.test(answer)) throw new Error(answer)
  return answer
}

/** BIRD 2 */
export const BIRD: Program = {
  name: 'BIRD',
  requires: { package: 'bird2', file: '/usr/sbin/bird' },
  processes: 'bird',
  fileMode: 0o644,
  cannot: {
    'end a session and be waited for': 'it does not know RFC 8538, in which that is possible',
    'announce an AS_SET': 'its filters prepend numbers to a path, and no set',
    'announce AGGREGATOR and ATOMIC_AGGREGATE': 'its filters cannot set them',
    'announce an unknown attribute': 'its filters set only attributes that it knows',
    'do without four-octet AS numbers': 'then it refuses a neighbour whose number needs them',
    'show that LOCAL_PREF is absent': 'it shows its own default then',
    'show the Partial bit': 'of flags it shows Transitive alone',
  },
  files,
  apply: async run => {
    await command(run, 'configure')
  },
  session: async (run, { name }) => {
    const text = await show(run, 'protocols', 'all', name)
    const field = (label: string): string | undefined =>
      new RegExp(`^\\s*${label}: +(.*)$`, 'm').exec(text)?.[1]
    const received = /Neighbor capabilities([\s\S]*?)Session:/.exec(text)?.[1] ?? ''
    const channels = [...text.matchAll(/Channel (ipv[46])\n\s+State:\s+UP/g)]
    return {
      established: field('BGP state') === 'Established',
      peerAsn: number(field('Neighbor AS')),
      peerRouterId: field('Neighbor ID'),
      families: FAMILIES.filter(family => channels.some(([, name]) => name === family)),
      holdSeconds: number(field('Hold timer')?.split('/')[1]),
      fourOctetAs: field('Session')?.includes('AS4') ?? false,
      routeRefresh: received.includes('Route refresh'),
    }
  },
  received: async (run, { name }, family) => {
    const text = await show(run, 'route', 'table', TABLES[family], 'protocol', name)
    return [...text.matchAll(/^(\S+\/\d+)\s/gm)].map(([, prefix = '']) => prefix)
  },
  routes: async (run, { name }, prefix) => {
    const said = await orNothing(show(run, 'route', prefix, 'all', 'protocol', name))
    // a path begins with what becomes of packets
    return said.split(/(?=^\S* +(?:unicast|unreachable|blackhole) \[)/m).flatMap(text => {
      const seen = seenRoute(text)
      return seen === undefined ? [] : [seen]
    })
  },
  refresh: async (run, { name }) => {
    await command(run, `reload in ${name}`)
  },
  updatesReceived: async (run, { name }) => {
    const text = await show(run, 'protocols', 'all', name)
    const counts = [...text.matchAll(/Import updates: +(\d+)/g)].map(([, count]) => Number(count))
    return counts.reduce((sum, count) => sum + count, 0)
  },
  shutDown: async (run, { name }, text) => {
    await command(run, `disable ${name} "${text}"`)
  },
  refuse: async (run, _neighbour, prefix, refused) => {
    const condition = refused ? `net != ${prefix}` : 'true'
    await run(['sh', '-c', `echo '${accepting(condition)}' >/run/bird/refused`])
    await command(run, 'configure')
  },
  reset: async (run, { name }) => {
    await command(run, `restart ${name}`)
  },
  bringUp: async (run, { name }) => {
    await command(run, `enable ${name}`)
  },
  // what it shows of a session is soon what the next attempt came to; its log keeps it
  notifications: async (_run, { name }, log) =>
    [...log.matchAll(new RegExp(`${name}: Received: (.*)$`, 'gm'))]
      .map(([, said = '']) => said)
      .join('\n'),
}

/** `Network not found` is a failure to birdc. */
const orNothing = (answer: Promise<string>): Promise<string> =>
  answer.catch(error => {
    if (/Network not found/.test(String(error))) return ''
    throw error
  })

const TABLES = { ipv4: 'master4', ipv6: 'master6' } as const
