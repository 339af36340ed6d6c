import test from 'ava'
import { address, prefix } from '../../src/core/net/index.ts'
import { PATIENCE, Topology } from './support.ts'

/** The least that a world can hold: two speakers. */

test('two nodes of two ASes exchange what they originate', t => {
  const topology = new Topology(1, {
    places: [
      { name: 'a', asn: 65001, originated: [prefix('10.200.0.0/24')] },
      { name: 'b', asn: 65002, originated: [prefix('10.200.1.0/24')] },
    ],
    edges: [{ left: 'a', right: 'b' }],
  })
  topology.start()
  t.true(topology.world.until(() => topology.established, PATIENCE))
  topology.world.run(10_000)
  t.deepEqual(topology.wrong(), [])
  const { fib, speaker } = topology.node('a')
  t.deepEqual(fib.hopsOf(prefix('10.200.1.0/24')), ['10.0.0.2'])
  t.is(fib.synced, fib.epoch)
  t.deepEqual(speaker.lookup(prefix('10.200.1.0/24')), [
    {
      prefix: prefix('10.200.1.0/24'),
      paths: [
        {
          from: 'b',
          best: true,
          multipath: false,
          nextHop: address('10.0.0.2'),
          asPath: '65002',
          origin: 'IGP',
          communities: [],
        },
      ],
    },
  ])
  t.deepEqual(speaker.lookup(address('10.200.1.77')), speaker.lookup(prefix('10.200.1.0/24')))
})
