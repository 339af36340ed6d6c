import test from 'ava'
import { Writer } from '../../../src/core/base/index.ts'
import { address, addressBytes, prefix, prefixParts } from '../../../src/core/net/index.ts'
import {
  decodeAttributes,
  encodeAttributes,
  endOfRib,
  locateUpdate,
  remedyOf,
  splitUpdate,
  type Update,
  UpdateBuilder,
} from '../../../src/core/wire/index.ts'
import { prefixesOf } from '../../vectors/codec.ts'
import { bytesOf, hexOf } from '../../vectors/vectors.ts'

/** UPDATE in sections, and packing it. */

const FOUR = { fourOctetAs: true, ebgp: true }
const GLOBAL = addressBytes(address('2001:db8::1'))

function attributes(count = 0): Uint8Array {
  const to = new Writer(65535)
  const communities = Array.from({ length: count }, (_, index) => index)
  encodeAttributes({ origin: 0, ...(count > 0 && { communities }) }, FOUR, to)
  return to.bytes()
}

function split(message: Uint8Array): Update {
  const update = splitUpdate(message.subarray(19))
  if ('remedy' in update) throw new Error(update.why)
  return update
}

test('a message is filled to its last octet, and no further', t => {
  for (const messageMax of [4096, 65535]) {
    const builder = new UpdateBuilder(messageMax)
    t.true(builder.announce('ipv4', attributes(), new Uint8Array(0)))
    const bytes = new Uint8Array(4)
    // 23 octets of frame and 4 of attributes; the rest is /32s of 5 octets, then /24s of 4
    let room = messageMax - 27
    for (; builder.add(bytes, 0, 32); room -= 5) t.true(room >= 5)
    t.true(room < 5)
    t.is(builder.add(bytes, 0, 24), room === 4)
    const message = builder.finish()
    t.is(message.length, messageMax - (room % 4))
    t.deepEqual([message[16], message[17]], [message.length >>> 8, message.length & 255])
  }
})

test('after a message the next is filled with the same attributes', t => {
  const builder = new UpdateBuilder(4096)
  builder.announce('ipv6', attributes(), GLOBAL)
  for (const text of ['2001:db8:1::/48', '2001:db8:2::/48']) {
    const { bytes, length } = prefixParts(prefix(text))
    t.true(builder.add(bytes, 0, length))
    const update = split(builder.finish())
    t.is(builder.count, 0)
    const { reach, attributes: decoded } = decodeAttributes(update.attributes, FOUR)
    t.deepEqual(prefixesOf(reach!.nlri, 'ipv6'), [text])
    t.deepEqual(decoded, { origin: 0, nextHop: address('2001:db8::1') })
  }
})

test('RFC 7606 §5.1: MP_REACH_NLRI comes first, MP_UNREACH_NLRI alone', t => {
  const builder = new UpdateBuilder(4096)
  const { bytes, length } = prefixParts(prefix('2001:db8:1::/48'))
  builder.announce('ipv6', attributes(), GLOBAL)
  builder.add(bytes, 0, length)
  const announced = split(builder.finish())
  t.is(announced.attributes[1], 14)
  builder.withdraw('ipv6')
  builder.add(bytes, 0, length)
  t.is(hexOf(split(builder.finish()).attributes), '800f0a0002013020010db80001')
})

test('the second next hop is sent where there is one', t => {
  const builder = new UpdateBuilder(4096)
  const linkLocal = addressBytes(address('fe80::1'))
  builder.announce('ipv6', attributes(), Uint8Array.from([...GLOBAL, ...linkLocal]))
  builder.add(GLOBAL, 0, 64)
  const { attributes: decoded } = decodeAttributes(split(builder.finish()).attributes, FOUR)
  t.is(decoded.nextHop, address('2001:db8::1'))
  t.is(decoded.linkLocalNextHop, address('fe80::1'))
})

test('attributes that leave no room are refused, and so is a prefix without room', t => {
  const builder = new UpdateBuilder(4096)
  // 4 octets of ORIGIN, 4 of header, 4 a community: 4,096 - 23 - 8 = 4,065 octets for communities
  t.false(builder.announce('ipv4', attributes(1017), new Uint8Array(0)))
  t.true(builder.announce('ipv4', attributes(1016), new Uint8Array(0)))
  t.false(builder.add(new Uint8Array(4), 0, 8))
  t.is(builder.count, 0)
  t.true(builder.add(new Uint8Array(4), 0, 0))
  t.true(builder.finish().length <= 4096)
})

test('bits beyond the length are sent as zero', t => {
  const builder = new UpdateBuilder(4096)
  builder.withdraw('ipv4')
  builder.add(Uint8Array.of(9, 10, 255, 255, 255), 1, 9)
  t.is(hexOf(split(builder.finish()).withdrawn), '090a80')
})

test('an UPDATE without a prefix is not built', t => {
  const builder = new UpdateBuilder(4096)
  builder.withdraw('ipv4')
  t.throws(() => builder.finish(), { message: /at least one prefix/ })
})

test('RFC 4724 §2: End-of-RIB is an empty UPDATE, or an empty MP_UNREACH_NLRI', t => {
  t.is(hexOf(endOfRib('ipv4').subarray(16)), '00170200000000')
  t.is(hexOf(endOfRib('ipv6').subarray(16)), '001d0200000006800f03000201')
})

test('sections are views, not copies', t => {
  const body = bytesOf('000418 0a0000 0004 40010100 180a0001'.replaceAll(' ', ''))
  const update = splitUpdate(body)
  if ('remedy' in update) return t.fail()
  t.is(update.withdrawn.buffer, body.buffer)
  return t.deepEqual([update.withdrawn, update.attributes, update.nlri].map(hexOf), [
    '180a0000',
    '40010100',
    '180a0001',
  ])
})

/** The body of an UPDATE that has these attributes and nothing else. */
const bodyOf = (hex: string): Uint8Array => {
  const raw = bytesOf(hex.replaceAll(' ', ''))
  return Uint8Array.of(0, 0, raw.length >>> 8, raw.length, ...raw)
}

test('everything in an UPDATE is found wherever it is', t => {
  const reach = '900e0015 000201 10 20010db8000000000000000000000001 00'
  const raw = bytesOf(`40010100${reach}400200 800f03000201 c00804 00000001`.replaceAll(' ', ''))
  const { length } = raw
  const body = Uint8Array.of(0, 2, 8, 10, 0, length, ...raw, 8, 11)
  t.like(locateUpdate(body), {
    fits: true,
    sound: true,
    withdrawnEnd: 4,
    attributes: 6,
    nlri: 6 + length,
    reach: { start: 10, end: 35, family: 'ipv6', nextHop: 18, nextHopEnd: 34, nlri: 35 },
    unreach: { start: 38, end: 44, family: 'ipv6', nlri: 44 },
  })
  t.like(locateUpdate(Uint8Array.of(0, 0, 0, 0)), {
    fits: true,
    sound: true,
    reach: { start: -1, family: undefined },
    unreach: { start: -1, family: undefined },
  })
})

test('sections that are longer than the message do not fit', t => {
  for (const hex of ['000000', '00010000', '0000000140', '00020a'])
    t.false(locateUpdate(bytesOf(hex)).fits === 'remedy' in splitUpdate(bytesOf(hex)), hex)
})

test('attributes that do not add up, or are there twice, are not sound', t => {
  for (const hex of ['40', '4001', '40010200', '500100', '800f03000201800f03000201'])
    t.false(locateUpdate(bodyOf(hex)).sound, hex)
  const odd = locateUpdate(bodyOf('900e0005 0002010000'))
  t.like(
    odd,
    { sound: false, reach: { family: undefined } },
    'an IPv6 next hop has 16 or 32 octets',
  )
  t.false(locateUpdate(bodyOf('c00f03000201')).sound, 'MP_UNREACH_NLRI is not transitive')
  t.false(locateUpdate(bodyOf('800f020002')).sound, 'it has three octets at least')
})

test('RFC 7606 §5.2: a fault without a route resets the session, unless it is only discarded', t => {
  const empty = { type: 'UPDATE', withdrawn: new Uint8Array(0), nlri: new Uint8Array(0) } as const
  const remedy = (hex: string, nlri = ''): unknown => {
    const raw = bytesOf(hex)
    const update = { ...empty, attributes: raw, nlri: bytesOf(nlri) }
    return remedyOf(decodeAttributes(raw, FOUR), update)
  }
  t.is(remedy('40010105'), 'session-reset')
  t.is(remedy('40010105', '180a0001'), 'treat-as-withdraw')
  t.is(remedy('40050400000064'), 'attribute-discard')
  t.is(remedy('40010100'), undefined)
})
