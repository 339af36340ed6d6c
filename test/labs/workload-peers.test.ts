/**
 * Workloads that speak BGP themselves, as virtual machines do: the BIRD of a pod connects to its node by the gateway
 * that every pod has, and is a peer for as long as `localWorkloadSelector` selects its endpoint. On one node, beside a
 * Felix, it connects to the node's own address; on the other, without, to those that all nodes have for it.
 */
import test from 'ava'
import { type CalicoCluster, calico } from './support/calico-cluster.ts'
import { clusterLab } from './support/cluster-lab.ts'
import { until } from './support/lab.ts'
import { SOON } from './support/survival.ts'

const NODE = { name: 'node-1', address: '10.88.3.1', block: '10.247.1.0/24' }
const VM = { pod: `pod-${NODE.name}`, address: '10.247.1.7' }
const BARE = { name: 'node-2', address: '10.88.3.2', block: '10.247.2.0/24', six: 'fd88:3::2' }
const MACHINE = { pod: `pod-${BARE.name}`, address: '10.247.2.7', six: 'fd47:2::7' }
const MAC = '02:00:00:00:02:07'
/** Where machines find whatever node they are on. */
const HERE = { four: '169.254.0.179', six: 'fd12:3456:789a::1' }

/** What the machine announces; the filter lets the first in. */
const [TAKEN, REFUSED] = ['10.250.1.0/24', '10.251.1.0/24']
/** What the other one does. */
const [FOUR, SIX] = ['10.250.2.0/24', 'fd50:2::/64']

const lab = clusterLab(test, {
  name: 'workload-peers',
  members: [
    {
      ...{ name: NODE.name, address: NODE.address, pod: VM.address },
      settings: {
        registration: { enabled: true, ipv4Method: 'interface=eth1', pollSeconds: 1 },
        podCIDRs: [NODE.block],
        // what Felix does for a workload is done by the lab
        calico: { felix: 'beside' },
      },
    },
    {
      ...{ name: BARE.name, address: BARE.address },
      settings: {
        registration: {
          ...{ enabled: true, ipv4Method: 'interface=eth1' },
          ...{ ipv6: 'autodetect', ipv6Method: 'interface=eth1', pollSeconds: 1 },
        },
        podCIDRs: [BARE.block],
      },
    },
  ],
  resources: [
    calico('BGPConfiguration', 'default', {
      asNumber: 64600,
      localWorkloadPeeringIPV4: HERE.four,
      localWorkloadPeeringIPV6: HERE.six,
    }),
    calico('IPPool', 'pods', { cidr: '10.247.0.0/16' }),
    calico('BGPFilter', 'machines', {
      importV4: [
        { action: 'Accept', cidr: '10.250.0.0/16', matchOperator: 'In' },
        { action: 'Reject' },
      ],
    }),
    calico('BGPPeer', 'machines', {
      localWorkloadSelector: "bgp == 'yes'",
      asNumber: 64700,
      localASNumber: 64800,
      filters: ['machines'],
    }),
  ],
})

const BIRD = `router id ${VM.address};
protocol device {}
protocol static { ipv4; route ${TAKEN} blackhole; route ${REFUSED} blackhole; }
protocol bgp node {
  local ${VM.address} as 64700;
  neighbor ${NODE.address} as 64800;
  multihop;
  connect delay time 1;
  connect retry time 1;
  error wait time 1, 1;
  ipv4 { import all; export where source = RTS_STATIC; };
}
`

const BIRD_BARE = `router id ${MACHINE.address};
protocol device {}
protocol static { ipv4; route ${FOUR} blackhole; }
protocol static { ipv6; route ${SIX} blackhole; }
template bgp node {
  multihop;
  connect delay time 1;
  connect retry time 1;
  error wait time 1, 1;
}
protocol bgp four from node {
  local ${MACHINE.address} as 64700;
  neighbor ${HERE.four} as 64800;
  ipv4 { import all; export where source = RTS_STATIC; };
}
protocol bgp six from node {
  local ${MACHINE.six} as 64700;
  neighbor ${HERE.six} as 64800;
  ipv6 { import all; export where source = RTS_STATIC; };
}
`

/** The endpoint of the machine on the bare node. */
function bareEndpoint(bgp: string): object {
  const name = 'node--2-k8s-vm-eth0'
  const endpoint = calico('WorkloadEndpoint', name, {
    ...{ orchestrator: 'k8s', node: BARE.name, pod: 'vm', endpoint: 'eth0', mac: MAC },
    ...{ interfaceName: 'cali0', ipNetworks: [`${MACHINE.address}/32`, `${MACHINE.six}/128`] },
  })
  return { ...endpoint, metadata: { name, namespace: 'default', labels: { bgp } } }
}

/** Runs a line in a node. */
const run = (cluster: CalicoCluster, node: string, line: string): Promise<string> =>
  cluster.run(node, ...line.split(' '))

/** What the CNI plugin does for a pod of both families. */
async function plug(cluster: CalicoCluster): Promise<void> {
  await run(cluster, BARE.name, `ip -6 address add ${BARE.six}/64 dev eth1 nodad`)
  await run(cluster, BARE.name, 'ip link set cali0 up')
  const inPod = (line: string): Promise<string> => run(cluster, MACHINE.pod, line)
  await inPod(`ip link set eth0 address ${MAC} up`)
  await inPod(`ip address replace ${MACHINE.address}/32 dev eth0`)
  await inPod(`ip -6 address replace ${MACHINE.six}/128 dev eth0 nodad`)
  await inPod('ip route replace 169.254.1.1 dev eth0')
  await inPod('ip route replace default via 169.254.1.1 dev eth0')
  const gateway = await until(
    'its end has an address of its link',
    async () => {
      const text = await run(
        cluster,
        BARE.name,
        'ip -6 -o address show dev cali0 scope link -tentative',
      )
      return /inet6 (fe80::[^/]+)/.exec(text)?.[1]
    },
    SOON,
  )
  await inPod(`ip -6 route replace default via ${gateway} dev eth0`)
}

/** Waits until `cali0` of a node has just these, beside what the kernel gives it: `10.0.0.1/32 link`. */
const untilHas = (
  cluster: CalicoCluster,
  node: string,
  wanted: readonly string[],
): Promise<boolean> =>
  until(
    `cali0 of ${node} has ${wanted.join(', ') || 'no address'}`,
    async () => {
      const text = await run(cluster, node, 'ip -o address show dev cali0')
      const found = [...text.matchAll(/inet6? (\S+) .*?scope (\S+)/g)]
        .map(([, network, scope]) => `${network} ${scope}`)
        .filter(network => !network.startsWith('fe80'))
      if (found.toSorted().join() === wanted.toSorted().join()) return true
      throw new Error(text)
    },
    SOON,
  )

const ON_LINK = [`${HERE.four}/32 link`, `${HERE.six}/128 global`]

/** The endpoint of the machine, whose label says whether it is a peer. */
function endpointOf(bgp: string): object {
  const name = 'node--1-k8s-vm-eth0'
  const endpoint = calico('WorkloadEndpoint', name, {
    ...{ orchestrator: 'k8s', node: NODE.name, pod: 'vm', endpoint: 'eth0' },
    ...{ interfaceName: 'cali0', ipNetworks: [`${VM.address}/32`] },
  })
  return { ...endpoint, metadata: { name, namespace: 'default', labels: { bgp } } }
}

lab(
  'a workload that is selected is a peer, whose routes are taken as its filters say',
  async (t, cluster) => {
    const agent = cluster.agent(NODE.name)
    await cluster.run(VM.pod, 'mkdir', '-p', '/run/bird')
    await cluster.run(VM.pod, 'sh', '-c', `cat >/run/bird/vm.conf <<'END'\n${BIRD}END`)
    await cluster.run(VM.pod, 'bird', '-c', '/run/bird/vm.conf', '-s', '/run/bird/bird.ctl')
    const isRunning = async () => (await agent.state()).agent?.mode === 'running'
    await until('the agent runs', isRunning, SOON)
    t.is(await agent.session(VM.address), undefined, 'nobody selects it yet')
    await cluster.apply(endpointOf('yes'))
    const session = await agent.established(VM.address)
    t.like(session, {
      name: 'Local_Workload_10_247_1_7',
      peerAsNumber: 64700,
      localAsNumber: 64800,
      type: 'eBGP',
    })
    const routes = await until(
      'its route is in the kernel',
      async () => {
        const found = await cluster.kernel(NODE.name)
        return found.has(TAKEN) && found
      },
      SOON,
    )
    t.is(routes.get(TAKEN), `via ${VM.address}`)
    t.false(routes.has(REFUSED))
    const told = await until(
      'it is told of the node’s block',
      async () => {
        const text = await cluster.birdc(VM.pod, 'show', 'route', 'all', NODE.block)
        return text.includes('BGP.as_path') && text
      },
      SOON,
    )
    t.regex(told, /BGP\.as_path: 64800\s/, 'by the number that the resource says')
    t.regex(told, new RegExp(`BGP\\.next_hop: ${NODE.address}`))
    // what is for machines on its link would be Felix's to put there
    await untilHas(cluster, NODE.name, ['169.254.1.1/32 link'])
  },
)

lab('one that is not selected any more is none', async (t, cluster) => {
  const agent = cluster.agent(NODE.name)
  await cluster.apply(endpointOf('no'))
  await until(
    'its session and its route go',
    async () =>
      (await agent.session(VM.address)) === undefined &&
      !(await cluster.kernel(NODE.name)).has(TAKEN),
    SOON,
  )
  const routes = await cluster.kernel(NODE.name)
  t.is(routes.get(VM.address), 'dev cali0', 'the way to it is not ours')
})

lab('without a Felix it connects to the addresses that are there for it', async (t, cluster) => {
  await plug(cluster)
  const agent = cluster.agent(BARE.name)
  await cluster.run(MACHINE.pod, 'mkdir', '-p', '/run/bird')
  await cluster.run(MACHINE.pod, 'sh', '-c', `cat >/run/bird/vm.conf <<'END'\n${BIRD_BARE}END`)
  await cluster.run(MACHINE.pod, 'bird', '-c', '/run/bird/vm.conf', '-s', '/run/bird/bird.ctl')
  await cluster.apply(bareEndpoint('no'))
  await until(
    'it has its route',
    async () => (await cluster.kernel(BARE.name)).has(MACHINE.address),
    SOON,
  )
  await untilHas(cluster, BARE.name, [])
  await cluster.apply(bareEndpoint('yes'))
  await untilHas(cluster, BARE.name, ON_LINK)
  t.like(await agent.established(MACHINE.address), { name: 'Local_Workload_10_247_2_7' })
  t.like(await agent.established(MACHINE.six), { name: 'Local_Workload_fd47_2__7' })
  for (const [family, prefix, via] of [
    ['-4', FOUR, MACHINE.address],
    ['-6', SIX, MACHINE.six],
  ] as const)
    await until(
      `${prefix} is in the kernel`,
      async () =>
        (await run(cluster, BARE.name, `ip ${family} route show ${prefix}`)).includes(via),
      SOON,
    )
  const told = await until(
    'it is told of the node’s block',
    async () => {
      const text = await cluster.birdc(MACHINE.pod, 'show', 'route', 'all', BARE.block)
      return text.includes('BGP.next_hop') && text
    },
    SOON,
  )
  t.regex(told, new RegExp(`BGP\\.next_hop: ${HERE.four}`))
})

lab('they are put back, and go when it is no peer any more', async (t, cluster) => {
  const agent = cluster.agent(BARE.name)
  await run(cluster, BARE.name, `ip address del ${HERE.four}/32 dev cali0`)
  await run(cluster, BARE.name, `ip -6 address del ${HERE.six}/128 dev cali0`)
  await untilHas(cluster, BARE.name, ON_LINK)
  await agent.established(MACHINE.address)
  await run(cluster, BARE.name, 'ip address add 10.77.0.1/24 dev cali0')
  await cluster.apply(bareEndpoint('no'))
  await untilHas(cluster, BARE.name, ['10.77.0.1/24 global'])
  await until(
    'its sessions go',
    async () =>
      (await agent.session(MACHINE.address)) === undefined &&
      (await agent.session(MACHINE.six)) === undefined,
    SOON,
  )
  t.pass()
})
