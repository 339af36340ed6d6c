/**
 * Two nodes whose workloads are WorkloadEndpoints, as Calico's CNI plugin writes them, and a Felix is nowhere: pods
 * reach each other by routes on their interfaces and a gateway that no interface has, in both families, while
 * interfaces are deleted and made again and endpoints come and go.
 */
import test from 'ava'
import { type CalicoCluster, calico } from './support/calico-cluster.ts'
import { clusterLab, noneLostDuring } from './support/cluster-lab.ts'
import { until } from './support/lab.ts'
import { SOON } from './support/survival.ts'

interface Node {
  readonly name: string
  readonly address: string
  readonly six: string
  readonly podCIDRs: readonly string[]
  /** of the pod */
  readonly pod: string
  readonly podSix: string
  readonly mac: string
}

const nodeOf = (at: number): Node => ({
  name: `node-${at}`,
  address: `10.88.2.${at}`,
  six: `fd88::${at}`,
  podCIDRs: [`10.246.${at}.0/24`, `fd46:${at}::/64`],
  pod: `10.246.${at}.7`,
  podSix: `fd46:${at}::7`,
  mac: `02:00:00:00:0${at}:07`,
})

const [ONE, TWO] = [nodeOf(1), nodeOf(2)]
const NODES = [ONE, TWO]

const lab = clusterLab(test, {
  name: 'workloads',
  members: NODES.map(({ name, address, podCIDRs }) => ({
    ...{ name, address },
    settings: {
      registration: {
        ...{ enabled: true, ipv4Method: 'interface=eth1' },
        ...{ ipv6: 'autodetect', ipv6Method: 'interface=eth1', pollSeconds: 1 },
      },
      podCIDRs,
    },
  })),
  resources: [
    calico('BGPConfiguration', 'default', { asNumber: 64600 }),
    calico('IPPool', 'pods', { cidr: '10.246.0.0/16' }),
    calico('IPPool', 'pods-six', { cidr: 'fd46::/16' }),
  ],
})

/** The endpoint of a node's pod, as the CNI plugin names it. */
function endpointOf({ name, pod, podSix, mac }: Node, more: readonly string[] = []): object {
  const own = `${name.replace('-', '--')}-k8s-pod-eth0`
  const ipNetworks = [`${pod}/32`, `${podSix}/128`, ...more.map(address => `${address}/32`)]
  const endpoint = calico('WorkloadEndpoint', own, {
    ...{ orchestrator: 'k8s', node: name, pod: 'pod', endpoint: 'eth0' },
    ...{ interfaceName: 'cali0', mac, ipNetworks },
  })
  return { ...endpoint, metadata: { name: own, namespace: 'default' } }
}

/** Runs a line in a node. */
const run = (cluster: CalicoCluster, node: string, line: string): Promise<string> =>
  cluster.run(node, ...line.split(' '))

/** What the CNI plugin does inside a pod: its addresses, and gateways that are on the link. */
async function prepare(cluster: CalicoCluster, { name, pod, podSix, mac }: Node): Promise<void> {
  const inPod = (line: string): Promise<string> => run(cluster, `pod-${name}`, line)
  await inPod(`ip link set eth0 address ${mac} up`)
  await inPod(`ip address replace ${pod}/32 dev eth0`)
  await inPod(`ip -6 address replace ${podSix}/128 dev eth0 nodad`)
  await inPod('ip route replace 169.254.1.1 dev eth0')
  await inPod('ip route replace default via 169.254.1.1 dev eth0')
  const gateway = await until(
    `${name}’s end has an address of its link`,
    async () => {
      const text = await run(cluster, name, 'ip -6 -o address show dev cali0 scope link -tentative')
      return /inet6 (fe80::[^/]+)/.exec(text)?.[1]
    },
    SOON,
  )
  await inPod(`ip -6 route replace default via ${gateway} dev eth0`)
}

/** The routes of both families on `cali0`, as `ip` prints them, sorted. */
async function onLink(cluster: CalicoCluster, node: string): Promise<readonly string[]> {
  const texts = await Promise.all(
    ['-4', '-6'].map(family => run(cluster, node, `ip ${family} route show dev cali0`)),
  )
  return texts
    .flatMap(text => text.split('\n').map(line => line.trim()))
    .filter(line => line !== '' && !line.startsWith('fe80'))
    .toSorted()
}

/** What stands on `cali0` when all is well. */
const wantedOn = ({ pod, podSix }: Node): readonly string[] => [
  `${pod} proto 77 scope link metric 1024`,
  `${podSix} proto 77 metric 1024 pref medium`,
]

const untilOnLink = (
  cluster: CalicoCluster,
  node: string,
  wanted: readonly string[],
): Promise<boolean> =>
  until(
    `${node} has these routes to its workload`,
    async () => {
      const found = await onLink(cluster, node)
      if (found.join() === wanted.join()) return true
      throw new Error(found.join('\n'))
    },
    SOON,
  )

/** One ping of each family from each pod to the other. */
async function pingsThrough(cluster: CalicoCluster): Promise<void> {
  for (const [from, to] of [
    [ONE, TWO],
    [TWO, ONE],
  ] as const)
    for (const address of [to.pod, to.podSix])
      await until(
        `pod-${from.name} reaches ${address}`,
        async () => await run(cluster, `pod-${from.name}`, `ping -c 1 -W 1 ${address}`),
        SOON,
      )
}

lab('an endpoint of a node is a route on its interface, in both families', async (t, cluster) => {
  for (const { name, six } of NODES) {
    await run(cluster, name, 'sysctl -qw net.ipv6.conf.all.forwarding=1')
    await run(cluster, name, `ip -6 address add ${six}/64 dev eth1 nodad`)
  }
  for (const node of NODES) {
    await run(cluster, node.name, 'ip link set cali0 up')
    await prepare(cluster, node)
    t.deepEqual(await onLink(cluster, node.name), [])
  }
  await cluster.apply(...NODES.map(node => endpointOf(node)))
  for (const node of NODES) {
    await untilOnLink(cluster, node.name, wantedOn(node))
    const neighbours = await run(cluster, node.name, 'ip neighbour show dev cali0 nud permanent')
    t.is(neighbours.trim(), `${node.pod} lladdr ${node.mac} PERMANENT`)
    for (const setting of ['ipv4.conf.cali0.proxy_arp', 'ipv6.conf.cali0.forwarding'])
      t.is((await run(cluster, node.name, `sysctl -n net.${setting}`)).trim(), '1', setting)
    const own = await run(cluster, node.name, 'ip -4 address show dev cali0')
    t.is(own, '', 'nobody has the gateway’s address')
    const pid = cluster.agent(node.name).child('dataplane')
    const status = await run(cluster, node.name, `cat /proc/${pid}/status`)
    t.regex(status, /^CapEff:\s0+1000$/m, 'who set all this has CAP_NET_ADMIN alone')
    t.notRegex(status, /^Uid:\s+0\s/m)
  }
})

lab('pods reach each other through it, and none of their packets is lost', async (t, cluster) => {
  await pingsThrough(cluster)
  await noneLostDuring(t, cluster, new Map(NODES.map(({ name, pod }) => [name, pod])))
})

lab('inside its block an address is not announced, outside of blocks it is', async (t, cluster) => {
  const stray = '10.246.77.7'
  await cluster.apply(endpointOf(TWO, [stray]))
  await run(cluster, `pod-${TWO.name}`, `ip address add ${stray}/32 dev eth0`)
  const routes = await until(
    'the other node hears of it',
    async () => {
      const found = await cluster.kernel(ONE.name)
      return found.has(stray) && found
    },
    SOON,
  )
  t.is(routes.get(stray), `via ${TWO.address}`)
  t.is(routes.get('10.246.2.0/24'), `via ${TWO.address}`)
  t.false(routes.has(TWO.pod))
  await run(cluster, `pod-${ONE.name}`, `ping -c 1 -W 5 ${stray}`)
  await cluster.apply(endpointOf(TWO))
  await until(
    'the other node forgets it',
    async () => !(await cluster.kernel(ONE.name)).has(stray),
    SOON,
  )
})

lab('an interface that is deleted and made again has everything again', async (t, cluster) => {
  const { lab: running } = cluster
  const pids = [ONE.name, `pod-${ONE.name}`].map(name => running.node(name).record().pid)
  for (const round of [1, 2, 3]) {
    await run(cluster, ONE.name, 'ip link del cali0')
    const words = `ip link add name cali0 netns ${pids[0]} type veth peer name eth0 netns ${pids[1]}`
    const { code, stderr } = await running.exec(words.split(' '))
    t.is(code, 0, stderr)
    const start = performance.now()
    await run(cluster, ONE.name, 'ip link set cali0 up')
    await run(cluster, `pod-${ONE.name}`, 'ip link set eth0 up')
    await untilOnLink(cluster, ONE.name, wantedOn(ONE))
    t.log(`round ${round}: routes are back after ${Math.round(performance.now() - start)} ms`)
    await prepare(cluster, ONE)
    await pingsThrough(cluster)
  }
})

lab('what somebody takes out is back, and what is somebody’s stays', async (t, cluster) => {
  const foreign = '10.77.0.0/24 proto static scope link'
  await run(cluster, ONE.name, 'ip route add 10.77.0.0/24 dev cali0 proto static')
  await run(cluster, ONE.name, `ip route del ${ONE.pod}/32 dev cali0`)
  await run(cluster, ONE.name, `ip -6 route del ${ONE.podSix}/128 dev cali0`)
  await untilOnLink(cluster, ONE.name, [foreign, ...wantedOn(ONE)].toSorted())
  await run(cluster, 'operator', 'martlet delete workloadendpoint -n default node--1-k8s-pod-eth0')
  await untilOnLink(cluster, ONE.name, [foreign])
  await cluster.apply(endpointOf(ONE))
  await untilOnLink(cluster, ONE.name, [foreign, ...wantedOn(ONE)].toSorted())
  await pingsThrough(cluster)
  t.pass()
})
