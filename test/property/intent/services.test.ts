/** Whatever services and endpoints there are: their order means nothing, and neither does how they came to be. */
import test from 'ava'
import fc from 'fast-check'
import type { BgpConfigurationSpec } from '../../../src/core/calico/index.ts'
import type { EndpointSlice, Service } from '../../../src/core/intent/index.ts'
import { servicesOf } from '../../../src/core/intent/originated/services.ts'
import { contains } from '../../../src/core/net/index.ts'
import { configuration, facts, node, snapshot } from '../../support/cluster.ts'
import { objects, service, slice } from '../../support/services.ts'

const SERVICES = ['web', 'api', 'dns']
const ADDRESSES = [
  '192.0.2.5',
  '192.0.2.6',
  '203.0.113.5',
  '198.51.100.9',
  'fd00::5',
  '8.8.8.8',
  '',
]

const someAddresses = fc.subarray(ADDRESSES)
const anyService: fc.Arbitrary<Service> = fc
  .record({
    name: fc.constantFrom(...SERVICES),
    type: fc.constantFrom('ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'),
    clusterIP: fc.constantFrom('10.96.0.10', '10.96.0.11', '172.30.0.1', 'None'),
    externalTrafficPolicy: fc.constantFrom('Local', 'Cluster'),
    externalIPs: someAddresses,
    ingress: someAddresses,
    ipFamilies: fc.subarray(['IPv4', 'IPv6']),
  })
  .map(({ name, ...spec }) => service(name, spec))
const anySlice: fc.Arbitrary<EndpointSlice> = fc
  .tuple(
    fc.constantFrom(...SERVICES),
    fc.subarray(['a', '!a', 'b', '!b']),
    fc.constantFrom('IPv4', 'IPv6'),
  )
  .map(([of, nodes, family]) => slice(of, nodes, { family }))

const ranges = (all: readonly string[]) =>
  fc.subarray([...all]).map(some => some.map(cidr => ({ cidr })))
const anySpec: fc.Arbitrary<BgpConfigurationSpec> = fc.record({
  serviceClusterIPs: ranges(['10.96.0.0/12', 'fd00:96::/112']),
  serviceExternalIPs: ranges(['192.0.2.0/24', '192.0.2.5/32', 'fd00::/64']),
  serviceLoadBalancerIPs: ranges(['203.0.113.0/24', '198.51.100.9/32', '192.0.2.6/32']),
  serviceLoadBalancerAggregation: fc.constantFrom('Enabled', 'Disabled'),
})

const world = fc.record({
  services: fc.uniqueArray(anyService, { selector: ({ metadata }) => metadata.name }),
  slices: fc.array(anySlice, { maxLength: 6 }),
  spec: anySpec,
})

const routesOf = (
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  spec: BgpConfigurationSpec,
) =>
  servicesOf(
    snapshot({ nodes: [node('a', '10.0.0.1/24')], bgpConfigurations: [configuration(spec)] }),
    facts('a'),
    objects(services, slices),
  ).routes

test('the order of services, endpoints and ranges means nothing', t => {
  fc.assert(
    fc.property(world, ({ services, slices, spec }) => {
      const backwards = {
        ...spec,
        serviceClusterIPs: spec.serviceClusterIPs?.toReversed(),
        serviceExternalIPs: spec.serviceExternalIPs?.toReversed(),
        serviceLoadBalancerIPs: spec.serviceLoadBalancerIPs?.toReversed(),
      }
      t.deepEqual(
        routesOf(services.toReversed(), slices.toReversed(), backwards),
        routesOf(services, slices, spec),
      )
    }),
  )
})

test('what services together announce is what each of them announces', t => {
  fc.assert(
    fc.property(world, ({ services, slices, spec }) => {
      const together = new Set<string>(routesOf(services, slices, spec).announced)
      const each = services.flatMap(one => routesOf([one], slices, spec).announced)
      const apart = new Set<string>([...routesOf([], [], spec).announced, ...each])
      t.deepEqual([...together].toSorted(), [...apart].toSorted())
    }),
  )
})

test('peers are told of all that is announced, and the kernel’s ranges are announced ones', t => {
  fc.assert(
    fc.property(world, ({ services, slices, spec }) => {
      const { announced, passed, own, rejected } = routesOf(services, slices, spec)
      for (const one of announced)
        t.true(
          [...passed, ...own].some(range => contains(range, one)),
          one,
        )
      t.deepEqual(rejected, passed)
      t.deepEqual(routesOf([], [], spec).passed, passed, 'services change no range')
    }),
  )
})
