import test from 'ava'
import fc from 'fast-check'
import {
  address,
  addressOctets,
  comparePrefixes,
  contains,
  type Family,
  formatAddress,
  formatPrefix,
  NO_PREFIX,
  type Prefix,
  type PrefixId,
  PrefixTable,
  prefixOf,
  prefixParts,
} from '../../../src/core/net/index.ts'

/** The slow twin: a map from canonical text to the row that the table gave. */
class SlowTable {
  readonly rows = new Map<Prefix, PrefixId>()

  longest(bytes: Uint8Array): PrefixId {
    const max = 8 * bytes.length
    for (let length = max; length >= 0; length--) {
      const row = this.rows.get(formatPrefix(bytes, length))
      if (row !== undefined) return row
    }
    return NO_PREFIX
  }
}

type Act = { act: 'add' | 'remove' | 'find' | 'match'; octets: number[]; length: number }

/** Few distinct octets, so that prefixes meet, nest and return. */
const acts = (family: Family): fc.Arbitrary<Act[]> =>
  fc.array(
    fc.record({
      act: fc.constantFrom('add', 'add', 'remove', 'find', 'match'),
      octets: fc.array(fc.constantFrom(0, 1, 10, 128, 255), {
        minLength: addressOctets(family),
        maxLength: addressOctets(family),
      }),
      length: fc.integer({ min: 0, max: 8 * addressOctets(family) }),
    }),
    { maxLength: 300, size: 'max' },
  )

function run(table: PrefixTable, slow: SlowTable, { act, octets, length }: Act): boolean {
  const bytes = Uint8Array.from([99, ...octets])
  const key = formatPrefix(bytes.subarray(1), length)
  const known = slow.rows.get(key) ?? NO_PREFIX
  if (act === 'find') return table.find(bytes, 1, length) === known
  if (act === 'match')
    return table.match(formatAddress(bytes.subarray(1))) === slow.longest(bytes.subarray(1))
  if (act === 'remove') {
    slow.rows.delete(key)
    if (table.find(bytes, 1, length) !== known) return false
    if (known >= 0) table.free(known)
    return table.find(bytes, 1, length) === NO_PREFIX
  }
  const row = table.add(bytes, 1, length)
  if (known === NO_PREFIX && [...slow.rows.values()].includes(row)) return false
  slow.rows.set(key, row)
  return row >= 0 && row < table.rows && (known === NO_PREFIX || row === known)
}

const agrees = test.macro({
  exec: (t, family: Family) => {
    fc.assert(
      fc.property(acts(family), fc.integer(), (list, seed) => {
        const table = new PrefixTable(family, seed)
        const slow = new SlowTable()
        for (const act of list) if (!run(table, slow, act)) return false
        const rows = [...slow.rows.values()]
        const texts = rows.map(row => table.text(row))
        return (
          table.size === rows.length &&
          texts.join() === [...slow.rows.keys()].join() &&
          rows
            .toSorted((a, b) => table.compare(a, b))
            .map(row => table.text(row))
            .join() === texts.toSorted(comparePrefixes).join()
        )
      }),
      { numRuns: 300 },
    )
    t.pass()
  },
  title: (_, family) => `an ${family} table agrees with a map of texts`,
})

test(agrees, 'ipv4')
test(agrees, 'ipv6')

test('what lies within a prefix is what the words of IP say', t => {
  fc.assert(
    fc.property(
      fc.constantFrom<Family>('ipv4', 'ipv6').chain(f => acts(f)),
      list => {
        if (list.length === 0) return true
        const family = list[0]!.octets.length === 4 ? 'ipv4' : 'ipv6'
        const table = new PrefixTable(family)
        for (const { octets, length } of list) table.add(Uint8Array.from(octets), 0, length)
        const outer = formatPrefix(Uint8Array.from(list[0]!.octets), list[0]!.length >> 2)
        const found = new Set<Prefix>()
        table.within(outer, row => found.add(table.text(row)))
        const expected = list.map(({ octets, length }) =>
          formatPrefix(Uint8Array.from(octets), length),
        )
        return expected.every(prefix => found.has(prefix) === contains(outer, prefix))
      },
    ),
  )
  t.pass()
})

test('a hundred thousand prefixes keep their rows while half of them come and go', t => {
  const table = new PrefixTable('ipv4', 7)
  const bytes = new Uint8Array(4)
  const at = (n: number): Uint8Array => {
    new DataView(bytes.buffer).setUint32(0, Math.imul(n, 0x01000193) & ~255)
    return bytes
  }
  const rows = new Map<number, PrefixId>()
  for (let n = 0; n < 100_000; n++) rows.set(n, table.add(at(n), 0, 24))
  t.is(new Set(rows.values()).size, table.size)
  const distinct = table.size
  for (let n = 0; n < 100_000; n += 2) {
    const row = table.find(at(n), 0, 24)
    if (row >= 0) table.free(row)
  }
  let left = 0
  for (let n = 1; n < 100_000; n += 2) if (table.find(at(n), 0, 24) === rows.get(n)) left++
  t.true(left >= table.size && table.size < distinct)
  for (let n = 0; n < 100_000; n += 2) table.add(at(n), 0, 24)
  t.is(table.size, distinct)
  t.is(table.rows, distinct, 'freed rows are used again')
})

test('octets beyond the prefix are not read', t => {
  const table = new PrefixTable('ipv6')
  const short = Uint8Array.from([0x20, 0x01, 0x0d])
  const row = table.add(short, 0, 20)
  t.is(table.text(row), prefixOf(address('2001::'), 20))
  const { bytes } = prefixParts(table.text(row))
  t.is(table.find(bytes, 0, 20), row)
})

test('a table gives its memory back when its last prefix leaves', t => {
  const table = new PrefixTable('ipv4')
  const empty = table.bytes
  const bytes = new Uint8Array(4)
  for (let n = 0; n < 5000; n++) table.add(bytes.fill(n >> 8, 0, 1).fill(n, 1, 2), 0, 16)
  t.true(table.bytes > 10 * empty)
  for (let row = table.rows - 1; row >= 0; row--) if (table.has(row)) table.free(row as PrefixId)
  t.is(table.bytes, empty)
  t.is(table.size, 0)
})
