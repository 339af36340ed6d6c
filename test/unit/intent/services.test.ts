import test from 'ava'
import type { BgpConfigurationSpec, NodeResource } from '../../../src/core/calico/index.ts'
import {
  type Desired,
  desired,
  NO_SECRETS,
  type NodeFacts,
  type ServiceObjects,
} from '../../../src/core/intent/index.ts'
import { NO_SERVICES, servicesOf } from '../../../src/core/intent/originated/services.ts'
import { prefix } from '../../../src/core/net/index.ts'
import { ACCEPT_ALL } from '../../../src/core/policy/index.ts'
import {
  configuration,
  facts,
  labelled,
  node,
  peer,
  pool,
  snapshot,
} from '../../support/cluster.ts'
import { judged } from '../../support/routes.ts'
import { objects, service, slice } from '../../support/services.ts'

/** Which addresses of services a node announces, rule by rule; no test depends on another's order. */

const EXCLUSION = 'node.kubernetes.io/exclude-from-external-load-balancers'
const SPEC: BgpConfigurationSpec = {
  serviceClusterIPs: [{ cidr: '10.96.0.0/12' }],
  serviceExternalIPs: [{ cidr: '192.0.2.0/24' }, { cidr: '192.0.3.7/32' }],
  serviceLoadBalancerIPs: [{ cidr: '203.0.113.0/24' }, { cidr: '198.51.100.9/32' }],
}
const RANGES = ['10.96.0.0/12', '192.0.2.0/24', '203.0.113.0/24']

interface Case {
  readonly spec?: BgpConfigurationSpec
  readonly facts?: Partial<NodeFacts>
  readonly node?: NodeResource
}

const A = node('a', '10.0.0.1/24')

const asked = (known: ServiceObjects, one: Case = {}) =>
  servicesOf(
    snapshot({ nodes: [one.node ?? A], bgpConfigurations: [configuration(one.spec ?? SPEC)] }),
    facts('a', one.facts),
    known,
  )

const announced = (known: ServiceObjects, one: Case = {}): readonly string[] =>
  asked(known, one).routes.announced

/** What is announced beside the ranges. */
const hosts = (known: ServiceObjects, one: Case = {}): readonly string[] =>
  announced(known, one).filter(each => !RANGES.includes(each))

const NOTHING = objects([])
const local = (more: Parameters<typeof service>[1] = {}) =>
  service('web', { externalTrafficPolicy: 'Local', ...more })

test('ranges need BGPConfiguration alone; those of one address are none', t => {
  t.deepEqual(announced(NOTHING), RANGES)
})

test('ranges of serviceClusterIPs are announced whatever their length', t => {
  t.deepEqual(announced(NOTHING, { spec: { serviceClusterIPs: [{ cidr: '10.96.0.1/32' }] } }), [
    '10.96.0.1/32',
  ])
})

test('an empty range says nothing, host bits count for nothing, and what is no prefix is told', t => {
  const cidrs = ['', '10.96.0.5/12', 'anything', 'fd00::/112']
  const { routes, problems } = asked(NOTHING, {
    spec: { serviceClusterIPs: [{}, ...cidrs.map(cidr => ({ cidr }))] },
  })
  t.deepEqual(routes.announced, [prefix('10.96.0.0/12'), prefix('fd00::/112')])
  t.deepEqual(
    problems.map(({ field }) => field),
    ['spec.serviceClusterIPs[3].cidr'],
  )
})

test('a node that says its own range of cluster IPs announces that one instead', t => {
  const found = announced(NOTHING, { facts: { clusterIps: prefix('10.32.0.0/24') } })
  t.deepEqual(found, ['10.32.0.0/24', '192.0.2.0/24', '203.0.113.0/24'])
})

test('without aggregation, ranges of load balancers are neither announced nor kept from the kernel', t => {
  const spec = { ...SPEC, serviceLoadBalancerAggregation: 'Disabled' as const }
  const { routes } = asked(NOTHING, { spec })
  t.deepEqual(routes.announced, [prefix('10.96.0.0/12'), prefix('192.0.2.0/24')])
  t.deepEqual(routes.rejected, [prefix('10.96.0.0/12'), prefix('192.0.2.0/24')])
})

test('a reflector passes on all ranges of load balancers and external addresses, single ones too', t => {
  t.deepEqual(asked(NOTHING).routes.reflected, [
    prefix('192.0.2.0/24'),
    prefix('192.0.3.7/32'),
    prefix('198.51.100.9/32'),
    prefix('203.0.113.0/24'),
  ])
})

test('Local: a ready endpoint on this node, and all addresses of the service are announced', t => {
  const web = local({ externalIPs: ['192.0.2.5'], ingress: ['203.0.113.5'] })
  const expected = ['10.96.0.10/32', '192.0.2.5/32', '203.0.113.5/32']
  t.deepEqual(hosts(objects([web], [slice('web', ['b', 'a'])])), expected)
  t.deepEqual(hosts(objects([web], [slice('web', ['b'])])), [])
  t.deepEqual(hosts(objects([web])), [])
})

test('Local: an endpoint that is not ready is none; one that does not say is ready', t => {
  t.deepEqual(hosts(objects([local()], [slice('web', ['!a', 'b'])])), [])
  const silent = { ...slice('web', []), endpoints: [{ nodeName: 'a' }] }
  t.deepEqual(hosts(objects([local()], [silent])), ['10.96.0.10/32'])
})

test('Local: any slice of the service counts, of its own namespace and one of its families', t => {
  const two = [slice('web', ['b'], { name: 'x' }), slice('web', ['a'], { name: 'y' })]
  t.is(hosts(objects([local()], two)).length, 1)
  t.is(hosts(objects([local()], two.toReversed())).length, 1)
  t.deepEqual(hosts(objects([local()], [slice('web', ['a'], { namespace: 'other' })])), [])
  t.deepEqual(hosts(objects([local()], [slice('web', ['a'], { family: 'IPv6' })])), [])
  t.deepEqual(hosts(objects([local()], [slice('api', ['a'])])), [])
  const orphan = { ...slice('web', ['a']), metadata: { namespace: 'default', name: 'web-1' } }
  t.deepEqual(hosts(objects([local()], [orphan])), [])
})

test('dual stack: addresses of both families, by an endpoint of either', t => {
  const both = local({
    clusterIPs: ['10.96.0.10', 'fd00:96::a'],
    ipFamilies: ['IPv4', 'IPv6'],
    ingress: ['203.0.113.5', '2001:db8::5'],
  })
  const spec = {
    ...SPEC,
    serviceLoadBalancerIPs: [{ cidr: '203.0.113.0/24' }, { cidr: '2001:db8::/64' }],
  }
  const found = hosts(objects([both], [slice('web', ['a'], { family: 'IPv6' })]), { spec })
  t.deepEqual(found, [
    '10.96.0.10/32',
    '203.0.113.5/32',
    '2001:db8::/64',
    '2001:db8::5/128',
    'fd00:96::a/128',
  ])
})

test('Cluster: ranges are enough, wherever the endpoints are', t => {
  const web = service('web', { externalIPs: ['192.0.2.5'], ingress: ['203.0.113.5'] })
  t.deepEqual(hosts(objects([web], [slice('web', ['a'])])), [])
})

test('Cluster: a load balancer at a range of one address is announced, with all of its addresses', t => {
  const expected = ['10.96.0.10/32', '198.51.100.9/32']
  t.deepEqual(hosts(objects([service('web', { ingress: ['198.51.100.9'] })])), expected)
  t.deepEqual(hosts(objects([service('web', { loadBalancerIP: '198.51.100.9' })])), [
    '10.96.0.10/32',
  ])
  const port = service('web', { type: 'NodePort', ingress: ['198.51.100.9'] })
  t.deepEqual(hosts(objects([port])), [], 'only a load balancer has such an address')
})

test('Cluster: an external address that is a range by itself is announced, whatever the type', t => {
  const web = service('web', { type: 'ClusterIP', externalIPs: ['192.0.2.5', '192.0.3.7'] })
  t.deepEqual(hosts(objects([web])), ['10.96.0.10/32', '192.0.2.5/32', '192.0.3.7/32'])
})

test('without aggregation, a ready endpoint anywhere is enough; Local asks for one here all the same', t => {
  const spec = { ...SPEC, serviceLoadBalancerAggregation: 'Disabled' as const }
  const web = service('web', { ingress: ['203.0.113.5'] })
  t.deepEqual(hosts(objects([web], [slice('web', ['b'])]), { spec }), [
    '10.96.0.10/32',
    '203.0.113.5/32',
  ])
  t.deepEqual(hosts(objects([web], [slice('web', ['!b'])]), { spec }), [])
  const strict = local({ ingress: ['203.0.113.5'] })
  t.deepEqual(hosts(objects([strict], [slice('web', ['b'])]), { spec }), [])
})

test('external and load balancers’ addresses outside of the ranges are not announced', t => {
  const web = local({ externalIPs: ['8.8.8.8', 'none'], ingress: ['9.9.9.9', ''] })
  t.deepEqual(hosts(objects([web], [slice('web', ['a'])])), ['10.96.0.10/32'])
})

test('cluster IPs are announced wherever they are, where any range of them is configured', t => {
  const elsewhere = local({ clusterIP: '172.30.0.1' })
  const known = objects([elsewhere], [slice('web', ['a'])])
  t.deepEqual(hosts(known), ['172.30.0.1/32'])
  t.deepEqual(hosts(known, { spec: { ...SPEC, serviceClusterIPs: [] } }), [])
})

test('services of other types, and those without an address, are not announced', t => {
  const slices = [slice('web', ['a'])]
  for (const said of [{ type: 'ExternalName' }, { clusterIP: 'None' }, { clusterIP: '' }])
    t.deepEqual(hosts(objects([local({ externalIPs: ['192.0.2.5'], ...said })], slices)), [])
  for (const type of ['ClusterIP', 'NodePort', 'LoadBalancer'])
    t.is(hosts(objects([local({ type })], slices)).length, 1)
})

test('a node that is excluded announces nothing of services, and keeps them from its kernel', t => {
  const known = objects([local()], [slice('web', ['a'])])
  const { routes } = asked(known, { node: labelled({ [EXCLUSION]: 'true' }, A) })
  t.deepEqual(routes, { ...NO_SERVICES, rejected: RANGES.map(prefix), reflected: routes.reflected })
  t.is(announced(known, { node: labelled({ [EXCLUSION]: 'false' }, A) }).length, 4)
})

test('an address that two services have is announced until both are gone', t => {
  const one = local({ externalIPs: ['192.0.2.5'] })
  const two = service('api', { ...one.spec, clusterIP: '10.96.0.11', clusterIPs: ['10.96.0.11'] })
  const slices = [slice('web', ['a']), slice('api', ['a'])]
  t.deepEqual(hosts(objects([one, two], slices)), [
    '10.96.0.10/32',
    '10.96.0.11/32',
    '192.0.2.5/32',
  ])
  t.deepEqual(hosts(objects([two], slices)), ['10.96.0.11/32', '192.0.2.5/32'])
  t.deepEqual(hosts(objects([], slices)), [])
})

test('a node is known in Kubernetes by its configuration, by its orchRefs, or by its own name', t => {
  const known = objects([local()], [slice('web', ['worker-a'])])
  t.deepEqual(hosts(known), [])
  t.is(hosts(known, { facts: { kubernetesNode: 'worker-a' } }).length, 1)
  const orchRefs = [{ nodeName: 'worker-a', orchestrator: 'k8s' }]
  t.is(hosts(known, { node: { ...A, spec: { ...A.spec, orchRefs } } }).length, 1)
})

const wanted = (known: ServiceObjects, spec: BgpConfigurationSpec = SPEC): Desired =>
  desired(
    snapshot({
      nodes: [A],
      bgpConfigurations: [configuration(spec)],
      bgpPeers: [peer('tor', { peerIP: '10.0.0.254', asNumber: 65000 })],
      ipPools: [pool('10.244.0.0/16')],
    }),
    facts('a'),
    NO_SECRETS,
    known,
  )

test('what is announced is originated as a service, without a route that drops', t => {
  const found = wanted(objects([local()], [slice('web', ['a'])]))
  const expected = ['10.96.0.0/12', '10.96.0.10/32', '192.0.2.0/24', '203.0.113.0/24'].map(prefix)
  t.deepEqual(
    found.originated,
    expected.map(each => ({ prefix: each, kind: 'service' as const, blackhole: false })),
  )
  t.deepEqual(found.speaker?.originated, expected)
  t.deepEqual(found.dataplane.routes, [])
})

test('the kernel gets no route inside the ranges; single addresses of others are like any route', t => {
  const policy = wanted(NOTHING).speaker?.fibPolicy ?? ACCEPT_ALL
  t.is(judged(policy, { prefix: '203.0.113.5/32' }), undefined)
  t.is(judged(policy, { prefix: '10.96.0.0/12' }), undefined)
  t.truthy(judged(policy, { prefix: '198.51.100.9/32' }))
})

test('an endpoint that comes or goes is no new policy, but for a cluster IP outside of all ranges', t => {
  const spec = { ...SPEC, serviceLoadBalancerAggregation: 'Disabled' as const }
  const exportOf = (known: ServiceObjects) => wanted(known, spec).speaker?.peers[0]?.export
  const web = local({ ingress: ['203.0.113.5'], externalIPs: ['192.0.3.7'] })
  const here = objects([web], [slice('web', ['a'])])
  t.is(wanted(here, spec).originated.length, 5)
  t.deepEqual(exportOf(here), exportOf(NOTHING))
  const policy = exportOf(here)
  if (policy === undefined || typeof policy === 'string') return t.fail()
  for (const one of ['203.0.113.5/32', '192.0.3.7/32', '10.96.0.10/32'])
    t.truthy(judged(policy, { prefix: one, originated: true }), one)
  t.is(judged(policy, { prefix: '203.0.113.5/32' }), undefined, 'what others announce stays theirs')
  const elsewhere = objects([local({ clusterIP: '172.30.0.1' })], [slice('web', ['a'])])
  const wider = exportOf(elsewhere)
  if (wider === undefined || typeof wider === 'string') return t.fail()
  t.truthy(judged(wider, { prefix: '172.30.0.1/32', originated: true }))
})
