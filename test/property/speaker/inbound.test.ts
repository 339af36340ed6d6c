import test from 'ava'
import fc from 'fast-check'
import { seconds } from '../../../src/core/base/index.ts'
import { address, type Prefix, prefix } from '../../../src/core/net/index.ts'
import { checkDecisions, checkEmpty, checkReferences } from '../../../src/sim/index.ts'
import { Bench, type Offer, type Scripted, updateOf } from '../../unit/speaker/bench.ts'

/** UPDATEs with path identifiers, whole and damaged, against a map of what was said. RFC 7911 */

const PREFIXES = ['10.0.0.0/8', '10.1.0.0/16', '192.0.2.7/32', '2001:db8::/32', '2001:db8:1::/48']
const OFFER: Offer = { addPath: { send: true } }
/** Longest wait after a session that was reset: `connectRetry` of the bench. */
const BACK_OFF = seconds(5)

interface Said {
  /** of one family */
  readonly prefixes: readonly Prefix[]
  readonly path: number
  /** how far the path is, in ASes; absent: it is withdrawn */
  readonly length: number | undefined
}

const path = fc.constantFrom(0, 1, 2, 0xffffffff)

const said: fc.Arbitrary<Said> = fc.record({
  prefixes: fc
    .tuple(fc.boolean(), fc.uniqueArray(fc.nat(2), { minLength: 1 }))
    .map(([six, all]) => [
      ...new Set(all.map(at => prefix(PREFIXES[six ? 3 + (at % 2) : at] ?? ''))),
    ]),
  path,
  length: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined, freq: 3 }),
})

/** A bench with a peer that sends several paths of both families. */
function receiver(): { bench: Bench; peer: Scripted } {
  const bench = new Bench()
  const peer = bench.peer('a', 65001, {
    families: ['ipv4', 'ipv6'],
    options: { addPath: { receive: true, send: false } },
  })
  bench.configure()
  peer.up(OFFER)
  return { bench, peer }
}

function message(peer: Scripted, { prefixes, path, length }: Said): Uint8Array {
  if (length === undefined) return updateOf(undefined, prefixes, path)
  const six = prefixes[0]?.includes(':') === true
  const asns = [65001, ...Array.from({ length }, (_, at) => at + 1)]
  const attributes = peer.attributes({
    asPath: [{ type: 'sequence', asns }],
    nextHop: address(six ? '2001:db8::9' : '203.0.113.9'),
  })
  return updateOf(attributes, prefixes, path)
}

const wrong = ({ speaker }: Bench): string[] => [
  ...checkDecisions({ speaker }),
  ...checkReferences({ speaker }),
]

test('what a peer said by identifier is what is shown of it, the shortest path first', t => {
  fc.assert(
    fc.property(fc.array(said, { maxLength: 40, size: 'max' }), all => {
      const { bench, peer } = receiver()
      const model = new Map<Prefix, Map<number, number>>()
      for (const each of all) {
        peer.send(message(peer, each))
        // decided now and then: several changes are one decision
        if (each.path === 0) bench.settle()
        for (const of of each.prefixes) {
          const paths = model.get(of) ?? new Map<number, number>()
          if (each.length === undefined) paths.delete(each.path)
          else paths.set(each.path, each.length)
          model.set(of, paths)
        }
      }
      bench.settle()
      for (const [of, paths] of model) {
        const shown = bench.speaker.lookup(of).flatMap(route => route.paths)
        const wanted = [...paths].sort(([a, one], [b, other]) => one - other || a - b)
        const had = shown.map(({ pathId, asPath }) => [pathId, asPath.split(' ').length - 1])
        t.deepEqual(had[0], wanted[0])
        t.deepEqual(had.map(String).sort(), wanted.map(String).sort())
      }
      t.deepEqual(wrong(bench), [])
    }),
    { numRuns: 150 },
  )
})

test('a damaged UPDATE costs a session or nothing, and leaves tables that are right', t => {
  let damaged = 0
  let resets = 0
  const damage = fc.option(fc.record({ bit: fc.nat(), cut: fc.constantFrom(0, 0, 1, 2, 5) }), {
    nil: undefined,
    freq: 2,
  })
  fc.assert(
    fc.property(fc.array(fc.tuple(said, damage), { maxLength: 25, size: 'max' }), all => {
      const { bench, peer } = receiver()
      for (const [each, harm] of all) {
        const bytes = Uint8Array.from(message(peer, each))
        if (harm === undefined) peer.send(bytes)
        else {
          const broken = bytes.slice(0, Math.max(23, bytes.length - harm.cut))
          broken[16] = broken.length >>> 8
          broken[17] = broken.length
          // behind the header: those are the framer's
          const bit = 19 * 8 + (harm.bit % ((broken.length - 19) * 8))
          broken[bit >>> 3]! ^= 1 << (bit & 7)
          peer.send(broken)
          damaged++
        }
        bench.settle()
        if (peer.closed) {
          resets++
          const { ipv4, ipv6 } = bench.speaker.tables.locRibs
          t.is(ipv4.paths + ipv6.paths, 0, 'its routes have gone with it')
          // it is not heard at once: RFC 4271 §8.1.1
          bench.pass(BACK_OFF)
          peer.up(OFFER)
          t.false(peer.closed)
        }
      }
      t.deepEqual(wrong(bench), [])
      bench.configure({ peers: [] })
      t.deepEqual(checkEmpty({ speaker: bench.speaker }), [])
    }),
    { numRuns: 150 },
  )
  // of some 850 two thirds cost the session; a tenth of either kind is enough to mean something
  const outcomes = `${resets} resets for ${damaged} damaged UPDATEs`
  t.true(damaged > 100 && resets > damaged / 10 && resets < (9 * damaged) / 10, outcomes)
})
