import test from 'ava'
import fc from 'fast-check'
import {
  decodeAttributes,
  decodeRouteRefresh,
  familyOfAfiSafi,
  locateUpdate,
} from '../../../src/core/wire/index.ts'
import { EXTERNAL, judge } from '../../vectors/codec.ts'
import { loadVectors } from '../../vectors/vectors.ts'

/** Whatever a peer sends, there is a verdict: a value, a fault with its remedy, or more to come. */

const VECTORS = loadVectors(['open.vec', 'small.vec', 'update.vec', 'captures.vec', 'faults.vec'])
const CONTEXTS = [
  EXTERNAL,
  { fourOctetAs: false, ebgp: false },
  { fourOctetAs: true, ebgp: false, extendedNextHop: true },
]

test('every single flip of a bit of every vector has a verdict', t => {
  let flips = 0
  for (const { raw } of VECTORS)
    for (let bit = 0; bit < raw.length * 8; bit++, flips++) {
      const flipped = raw.slice()
      flipped[bit >>> 3]! ^= 1 << (bit & 7)
      for (const context of CONTEXTS) judged(flipped, context)
      decodeRouteRefresh(flipped.subarray(19), true)
    }
  t.true(flips > 70_000, `${flips} bits`)
})

test('every cut of every vector, with one bit flipped, has a verdict', t => {
  fc.assert(
    fc.property(fc.constantFrom(...VECTORS), fc.nat(), fc.nat(), ({ raw }, cut, flip) => {
      const bytes = raw.slice(0, 19 + (cut % Math.max(1, raw.length - 18)))
      bytes[16] = bytes.length >>> 8
      bytes[17] = bytes.length
      const at = 18 + (flip % Math.max(1, bytes.length - 18))
      bytes[at]! ^= 1 << (flip & 7)
      judged(bytes, EXTERNAL)
    }),
    { numRuns: 3000 },
  )
  t.pass()
})

/** A verdict, and one that holds together. */
function judged(bytes: Uint8Array, context: typeof EXTERNAL): void {
  const verdict = judge(bytes, context)
  if (verdict === 'incomplete' || !('remedy' in verdict)) return
  const { code, data } = verdict.notification
  if (code < 1 || code > 3) throw new Error(`code ${code} is none of a message's`)
  if (data.length > 4075) throw new Error('the data does not fit a NOTIFICATION')
  if (verdict.why === '') throw new Error('a fault without a reason')
}

const nextHop = [16, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]

/** An attribute whose header makes some sense, with a value that need not. */
const attribute = fc.oneof(
  fc.record({
    flags: fc.constantFrom(0x40, 0x80, 0xc0, 0x50, 0x90, 0xd0, 0xe0, 0),
    code: fc.oneof(fc.integer({ min: 0, max: 18 }), fc.constantFrom(14, 15, 32, 255)),
    value: fc.uint8Array({ maxLength: 40 }),
    lie: fc.constantFrom(...Array(15).fill(0), 1, -1, 100),
  }),
  // routes of IPv6, well formed up to the NLRI
  fc
    .record({
      flags: fc.constantFrom(0x80, 0x90, 0x80, 0xc0),
      reach: fc.boolean(),
      nlri: fc.uint8Array({ maxLength: 30 }),
    })
    .map(({ flags, reach, nlri }) => ({
      flags,
      code: reach ? 14 : 15,
      value: Uint8Array.of(0, 2, 1, ...(reach ? nextHop : []), ...nlri),
      lie: 0,
    })),
)

const section = fc.array(attribute, { maxLength: 6 }).map(list =>
  Uint8Array.from(
    list.flatMap(({ flags, code, value, lie }) => {
      const length = Math.max(0, value.length + lie)
      return (flags & 0x10) === 0
        ? [flags, code, length, ...value]
        : [flags, code, length >>> 8, length, ...value]
    }),
  ),
)

test('attributes that carry routes are found where the decoder finds them', t => {
  let found = 0
  fc.assert(
    fc.property(section, raw => {
      const decoded = decodeAttributes(raw, EXTERNAL)
      const body = Uint8Array.of(0, 0, raw.length >>> 8, raw.length, ...raw)
      const { sound, fits, reach, unreach } = locateUpdate(body)
      t.true(fits)
      if (!sound) {
        if (decoded.remedy === undefined) throw new Error('sound for the decoder alone')
        return
      }
      if (decoded.remedy === 'session-reset') return
      if ((decoded.reach !== undefined) !== reach.start >= 0) throw new Error('MP_REACH_NLRI')
      if ((decoded.unreach !== undefined) !== unreach.start >= 0) throw new Error('MP_UNREACH')
      if (decoded.reach !== undefined) {
        found++
        const { afi, safi } = decoded.reach
        t.is(reach.family, familyOfAfiSafi(afi, safi))
        t.deepEqual(body.slice(reach.nextHop, reach.nextHopEnd), decoded.reach.nextHop.slice())
        t.deepEqual(body.slice(reach.nlri, reach.end), decoded.reach.nlri.slice())
      }
      if (decoded.unreach !== undefined) {
        found++
        const { afi, safi } = decoded.unreach
        t.is(unreach.family, familyOfAfiSafi(afi, safi))
        t.deepEqual(body.slice(unreach.nlri, unreach.end), decoded.unreach.nlri.slice())
      }
    }),
    { numRuns: 5000 },
  )
  t.true(found > 500, `${found} found`)
})

test('the remedy is the severest of the faults that are kept', t => {
  const severity = ['attribute-discard', 'treat-as-withdraw', 'session-reset']
  fc.assert(
    fc.property(section, raw => {
      const { remedy, faults } = decodeAttributes(raw, EXTERNAL)
      const ranks = faults.map(fault => severity.indexOf(fault.remedy))
      t.is(severity.indexOf(remedy ?? ''), Math.max(-1, ...ranks))
    }),
    { numRuns: 2000 },
  )
})
