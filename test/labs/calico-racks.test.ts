/**
 * Two racks with a router between them, which a BIRD runs on: a reflector and two workers in each, who know each other
 * by labels alone. What filters, communities and pools say is in the router's table; packets between racks go by it.
 */
import { isDeepStrictEqual } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { affinityKey, type CalicoCluster, CONFIRMED, calico } from './support/calico-cluster.ts'
import { clusterLab, noneLostDuring } from './support/cluster-lab.ts'
import { until } from './support/lab.ts'

/** In each rack the first is the reflector; a rack's blocks are of a pool of its own. */
const NODES = [1, 2].flatMap(rack =>
  [1, 2, 3].map(at => ({
    name: `${at === 1 ? 'reflector' : 'worker'}-${rack}${at}`,
    rack: `rack${rack}`,
    address: `10.89.${rack}.1${at}`,
    block: `10.24${5 + rack}.${at}.0/26`,
    pod: `10.24${5 + rack}.${at}.9`,
    isReflector: at === 1,
  })),
)
const BLOCKS = new Map(NODES.map(({ name, block }) => [name, block]))
const OWN = 64512
const ROUTER = { name: 'router', asNumber: 65000, first: '10.89.1.1', second: '10.89.2.1' }

const pool = (rack: number, more = {}): object =>
  calico('IPPool', `rack${rack}`, { cidr: `10.24${5 + rack}.0.0/16`, ...more })

const toRouter = (rack: number, more = {}): object =>
  calico('BGPPeer', `router-rack${rack}`, {
    nodeSelector: `rack == 'rack${rack}' && has(reflector)`,
    peerIP: rack === 1 ? ROUTER.first : ROUTER.second,
    asNumber: ROUTER.asNumber,
    // the router knows the way to every node: what it forwards need not come through a reflector
    nextHopMode: 'Keep',
    ...more,
  })

const RESOURCES = [
  calico('BGPConfiguration', 'default', { nodeToNodeMeshEnabled: false }),
  pool(1),
  pool(2),
  calico('BGPPeer', 'clients', {
    nodeSelector: '!has(reflector)',
    peerSelector: 'has(reflector)',
  }),
  calico('BGPPeer', 'reflectors', {
    nodeSelector: 'has(reflector)',
    peerSelector: 'has(reflector)',
  }),
  toRouter(1),
  toRouter(2),
  ...NODES.map(({ name, address, rack, isReflector }) =>
    calico(
      'Node',
      name,
      {
        bgp: {
          ipv4Address: `${address}/24`,
          ...(isReflector && { routeReflectorClusterID: '10.89.0.1' }),
        },
      },
      { rack, ...(isReflector && { reflector: 'true' }) },
    ),
  ),
]

const routerText = `
log stderr all;
router id ${ROUTER.first};
protocol device {}
protocol direct { ipv4; }
protocol static outside { ipv4; route 198.51.100.0/24 blackhole; route 198.51.101.0/24 blackhole; }
protocol kernel { ipv4 { export where source = RTS_BGP; }; }
${NODES.filter(({ isReflector }) => isReflector)
  .map(
    ({ address, rack }) => `
protocol bgp ${rack} {
  local as ${ROUTER.asNumber};
  neighbor ${address} as ${OWN};
  connect delay time 1; connect retry time 1; error wait time 1, 2;
  # the workers are its neighbours too, whoever says so
  ipv4 { import all; export where proto = "outside"; gateway recursive; };
}`,
  )
  .join('\n')}
`

const lab = clusterLab(test, {
  name: 'calico-racks',
  members: NODES.map(({ name, address, rack, pod }) => ({
    name,
    address,
    pod,
    wire: rack,
    gateway: rack === 'rack1' ? ROUTER.first : ROUTER.second,
  })),
  routers: [
    {
      name: ROUTER.name,
      bird: routerText,
      ports: [
        { wire: 'rack1', address: ROUTER.first },
        { wire: 'rack2', address: ROUTER.second },
      ],
    },
  ],
  resources: RESOURCES,
  keys: Object.fromEntries(NODES.map(({ name, block }) => [affinityKey(name, block), CONFIRMED])),
})

/** What the router has heard of prefixes from one rack's reflector: attributes by prefix. */
async function heard(cluster: CalicoCluster, rack: string): Promise<Record<string, string>> {
  const text = await cluster.birdc(ROUTER.name, 'show', 'route', 'all', 'protocol', rack)
  const table: Record<string, string> = {}
  for (const route of text.split(/\n(?=\S)/)) {
    const [, prefix] = /^(\d\S+)\s+unicast/.exec(route) ?? []
    if (prefix === undefined) continue
    const attributes = route.match(/BGP\.(next_hop|as_path|community|large_community).*/g) ?? []
    table[prefix] = attributes.map(line => line.replace(/^BGP\.\w+: /, '').trim()).join(', ')
  }
  return table
}

/** Waits until the router has heard exactly this from both reflectors, or from the one of `racks`. */
async function untilHeard(
  t: ExecutionContext,
  cluster: CalicoCluster,
  expected: Readonly<Record<string, string>>,
  racks = ['rack1', 'rack2'],
): Promise<void> {
  for (const rack of racks) {
    const asExpected = async () => isDeepStrictEqual(await heard(cluster, rack), expected)
    await until('the router has heard it', asExpected, { within: 20_000 }).catch(() => undefined)
    t.deepEqual(await heard(cluster, rack), expected, rack)
  }
}

/** All blocks that `has` says yes to, by their nodes' own next hops, with `more` at the end. */
const told = (more = '', has = (_block: string): boolean => true): Record<string, string> =>
  Object.fromEntries(
    NODES.filter(({ block }) => has(block)).map(({ block, address }) => [
      block,
      `${OWN}, ${address}${more}`,
    ]),
  )

lab('clients of two reflectors reach each other over both racks', async (t, cluster) => {
  await cluster.carried(BLOCKS)
  for (const { name, isReflector } of NODES) {
    const { sessions, problems } = await cluster.planned(name)
    t.deepEqual(problems, [])
    const clients = sessions.filter(session => session.routeReflectorClient)
    t.is(sessions.length, isReflector ? 6 : 2, name)
    t.is(clients.length, isReflector ? 4 : 0, name)
  }
  await untilHeard(t, cluster, told())
  await noneLostDuring(t, cluster, new Map(NODES.map(({ name, pod }) => [name, pod])))
})

lab(
  'what a BGPFilter accepts, rejects and adds is in the router’s table, and in ours',
  async (t, cluster) => {
    const [hidden, ...others] = NODES.filter(({ rack }) => rack === 'rack2').map(
      ({ block }) => block,
    )
    const spec = {
      exportV4: [
        { cidr: hidden, matchOperator: 'Equal', action: 'Reject' },
        {
          cidr: '10.247.0.0/16',
          matchOperator: 'In',
          action: 'Accept',
          operations: [
            { addCommunity: { value: '64512:42' } },
            { addCommunity: { value: '64512:4:2' } },
            { prependASPath: { prefix: [64512, 64512] } },
          ],
        },
      ],
      importV4: [{ cidr: '198.51.101.0/24', matchOperator: 'Equal', action: 'Reject' }],
    }
    const reflectors = NODES.filter(({ isReflector }) => isReflector).map(({ name }) => name)
    for (const name of reflectors) {
      await cluster.agent(name).carries('198.51.100.0/24')
      await cluster.agent(name).carries('198.51.101.0/24')
    }
    const filters = ['router']
    await cluster.apply(
      calico('BGPFilter', 'router', spec),
      toRouter(1, { filters }),
      toRouter(2, { filters }),
    )
    const filtered = Object.fromEntries(
      Object.entries(told('', block => others.includes(block))).map(([block, path]) => [
        block,
        `64512 64512 ${path}, (64512,42), (64512, 4, 2)`,
      ]),
    )
    await untilHeard(t, cluster, { ...told('', block => block.startsWith('10.246.')), ...filtered })
    for (const name of reflectors) {
      await cluster.agent(name).carriesNot('198.51.101.0/24')
      t.true((await cluster.kernel(name)).has('198.51.100.0/24'))
    }
    await cluster.apply(toRouter(1), toRouter(2))
    await untilHeard(t, cluster, told())
  },
)

lab(
  'communities of prefixAdvertisements are in the router’s table, a node’s own instead of all nodes’',
  async (t, cluster) => {
    const ofAll = {
      nodeToNodeMeshEnabled: false,
      communities: [{ name: 'pods', value: '64512:100' }],
      prefixAdvertisements: [{ cidr: '10.246.0.0/16', communities: ['pods', '64512:1:2'] }],
    }
    await cluster.apply(calico('BGPConfiguration', 'default', ofAll))
    const first = (block: string): boolean => block.startsWith('10.246.')
    const second = (block: string): boolean => !first(block)
    const marked = told(', (64512,100), (64512, 1, 2)', first)
    await untilHeard(t, cluster, { ...marked, ...told('', second) })
    const ofOne = { prefixAdvertisements: [{ cidr: '10.247.0.0/16', communities: ['64512:7'] }] }
    await cluster.apply(calico('BGPConfiguration', 'node.reflector-21', ofOne))
    const others = told(', (64512,7)', second)
    await untilHeard(t, cluster, { ...marked, ...others }, ['rack2'])
    // the other reflector has the workers' blocks from them, and that one's own block from it
    const own = told(', (64512,7)', block => block === BLOCKS.get('reflector-21'))
    await untilHeard(t, cluster, { ...marked, ...told('', second), ...own }, ['rack1'])
  },
)

lab(
  'a pool that is not exported leaves the router’s table and the other nodes, and no other pool does',
  async (t, cluster) => {
    await cluster.apply(calico('BGPConfiguration', 'default', { nodeToNodeMeshEnabled: false }))
    await cluster.run('operator', 'martlet', 'delete', 'bgpconfiguration', 'node.reflector-21')
    await untilHeard(t, cluster, told())
    await cluster.apply(pool(2, { disableBGPExport: true }))
    await untilHeard(
      t,
      cluster,
      told('', block => block.startsWith('10.246.')),
    )
    for (const { name, block: own, rack } of NODES)
      for (const { block } of NODES.filter(node => node.rack === 'rack2' && node.block !== own))
        await cluster
          .agent(name)
          .carriesNot(block)
          .then(() => t.pass(`${name} ${rack}`))
    const inside = NODES.filter(({ rack }) => rack === 'rack1')
    await cluster.carried(
      new Map(inside.map(({ name, block }) => [name, block])),
      NODES.map(({ name }) => name),
    )
    await cluster.apply(pool(2))
    await untilHeard(t, cluster, told())
    await cluster.carried(BLOCKS)
  },
)
