/** Own workloads: the routes and links that a node wants for them, and what it announces. */
import test from 'ava'
import type {
  FelixConfigurationResource,
  FelixConfigurationSpec,
  WorkloadEndpointResource,
  WorkloadEndpointSpec,
} from '../../../src/core/calico/index.ts'
import {
  type Desired,
  desired,
  type NodeFacts,
  type Snapshot,
} from '../../../src/core/intent/index.ts'
import { address, prefix } from '../../../src/core/net/index.ts'
import {
  configuration,
  facts,
  labelled,
  node,
  peer,
  pool,
  snapshot,
} from '../../support/cluster.ts'

const OWN = '10.244.1.0/26'

function endpoint(
  name: string,
  ipNetworks: readonly string[],
  more: Partial<WorkloadEndpointSpec> = {},
): WorkloadEndpointResource {
  return {
    kind: 'WorkloadEndpoint',
    apiVersion: 'projectcalico.org/v3',
    metadata: { name, namespace: 'default' },
    spec: { node: 'w1', interfaceName: `cali${name}`, ipNetworks, ...more },
  }
}

const felix = (spec: FelixConfigurationSpec, name = 'default'): FelixConfigurationResource => ({
  ...{ kind: 'FelixConfiguration', apiVersion: 'projectcalico.org/v3', metadata: { name }, spec },
})

function wanted(
  workloadEndpoints: readonly WorkloadEndpointResource[],
  more: Partial<Snapshot> = {},
  own: Partial<NodeFacts> = {},
): Desired {
  const nodes = [node('w1', '10.0.0.1/24'), node('w2', '10.0.0.2/24')]
  return desired(
    snapshot({ nodes, ipPools: [pool('10.244.0.0/16')], workloadEndpoints, ...more }),
    facts('w1', { podCidrs: [prefix(OWN)], ...own }),
  )
}

/** Routes as `prefix metric interface source`. */
const routesOf = ({ dataplane }: Desired): string[] =>
  dataplane.routes.map(({ prefix: to, metric, out }) =>
    out.kind === 'device'
      ? [to, metric, out.interface, out.source].filter(word => word !== undefined).join(' ')
      : `${to} ${out.kind}`,
  )

const problemsOf = ({ problems }: Desired): string[] =>
  problems.map(({ object, field, reason }) => `${object.split('/').at(-1)} ${field}: ${reason}`)

test('each address of a workload of this node has a route on its interface', t => {
  const found = wanted([
    endpoint('a', ['10.244.1.7/32', 'fd00:1::7/128'], { mac: 'EE-EE-EE-EE-EE-EE' }),
    endpoint('b', ['10.244.1.6']),
    endpoint('elsewhere', ['10.244.2.6/32'], { node: 'w2' }),
  ])
  t.deepEqual(routesOf(found), [
    '10.244.1.0/26 blackhole',
    '10.244.1.6/32 1024 calib',
    '10.244.1.7/32 1024 calia',
    'fd00:1::7/128 1024 calia',
  ])
  t.deepEqual(found.dataplane.workloads, [
    {
      interface: 'calia',
      neighbours: [{ address: address('10.244.1.7'), mac: 'ee:ee:ee:ee:ee:ee' }],
    },
    { interface: 'calib', neighbours: [] },
  ])
  t.deepEqual(found.problems, [])
})

test('beside a Felix they are its', t => {
  const found = wanted([endpoint('a', ['10.244.1.7/32'])], {}, { felixBeside: true })
  t.deepEqual(routesOf(found), ['10.244.1.0/26 blackhole'])
  t.is(found.dataplane.workloads, undefined)
})

test('an endpoint whose network is not made yet wants nothing', t => {
  const found = wanted([endpoint('a', [], { ipNetworks: undefined }), endpoint('b', [], {})])
  t.deepEqual(routesOf(found), ['10.244.1.0/26 blackhole'])
  t.deepEqual(found.problems, [])
  const nameless = wanted([endpoint('a', ['10.244.1.7/32'], { interfaceName: undefined })])
  t.deepEqual(routesOf(nameless), ['10.244.1.0/26 blackhole'])
})

test('metrics: FelixConfiguration of the node, of all, then BGPConfiguration', t => {
  const pod = [endpoint('a', ['10.244.1.7/32', 'fd00:1::7/128'])]
  const bgpConfigurations = [configuration({ ipv4NormalRoutePriority: 900 })]
  const metrics = (...felixConfigurations: FelixConfigurationResource[]): (number | undefined)[] =>
    wanted(pod, { bgpConfigurations, felixConfigurations })
      .dataplane.routes.filter(({ out }) => out.kind === 'device')
      .map(({ metric }) => metric)
  t.deepEqual(metrics(), [900, 1024])
  const all = felix({ ipv4NormalRoutePriority: 800, ipv6NormalRoutePriority: 810 })
  t.deepEqual(metrics(all), [800, 810])
  t.deepEqual(metrics(all, felix({ ipv4NormalRoutePriority: 700 }, 'node.w1')), [700, 810])
  t.deepEqual(metrics(all, felix({ ipv4NormalRoutePriority: 700 }, 'node.w2')), [800, 810])
})

test('packets of this node’s own leave for workloads with the source that is asked for', t => {
  const pod = [endpoint('a', ['10.244.1.7/32', 'fd00:1::7/128'])]
  const sources = (spec: FelixConfigurationSpec): Desired =>
    wanted(pod, { felixConfigurations: [felix(spec, 'node.w1')] })
  const both = { deviceRouteSourceAddress: '10.0.0.1', deviceRouteSourceAddressIPv6: 'fd00::1' }
  t.deepEqual(routesOf(sources(both)).slice(1), [
    '10.244.1.7/32 1024 calia 10.0.0.1',
    'fd00:1::7/128 1024 calia fd00::1',
  ])
  const wrong = sources({ deviceRouteSourceAddress: 'fd00::1' })
  t.deepEqual(routesOf(wrong).slice(1), ['10.244.1.7/32 1024 calia', 'fd00:1::7/128 1024 calia'])
  t.deepEqual(problemsOf(wrong), [
    'node.w1 spec.deviceRouteSourceAddress: fd00::1 is not an IPv4 address',
  ])
})

test('interfaces that are not those of workloads are left alone', t => {
  const named = (interfaceName: string, spec: FelixConfigurationSpec = {}): Desired =>
    wanted([endpoint('a', ['10.244.1.7/32'], { interfaceName })], {
      felixConfigurations: [felix(spec)],
    })
  t.regex(problemsOf(named('eth0'))[0] ?? '', /^a spec\.interfaceName: eth0 does not begin/)
  t.is(named('eth0').dataplane.workloads, undefined)
  t.deepEqual(routesOf(named('eth0')), ['10.244.1.0/26 blackhole'])
  t.is(named('tap7', { interfacePrefix: 'cali,tap' }).problems.length, 0)
  t.is(named('cali7', { interfacePrefix: 'tap' }).problems.length, 1)
  for (const impossible of ['cali/../all', 'cali 1', 'califromafarabroad'])
    t.regex(problemsOf(named(impossible))[0] ?? '', /cannot be the name of an interface/)
})

test('of two workloads with one address the first name has it; a network is no address', t => {
  const found = wanted([
    endpoint('a', ['10.244.1.7/32']),
    endpoint('b', ['10.244.1.7/32', '10.244.1.8/32'], { mac: '02:00:00:00:00:01' }),
    endpoint('c', ['10.244.1.16/28']),
  ])
  t.deepEqual(routesOf(found).slice(1), ['10.244.1.7/32 1024 calia', '10.244.1.8/32 1024 calib'])
  t.deepEqual(
    found.dataplane.workloads?.map(({ neighbours }) => neighbours.length),
    [0, 1],
  )
  t.deepEqual(problemsOf(found), [
    'b spec.ipNetworks: 10.244.1.7/32 is another workload’s too, which has it now',
    'c spec.ipNetworks: 10.244.1.16/28 is more than one address',
  ])
})

test('a workload goes before the blackhole of a block of one address', t => {
  const found = wanted(
    [endpoint('a', ['10.244.1.7/32'])],
    {},
    { podCidrs: [prefix('10.244.1.7/32')] },
  )
  t.deepEqual(routesOf(found), ['10.244.1.7/32 1024 calia'])
})

test('what is in an own block is announced by it, what is not by itself, outside of pools not', t => {
  const pods = [endpoint('a', ['10.244.1.7/32']), endpoint('b', ['10.244.9.9/32', '172.16.0.1/32'])]
  for (const felixBeside of [false, true])
    t.deepEqual(
      wanted(pods, {}, { felixBeside }).originated.map(each => each.prefix),
      [OWN, '10.244.9.9/32'].map(prefix),
    )
})

/** An endpoint with a label that BGPPeers look for. */
const coloured = (name: string, color: string, interfaceName = `cali${name}`) => {
  const { metadata, ...others } = endpoint(name, [`10.244.1.${name.length + 6}/32`], {
    interfaceName,
  })
  return { ...others, metadata: { ...metadata, labels: { color } } }
}

/** What links have of the node, as `interface +there -not`. */
const peeringOf = ({ dataplane }: Desired): string[] =>
  (dataplane.workloads ?? []).map(({ interface: name, addresses = [] }) =>
    [name, ...addresses.map(own => `${own.present ? '+' : '-'}${own.address}`)].join(' '),
  )

const PEERING = configuration({
  localWorkloadPeeringIPV4: '169.254.0.179',
  localWorkloadPeeringIPV6: 'fd12:3456::1',
})
const REDS = peer('reds', { localWorkloadSelector: "color == 'red'", asNumber: 64999 })

test('workloads that a BGPPeer selects find the node at the configured addresses, others do not', t => {
  const workloads = [coloured('a', 'red'), coloured('bb', 'blue')]
  const found = wanted(workloads, { bgpConfigurations: [PEERING], bgpPeers: [REDS] })
  t.deepEqual(peeringOf(found), [
    'calia +169.254.0.179 +fd12:3456::1',
    'calibb -169.254.0.179 -fd12:3456::1',
  ])
  t.deepEqual(found.problems, [])
  const none = wanted(workloads, { bgpPeers: [REDS] })
  t.deepEqual(peeringOf(none), ['calia', 'calibb'], 'without any, links are as they are')
  const beside = { bgpConfigurations: [PEERING], bgpPeers: [REDS] }
  t.is(wanted(workloads, beside, { felixBeside: true }).dataplane.workloads, undefined)
})

test('a BGPPeer for other nodes, one of addresses and one that cannot be read select none here', t => {
  const at = (bgpPeers: Snapshot['bgpPeers']): string[] =>
    peeringOf(
      wanted([coloured('a', 'red')], {
        bgpConfigurations: [configuration({ localWorkloadPeeringIPV4: '169.254.0.179' })],
        bgpPeers,
        nodes: [labelled({ rack: 'one' }, node('w1', '10.0.0.1/24'))],
      }),
    )
  const reds = (more: object) => [peer('reds', { ...REDS.spec, ...more })]
  t.deepEqual(at(reds({ node: 'w2' })), ['calia -169.254.0.179'])
  t.deepEqual(at(reds({ nodeSelector: "rack == 'two'" })), ['calia -169.254.0.179'])
  t.deepEqual(at(reds({ nodeSelector: "rack == 'one'" })), ['calia +169.254.0.179'])
  t.deepEqual(at(reds({ localWorkloadSelector: '((' })), ['calia -169.254.0.179'])
  t.deepEqual(at([peer('tor', { peerIP: '10.0.0.9', asNumber: 64999 })]), ['calia -169.254.0.179'])
})

test('of two workloads on one interface either is enough; what is no address is told', t => {
  const workloads = [
    coloured('a', 'red', 'cali0'),
    coloured('bb', 'blue', 'cali0'),
    coloured('ccc', 'blue', 'cali1'),
  ]
  const wrong = { localWorkloadPeeringIPV4: 'fd12::1', localWorkloadPeeringIPV6: 'fd12::2' }
  const found = wanted(workloads, {
    bgpConfigurations: [configuration(wrong)],
    bgpPeers: [REDS],
  })
  t.deepEqual(peeringOf(found), ['cali0 +fd12::2', 'cali1 -fd12::2'])
  t.deepEqual(problemsOf(found), [
    'default spec.localWorkloadPeeringIPV4: fd12::1 is not an IPv4 address that a node can have',
  ])
})
