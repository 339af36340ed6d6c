import { isDeepStrictEqual } from 'node:util'
import test from 'ava'
import fc from 'fast-check'
import { Writer } from '../../../src/core/base/index.ts'
import {
  decodeAttributes,
  decodeOpen,
  encodeAttributes,
  encodeKeepalive,
  encodeOpen,
  Framer,
  locateReach,
  type PathAttributes,
  reachAt,
  splitUpdate,
  UpdateBuilder,
  unreachAt,
} from '../../../src/core/wire/index.ts'
import { attributes, internalAttributes, open, prefixIn } from './arbitraries.ts'

/** What is written is read again, by the same session. */

function encoded(from: PathAttributes, fourOctetAs: boolean): Uint8Array {
  const to = new Writer(65535)
  encodeAttributes(from, { fourOctetAs }, to)
  if (to.overflow) throw new Error('65,535 octets are enough for these')
  return to.bytes()
}

test('attributes come back from a four-octet session as they were', t => {
  fc.assert(
    fc.property(internalAttributes, from => {
      const context = { fourOctetAs: true, ebgp: false }
      const { attributes: again, faults } = decodeAttributes(encoded(from, true), context)
      t.deepEqual(again, from)
      t.is(faults.length, 0)
    }),
  )
})

/** Adjacent segments of a sequence say the same as one. */
function numbers({ asPath = [] }: PathAttributes): string {
  return asPath
    .flatMap(({ type, asns }) => (type === 'set' ? [`{${asns}}`] : asns.map(String)))
    .join(' ')
}

test('attributes come back from a two-octet session as they were', t => {
  fc.assert(
    fc.property(attributes, from => {
      const context = { fourOctetAs: false, ebgp: true }
      const { attributes: again, faults } = decodeAttributes(encoded(from, false), context)
      t.is(faults.length, 0)
      // a two-octet aggregator makes what came before it stale, and a path of AS_TRANS with it
      const stale = from.aggregator !== undefined && from.aggregator.asn <= 0xffff
      t.true(stale || numbers(again) === numbers(from))
      t.deepEqual({ ...again, asPath: [] }, { ...from, asPath: [] })
    }),
  )
})

test('equal attributes are equal bytes, and other attributes are other bytes', t => {
  let equal = 0
  const twins = fc.tuple(attributes, attributes, fc.boolean())
  fc.assert(
    fc.property(twins, ([left, other, same]) => {
      // the same fields, named in another order
      const right = same ? Object.fromEntries(Object.entries(left).reverse()) : other
      const isSame = Buffer.compare(encoded(left, true), encoded(right, true)) === 0
      t.is(isSame, isDeepStrictEqual(left, right))
      if (isSame) equal++
    }),
  )
  t.true(equal > 10, `${equal} pairs`)
})

test('an OPEN comes back as it was, with few parameters and with many', t => {
  let extended = 0
  fc.assert(
    fc.property(open, from => {
      const message = encodeOpen(from)
      if (message[28] === 255 && message[29] === 255) extended++
      t.deepEqual(decodeOpen(message.subarray(19)), from)
    }),
  )
  t.true(extended > 0)
})

const packing = test.macro((t, bits: 32 | 128, withdrawn: boolean) => {
  const family = bits === 32 ? 'ipv4' : 'ipv6'
  const prefixes = fc.array(prefixIn(bits), { minLength: 1, maxLength: 400, size: 'max' })
  fc.assert(
    fc.property(prefixes, attributes, fc.integer({ min: 700, max: 4096 }), (list, from, max) => {
      const { unknown: _left, largeCommunities: _out, ...small } = from
      const bytes = encoded(small, true)
      if (bytes.length > max - 100) return
      const builder = new UpdateBuilder(max)
      if (withdrawn) builder.withdraw(family)
      else t.true(builder.announce(family, bytes, new Uint8Array(16).fill(1)))
      const messages: Uint8Array[] = []
      for (const { bytes: octets, length } of list) {
        if (builder.add(octets, 0, length)) continue
        messages.push(builder.finish())
        t.true(builder.add(octets, 0, length), 'a message that is empty takes a prefix')
      }
      messages.push(builder.finish())
      const nlri = messages.flatMap(message => {
        t.true(message.length <= max)
        return [...nlriIn(message, withdrawn, family)]
      })
      t.deepEqual(nlri, list.flatMap(wireForm))
    }),
    { numRuns: 50 },
  )
})
test('IPv4 announcements are packed and unpacked', packing, 32, false)
test('IPv4 withdrawals are packed and unpacked', packing, 32, true)
test('IPv6 announcements are packed and unpacked', packing, 128, false)
test('IPv6 withdrawals are packed and unpacked', packing, 128, true)

function wireForm({ length, bytes }: { length: number; bytes: Uint8Array }): number[] {
  return [length, ...bytes.subarray(0, (length + 7) >>> 3)]
}

function nlriIn(message: Uint8Array, withdrawn: boolean, family: 'ipv4' | 'ipv6'): Uint8Array {
  const update = splitUpdate(message.subarray(19))
  if ('remedy' in update) throw new Error(update.why)
  if (family === 'ipv4') return withdrawn ? update.withdrawn : update.nlri
  const at = locateReach(update.attributes)
  const part = withdrawn
    ? unreachAt(update.attributes, at.unreachStart, at.unreachEnd)
    : reachAt(update.attributes, at.reachStart, at.reachEnd)
  if ('remedy' in part) throw new Error(part.why)
  return part.nlri
}

test('a stream of messages is the same in any chunks', t => {
  fc.assert(
    fc.property(
      fc.array(open.map(encodeOpen), { minLength: 1, maxLength: 5 }),
      fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 20 }),
      (messages, sizes) => {
        const stream = Uint8Array.from([...messages, encodeKeepalive()].flatMap(m => [...m]))
        const seen: number[][] = []
        const framer = new Framer()
        for (let at = 0, turn = 0; at < stream.length; turn++) {
          const end = at + sizes[turn % sizes.length]!
          framer.push(stream.subarray(at, end), (type, body) => seen.push([type, ...body]) > 0)
          at = end
        }
        t.deepEqual(
          seen,
          [...messages, encodeKeepalive()].map(message => [...message.subarray(18)]),
        )
      },
    ),
  )
})
