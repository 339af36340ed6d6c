/** BIRD's control socket, to the column: as Calico's readers take it, and as BIRD 1.6 writes it. */
import test from 'ava'
import { reply } from '../../../src/shell/bird/index.ts'
import { birdFacts, birdOf } from '../../support/bird-facts.ts'
import { readPeers, readRoutes, readStatus } from './calico-readers.ts'

const ipv4 = birdOf('ipv4')
const ipv6 = birdOf('ipv6')

test('show status has its codes, its lines and its end', t => {
  t.is(
    reply('show status', ipv4),
    `1000-BIRD v1.6.8+martlet0.1.0
1011-Router ID is 10.192.0.2
 Current server time is 2026-11-20 10:03:20
 Last reboot on 2026-11-20 10:02:00
 Last reconfiguration on 2026-11-20 10:02:32
0013 Daemon is up and running
`,
  )
  const { dataplane } = { dataplane: { inSync: false } as never }
  const recovering = reply('show status', birdOf('ipv4', { dataplane }))
  t.true(recovering.includes('\n0024-Graceful restart recovery in progress\n   Waiting for '))
  t.true(readStatus(recovering).recovering)
})

test('show protocols is BIRD’s table', t => {
  t.is(
    reply('show protocols', ipv4),
    `2002-name     proto    table    state  since       info
1002-static1  Static   master   up     2026-11-20  ${''}
 kernel1  Kernel   master   down   2026-11-20  ${''}
 device1  Device   master   up     2026-11-20  ${''}
 Mesh_10_192_0_3 BGP      master   up     10:02:34    Established   ${''}
 Global_172_19_4_87 BGP      master   start  2026-11-19  Active        connection refused
 Node_10_192_0_4_port_1179 BGP      master   start  10:02:34    Idle          ${''}
 leaves_10_192_0_5 BGP      master   up     10:02:34    Established   ${''}
0000 ${''}
`,
  )
})

test('Calico reads the peers of both families', t => {
  const since = '10:02:34'
  t.deepEqual(readPeers(reply('show protocols', ipv4), '.'), [
    { address: '10.192.0.3', type: 'Mesh', state: 'up', since, bgpState: 'Established', info: '' },
    {
      address: '172.19.4.87',
      type: 'Global',
      state: 'start',
      since: '2026-11-19',
      bgpState: 'Active',
      info: 'connection refused',
    },
    {
      address: '10.192.0.4.port.1179',
      type: 'Node',
      state: 'start',
      since,
      bgpState: 'Idle',
      info: '',
    },
  ])
  t.deepEqual(readPeers(reply('show protocols', ipv6), ':'), [
    { address: 'fd00::3', type: 'Mesh', state: 'up', since, bgpState: 'Established', info: '' },
  ])
})

test('show protocols all of a name says its state and address', t => {
  const text = reply('show protocols all Mesh_10_192_0_3', ipv4)
  t.is(
    text,
    `2002-name     proto    table    state  since       info
1002-Mesh_10_192_0_3 BGP      master   up     10:02:34    Established   ${''}
1006-  Routes:         7 imported, 3 exported, 5 preferred
   BGP state:          Established
     Neighbor address: 10.192.0.3
     Neighbor AS:      64512
     Neighbor ID:      10.192.0.3
     Session:          internal
 ${''}
0000 ${''}
`,
  )
  t.regex(reply('show protocols all "Global_*"', ipv4), /Last error: {7}connection refused/)
  t.is(reply('show protocols all nobody', ipv4), '8003 No protocols match\n')
  t.is(reply('show protocols nobody', ipv4), '8003 No protocols match\n')
})

test('show route is BIRD’s table, without what import rules refuse', t => {
  t.is(
    reply('show route', ipv4),
    `1007-192.168.82.0/26    blackhole [static1 2026-11-20] * (200)
 192.168.221.0/26   via 10.192.0.3 on eth0 [Mesh_10_192_0_3 10:02:34] * (100) [i]
                    via 203.0.113.9 on unknown [leaves_10_192_0_5 10:02:34] (100) [AS65001e]
0000 ${''}
`,
  )
})

test('Calico reads the routes of both families', t => {
  const destination = '192.168.221.0/26'
  t.deepEqual(readRoutes(reply('show route', ipv4)), [
    {
      destination: '192.168.82.0/26',
      gateway: 'N/A',
      link: 'blackhole',
      from: 'static1',
      primary: true,
    },
    { destination, gateway: '10.192.0.3', link: 'eth0', from: 'Mesh_10_192_0_3', primary: true },
    {
      destination,
      gateway: '203.0.113.9',
      link: 'unknown',
      from: 'leaves_10_192_0_5',
      primary: false,
    },
  ])
  t.deepEqual(readRoutes(reply('show route', ipv6)), [
    {
      destination: 'fd00:10::/122',
      gateway: 'fd00::3',
      link: 'eth0',
      from: 'Mesh_fd00__3',
      primary: true,
    },
  ])
  const { speaker } = birdFacts
  const empty = birdOf('ipv4', { speaker: { ...speaker!, routes: [] } })
  t.deepEqual(readRoutes(reply('show route', empty)), [])
})

test('show route takes a prefix, an address, a protocol, all, primary and count', t => {
  const count = (words: string): number => readRoutes(reply(`show route ${words}`, ipv4)).length
  t.is(count('192.168.221.0/26'), 2)
  t.is(count('for 192.168.221.9'), 2)
  t.is(count('primary'), 2)
  t.is(count('protocol static1'), 1)
  t.is(count('protocol leaves*'), 1)
  t.is(reply('show route for 192.0.2.1', ipv4), '8001 Network not in table\n')
  t.is(reply('show route count', ipv4), '0014 3 of 3 routes for 2 networks\n')
  t.is(
    reply('show route 192.168.221.0/26 primary all', ipv4),
    `1007-192.168.221.0/26   via 10.192.0.3 on eth0 [Mesh_10_192_0_3 10:02:34] * (100) [i]
1008-	Type: BGP unicast univ
1012-	BGP.origin: IGP
 	BGP.as_path: ${''}
 	BGP.next_hop: 10.192.0.3
 	BGP.local_pref: 2147482623
 	BGP.community: (64512,7) no-export
0000 ${''}
`,
  )
})

test('nothing is changed through it, and what is not known is a syntax error', t => {
  for (const line of ['configure', 'disable Mesh_10_192_0_3', 'down', 'restart all'])
    t.is(reply(line, ipv4), '8007 Access denied\n')
  for (const line of [
    '',
    'show',
    'show memory',
    'show route for nobody',
    'show route 1.2.3.4/99',
    'x',
  ])
    t.is(reply(line, ipv4), '9001 syntax error\n')
})
