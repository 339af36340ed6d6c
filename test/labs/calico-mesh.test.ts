/**
 * Six nodes that have nothing but an etcd: they register themselves, claim blocks, form the mesh, take a new password,
 * become clients of two reflectors, are drained by a label, and give a block back, while pods ping each other.
 */
import test from 'ava'
import { type CalicoCluster, calico } from './support/calico-cluster.ts'
import { blocksOf, clusterLab, noneLostDuring, podIn } from './support/cluster-lab.ts'
import { until } from './support/lab.ts'
import { SOON } from './support/survival.ts'

const NODES = [1, 2, 3, 4, 5, 6].map(at => ({ name: `node-${at}`, address: `10.88.1.${at + 7}` }))
const NAMES = NODES.map(({ name }) => name)
const REFLECTORS = ['node-5', 'node-6']
const WORKERS = NAMES.filter(name => !REFLECTORS.includes(name))
const PASSWORD = '/martlet/v1/secrets/bgp/mesh'
const MISSING =
  `spec.nodeMeshPassword the key ${PASSWORD} is not in the store; put the password there; ` +
  'the mesh has no sessions'

const bgpConfiguration = (nodeToNodeMeshEnabled: boolean): object =>
  calico('BGPConfiguration', 'default', {
    asNumber: 64600,
    nodeToNodeMeshEnabled,
    ...(nodeToNodeMeshEnabled && {
      nodeMeshPassword: { secretKeyRef: { name: 'bgp', key: 'mesh' } },
    }),
  })

const settings = {
  registration: { enabled: true, ipv4Method: 'interface=eth1' },
  ipam: { claim: true },
  secrets: { store: true },
}

const lab = clusterLab(test, {
  name: 'calico-mesh',
  members: NODES.map(node => ({ ...node, settings })),
  resources: [bgpConfiguration(true), calico('IPPool', 'pods', { cidr: '10.245.0.0/16' })],
})

/** The sessions of all nodes, once each has as many as are expected and all are Established. */
function untilSessions(cluster: CalicoCluster, expected: Readonly<Record<string, number>>) {
  return until(
    'all sessions are Established',
    async () => {
      const found = await Promise.all(
        NAMES.map(async name => (await cluster.agent(name).api()).sessions()),
      )
      for (const [at, sessions] of found.entries()) {
        const up = sessions.filter(({ state }) => state === 'Established').length
        const name = NAMES[at] ?? ''
        if (sessions.length !== expected[name] || up !== sessions.length)
          throw new Error(`${name} has ${up} of ${sessions.length}, ${expected[name]} expected`)
      }
      return found.flat()
    },
    SOON,
  )
}

/** Four clients of two reflectors, which are each other's peers. */
const REFLECTED = { 'node-1': 2, 'node-2': 2, 'node-3': 2, 'node-4': 2, 'node-5': 5, 'node-6': 5 }

const EACH = (count: number): Record<string, number> =>
  Object.fromEntries(NAMES.map(name => [name, count]))

/** The pods of `nodes`, which have an address each. */
async function podsOf(
  cluster: CalicoCluster,
  nodes: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const blocks = await blocksOf(cluster)
  return new Map(nodes.map(node => [node, podIn(blocks.get(node) ?? '')]))
}

lab(
  'without the password nobody has a session, and all say which key is missing',
  async (t, cluster) => {
    for (const name of NAMES) {
      await until(
        `${name} misses its password`,
        async () => {
          const { agent } = await cluster.agent(name).state()
          const told = agent?.problems.map(({ field, reason }) => `${field} ${reason}`).join()
          if (told === MISSING && agent?.sessions.total === 0) return true
          throw new Error(told)
        },
        SOON,
      )
    }
    t.pass()
  },
)

lab(
  'six nodes register, claim a block each, and are a mesh once its password is there',
  async (t, cluster) => {
    await cluster.put(PASSWORD, 'first')
    const sessions = await untilSessions(cluster, EACH(5))
    for (const { name, authentication } of sessions) {
      t.regex(name, /^Mesh_10_88_1_\d+$/)
      t.is(authentication, 'TCP MD5')
    }
    const blocks = await blocksOf(cluster)
    t.deepEqual([...blocks.keys()].toSorted(), NAMES)
    t.is(new Set(blocks.values()).size, NAMES.length)
    t.is((await cluster.keys('/calico/ipam/v2/assignment/ipv4/block/')).length, NAMES.length)
    t.regex(await cluster.run('operator', 'martlet', 'ipam', 'check'), /0 problems/)
    await cluster.carried(blocks)
    for (const [node, block] of blocks) {
      await cluster.plug(node, podIn(block))
      const { address } = NODES.find(({ name }) => name === node)!
      for (const other of NAMES.filter(name => name !== node))
        t.is((await cluster.kernel(other)).get(block), `via ${address}`, `${other} to ${block}`)
    }
    await noneLostDuring(t, cluster, await podsOf(cluster, NAMES))
  },
)

/** Waits until the kernels of all nodes have this key, of the two, with every session, and the other with none. */
async function signedWith(cluster: CalicoCluster, password: 'first' | 'second'): Promise<void> {
  for (const name of NAMES)
    await until(
      `${name} signs with the ${password} password`,
      async () => {
        const sockets = await cluster.run(name, 'ss', '-Htni', 'state', 'established')
        const keys = sockets.match(/first|second/g) ?? []
        if (keys.length === NAMES.length - 1 && keys.every(key => key === password)) return true
        throw new Error(keys.join(' '))
      },
      SOON,
    )
}

lab(
  'a new password goes under the sessions of the mesh, and counts for the next ones',
  async (t, cluster) => {
    const before = await untilSessions(cluster, EACH(5))
    await noneLostDuring(t, cluster, await podsOf(cluster, NAMES), async () => {
      await signedWith(cluster, 'first')
      await cluster.put(PASSWORD, 'second')
      await signedWith(cluster, 'second')
      // each asks each for all that it has said, and hears it
      for (const { node, name } of before) await (await cluster.agent(node).api()).refresh(name)
      await until(
        'every session hears its peer',
        async () => {
          const now = await untilSessions(cluster, EACH(5))
          return now.every(
            ({ counters }, at) =>
              counters.updatesReceived > (before[at]?.counters.updatesReceived ?? 0),
          )
        },
        SOON,
      )
      // a speaker that begins anew has no session with who has not the same
      await cluster.agent('node-1').murder('speaker')
      await cluster.agent('node-2').established('10.88.1.8')
      await untilSessions(cluster, EACH(5))
    })
    const others = (sessions: typeof before) =>
      sessions.filter(({ node, peerAddress }) => node !== 'node-1' && peerAddress !== '10.88.1.8')
    const after = await untilSessions(cluster, EACH(5))
    t.is(others(after).length, 5 * 4)
    t.deepEqual(
      others(after).map(({ node, name, since }) => ({ node, name, since })),
      others(before).map(({ node, name, since }) => ({ node, name, since })),
    )
  },
)

/** A Node as it is, with this done to it. */
async function changeNode(
  cluster: CalicoCluster,
  name: string,
  change: (node: NodeObject) => void,
): Promise<void> {
  const text = await cluster.run('operator', 'martlet', 'get', 'node', name, '-o', 'json')
  const node: NodeObject = JSON.parse(text)
  change(node)
  await cluster.apply(node)
}

interface NodeObject {
  readonly metadata: { labels?: Record<string, string> }
  readonly spec: { readonly bgp: { routeReflectorClusterID?: string } }
}

lab(
  'from the mesh to reflectors, in Calico’s documented steps, without a packet lost',
  async (t, cluster) => {
    await noneLostDuring(t, cluster, await podsOf(cluster, WORKERS), async () => {
      // nodes without workloads, which leave the mesh by this
      for (const name of REFLECTORS)
        await changeNode(cluster, name, ({ metadata, spec }) => {
          metadata.labels = { ...metadata.labels, 'route-reflector': 'true' }
          spec.bgp.routeReflectorClusterID = '244.0.0.1'
        })
      await untilSessions(cluster, { ...EACH(3), 'node-5': 0, 'node-6': 0 })
      await cluster.apply(
        calico('BGPPeer', 'to-reflectors', {
          nodeSelector: '!has(route-reflector) && !has(drained)',
          peerSelector: 'has(route-reflector)',
        }),
        calico('BGPPeer', 'between-reflectors', {
          nodeSelector: 'has(route-reflector)',
          peerSelector: 'has(route-reflector)',
        }),
      )
      await untilSessions(cluster, EACH(5))
      await cluster.apply(bgpConfiguration(false))
      await untilSessions(cluster, REFLECTED)
    })
    await cluster.carried(await blocksOf(cluster))
    const { sessions } = await cluster.planned('node-5')
    t.deepEqual(
      sessions.map(({ name, routeReflectorClient }) => [name, routeReflectorClient]),
      [
        ['Node_10_88_1_10', true],
        ['Node_10_88_1_11', true],
        ['Node_10_88_1_13', false],
        ['Node_10_88_1_8', true],
        ['Node_10_88_1_9', true],
      ],
    )
  },
)

lab('a label takes a node out of its peers’ selector, and back', async (t, cluster) => {
  const blocks = await blocksOf(cluster)
  const drained = blocks.get('node-4')!
  await cluster.run('operator', 'martlet', 'label', 'nodes', 'node-4', 'drained=yes')
  await untilSessions(cluster, { ...REFLECTED, 'node-4': 0, 'node-5': 4, 'node-6': 4 })
  const others = NAMES.filter(name => name !== 'node-4')
  for (const name of others) await cluster.agent(name).carriesNot(drained)
  const left = await cluster.agent('node-4').routes()
  t.deepEqual(
    left
      .split('\n')
      .filter(line => line !== '')
      .map(line => line.split(' ').slice(0, 2).join(' ')),
    [`blackhole ${drained}`],
  )
  await cluster.run('operator', 'martlet', 'label', 'nodes', 'node-4', 'drained-')
  await untilSessions(cluster, REFLECTED)
  await cluster.carried(blocks)
})

lab(
  'a block that is released leaves all tables, and another is claimed at the next start',
  async (t, cluster) => {
    const before = await blocksOf(cluster)
    const block = before.get('node-3')!
    await cluster.run('node-3', 'martlet', 'ipam', 'release')
    for (const name of NAMES) await cluster.agent(name).carriesNot(block)
    t.deepEqual(
      [...(await blocksOf(cluster)).keys()].toSorted(),
      NAMES.filter(name => name !== 'node-3'),
    )
    t.is((await cluster.keys('/calico/ipam/v2/assignment/ipv4/block/')).length, NAMES.length - 1)
    await cluster.agent('node-3').murder('controller')
    const after = await until(
      'node-3 has a block again',
      async () => {
        const found = await blocksOf(cluster)
        return found.has('node-3') && found
      },
      SOON,
    )
    await cluster.carried(after)
    t.is(new Set(after.values()).size, NAMES.length)
    t.regex(await cluster.run('operator', 'martlet', 'ipam', 'check'), /0 problems/)
  },
)
