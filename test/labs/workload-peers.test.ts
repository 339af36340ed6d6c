/**
 * A workload that speaks BGP itself, as virtual machines do: the BIRD of a pod connects to its node by the gateway
 * that every pod has, and is a peer for as long as `localWorkloadSelector` selects its endpoint.
 */
import test from 'ava'
import { calico } from './support/calico-cluster.ts'
import { clusterLab } from './support/cluster-lab.ts'
import { until } from './support/lab.ts'
import { SOON } from './support/survival.ts'

const NODE = { name: 'node-1', address: '10.88.3.1', block: '10.247.1.0/24' }
const VM = { pod: `pod-${NODE.name}`, address: '10.247.1.7' }
/** What the machine announces; the filter lets the first in. */
const [TAKEN, REFUSED] = ['10.250.1.0/24', '10.251.1.0/24']

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
  ],
  resources: [
    calico('BGPConfiguration', 'default', { asNumber: 64600 }),
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
