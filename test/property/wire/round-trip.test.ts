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
  locateUpdate,
  type PathAttributes,
  UpdateBuilder,
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

interface Packing {
  readonly bits: 32 | 128
  readonly withdrawn?: boolean
  readonly addPath?: boolean
  /** octets of the next hop in MP_REACH_NLRI */
  readonly nextHop?: number
}

const packing = test.macro(
  (t, { bits, withdrawn = false, addPath = false, nextHop = 0 }: Packing) => {
    const family = bits === 32 ? 'ipv4' : 'ipv6'
    const entry = fc.record({
      path: fc.integer({ min: 0, max: 0xffffffff }),
      prefix: prefixIn(bits),
    })
    const entries = fc.array(entry, { minLength: 1, maxLength: 400, size: 'max' })
    const sizes = fc.oneof(fc.integer({ min: 700, max: 4096 }), fc.constant(65_535))
    let full = 0
    fc.assert(
      fc.property(entries, attributes, sizes, (list, from, max) => {
        const { unknown: _left, largeCommunities: _out, ...small } = from
        const bytes = encoded(small, true)
        if (bytes.length > max - 100) return
        const builder = new UpdateBuilder(max, addPath)
        if (withdrawn) builder.withdraw(family)
        else t.true(builder.announce(family, bytes, new Uint8Array(nextHop).fill(1)))
        const messages: Uint8Array[] = []
        for (const { path, prefix } of list) {
          if (builder.add(prefix.bytes, 0, prefix.length, path)) continue
          messages.push(builder.finish())
          // what did not fit would not have fitted the message
          full++
          t.true(messages.at(-1)!.length + wireForm({ path, prefix }, addPath).length > max)
          t.true(
            builder.add(prefix.bytes, 0, prefix.length, path),
            'an empty message takes a prefix',
          )
        }
        messages.push(builder.finish())
        const multiprotocol = bits === 128 || nextHop > 0
        const nlri = messages.flatMap(message => {
          t.true(message.length <= max)
          return [...nlriIn(message, withdrawn, multiprotocol)]
        })
        t.deepEqual(
          nlri,
          list.flatMap(each => wireForm(each, addPath)),
        )
      }),
      { numRuns: 150 },
    )
    t.true(full > 0)
  },
)
test('IPv4 announcements are packed and unpacked', packing, { bits: 32 })
test('IPv4 withdrawals are packed and unpacked', packing, { bits: 32, withdrawn: true })
test('IPv6 announcements are packed and unpacked', packing, { bits: 128, nextHop: 16 })
test('IPv6 withdrawals are packed and unpacked', packing, { bits: 128, withdrawn: true })
test('RFC 8950 §3: so are IPv4 ones in MP_REACH_NLRI', packing, { bits: 32, nextHop: 4 })
for (const bits of [32, 128] as const) {
  const nextHop = bits === 32 ? 0 : 16
  const family = bits === 32 ? 'IPv4' : 'IPv6'
  const announced = `RFC 7911 §3: ${family} announcements with path identifiers are packed and unpacked`
  test(announced, packing, { bits, addPath: true, nextHop })
  const withdrawn = `RFC 7911 §3: ${family} withdrawals with path identifiers are packed and unpacked`
  test(withdrawn, packing, { bits, addPath: true, withdrawn: true })
}

interface Entry {
  readonly path: number
  readonly prefix: { readonly length: number; readonly bytes: Uint8Array }
}

function wireForm({ path, prefix }: Entry, addPath: boolean): number[] {
  const { length, bytes } = prefix
  const identifier = addPath ? [24, 16, 8, 0].map(shift => (path >>> shift) & 255) : []
  return [...identifier, length, ...bytes.subarray(0, (length + 7) >>> 3)]
}

function nlriIn(message: Uint8Array, withdrawn: boolean, multiprotocol: boolean): Uint8Array {
  const body = message.subarray(19)
  const { fits, sound, withdrawnEnd, nlri, reach, unreach } = locateUpdate(body)
  if (!fits || !sound) throw new Error('what is built is sound')
  if (!multiprotocol) return withdrawn ? body.subarray(2, withdrawnEnd) : body.subarray(nlri)
  const part = withdrawn ? unreach : reach
  return body.subarray(part.nlri, part.end)
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
