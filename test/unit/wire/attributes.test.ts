import test from 'ava'
import { Writer } from '../../../src/core/base/index.ts'
import { address } from '../../../src/core/net/index.ts'
import {
  type AsPathSegment,
  ATTRIBUTES,
  decodeAttributes,
  encodeAttributes,
  type PathAttributes,
  UPDATE_FAULTS_MAX,
} from '../../../src/core/wire/index.ts'
import { bytesOf, hexOf } from '../../vectors/vectors.ts'

/** The two loops around the attribute table. */

const FOUR = { fourOctetAs: true, ebgp: true }
const TWO = { fourOctetAs: false, ebgp: true }

function encode(attributes: PathAttributes, context = FOUR, octets = 4096): Writer {
  const to = new Writer(octets)
  encodeAttributes(attributes, context, to)
  return to
}

const sequence = (...asns: number[]): AsPathSegment => ({ type: 'sequence', asns })

test('the table has each attribute once, by ascending code, with its RFC', t => {
  const codes = ATTRIBUTES.map(({ rules }) => rules.code)
  t.deepEqual(codes, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 14, 15, 16, 17, 18, 32, 35])
  for (const { rules } of ATTRIBUTES) t.regex(rules.rfc, /^RFC \d+/, rules.name)
})

test('attributes are written by ascending code, unknown ones among the others', t => {
  const bytes = encode({
    unknown: [
      { flags: 0xc0, code: 200, value: Uint8Array.of(1) },
      { flags: 0xc0, code: 11, value: Uint8Array.of(2) },
      { flags: 0x80, code: 12, value: Uint8Array.of(3) },
    ],
    largeCommunities: [[1, 2, 3]],
    communities: [1],
    origin: 2,
  }).bytes()
  const codes: number[] = []
  for (let at = 0; at < bytes.length; at += 3 + bytes[at + 2]!) codes.push(bytes[at + 1]!)
  t.deepEqual(codes, [1, 8, 11, 32, 200])
})

test('NEXT_HOP is not written for an IPv6 next hop', t => {
  t.is(hexOf(encode({ origin: 0, nextHop: address('2001:db8::1') }).bytes()), '40010100')
})

test('equal attributes give equal bytes, whatever the form in which they came', t => {
  const plain = bytesOf('40010100 c00804 00000001'.replaceAll(' ', ''))
  const odd = bytesOf('d0080004 00000001 50010001 00'.replaceAll(' ', ''))
  for (const raw of [plain, odd])
    t.is(hexOf(encode(decodeAttributes(raw, FOUR).attributes).bytes()), hexOf(plain))
})

test('a value of more than 255 octets has a length of two', t => {
  const communities = Array.from({ length: 64 }, (_, index) => index)
  const bytes = encode({ communities }).bytes()
  t.is(hexOf(bytes.subarray(0, 8)), 'd008010000000000')
  t.deepEqual(decodeAttributes(bytes, FOUR).attributes, { communities })
})

test('what does not fit overflows, with or without the longer length field', t => {
  const communities = Array.from({ length: 64 }, (_, index) => index)
  t.true(encode({ communities }, FOUR, 259).overflow)
  t.false(encode({ communities }, FOUR, 260).overflow)
  t.true(encode({ origin: 0 }, FOUR, 3).overflow)
})

test('a sequence of more than 255 ASes becomes two, a set of as many is refused', t => {
  const asns = Array.from({ length: 300 }, (_, index) => index + 1)
  const { attributes } = decodeAttributes(encode({ asPath: [sequence(...asns)] }).bytes(), FOUR)
  t.deepEqual(attributes.asPath, [sequence(...asns.slice(0, 255)), sequence(...asns.slice(255))])
  t.true(encode({ asPath: [{ type: 'set', asns }] }).overflow)
})

test('an extended community that has not eight octets is refused', t => {
  t.true(encode({ extendedCommunities: [new Uint8Array(7)] }).overflow)
})

const reconstructs = test.macro(
  (t, path: readonly AsPathSegment[], path4: readonly AsPathSegment[], whole: unknown) => {
    const to = new Writer(512)
    encodeAttributes({ asPath: path }, { fourOctetAs: false }, to)
    const as4 = new Writer(256)
    encodeAttributes({ asPath: path4 }, { fourOctetAs: true }, as4)
    const raw = Uint8Array.from([...to.bytes(), 0xc0, 17, ...as4.bytes().subarray(2)])
    t.deepEqual(decodeAttributes(raw, TWO).attributes.asPath, whole)
  },
)
const TRANS = 23456
test(
  'RFC 6793 §4.2.3: as many numbers: AS4_PATH',
  reconstructs,
  [sequence(1, TRANS)],
  [sequence(1, 70000)],
  [sequence(1, 70000)],
)
test(
  'RFC 6793 §4.2.3: more in AS_PATH: its head is put before',
  reconstructs,
  [sequence(3, 2, TRANS)],
  [sequence(70000)],
  [sequence(3, 2), sequence(70000)],
)
test(
  'RFC 6793 §4.2.3: fewer in AS_PATH: AS4_PATH is ignored',
  reconstructs,
  [sequence(TRANS)],
  [sequence(1, 70000)],
  [sequence(TRANS)],
)
test(
  'RFC 6793 §4.2.3: a set counts as one',
  reconstructs,
  [sequence(4), { type: 'set', asns: [5, 6] }, sequence(TRANS)],
  [sequence(70000)],
  [sequence(4), { type: 'set', asns: [5, 6] }, sequence(70000)],
)
test(
  'RFC 6793 §6: confederation segments of AS4_PATH are dropped',
  reconstructs,
  [sequence(TRANS)],
  [{ type: 'confed-sequence', asns: [9] }, sequence(70000)],
  [sequence(70000)],
)

test('RFC 6793 §4.2.3: confederation segments at the head of AS_PATH are kept', t => {
  const asPath: AsPathSegment[] = [{ type: 'confed-sequence', asns: [64512] }, sequence(2, TRANS)]
  const to = new Writer(512)
  encodeAttributes({ asPath }, { fourOctetAs: false }, to)
  const raw = Uint8Array.from([...to.bytes(), ...bytesOf('c01106020100011170')])
  t.deepEqual(decodeAttributes(raw, { fourOctetAs: false, ebgp: false }).attributes.asPath, [
    { type: 'confed-sequence', asns: [64512] },
    sequence(2),
    sequence(70000),
  ])
})

test('RFC 6793 §4.2.3: an AGGREGATOR that is not AS_TRANS makes both AS4 attributes stale', t => {
  const raw = bytesOf(
    '4002040201fdea c00706fdeb0a000009 c0110602010001117 0c01208000111700a000009'.replaceAll(
      ' ',
      '',
    ),
  )
  const { attributes, faults } = decodeAttributes(raw, TWO)
  t.deepEqual(attributes, {
    asPath: [sequence(65002)],
    aggregator: { asn: 65003, address: address('10.0.0.9') },
  })
  t.is(faults.length, 0)
})

test('a two-octet session is sent no AS4 attribute without need', t => {
  const small = encode({ asPath: [sequence(65002)] }, TWO).bytes()
  t.is(hexOf(small), '4002040201fdea')
})

test('of thousands of faults the first are kept, and the gravest', t => {
  const duplicates = Array.from({ length: 1000 }, () => [0x40, 1, 1, 0]).flat()
  const raw = Uint8Array.from([...duplicates, 0x80, 4, 1, 0])
  const { faults, remedy } = decodeAttributes(raw, FOUR)
  t.is(faults.length, UPDATE_FAULTS_MAX)
  t.is(remedy, 'treat-as-withdraw')
  t.is(faults.filter(fault => fault.remedy === remedy).length, 1)
})

test('what was decoded does not change when the buffer does, but for the routes', t => {
  const raw = bytesOf('c063020102 c01008 0002fdea00000064 c00804 00000007'.replaceAll(' ', ''))
  const { attributes } = decodeAttributes(raw, FOUR)
  raw.fill(0)
  t.is(hexOf(attributes.unknown![0]!.value), '0102')
  t.is(hexOf(attributes.extendedCommunities![0]!), '0002fdea00000064')
  t.deepEqual(attributes.communities, [7])
})

test('NEXT_HOP is kept beside the next hop of MP_REACH_NLRI', t => {
  const raw = bytesOf(
    `4003040a000002 800e1e00020110 ${'20010db8'.padEnd(32, '1')} 00 4020010db800c80001`.replaceAll(
      ' ',
      '',
    ),
  )
  const { attributes, nextHopAttribute } = decodeAttributes(raw, FOUR)
  t.is(nextHopAttribute, address('10.0.0.2'))
  t.is(attributes.nextHop, address('2001:db8:1111:1111:1111:1111:1111:1111'))
})
