/** The answer to a CalicoNodeStatus, field for field. */
import test from 'ava'
import { millis } from '../../../src/core/base/index.ts'
import { nodeStatusOf } from '../../../src/core/intent/index.ts'
import { prefix } from '../../../src/core/net/index.ts'
import { birdFacts, birdSurroundings } from '../../support/bird-facts.ts'

const CLASSES = ['Agent', 'BGP', 'Routes'] as const

test('all three classes, both families, every kind of session and route', t => {
  const spec = { node: 'a', classes: CLASSES, updatePeriodSeconds: 10 }
  const since = '2026-11-20 10:02:34'
  t.deepEqual(nodeStatusOf(spec, birdFacts, birdSurroundings), {
    lastUpdated: '2026-11-20T10:03:20Z',
    agent: {
      birdV4: {
        state: 'Ready',
        version: 'v1.6.8+martlet0.1.0',
        routerID: '10.192.0.2',
        lastBootTime: '2026-11-20 10:02:00',
        lastReconfigurationTime: '2026-11-20 10:02:32',
      },
      birdV6: {
        state: 'Ready',
        version: 'v1.6.8+martlet0.1.0',
        routerID: '10.192.0.2',
        lastBootTime: '2026-11-20 10:02:00',
        lastReconfigurationTime: '2026-11-20 10:02:32',
      },
    },
    bgp: {
      numberEstablishedV4: 2,
      numberNotEstablishedV4: 2,
      peersV4: [
        { peerIP: '10.192.0.3', type: 'NodeMesh', state: 'Established', since },
        {
          peerIP: '172.19.4.87',
          type: 'GlobalPeer',
          state: 'Active',
          since: '2026-11-19 10:00:00',
        },
        { peerIP: '10.192.0.4', type: 'NodePeer', state: 'Idle', since },
        { peerIP: '10.192.0.5', type: 'NodePeer', state: 'Established', since },
      ],
      numberEstablishedV6: 1,
      numberNotEstablishedV6: 0,
      peersV6: [{ peerIP: 'fd00::3', type: 'NodeMesh', state: 'Established', since }],
    },
    routes: {
      routesV4: [
        {
          type: 'FIB',
          destination: '192.168.82.0/26',
          gateway: 'N/A',
          interface: 'blackhole',
          learnedFrom: { sourceType: 'Static' },
        },
        {
          type: 'FIB',
          destination: '192.168.221.0/26',
          gateway: '10.192.0.3',
          interface: 'eth0',
          learnedFrom: { sourceType: 'NodeMesh', peerIP: '10.192.0.3' },
        },
        {
          type: 'RIB',
          destination: '192.168.221.0/26',
          gateway: '203.0.113.9',
          interface: 'unknown',
          learnedFrom: { sourceType: 'BGPPeer', peerIP: '10.192.0.5' },
        },
      ],
      routesV6: [
        {
          type: 'FIB',
          destination: 'fd00:10::/122',
          gateway: 'fd00::3',
          interface: 'eth0',
          learnedFrom: { sourceType: 'NodeMesh', peerIP: 'fd00::3' },
        },
      ],
    },
  })
})

test('a class that is not asked for is not answered', t => {
  for (const name of CLASSES) {
    const found = nodeStatusOf({ node: 'a', classes: [name] }, birdFacts, birdSurroundings)
    t.deepEqual(Object.keys(found).toSorted(), [name.toLowerCase(), 'lastUpdated'].toSorted())
  }
})

test('a node that speaks no BGP, or whose BGP half is gone, is not ready', t => {
  const { speaker: _, ...silent } = birdFacts
  const { desired: __, ...idle } = birdFacts
  for (const facts of [silent, idle]) {
    const { agent } = nodeStatusOf({ node: 'a', classes: ['Agent'] }, facts, birdSurroundings)
    t.deepEqual(agent, { birdV4: { state: 'NotReady' }, birdV6: { state: 'NotReady' } })
  }
})

test('of very many routes there are as many as a value of etcd takes', t => {
  const paths = [
    { from: 'local', best: true, multipath: false, asPath: '', origin: 'IGP', communities: [] },
  ] as const
  const routes = Array.from({ length: 3000 }, (_, at) => ({
    prefix: prefix(`10.${at >> 8}.${at & 255}.0/24`),
    paths,
  }))
  const facts = { ...birdFacts, speaker: { ...birdFacts.speaker!, routes } }
  const surroundings = { ...birdSurroundings, now: millis(1_300_000) }
  const status = nodeStatusOf({ node: 'a', classes: ['Routes'] }, facts, surroundings)
  t.is(status.routes?.routesV4?.length, 2000)
  t.true(JSON.stringify(status).length < 1_000_000)
})
