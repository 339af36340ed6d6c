import test from 'ava'
import fc from 'fast-check'
import type { Family } from '../../../src/core/net/index.ts'
import type { PeerId } from '../../../src/core/rib/index.ts'
import { type Mode, Stage, TIED, VARIANTS } from './planes.ts'

/** What members of update groups hold, whatever happens on the way, is what they should. RFC 7911, RFC 7313 */

/** Prefixes that something happens to, and how far apart they are. */
const PREFIXES = 5
const STRIDE = 20
const IDENTIFIERS = 3

const mode: fc.Arbitrary<Mode> = fc.oneof(
  fc.constant({ addPath: false }),
  fc.constant({ addPath: true }),
  fc.record({
    addPath: fc.constant(true),
    sendPaths: fc.record({
      which: fc.constantFrom('all' as const, 'best' as const, 'multipath' as const),
      most: fc.constantFrom(1, 2, 3, 32),
    }),
  }),
)

type Step = (stage: Stage) => void

function everywhere<T>(
  what: fc.Arbitrary<T>,
  act: (stage: Stage, what: T) => void,
): fc.Arbitrary<Step> {
  return what.map(value => stage => act(stage, value))
}

/** Something happens to one of the members. */
function act<T>(
  what: fc.Arbitrary<T>,
  to: (stage: Stage, peer: PeerId, what: T) => void,
): fc.Arbitrary<Step> {
  return fc.tuple(fc.nat(5), what).map(
    ([at, value]) =>
      stage =>
        to(stage, [...stage.senders, ...stage.listeners][at]!, value),
  )
}

const put: fc.Arbitrary<Step> = fc
  .tuple(
    fc.nat(2),
    fc.integer({ min: 1, max: IDENTIFIERS }),
    fc.nat(PREFIXES - 1).map(at => at * STRIDE),
    fc.option(fc.nat(VARIANTS - 1), { nil: undefined }),
  )
  .map(args => stage => stage.put(...args))

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: put },
  { weight: 3, arbitrary: act(mode, (stage, peer, how) => stage.join(peer, how)) },
  { weight: 1, arbitrary: act(fc.constant(0), (stage, peer) => stage.leave(peer)) },
  { weight: 2, arbitrary: act(mode, (stage, peer, how) => stage.move(peer, how)) },
  { weight: 4, arbitrary: act(fc.boolean(), (stage, peer, full) => stage.congest(peer, full)) },
  { weight: 2, arbitrary: act(fc.boolean(), (stage, peer, marked) => stage.refresh(peer, marked)) },
  {
    weight: 8,
    arbitrary: everywhere(fc.constantFrom(1, 2, 100), (stage, budget) => stage.work(budget)),
  },
  { weight: 1, arbitrary: everywhere(fc.boolean(), (stage, held) => stage.holdEndOfRib(held)) },
)

const scene = fc.record({
  steps: fc.array(step, { maxLength: 80, size: 'max' }),
  messageMax: fc.constantFrom(140, 4096),
  /** more than a member is sent in its turn */
  large: fc.nat(5).map(draw => draw === 0),
})

const holds = test.macro((t, family: Family) => {
  let several = 0
  fc.assert(
    fc.property(scene, ({ steps, messageMax, large }) => {
      const stage = new Stage(family, messageMax)
      if (large) stage.fill(PREFIXES * STRIDE)
      for (const each of steps) each(stage)
      stage.settle()
      for (const receiver of stage.receivers.values()) {
        t.deepEqual(receiver.wrong, [])
        t.is(receiver.endOfRibs, 1)
        // what begins ends, one at a time, and what was asked for was done
        t.true(receiver.marks.every((mark, at) => mark === 1 + (at % 2)))
        t.is(receiver.marks.length % 2, 0)
        t.is(receiver.marks.length > 0, receiver.asked)
        const held = receiver.byPrefix()
        several += [...held.values()].filter(({ length }) => length > 1).length
        t.deepEqual(held, stage.selected(receiver))
        t.is(stage.exports.advertised(receiver.peer), receiver.held.size)
      }
      // nothing is left of what has gone
      for (const peer of [...stage.receivers.keys()]) stage.leave(peer)
      stage.clear(PREFIXES * STRIDE, IDENTIFIERS)
      const { tables, locRib } = stage
      t.deepEqual([tables.outSets.size, tables.sets.size, locRib.prefixes.size], [0, 0, 0])
    }),
    { numRuns: 250 },
  )
  t.true(several > 100, `${several} prefixes with several paths`)
})
test('members hold what is selected for them, in IPv4', holds, 'ipv4')
test('members hold what is selected for them, in IPv6', holds, 'ipv6')

test('a path keeps its identifier while it is sent, and what changed is all that is said', t => {
  let kept = 0
  fc.assert(
    fc.property(
      fc.array(put, { minLength: 20, maxLength: 80, size: 'max' }),
      fc.integer({ min: 1, max: 4 }),
      (puts, most) => {
        const stage = new Stage('ipv4', 4096)
        const [listener] = stage.listeners
        stage.join(listener!, { addPath: true, sendPaths: { which: 'best', most } })
        stage.settle()
        const receiver = stage.receivers.get(listener!)!
        for (const each of puts) {
          const before = new Map(receiver.held)
          receiver.told.length = 0
          each(stage)
          stage.settle()
          let changes = 0
          for (const key of new Set([...before.keys(), ...receiver.held.keys()]))
            if (before.get(key) !== receiver.held.get(key)) changes++
          t.is(receiver.told.length, changes)
          for (const [key, value] of before) {
            if (value === TIED) continue
            const [prefix] = key.split(' ')
            const now = [...receiver.held].find(
              ([other, each]) => each === value && other.startsWith(`${prefix} `),
            )
            if (now === undefined) continue
            t.is(now[0], key)
            kept++
          }
        }
      },
    ),
    { numRuns: 100 },
  )
  t.true(kept > 1000, `${kept} times`)
})
