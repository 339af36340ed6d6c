import test from 'ava'
import {
  readBird,
  readFrr,
  readGobgp,
  readMartlet,
  readRoutes,
} from '../../../src/shell/lab/observe.ts'

/** What the routers of a lab print, read. */

test('Sessions of Martlet are read', t => {
  const output = JSON.stringify([
    { name: 'Node_10_240_0_1', peerAddress: '10.240.0.1', peerAsNumber: 64512, state: 'Active' },
  ])
  t.deepEqual(readMartlet(output), [{ peer: '10.240.0.1', peerAs: 64512, state: 'Active' }])
})

test('Sessions of BIRD are read, and protocols that are none are left out', t => {
  const output = `BIRD 2.0.12 ready.
Name       Proto      Table      State  Since         Info
device1    Device     ---        up     10:54:11.283

peer       BGP        ---        up     10:54:13.201  Established
  BGP state:          Established
    Neighbor address: 10.240.0.21
    Neighbor AS:      64511
    Local AS:         64510

late       BGP        ---        start  10:54:13.201  Connect
  BGP state:          Connect
    Neighbor address: fd00::1
    Neighbor AS:      64512
`
  t.deepEqual(readBird(output), [
    { peer: '10.240.0.21', peerAs: 64511, state: 'Established' },
    { peer: 'fd00::1', peerAs: 64512, state: 'Connect' },
  ])
})

test('Sessions of FRR are read once, though both families list them', t => {
  const peers = { '10.240.0.20': { remoteAs: 64512, state: 'Established' } }
  const output = JSON.stringify({ ipv4Unicast: { peers }, ipv6Unicast: { peers }, l2VpnEvpn: {} })
  t.deepEqual(readFrr(output), [{ peer: '10.240.0.20', peerAs: 64512, state: 'Established' }])
})

test('Sessions of GoBGP are read, with its numbers for states', t => {
  const output = JSON.stringify([
    { state: { neighbor_address: '10.240.0.20', peer_asn: 64512, session_state: 6 } },
    { state: { neighbor_address: '10.240.0.21', peer_asn: 64512, session_state: 3 } },
  ])
  t.deepEqual(readGobgp(output), [
    { peer: '10.240.0.20', peerAs: 64512, state: 'Established' },
    { peer: '10.240.0.21', peerAs: 64512, state: 'Active' },
  ])
})

test('Kernel routes are read: one next hop, several, and none', t => {
  const output = JSON.stringify([
    { dst: '10.200.1.0/24', gateway: '10.240.0.21', dev: 'eth1', metric: 1024, flags: [] },
    {
      dst: '10.200.2.0/24',
      nexthops: [
        { gateway: '10.240.11.2', dev: 'eth1', weight: 1, flags: [] },
        { via: { family: 'inet6', host: 'fe80::1' }, dev: 'eth2', weight: 1, flags: [] },
      ],
    },
    { type: 'blackhole', dst: 'fd00:10:200::/64', dev: 'lo', metric: 1024 },
  ])
  t.deepEqual(readRoutes(output), [
    { prefix: '10.200.1.0/24', nextHops: ['via 10.240.0.21 dev eth1'] },
    { prefix: '10.200.2.0/24', nextHops: ['via 10.240.11.2 dev eth1', 'via fe80::1 dev eth2'] },
    { prefix: 'fd00:10:200::/64', nextHops: ['blackhole'] },
  ])
  t.deepEqual(readRoutes(''), [])
})
