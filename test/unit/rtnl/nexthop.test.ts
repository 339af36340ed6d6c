/** Nexthop objects, octet by octet. */
import test from 'ava'
import { address } from '../../../src/core/net/index.ts'
import {
  decodeObject,
  encodeObject,
  MessageReader,
  NativeWriter,
  type NextHopObject,
  OBJECT_OCTETS_MAX,
  type RouteVerb,
} from '../../../src/core/rtnl/index.ts'

const encode = (verb: RouteVerb, object: NextHopObject): Uint8Array => {
  const to = new NativeWriter(OBJECT_OCTETS_MAX + 16)
  encodeObject(to, verb, 7, 80, { id: 0x01020304, object })
  return to.bytes()
}

const FOUR: NextHopObject = {
  kind: 'hop',
  hop: { gateway: address('192.0.2.1'), link: 5, weight: 1, onlink: true },
}
const SIX: NextHopObject = {
  kind: 'hop',
  hop: { gateway: address('fe80::1'), link: 5, weight: 1, onlink: false },
}
const GROUP: NextHopObject = {
  kind: 'group',
  members: [
    { id: 1, weight: 1 },
    { id: 2, weight: 255 },
  ],
}
const ID = [8, 0, 1, 0, 4, 3, 2, 1]

test('an IPv4 next hop is one with its link, and made only where its id is free', t => {
  t.deepEqual(
    [...encode('add', FOUR)],
    [
      ...[48, 0, 0, 0, 104, 0, 1, 6, 7, 0, 0, 0, 0, 0, 0, 0],
      ...[2, 0, 80, 0, 4, 0, 0, 0],
      ...[...ID, 8, 0, 5, 0, 5, 0, 0, 0, 8, 0, 6, 0, 192, 0, 2, 1],
    ],
  )
})

test('a group has no family, and its members have their weights less one', t => {
  t.deepEqual(
    [...encode('replace', GROUP)],
    [
      ...[52, 0, 0, 0, 104, 0, 1, 1, 7, 0, 0, 0, 0, 0, 0, 0],
      ...[0, 0, 80, 0, 0, 0, 0, 0],
      ...[...ID, 20, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 254, 0, 0, 0],
    ],
  )
})

test('a deletion says the id and nothing else, which the kernel would refuse', t => {
  t.deepEqual(
    [...encode('delete', GROUP)],
    [...[32, 0, 0, 0, 105, 0, 1, 0, 7, 0, 0, 0, 0, 0, 0, 0], ...[0, 0, 0, 0, 0, 0, 0, 0], ...ID],
  )
})

test('what is written is read as it was', t => {
  for (const object of [FOUR, SIX, GROUP]) {
    const bytes = encode('add', object)
    const reader = new MessageReader()
    reader.open(bytes, bytes.length)
    t.true(reader.next())
    t.deepEqual(decodeObject(reader), { present: true, id: 0x01020304, protocol: 80, object })
  }
})

test('an object that Martlet does not write is another, and one without an id is none', t => {
  const reader = new MessageReader()
  const read = (bytes: Uint8Array): ReturnType<typeof decodeObject> => {
    reader.open(bytes, bytes.length)
    return reader.next() ? decodeObject(reader) : undefined
  }
  // NHA_OIF of the first as NHA_FDB, which only FDB entries use
  const fdb = encode('add', FOUR)
  fdb[34] = 11
  t.deepEqual(read(fdb)?.object, { kind: 'other' })
  const nameless = encode('add', FOUR)
  nameless[26] = 5
  t.is(read(nameless), undefined)
})
