/** Which addresses a node's ends of tunnels are to have, and how its Node says them. */
import test from 'ava'
import { type NodeSpec, newBlock, vtepMac, withAssigned } from '../../../src/core/calico/index.ts'
import {
  nodeWithTunnels,
  type Snapshot,
  tunnelAddressChanges,
  withoutTunnels,
} from '../../../src/core/intent/index.ts'
import { address, prefix } from '../../../src/core/net/index.ts'
import { facts, labelled, node, pool, snapshot } from '../../support/cluster.ts'

const VXLAN = pool('10.244.0.0/16', { vxlanMode: 'CrossSubnet' })
const owner = {
  handleId: 'vxlan-tunnel-addr-a',
  secondary: { node: 'a', type: 'vxlanTunnelAddress' },
}
const empty = newBlock(prefix('10.244.1.0/26'), { node: 'a', claimTime: '', sequenceNumber: 1n })
const block = withAssigned(empty, 7, owner)

const own = (spec: Partial<NodeSpec>) => {
  const plain = node('a', '10.0.0.1/24')
  return { ...plain, spec: { ...plain.spec, ...spec } }
}

const changes = (parts: Partial<Snapshot>, more = {}): string[] =>
  tunnelAddressChanges(snapshot(parts), facts('a', more)).map(
    ({ kind, handleId, pools }) =>
      `${kind} ${handleId} ${pools.map(({ spec }) => spec.cidr).join(' ')}`,
  )

const there = own({ ipv4VXLANTunnelAddr: '10.244.1.7' })

test('a node needs an address of each tunnel that a pool asks for, in its own name', t => {
  const ipPools = [
    VXLAN,
    pool('10.99.0.0/16', { ipipMode: 'Always' }),
    pool('fd44::/48', { vxlanMode: 'Always' }),
    pool('10.98.0.0/16'),
  ]
  t.deepEqual(changes({ nodes: [own({})], ipPools }), [
    'ipip ipip-tunnel-addr-a 10.99.0.0/16',
    'vxlan vxlan-tunnel-addr-a 10.244.0.0/16',
    'vxlan-v6 vxlan-v6-tunnel-addr-a fd44::/48',
  ])
})

test('one that IPAM knows as its own, of such a pool, is kept', t => {
  t.deepEqual(changes({ nodes: [there], ipPools: [VXLAN], blocks: [block] }), [])
})

test('one that IPAM does not know, or knows as another’s, or that is of another pool, is none', t => {
  const other = withAssigned(empty, 7, { handleId: 'k8s-pod-network.1', secondary: { node: 'a' } })
  const again = ['vxlan vxlan-tunnel-addr-a 10.244.0.0/16']
  t.deepEqual(changes({ nodes: [there], ipPools: [VXLAN], blocks: [empty] }), again)
  t.deepEqual(changes({ nodes: [there], ipPools: [VXLAN], blocks: [other] }), again)
  const moved = pool('10.77.0.0/16', { vxlanMode: 'Always' })
  t.deepEqual(changes({ nodes: [there], ipPools: [moved], blocks: [block] }), [
    'vxlan vxlan-tunnel-addr-a 10.77.0.0/16',
  ])
})

test('pools that are not for tunnels, not for this node or disabled ask for none', t => {
  for (const spec of [
    { allowedUses: ['Workload' as const] },
    { nodeSelector: "rack == 'r2'" },
    { disabled: true },
  ])
    t.deepEqual(
      changes({
        nodes: [labelled({ rack: 'r1' }, own({}))],
        ipPools: [{ ...VXLAN, spec: { ...VXLAN.spec, ...spec } }],
      }),
      [],
    )
})

test('what no pool asks for any more is given back, though only IPAM or only the Node knows of it', t => {
  for (const parts of [
    { nodes: [there], blocks: [block] },
    { nodes: [own({})], blocks: [block] },
    { nodes: [there] },
  ])
    t.deepEqual(changes(parts), ['vxlan vxlan-tunnel-addr-a '])
  t.deepEqual(changes({ nodes: [own({})] }), [])
})

test('beside a Felix, and without a Node, it is none of our business', t => {
  t.deepEqual(changes({ nodes: [own({})], ipPools: [VXLAN] }, { felixBeside: true }), [])
  t.deepEqual(changes({ nodes: [], ipPools: [VXLAN] }), [])
})

const stored = JSON.stringify({
  kind: 'Node',
  metadata: { name: 'a', labels: { x: 'y' } },
  spec: { bgp: { ipv4Address: '10.0.0.1/24' }, later: [1] },
  status: {},
})

test('the Node says address and link address; all else stays, and both go again', t => {
  const given = nodeWithTunnels(stored, 'a', new Map([['vxlan' as const, address('10.244.1.7')]]))
  t.deepEqual(JSON.parse(given ?? ''), {
    ...JSON.parse(stored),
    spec: {
      ...JSON.parse(stored).spec,
      ipv4VXLANTunnelAddr: '10.244.1.7',
      vxlanTunnelMACAddr: vtepMac('vxlan', 'a'),
    },
  })
  t.deepEqual(
    JSON.parse(nodeWithTunnels(given ?? '', 'a', new Map([['vxlan' as const, undefined]])) ?? ''),
    JSON.parse(stored),
  )
})

test('a link address that somebody wrote stays', t => {
  const value = JSON.stringify({ spec: { vxlanTunnelMACAddr: '02:00:00:00:00:01' } })
  for (const to of [address('10.244.1.7'), undefined])
    t.is(
      JSON.parse(nodeWithTunnels(value, 'a', new Map([['vxlan' as const, to]])) ?? '').spec
        .vxlanTunnelMACAddr,
      '02:00:00:00:00:01',
    )
})

test('that of IPIP is beside the node’s own, and a "bgp" with nothing in it is none', t => {
  const given = nodeWithTunnels(stored, 'a', new Map([['ipip' as const, address('10.244.1.9')]]))
  t.is(JSON.parse(given ?? '').spec.bgp.ipv4IPIPTunnelAddr, '10.244.1.9')
  const alone = JSON.stringify({ spec: { bgp: { ipv4IPIPTunnelAddr: '10.244.1.9' } } })
  t.is(nodeWithTunnels(alone, 'a', new Map([['ipip' as const, undefined]])), '{"spec":{}}')
})

test('what cannot be read is not written over', t => {
  t.is(nodeWithTunnels('{', 'a', new Map([['vxlan' as const, undefined]])), undefined)
})

test('a block in which a tunnel has an address is not the container runtime’s', t => {
  const ranges = [prefix('10.244.1.0/26'), prefix('10.244.1.64/26')]
  t.deepEqual(withoutTunnels({ nodes: [there] }, 'a', ranges), [prefix('10.244.1.64/26')])
  t.deepEqual(withoutTunnels({ nodes: [] }, 'a', ranges), ranges)
})
