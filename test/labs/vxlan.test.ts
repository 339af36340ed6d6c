/**
 * Three nodes in two subnets with a router between, and a pool with VXLAN across subnets: pods reach each other as they
 * are inside a subnet and encapsulated between subnets, whatever somebody does to the link of the tunnel by hand.
 */
import test, { type ExecutionContext } from 'ava'
import { type CalicoCluster, calico } from './support/calico-cluster.ts'
import { blocksOf, clusterLab, noneLostDuring, podIn } from './support/cluster-lab.ts'
import { until } from './support/lab.ts'
import { SOON } from './support/survival.ts'

const LINK = 'vxlan.calico'

const NODES = [
  { name: 'node-1', address: '10.88.3.1', wire: 'left', gateway: '10.88.3.254' },
  { name: 'node-2', address: '10.88.3.2', wire: 'left', gateway: '10.88.3.254' },
  { name: 'node-3', address: '10.88.4.3', wire: 'right', gateway: '10.88.4.254' },
] as const
const NAMES = NODES.map(({ name }) => name)

const pool = (vxlanMode: 'Never' | 'Always' | 'CrossSubnet'): object =>
  calico('IPPool', 'pods', { cidr: '10.247.0.0/16', vxlanMode })

const lab = clusterLab(test, {
  name: 'vxlan',
  members: NODES.map(node => ({
    ...node,
    settings: {
      registration: {
        ...{ enabled: true, ipv4Method: 'interface=eth1', pollSeconds: 1 },
        ...{ ipv6: 'autodetect', ipv6Method: 'interface=eth1' },
      },
      ipam: { claim: true },
    },
  })),
  // it only forwards: what it says to nobody is of no account
  routers: [
    {
      name: 'router',
      bird: 'router id 10.88.3.254;\nprotocol device {}\n',
      ports: [
        { wire: 'left', address: '10.88.3.254' },
        { wire: 'right', address: '10.88.4.254' },
      ],
    },
  ],
  resources: [calico('BGPConfiguration', 'default', { asNumber: 64600 }), pool('CrossSubnet')],
})

interface NodeSpec {
  readonly ipv4VXLANTunnelAddr?: string
  readonly vxlanTunnelMACAddr?: string
  readonly ipv6VXLANTunnelAddr?: string
}

async function specOf(cluster: CalicoCluster, node: string): Promise<NodeSpec> {
  const text = await cluster.run('operator', 'martlet', 'get', 'node', node, '-o', 'json')
  return JSON.parse(text).spec
}

/** The pods, by their nodes. */
async function podsOf(cluster: CalicoCluster): Promise<ReadonlyMap<string, string>> {
  const blocks = await blocksOf(cluster)
  return new Map(NAMES.map(name => [name, podIn(blocks.get(name) ?? '')]))
}

/** Our routes to blocks of other nodes, as `ip` prints them. */
async function routesOf(cluster: CalicoCluster, node: string): Promise<readonly string[]> {
  const text = await cluster.run(node, 'ip', 'route')
  return text
    .split('\n')
    .map(line => line.trim().replace(/ (metric|nhid) \d+/g, ''))
    .filter(line => line.startsWith('10.247.') && line.includes('via') && line.includes('proto 77'))
}

const untilRoutes = (
  cluster: CalicoCluster,
  node: string,
  wanted: readonly string[],
): Promise<boolean> =>
  until(
    `${node} has these routes`,
    async () => {
      const found = await routesOf(cluster, node)
      if (found.toSorted().join() === wanted.toSorted().join()) return true
      throw new Error(found.join('\n'))
    },
    SOON,
  )

/** The link of the tunnel, in detail; undefined: there is none. */
async function linkOf(cluster: CalicoCluster, node: string): Promise<Link | undefined> {
  const links: readonly Link[] = JSON.parse(
    await cluster.run(node, 'ip', '-d', '-j', 'link', 'show'),
  )
  return links.find(({ ifname }) => ifname === LINK)
}

interface Link {
  readonly ifname: string
  readonly ifindex: number
  readonly mtu: number
  readonly address: string
  readonly linkinfo?: {
    readonly info_data: {
      readonly id: number
      readonly port: number
      readonly learning: boolean
      readonly link: string
    }
  }
}

let captures = 0

/** What one packet from pod to pod looks like at a node or router: the words of a capture. */
async function seenAt(
  cluster: CalicoCluster,
  at: string,
  [from, to]: readonly [string, string],
): Promise<readonly string[]> {
  const file = `/run/capture-${captures++}.pcap`
  const program = `tcpdump -Z root -n -U --immediate-mode -i eth1 -w ${file}`
  const capture = `setsid ${program} 'icmp or udp port 4789' >${file}.log 2>&1 & echo $!`
  const pid = (await cluster.run(at, 'sh', '-c', capture)).trim()
  await until(
    'the capture has begun',
    async () => (await cluster.run(at, 'cat', `${file}.log`)).includes('listening'),
    SOON,
  )
  const pods = await podsOf(cluster)
  await cluster.run(`pod-${from}`, 'ping', '-c', '3', '-i', '0.2', '-W', '2', pods.get(to) ?? '')
  const read = (...filter: readonly string[]): Promise<string> =>
    cluster.run(at, 'tcpdump', '-Z', 'root', '-n', '-r', file, ...filter)
  await until('the packets are in the capture', async () => /length/.test(await read()), SOON)
  await cluster.run(at, 'kill', '-INT', pid)
  const has = async (filter: string): Promise<boolean> => /length/.test(await read(filter))
  return [
    ...((await has('udp port 4789')) ? ['encapsulated'] : []),
    ...((await has(`icmp and host ${pods.get(to)}`)) ? ['native'] : []),
  ]
}

/** Waits until all pods answer one another. */
async function untilReached(t: ExecutionContext, cluster: CalicoCluster): Promise<void> {
  const pods = await podsOf(cluster)
  for (const from of NAMES)
    for (const [name, pod] of pods)
      if (name !== from)
        await until(
          `${from} reaches ${name}`,
          async () => {
            await cluster.run(`pod-${from}`, 'ping', '-c', '1', '-W', '1', pod)
            return true
          },
          SOON,
        )
  t.pass()
}

lab(
  'each node has an end of its own: an address of IPAM, said in its Node with its link address',
  async (t, cluster) => {
    const addresses = new Set<string>()
    for (const name of NAMES) {
      const spec = await until(
        `${name} has an address for its tunnel`,
        async () => {
          const found = await specOf(cluster, name)
          return found.ipv4VXLANTunnelAddr === undefined ? undefined : found
        },
        SOON,
      )
      addresses.add(spec.ipv4VXLANTunnelAddr ?? '')
      const link = await until(`${name} has its link`, () => linkOf(cluster, name), SOON)
      t.is(link.address, spec.vxlanTunnelMACAddr ?? 'none')
      t.like(link.linkinfo?.info_data, { id: 4096, port: 4789, learning: false, link: 'eth1' })
      const own = await cluster.run(name, 'ip', '-4', '-o', 'address', 'show', 'dev', LINK)
      t.true(own.includes(`${spec.ipv4VXLANTunnelAddr}/32`), own)
    }
    t.is(addresses.size, NAMES.length)
    t.regex(await cluster.run('operator', 'martlet', 'ipam', 'check'), /0 problems/)
  },
)

/** What node-1 has when all is well, with `mode: CrossSubnet`. */
async function wantedAtOne(cluster: CalicoCluster): Promise<readonly string[]> {
  const blocks = await blocksOf(cluster)
  const { ipv4VXLANTunnelAddr: end } = await specOf(cluster, 'node-3')
  return [
    `${blocks.get('node-2')} via 10.88.3.2 dev eth1 proto 77 onlink`,
    `${blocks.get('node-3')} via ${end} dev ${LINK} proto 77 onlink`,
  ]
}

lab(
  'routes inside the subnet are native, across subnets they go to the other end',
  async (t, cluster) => {
    await until(
      'every node has a block',
      async () => (await blocksOf(cluster)).size === NAMES.length,
      SOON,
    )
    for (const [node, pod] of await podsOf(cluster)) await cluster.plug(node, pod)
    await untilRoutes(cluster, 'node-1', await wantedAtOne(cluster))
    await untilReached(t, cluster)
    t.deepEqual(await seenAt(cluster, 'node-2', ['node-1', 'node-2']), ['native'])
    t.deepEqual(await seenAt(cluster, 'router', ['node-1', 'node-3']), ['encapsulated'])
  },
)

lab(
  'the MTU leaves room for the headers: a packet of that size passes, one octet more does not',
  async (t, cluster) => {
    const pods = await podsOf(cluster)
    const { mtu = 0 } = (await linkOf(cluster, 'node-1')) ?? {}
    const under = await cluster.run('node-1', 'cat', '/sys/class/net/eth1/mtu')
    t.is(mtu, Number(under) - 50)
    const ping = (octets: number): Promise<string> => {
      const line = `ping -M do -c 2 -i 0.2 -W 2 -s ${octets - 28} ${pods.get('node-3')}`
      return cluster.run('pod-node-1', ...line.split(' '))
    }
    t.regex(await ping(mtu), / 0% packet loss/)
    const error = await t.throwsAsync(ping(mtu + 1))
    t.regex(error?.message ?? '', new RegExp(`mtu ?= ?${mtu}|100% packet loss`, 'i'))
  },
)

lab(
  'a link that somebody deletes, renames, narrows or sets down is as it was',
  async (t, cluster) => {
    const wanted = await wantedAtOne(cluster)
    const before = await linkOf(cluster, 'node-1')
    for (const line of [
      `ip link del dev ${LINK}`,
      `ip link set dev ${LINK} down`,
      `ip link set dev ${LINK} mtu 1400`,
      `ip link set dev ${LINK} down name elsewhere`,
      `ip address flush dev ${LINK}`,
    ]) {
      await cluster.run('node-1', ...line.split(' '))
      await until(
        `after "${line}" the link is as it was`,
        async () => {
          const link = await linkOf(cluster, 'node-1')
          return link?.mtu === before?.mtu && link?.address === before?.address
        },
        SOON,
      )
      await untilRoutes(cluster, 'node-1', wanted)
      await untilReached(t, cluster)
    }
  },
)

lab('entries that somebody deletes or changes are back', async (t, cluster) => {
  const { ipv4VXLANTunnelAddr: end = '', vxlanTunnelMACAddr: mac = '' } = await specOf(
    cluster,
    'node-3',
  )
  const entries = async (): Promise<boolean> => {
    const forwarding = await cluster.run('node-1', 'bridge', 'fdb', 'show', 'dev', LINK)
    const neighbours = await cluster.run('node-1', 'ip', 'neigh', 'show', 'dev', LINK)
    return (
      forwarding.includes(`${mac} dst 10.88.4.3 self permanent`) &&
      neighbours.includes(`${end} lladdr ${mac} PERMANENT`)
    )
  }
  t.true(await entries())
  for (const line of [
    `bridge fdb del ${mac} dst 10.88.4.3 dev ${LINK} self`,
    `bridge fdb replace ${mac} dst 10.88.3.2 dev ${LINK} self permanent`,
    `ip neigh del ${end} dev ${LINK}`,
    `ip neigh replace ${end} lladdr 02:00:00:00:00:01 dev ${LINK} nud permanent`,
  ]) {
    await cluster.run('node-1', ...line.split(' '))
    await until(`after "${line}" the entries are back`, entries, SOON)
  }
  await untilReached(t, cluster)
})

lab('an agent that is killed leaves the tunnel, and finds it again', async (t, cluster) => {
  const before = await linkOf(cluster, 'node-1')
  await noneLostDuring(t, cluster, await podsOf(cluster), async () => {
    await cluster.take('node-1')
    await until(
      'the agent is there again',
      async () =>
        (await cluster.run('node-1', 'cat', '/run/martlet.log')).includes('KERNEL_ADOPTED'),
      SOON,
    )
    await untilRoutes(cluster, 'node-1', await wantedAtOne(cluster))
  })
  t.is((await linkOf(cluster, 'node-1'))?.ifindex, before?.ifindex)
})

lab(
  'Always encapsulates inside the subnet too; Never takes the tunnels and their addresses away',
  async (t, cluster) => {
    const blocks = await blocksOf(cluster)
    await cluster.apply(pool('Always'))
    const { ipv4VXLANTunnelAddr: end } = await specOf(cluster, 'node-2')
    await until(
      'node-1 goes through the tunnel',
      async () =>
        (await routesOf(cluster, 'node-1')).some(line => line.includes(`via ${end} dev ${LINK}`)),
      SOON,
    )
    await untilReached(t, cluster)
    t.deepEqual(await seenAt(cluster, 'node-2', ['node-1', 'node-2']), ['encapsulated'])
    await cluster.apply(pool('Never'))
    for (const name of NAMES) {
      await until(
        `${name} has no tunnel`,
        async () => (await linkOf(cluster, name)) === undefined,
        SOON,
      )
      await until(
        `${name} has no address for one`,
        async () => {
          const spec = await specOf(cluster, name)
          return spec.ipv4VXLANTunnelAddr === undefined && spec.vxlanTunnelMACAddr === undefined
        },
        SOON,
      )
    }
    await until(
      'nothing is assigned to tunnels',
      async () => (await cluster.keys('/calico/ipam/v2/handle/')).length === 0,
      SOON,
    )
    t.regex(await cluster.run('operator', 'martlet', 'ipam', 'check'), /0 problems/)
    // what BGP says is the kernel's now
    await untilRoutes(cluster, 'node-1', [
      `${blocks.get('node-2')} via 10.88.3.2 dev eth1 proto 77`,
      `${blocks.get('node-3')} via 10.88.3.254 dev eth1 proto 77`,
    ])
    await cluster.apply(pool('CrossSubnet'))
    await untilReached(t, cluster)
  },
)

lab('IPv6 has a tunnel of its own, between addresses that nodes get later', async (t, cluster) => {
  const run = (node: string, line: string): Promise<string> => cluster.run(node, ...line.split(' '))
  await run('router', 'sysctl -q -w net.ipv6.conf.all.forwarding=1')
  await run('router', 'ip -6 address add fd88:3::fe/64 dev eth1 nodad')
  await run('router', 'ip -6 address add fd88:4::fe/64 dev eth2 nodad')
  for (const [node, subnet, host] of [
    ['node-1', 3, 1],
    ['node-2', 3, 2],
    ['node-3', 4, 3],
  ] as const) {
    await run(node, `ip -6 address add fd88:${subnet}::${host}/64 dev eth1 nodad`)
    await run(node, `ip -6 route add fd88::/16 via fd88:${subnet}::fe dev eth1`)
  }
  await cluster.apply(calico('IPPool', 'pods-six', { cidr: 'fd47::/48', vxlanMode: 'CrossSubnet' }))
  const end = await until(
    'node-3 has an address for its tunnel',
    async () => (await specOf(cluster, 'node-3')).ipv6VXLANTunnelAddr,
    SOON,
  )
  await until(
    'node-1 reaches it',
    async () => {
      await run('node-1', `ping -6 -c 1 -W 1 ${end}`)
      return true
    },
    SOON,
  )
  const [{ mtu, linkinfo }] = JSON.parse(
    await run('node-1', 'ip -d -j link show dev vxlan-v6.calico'),
  )
  t.is(mtu, Number(await run('node-1', 'cat /sys/class/net/eth1/mtu')) - 70)
  t.like(linkinfo.info_data, { id: 4096, port: 4789, local6: 'fd88:3::1', learning: false })
  const routes = (await run('node-1', 'ip -6 route'))
    .split('\n')
    .filter(line => line.startsWith('fd47:'))
  t.true(
    routes.some(line => line.includes('via fd88:3::2 dev eth1')),
    routes.join('\n'),
  )
  t.true(
    routes.some(line => line.includes(`via ${end} dev vxlan-v6.calico`)),
    routes.join('\n'),
  )
})

lab('a node that leaves takes its entries with it', async (t, cluster) => {
  const { vxlanTunnelMACAddr: mac = 'none' } = await specOf(cluster, 'node-3')
  const forwarding = (): Promise<string> =>
    cluster.run('node-1', 'bridge', 'fdb', 'show', 'dev', LINK)
  t.true((await forwarding()).includes(mac))
  await cluster.run('operator', 'martlet', 'delete', 'node', 'node-3')
  await until('its entry is gone', async () => !(await forwarding()).includes(mac), SOON)
  const left = await wantedAtOne(cluster).catch(() => [])
  t.deepEqual(left, [])
  await until('and its routes', async () => (await routesOf(cluster, 'node-1')).length === 1, SOON)
  await until(
    'and its own tunnel',
    async () => (await linkOf(cluster, 'node-3')) === undefined,
    SOON,
  )
})
