/**
 * What Calico's confd makes of pools, blocks, services and communities, by its own tests: each case has
 * the name that its folder has under confd/tests, and asks what the filters of BIRD's configuration there
 * (bird_ipam.cfg, bird_aggr.cfg) would say of routes.
 */
import test from 'ava'
import type { BgpConfigurationResource } from '../../../src/core/calico/index.ts'
import {
  type Desired,
  desired,
  NO_SECRETS,
  type ServiceObjects,
  type Snapshot,
} from '../../../src/core/intent/index.ts'
import { ACCEPT_ALL, type Policy } from '../../../src/core/policy/index.ts'
import { configuration, facts, labelled, pool, snapshot } from '../../support/cluster.ts'
import { nodes } from '../../support/confd.ts'
import { type AskedRoute, judged } from '../../support/routes.ts'
import { objects, service, slice } from '../../support/services.ts'

/** The blocks that kube-master has in all of its tests; of the last, IPAM is not yet sure. */
const BLOCKS = [
  { node: 'kube-master', cidr: '10.0.0.0/30' },
  { node: 'kube-master', cidr: '10.1.0.0/24', state: '' },
  { node: 'kube-master', cidr: '10.2.0.1/32' },
  { node: 'kube-master', cidr: '192.168.221.64/26', state: 'confirmed' },
  { node: 'kube-master', cidr: '192.168.221.192/26', state: 'confirmed' },
  { node: 'kube-master', cidr: '192.168.221.0/26', state: 'pending' },
]

const wantedOf = (parts: Partial<Snapshot>, known: ServiceObjects = objects([])): Desired =>
  desired(
    snapshot({ nodes: nodes(), blockAffinities: BLOCKS, ...parts }),
    facts('kube-master'),
    NO_SECRETS,
    known,
  )

/** Which of these routes get by a policy. */
const passing = (policy: Policy, routes: readonly (string | AskedRoute)[]): string[] =>
  routes
    .map(route => (typeof route === 'string' ? { prefix: route } : route))
    .filter(route => judged(policy, route) !== undefined)
    .map(({ prefix }) => String(prefix))

/** To the mesh. */
function exported({ speaker }: Desired): Policy {
  const policy = speaker?.peers[0]?.export
  return policy === undefined || typeof policy === 'string' ? ACCEPT_ALL : policy
}

const intoKernel = ({ speaker }: Desired): Policy => speaker?.fibPolicy ?? ACCEPT_ALL

test('bird_aggr.cfg: blocks are blackholes but for single addresses; they leave, what is in them does not', t => {
  const found = wantedOf({ ipPools: [pool('192.168.0.0/16')] })
  const blackholes = ['10.0.0.0/30', '10.1.0.0/24', '192.168.221.64/26', '192.168.221.192/26']
  t.deepEqual(
    found.originated.filter(({ blackhole }) => blackhole).map(({ prefix }) => String(prefix)),
    blackholes,
  )
  const elevated = { attributes: { localPref: 2147483647 - 512 } }
  t.deepEqual(
    passing(exported(found), [
      ...blackholes,
      '10.2.0.1/32',
      '10.0.0.1/32',
      { prefix: '10.0.0.2/32', ...elevated },
      '192.168.221.70/32',
      { prefix: '192.168.221.71/32', ...elevated },
      // in no confirmed block of its own: a pool's
      '192.168.221.1/32',
      '10.3.0.0/24',
    ]),
    [...blackholes, '10.2.0.1/32', '10.0.0.2/32', '192.168.221.71/32', '192.168.221.1/32'],
  )
})

test('mesh/bgp-export: of three pools, that without export does not leave, and is the kernel’s', t => {
  const found = wantedOf({
    ipPools: [
      pool('192.168.1.0/24', { ipipMode: 'Never' }),
      pool('192.168.2.0/24', { ipipMode: 'Never', disableBGPExport: true }),
      pool('192.168.3.0/24', { ipipMode: 'Never', disableBGPExport: false }),
      pool('2002:101::/64'),
      pool('2002:102::/64', { disableBGPExport: true }),
    ],
  })
  const blocks = [1, 2, 3].map(each => `192.168.${each}.64/26`)
  const all = [...blocks, '2002:101::/122', '2002:102::/122']
  t.deepEqual(passing(exported(found), all), [blocks[0], blocks[2], all[3]])
  t.deepEqual(passing(intoKernel(found), all), all)
})

const clusterRoutes = test.macro((t, programClusterRoutes: string, inKernel: readonly string[]) => {
  const found = wantedOf({
    bgpConfigurations: [configuration({ programClusterRoutes })],
    ipPools: [
      pool('172.16.0.0/16', { ipipMode: 'CrossSubnet' }),
      pool('172.17.0.0/16', { ipipMode: 'Never' }),
      pool('192.168.0.0/16', { ipipMode: 'Always' }),
      pool('2002::/64'),
      pool('2010::/64', { vxlanMode: 'Never' }),
    ],
  })
  const blocks = ['172.16.1.0/26', '172.17.1.0/26', '192.168.1.0/26', '2002::/122', '2010::/122']
  t.deepEqual(passing(exported(found), blocks), blocks, 'what leaves does not depend on it')
  t.deepEqual(passing(intoKernel(found), blocks), inKernel, 'without a tunnel')
  t.deepEqual(
    found.pools.filter(({ kernel }) => kernel === 'tunnel').map(({ cidr }) => String(cidr)),
    ['172.16.0.0/16', '192.168.0.0/16'],
  )
})
const PLAIN = ['172.17.1.0/26', '2002::/122', '2010::/122']
test('cluster_routes/default', clusterRoutes, '', PLAIN)
test('cluster_routes/enabled', clusterRoutes, 'Enabled', PLAIN)
test('cluster_routes/noencap-only', clusterRoutes, 'EnabledNoEncapOnly', PLAIN)
test('cluster_routes/ipip-only', clusterRoutes, 'EnabledIPIPOnly', [])

const RANGES = {
  serviceClusterIPs: [{ cidr: '10.101.0.0/16' }, {}, { cidr: 'fd00:96::/112' }],
  serviceLoadBalancerIPs: [{ cidr: '80.15.0.0/24' }, {}],
}
const LOCAL = { externalTrafficPolicy: 'Local' }
const SERVICES = objects(
  [
    service('service-1', {
      ...LOCAL,
      clusterIP: '10.101.0.101',
      ingress: ['80.15.0.1', '90.15.0.1'],
    }),
    service('service-2', { ...LOCAL, clusterIP: '10.101.0.102' }),
    service('service-v6-1', { ...LOCAL, clusterIP: 'fd00:96::25', ipFamilies: ['IPv6'] }),
    service('service-v6-2', { ...LOCAL, clusterIP: 'fd00:96::28', ipFamilies: ['IPv6'] }),
  ],
  [
    slice('service-1', ['kube-master']),
    slice('service-2', ['kube-node-1']),
    slice('service-v6-1', ['kube-master']),
    slice('service-v6-2', ['kube-master'], { family: 'IPv6' }),
  ],
)

test('mesh/static-routes: ranges, and what has an endpoint here; none of it is the kernel’s', t => {
  const found = wantedOf({ bgpConfigurations: [configuration(RANGES)] }, SERVICES)
  const services = found.originated.filter(({ kind }) => kind === 'service')
  t.deepEqual(
    services.map(({ prefix }) => String(prefix)),
    [
      '10.101.0.0/16',
      '10.101.0.101/32',
      '80.15.0.0/24',
      '80.15.0.1/32',
      'fd00:96::/112',
      'fd00:96::28/128',
    ],
  )
  t.deepEqual(
    passing(
      intoKernel(found),
      services.map(({ prefix }) => prefix),
    ),
    [],
  )
})

test('mesh/static-routes-exclude-node: nothing is announced, and their routes are not the kernel’s', t => {
  const [master, ...others] = nodes()
  const found = wantedOf(
    {
      nodes: [
        labelled({ 'node.kubernetes.io/exclude-from-external-load-balancers': 'true' }, master!),
        ...others,
      ],
      bgpConfigurations: [configuration(RANGES)],
    },
    SERVICES,
  )
  t.deepEqual(
    found.originated.filter(({ kind }) => kind === 'service'),
    [],
  )
  t.deepEqual(passing(intoKernel(found), ['10.101.0.0/16', '10.101.0.101/32', '80.15.0.9/32']), [])
})

const COMMUNITIES = {
  listenPort: 177,
  communities: [
    { name: 'bgp-comm-standard', value: '100:6532' },
    { name: 'bgp-comm-large', value: '100:555:107' },
  ],
  prefixAdvertisements: [
    { cidr: '192.168.0.0/16', communities: ['bgp-comm-standard', '5663:12', 'bgp-comm-large'] },
    { cidr: 'fd00:96::/112', communities: ['bgp-comm-large', 'bgp-comm-large'] },
  ],
}

test('mesh/communities: by name and by value, each once; a node’s own stand in for all', t => {
  const found = (...more: readonly BgpConfigurationResource[]) => {
    const bgpConfigurations = [configuration(COMMUNITIES), ...more]
    const { communities, listen, sessions } = wantedOf({ bgpConfigurations })
    return [
      ...communities.map(each => [String(each.prefix), ...each.communities].join(' ')),
      ...listen.map(({ port }) => `listens at ${port}`),
      ...sessions.map(({ config: { name, port } }) => `${name} ${port}`),
    ]
  }
  t.deepEqual(found(), [
    '192.168.0.0/16 100:6532 5663:12 100:555:107',
    'fd00:96::/112 100:555:107',
    'listens at 177',
    'Mesh_10_192_0_3 177',
    'Mesh_10_192_0_4 177',
  ])
  const own = {
    listenPort: 180,
    communities: [{ name: 'bgp-comm-large', value: '50:50:5364' }],
    prefixAdvertisements: [
      { cidr: '192.168.0.0/16', communities: ['5663:12', 'bgp-comm-large', '5663:12'] },
      { cidr: 'fd00:96::/112', communities: ['bgp-comm-large'] },
    ],
  }
  t.deepEqual(found(configuration(own, 'node.kube-master')), [
    '192.168.0.0/16 5663:12 50:50:5364',
    'fd00:96::/112 50:50:5364',
    'listens at 180',
    'Mesh_10_192_0_3 177',
    'Mesh_10_192_0_4 177',
  ])
})
