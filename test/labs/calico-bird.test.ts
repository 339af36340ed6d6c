/**
 * Six nodes of one cluster, of which three run Martlet and three a BIRD configured as Calico configures it: nobody can
 * tell which is which by what is in the tables, nor by who reaches whom, nor when one of either kind dies.
 */
import { isDeepStrictEqual } from 'node:util'
import test from 'ava'
import type { RouteDocument } from '../../src/core/intent/index.ts'
import { type BirdCluster, calicoBirdText } from './support/calico-bird.ts'
import {
  affinityKey,
  type CalicoCluster,
  CONFIRMED,
  calico,
  type Member,
} from './support/calico-cluster.ts'
import { clusterLab, noneLostDuring } from './support/cluster-lab.ts'
import { routesIn, routesOf } from './support/kernel-routes.ts'
import { until } from './support/lab.ts'
import { SOON } from './support/survival.ts'

/** Calico compares addresses as texts: .9 is above .10, and both kinds are on both sides of that. */
const NODES = [8, 9, 10, 11, 12, 13].map((host, at) => ({
  name: `node-${at}`,
  address: `10.88.0.${host}`,
  block: `10.244.${at}.0/26`,
  pod: `10.244.${at}.7`,
  isBird: at % 2 === 1,
}))
const BLOCKS = new Map(NODES.map(({ name, block }) => [name, block]))
const ROUTER = { name: 'tor', address: '10.88.0.100', asNumber: 65000 }

const CLUSTER: BirdCluster = {
  asNumber: 64512,
  nodes: NODES,
  pools: [{ cidr: '10.244.0.0/16' }],
  communities: [['10.244.0.0/16', ['64512:100', '64512:1:2']]],
  globalPeers: [{ peerIP: ROUTER.address, asNumber: ROUTER.asNumber }],
}

/** Where a Martlet answers as BIRD does: a folder that its controller may write. */
const BIRD_SOCKET = '/run/martlet/api/bird.ctl'

const MEMBERS: readonly Member[] = NODES.map(({ name, address, pod, block, isBird }) => ({
  name,
  address,
  pod,
  ...(isBird && { bird: calicoBirdText(name, [block], CLUSTER) }),
  // what it finds of BIRD's in the kernel is then its own
  settings: isBird ? { kernel: { protocol: 12 } } : { birdSocket: BIRD_SOCKET },
}))

const RESOURCES = [
  calico('BGPConfiguration', 'default', {
    communities: [{ name: 'pods', value: '64512:100' }],
    prefixAdvertisements: [{ cidr: '10.244.0.0/16', communities: ['pods', '64512:1:2'] }],
  }),
  calico('IPPool', 'pods', { cidr: '10.244.0.0/16' }),
  calico('BGPPeer', 'tor', { peerIP: ROUTER.address, asNumber: ROUTER.asNumber }),
  ...NODES.map(({ name, address }) =>
    calico('Node', name, { bgp: { ipv4Address: `${address}/24` } }),
  ),
]

const routerText = `
log stderr all;
router id ${ROUTER.address};
protocol device {}
protocol static outside { ipv4; route 198.51.100.0/24 blackhole; }
${NODES.map(
  ({ address }, at) => `
protocol bgp node${at} {
  local as ${ROUTER.asNumber};
  neighbor ${address} as 64512;
  connect delay time 1; connect retry time 1; error wait time 1, 2;
  ipv4 { import all; export where proto = "outside"; };
}`,
).join('\n')}
`

const lab = clusterLab(test, {
  name: 'calico-bird',
  members: MEMBERS,
  routers: [
    { name: ROUTER.name, bird: routerText, ports: [{ wire: 'wire', address: ROUTER.address }] },
  ],
  resources: RESOURCES,
  keys: Object.fromEntries(NODES.map(({ name, block }) => [affinityKey(name, block), CONFIRMED])),
})

/** What counts of a route, in one way of writing, by prefix. */
type Table = Readonly<Record<string, string>>

const told = (fields: {
  readonly from: string
  readonly nextHop: string
  readonly asPath: string
  readonly localPref: string
  readonly communities: readonly string[]
}): string => {
  const communities = fields.communities.toSorted().join(' ')
  return `${fields.from} ${fields.nextHop} [${fields.asPath}] ${fields.localPref} ${communities}`
}

/** The routes of a BIRD that it has from its peers. */
async function tableOfBird(cluster: CalicoCluster, node: string): Promise<Table> {
  const text = await cluster.birdc(node, 'show', 'route', 'all')
  const table: Record<string, string> = {}
  for (const route of text.split(/\n(?=\S)/)) {
    const [, prefix = '', from = ''] = /^(\S+)\s+unicast \[((?:Mesh|Global)_\S+)/.exec(route) ?? []
    if (prefix === '') continue
    const field = (name: string): string =>
      new RegExp(`BGP\\.${name}: (.*)$`, 'm').exec(route)?.[1]?.trim() ?? ''
    const communities = `${field('community')} ${field('large_community')}`.match(/\(.*?\)/g) ?? []
    table[prefix] = told({
      from,
      nextHop: field('next_hop'),
      asPath: field('as_path'),
      localPref: field('local_pref'),
      communities: communities.map(one => one.replace(/[()\s]/g, '').replaceAll(',', ':')),
    })
  }
  return table
}

/** The same of a Martlet, by its command line. */
async function tableOfOurs(cluster: CalicoCluster, node: string): Promise<Table> {
  const text = await cluster.run(node, 'martlet', 'routes', '-o', 'json')
  const routes: readonly RouteDocument[] = JSON.parse(text)
  return Object.fromEntries(
    routes
      .filter(({ from }) => /^(Mesh|Global)_/.test(from))
      .map(({ prefix, from, best }) => [
        prefix,
        told({
          from,
          nextHop: best.nextHop ?? '',
          asPath: best.asPath ?? '',
          localPref: String(best.localPref ?? ''),
          communities: best.communities ?? [],
        }),
      ]),
  )
}

lab('every node carries every block, by the node that has it', async (t, cluster) => {
  await cluster.carried(BLOCKS)
  for (const { name, block: own } of NODES) {
    const routes = await cluster.kernel(name)
    for (const { block, address } of NODES)
      t.is(routes.get(block), block === own ? 'blackhole' : `via ${address}`, `${name} ${block}`)
  }
})

lab('both kinds hold the same routes, told in the same way', async (t, cluster) => {
  for (const { name, isBird, address: own } of NODES) {
    const expected = Object.fromEntries(
      NODES.filter(({ address }) => address !== own).map(({ block, address }) => {
        const from = `Mesh_${address.replaceAll('.', '_')}`
        return [block, `${from} ${address} [] 2147482623 64512:100 64512:1:2`]
      }),
    )
    const table = async (): Promise<Table> => {
      const all = await (isBird ? tableOfBird : tableOfOurs)(cluster, name)
      return Object.fromEntries(
        Object.entries(all).filter(([prefix]) => prefix.startsWith('10.244.')),
      )
    }
    await until(
      `${name} has heard all`,
      async () => isDeepStrictEqual(await table(), expected),
      SOON,
    ).catch(() => undefined)
    t.deepEqual(await table(), expected, name)
  }
})

lab(
  'the sessions of both kinds are called alike, wait alike, and are told to birdc',
  async (t, cluster) => {
    for (const { name, isBird } of NODES) {
      const { sessions, problems } = await cluster.planned(name)
      t.deepEqual(problems, [])
      t.is(sessions.length, NODES.length)
      const protocols = isBird
        ? await cluster.birdc(name, 'show', 'protocols')
        : await cluster.run(name, 'birdc', '-s', BIRD_SOCKET, 'show', 'protocols')
      for (const session of sessions)
        t.regex(protocols, new RegExp(`^${session.name} .* Established`, 'm'), name)
      if (!isBird) continue
      const text = calicoBirdText(name, [], CLUSTER)
      for (const session of sessions) {
        const written = new RegExp(`protocol bgp ${session.name} from[^}]*`).exec(text)?.[0] ?? ''
        t.is(written.includes('passive on'), session.passive, `${name} ${session.name}`)
        t.true(written.includes(`neighbor ${session.peerAddress} as ${session.peerAs};`))
        t.true(written.includes(`source address ${session.sourceAddress};`))
      }
    }
  },
)

lab('a router outside hears the same from both kinds, of all blocks', async (t, cluster) => {
  const heard = await cluster.birdc(ROUTER.name, 'show', 'route', 'all')
  for (const { block } of NODES) {
    const [route = ''] = heard.match(new RegExp(`^${block}[^]*?(?=\\n\\S|$(?![^]))`, 'm')) ?? []
    const paths = route.split(/unicast \[/).slice(1)
    t.is(paths.length, NODES.length, block)
    const texts = paths.map(path => {
      const peer = NODES[Number(/^node(\d)/.exec(path)?.[1])]?.address
      const attributes = path.match(/BGP\..*/g)?.map(line => line.trim()) ?? []
      return attributes
        .map(line => line.replace(`next_hop: ${peer}`, 'next_hop: itself'))
        .join('; ')
    })
    t.deepEqual(
      [...new Set(texts)],
      [
        'BGP.origin: IGP; BGP.as_path: 64512; BGP.next_hop: itself; BGP.local_pref: 100; ' +
          'BGP.community: (64512,100); BGP.large_community: (64512, 1, 2)',
      ],
    )
  }
})

const PODS = new Map(NODES.map(({ name, pod }) => [name, pod]))

lab('pods reach each other all the time, also while one of either kind is killed', (t, cluster) =>
  noneLostDuring(t, cluster, PODS, async () => {
    const [ours, bird] = [NODES[0]!, NODES[1]!]
    for (const { name, address } of [bird, ours]) {
      const witness = cluster.agent('node-2')
      await cluster.lab.stop(name, 'KILL')
      await witness.untilSession(address, 'is gone', ({ state }) => state !== 'Established')
      await cluster.lab.start(name)
      await witness.established(address)
      await cluster.carried(BLOCKS)
      const protocols = (): Promise<string> => cluster.birdc('node-3', 'show', 'protocols')
      const session = new RegExp(`^Mesh_${address.replaceAll('.', '_')} .* Established`, 'm')
      await until(`node-3 has ${name} back`, async () => session.test(await protocols()), SOON)
    }
  }),
)

lab(
  'Martlet takes the place of a BIRD, and of its routes, without a packet lost',
  async (t, cluster) => {
    const { name, address, block } = NODES[1]!
    /** of BIRD's protocol number, with their metrics */
    const birds = async (): Promise<readonly string[]> =>
      routesIn(await cluster.run(name, ...routesOf('-4', 'proto', '12')))
        .split('\n')
        .toSorted()
    const left = await birds()
    await noneLostDuring(t, cluster, PODS, async () => {
      await cluster.take(name)
      const witness = cluster.agent('node-2')
      await witness.untilSession(address, 'is gone', ({ state }) => state !== 'Established')
      const taker = cluster.agent(name)
      const isRunning = async () => (await taker.state()).agent?.mode === 'running'
      await until('an agent is there instead', isRunning, SOON)
      for (const each of ['node-0', 'node-2', 'node-4'])
        await cluster.agent(each).established(address)
      for (const each of NODES.filter(node => node.name !== name))
        await taker.established(each.address)
    })
    await cluster.carried(BLOCKS)
    // all that BIRD left: the others' blocks, what the router announces, and its own blackhole
    t.regex(await cluster.run(name, 'cat', '/run/martlet.log'), /"KERNEL_ADOPTED","routes":7/)
    t.is(left.length, 7)
    // each as it was; but its own blackhole has a route's metric now, which BIRD gives it none
    const same = left.map(line =>
      line.startsWith(`blackhole ${block}`) ? `blackhole ${block} metric 1024` : line,
    )
    t.deepEqual(await birds(), same)
  },
)
