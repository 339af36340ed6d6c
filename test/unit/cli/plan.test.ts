/** `martlet plan`: an interface, and a page that can be checked by eye. */
import test from 'ava'
import {
  type Plan,
  type ServiceEvent,
  type ServiceSource,
  serviceObjectKey,
} from '../../../src/core/intent/index.ts'
import { service, slice } from '../../support/services.ts'
import { until } from '../../support/until.ts'
import { MemoryStore, run, type Setting } from './world.ts'

const ROOT = '/calico/resources/v3/projectcalico.org/'
const apiVersion = 'projectcalico.org/v3'

function cluster(): MemoryStore {
  const store = new MemoryStore()
  const put = (plural: string, kind: string, name: string, spec: object, labels = {}): void =>
    store.seed(`${ROOT}${plural}/${name}`, { kind, apiVersion, metadata: { name, labels }, spec })
  const bgp = { ipv4Address: '10.0.0.1/24', routeReflectorClusterID: '1.0.0.1' }
  put('nodes', 'Node', 'worker-0', { bgp }, { rr: 'true' })
  put('nodes', 'Node', 'worker-1', { bgp: { ipv4Address: '10.0.0.2/24' } })
  put('bgppeers', 'BGPPeer', 'clients', {
    nodeSelector: 'has(rr)',
    peerSelector: '!has(rr)',
    maxRestartTime: '60s',
    keepaliveTime: '10s',
    ttlSecurity: 2,
    password: { secretKeyRef: { name: 'bgp', key: 'k' } },
  })
  put('bgppeers', 'BGPPeer', 'tor', { node: 'worker-0', peerIP: '10.0.0.9:1790', asNumber: 65000 })
  return store
}

const planned = async (...words: string[]): Promise<Plan> => {
  const { printed, code } = await run(['plan', '-o', 'json', ...words], { store: cluster() })
  if (code !== 0) throw new Error(`exit code ${code}`)
  return JSON.parse(printed)
}

test('the plan has the keys that programs rely on, and null for what is not said', async t => {
  const plan = await planned()
  t.deepEqual(Object.keys(plan).toSorted(), [
    'asNumber',
    'clusterId',
    'communities',
    'exports',
    'imports',
    'kernel',
    'listen',
    'node',
    'originated',
    'pools',
    'problems',
    'ranges',
    'revision',
    'routerId',
    'routes',
    'sessions',
    'tunnels',
  ])
  t.like(plan, { node: 'worker-0', revision: 4, routerId: '10.0.0.1', asNumber: 64512 })
  t.deepEqual(plan.listen as object, [{ family: 'ipv4', address: '0.0.0.0', port: 179 }])
  const [client, tor] = plan.sessions
  t.deepEqual(tor as object, {
    name: 'Node_10_0_0_9_port_1790',
    family: 'ipv4',
    peerAddress: '10.0.0.9',
    peerPort: 1790,
    peerAs: 65000,
    localAs: 64512,
    sourceAddress: '10.0.0.1',
    passive: false,
    ebgp: true,
    ttlSecurityHops: null,
    password: 'none',
    restartTimeSeconds: null,
    keepaliveSeconds: null,
    allowLocalAs: 0,
    nextHop: 'auto',
    routeReflectorClient: false,
    clusterId: null,
    importFilters: [],
    exportFilters: [],
    reachableBy: null,
    resource: `${ROOT}bgppeers/tor`,
    reverse: false,
    withheld: null,
  })
  t.like(client, {
    name: 'Node_10_0_0_2',
    ttlSecurityHops: 2,
    password: 'missing',
    restartTimeSeconds: 60,
    keepaliveSeconds: 10,
    routeReflectorClient: true,
    clusterId: '1.0.0.1',
  })
})

test('another node is planned from the same store', async t => {
  const plan = await planned('--node', 'worker-1')
  t.like(plan, { node: 'worker-1', routerId: '10.0.0.2', clusterId: null })
  t.deepEqual(
    plan.sessions.map(({ name, reverse }) => [name, reverse]),
    [['Node_10_0_0_1', true]],
  )
})

test('for people there is a line for each session, and what is special below it', async t => {
  const { printed } = await run(['plan'], { store: cluster() })
  t.regex(printed, /^reflects for +cluster 1\.0\.0\.1$/m)
  t.regex(printed, /^ {2}Node_10_0_0_2 +10\.0\.0\.2:179 +64512 +iBGP +10\.0\.0\.1 +both$/m)
  t.regex(printed, /^ {6}of clients, password missing, at most 2 hops away, restart 60s/m)
  t.regex(printed, /^ {6}NO SESSION: names the key k of the secret bgp/m)
  t.regex(printed, /^ {6}of tor, our AS 64512$/m)
  t.regex(printed, /^1 problem\n {2}\S+bgppeers\/clients spec\.password: /m)
})

test('a node that the store does not know is not found', async t => {
  const { code, remarks } = await run(['plan', '--node', 'worker-9'], { store: cluster() })
  t.is(code, 3)
  t.regex(remarks, /no Node worker-9 at 4; martlet get nodes/)
})

for (const at of ['0', '-1', 'x', '1.5'])
  test(`--at ${at} is no revision`, async t => {
    const { code } = await run(['plan', `--at=${at}`], { store: cluster() })
    t.is(code, 2)
  })

test('a plan writes nothing and closes its store', async t => {
  const store = cluster()
  const before = [...store.entries]
  await run(['plan', '--at', '4'], { store })
  t.deepEqual([...store.entries], before)
  t.is(store.closed, 1)
})

test('passwords that the store holds are looked for at the same revision', async t => {
  const storeIn = '{directory: /store}, secrets: {store: true}'
  for (const [value, password] of [
    ['sekret', 'set'],
    [undefined, 'missing'],
  ] as const) {
    const store = cluster()
    if (value !== undefined) store.seed('/martlet/v1/secrets/bgp/k', value)
    const { printed } = await run(['plan', '-o', 'json'], { store, storeIn })
    t.is(JSON.parse(printed).sessions[0].password, password)
    t.false(printed.includes('sekret'))
  }
})

const RANGES = { serviceLoadBalancerIPs: [{ cidr: '203.0.113.0/24' }] }
const WEB = service('web', { externalTrafficPolicy: 'Local', ingress: ['203.0.113.5'] })
const AT_0 = slice('web', ['worker-0'])

function withRanges(): MemoryStore {
  const store = cluster()
  const metadata = { name: 'default' }
  const kind = 'BGPConfiguration'
  store.seed(`${ROOT}bgpconfigurations/default`, { kind, apiVersion, metadata, spec: RANGES })
  return store
}

const originatedOf = async (setting: Setting, ...words: string[]): Promise<readonly string[]> => {
  const { printed } = await run(['plan', '-o', 'json', ...words], setting)
  const plan: Plan = JSON.parse(printed)
  return plan.originated.map(({ prefix, kind }) => `${prefix} ${kind}`)
}

test('services of files in the store are in the plan of the node with their endpoints', async t => {
  const store = withRanges()
  for (const object of [WEB, AT_0]) store.seed(serviceObjectKey(object), object)
  const [range, address] = ['203.0.113.0/24 service', '203.0.113.5/32 service']
  t.deepEqual(await originatedOf({ store }), [range, address])
  t.deepEqual(await originatedOf({ store }, '--node', 'worker-1'), [range])
})

test('where Kubernetes is configured, its services are planned; an outage is a problem', async t => {
  const store = withRanges()
  let closed = 0
  const sourceOf = (event: ServiceEvent): ServiceSource => ({
    watch: listener => {
      listener(event)
      return {
        close: () => {
          closed += 1
        },
      }
    },
  })
  const objects = { services: [WEB], slices: [AT_0], problems: [] }
  const services = sourceOf({ type: 'objects', objects })
  t.is((await originatedOf({ store, services })).length, 2)
  const { printed } = await run(['plan'], {
    store,
    services: sourceOf({ type: 'lost', why: 'gone' }),
  })
  t.regex(printed, /kubernetes: tells nothing of services \(gone\)/)
  await until(() => closed === 2, 'the watches are closed')
})
