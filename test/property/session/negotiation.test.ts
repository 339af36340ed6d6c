import test from 'ava'
import fc from 'fast-check'
import { type Millis, millis, seconds } from '../../../src/core/base/index.ts'
import type { Family } from '../../../src/core/net/index.ts'
import type { SessionConfig, SessionOptions } from '../../../src/core/session/index.ts'
import type { Role } from '../../../src/core/wire/index.ts'
import { asn, CONFIG, MIRROR, World } from '../../unit/session/network.ts'

/** Two sessions with whatever configurations: they agree on the same things, or on a refusal. */

const roles = fc.constantFrom<Role>(
  'provider',
  'customer',
  'peer',
  'route-server',
  'route-server-client',
)

const options: fc.Arbitrary<SessionOptions> = fc.record(
  {
    addPath: fc.record({ receive: fc.boolean(), send: fc.boolean() }),
    extendedMessages: fc.boolean(),
    extendedNextHop: fc.boolean(),
    role: roles,
    roleRequired: fc.boolean(),
    longLived: fc.nat(1e7).map(millis),
    required: fc.subarray([
      'extended-message',
      'add-path',
      'role',
      'long-lived-graceful-restart',
    ] as const),
    delayOpen: fc.nat(3000).map(millis),
  },
  { requiredKeys: [] },
)

const families = fc.constantFrom<readonly Family[]>(
  ['ipv4'],
  ['ipv6'],
  ['ipv4', 'ipv6'],
  ['ipv6', 'ipv4'],
)

const hold = fc.constantFrom<Millis>(millis(0), seconds(3), seconds(90))

const side = fc.record({ options, families, hold })

const sorted = (list: readonly string[] = []): readonly string[] => [...list].sort()

test('two ends agree on the same, each from its side, or both know why not', t => {
  let met = 0
  let refused = 0
  fc.assert(
    fc.property(fc.nat(), side, side, fc.boolean(), (seed, ours, theirs, internal) => {
      const as = internal ? { localAs: asn(65001), peerAs: asn(65001) } : {}
      const left: SessionConfig = { ...CONFIG, ...ours, ...as }
      const world = new World(left, { ...MIRROR, ...theirs, ...as, passive: true }, { seed })
      world.start()
      if (world.meet(seconds(8))) {
        met++
        const [a, b] = [world.left.session.negotiated!, world.right.session.negotiated!]
        for (const field of [
          'holdSeconds',
          'messageMax',
          'enhancedRefresh',
          'extendedNextHop',
        ] as const)
          t.is(a[field], b[field], field)
        t.deepEqual(sorted(a.families), sorted(b.families))
        t.deepEqual(sorted(a.addPathSend), sorted(b.addPathReceive))
        t.deepEqual(sorted(a.addPathReceive), sorted(b.addPathSend))
        t.is(a.peerRole, internal ? undefined : theirs.options.role)
        t.is(b.peerRole, internal ? undefined : ours.options.role)
        t.deepEqual(
          world.left.session.capabilities.offered,
          world.right.session.capabilities.received,
        )
      } else {
        refused++
        const [a, b] = [world.left.session.lastError, world.right.session.lastError]
        for (const [one, other] of [
          [a, b],
          [b, a],
        ] as const) {
          t.is(one?.code, 2)
          // both may refuse, each for its own reason
          if (one?.direction === 'sent') continue
          t.is(one?.direction, 'received')
          t.is(other?.direction, 'sent')
          t.is(one?.subcode, other?.subcode)
        }
      }
    }),
    { numRuns: 1500 },
  )
  t.true(met > 150 && refused > 150, `${met} met, ${refused} did not`)
})
