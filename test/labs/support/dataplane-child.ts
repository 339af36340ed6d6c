/**
 * A kernel half in a process of its own, which a lab kills: it installs routes and tells its
 * snapshots to its parent. Arguments: how many IPv4 routes, how many IPv6 routes, and `objects`
 * where they are to name nexthop objects.
 */

import { makeDataplane } from '../../../src/app/dataplane.ts'
import { millis, NEVER, Prng } from '../../../src/core/base/index.ts'
import { type Epoch, type GroupId, NO_METRIC } from '../../../src/core/fib/index.ts'
import { address, type Family, prefix } from '../../../src/core/net/index.ts'

const [four = 0, six = 0] = process.argv.slice(2, 4).map(Number)

const dataplane = makeDataplane({
  table: 254,
  protocol: 80,
  metric: 1024,
  nexthopObjects: process.argv[4] === 'objects',
  routesMax: 1_000_000,
  stale: NEVER,
  resync: millis(90_000),
})

/** Numbers below `count` in an order that is not sorted and always the same. */
function shuffled(count: number): number[] {
  const chance = new Prng(7)
  const numbers = Array.from({ length: count }, (_, at) => at)
  for (let at = count - 1; at > 0; at--) {
    const other = chance.below(at + 1)
    const kept = numbers[at] ?? 0
    numbers[at] = numbers[other] ?? 0
    numbers[other] = kept
  }
  return numbers
}

function say(family: Family, count: number, id: number): void {
  const numbers = shuffled(count)
  for (let at = 0; at < count; at += 1_024) {
    const part = numbers.slice(at, at + 1_024)
    const nlri = part.flatMap(number =>
      family === 'ipv4'
        ? [24, 20 + (number >> 16), number >> 8, number]
        : [48, 0x20, 0x01, 0x0d, 0xb8, number >> 8, number],
    )
    dataplane.deliver({
      type: 'Routes',
      family,
      nlri: Uint8Array.from(nlri, octet => octet & 255),
      groups: part.map(() => id),
    })
  }
}

const epoch = 1 as Epoch
dataplane.deliver({ type: 'SpeakerUp' })
dataplane.deliver({ type: 'Begin', epoch })
for (const [at, text] of ['10.9.0.2', '2001:db9::2'].entries()) {
  const hop = { address: address(text) }
  dataplane.deliver({ type: 'Track', hop })
  dataplane.deliver({
    type: 'Group',
    id: (at + 1) as GroupId,
    hops: [{ ...hop, weight: 1 }],
    metric: NO_METRIC,
  })
}
say('ipv4', four, 1)
say('ipv6', six, 2)
dataplane.deliver({ type: 'InSync', epoch })
dataplane.deliver({
  type: 'Intent',
  intent: {
    routes: [{ prefix: prefix('10.200.0.0/24'), out: { kind: 'blackhole' } }],
    watched: [],
    watchedMax: 0,
  },
})

const timer = setInterval(() => process.send?.(dataplane.snapshot()), 10)
process.on('disconnect', () => {
  clearInterval(timer)
  void dataplane.close()
})
