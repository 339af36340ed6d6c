/** Addresses, prefixes and AS numbers as canonical text. */
import { isIPv4, isIPv6 } from 'node:net'
import test from 'ava'
import fc from 'fast-check'
import {
  address,
  addressBytes,
  compareAddresses,
  comparePrefixes,
  contains,
  familyOf,
  formatAddress,
  isLinkLocal,
  isUnicast,
  overlaps,
  parseAddress,
  parseAsn,
  parseNetwork,
  parsePrefix,
  prefix,
  prefixOf,
} from '../../../src/core/net/index.ts'

const canonical = test.macro<[string, string | undefined]>({
  exec: (t, input, expected) => t.is(parseAddress(input), expected as never),
  title: (_, input, expected) => `"${input}" is ${expected ?? 'not an address'}`,
})

test(canonical, '10.0.0.1', '10.0.0.1')
test(canonical, '255.255.255.255', '255.255.255.255')
test(canonical, '010.0.0.1', undefined)
test(canonical, '10.0.0', undefined)
test(canonical, '10.0.0.256', undefined)
test(canonical, '10.0.0.1 ', undefined)
test(canonical, '', undefined)
test(canonical, '::', '::')
test(canonical, '::1', '::1')
test(canonical, '2001:DB8:0:0:0:0:0:1', '2001:db8::1')
test(canonical, '2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1')
test(canonical, '2001:0:0:1:0:0:0:1', '2001:0:0:1::1')
test(canonical, '2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1')
test(canonical, '::ffff:192.0.2.1', '::ffff:192.0.2.1')
test(canonical, '::ffff:c000:201', '::ffff:192.0.2.1')
test(canonical, '1::2::3', undefined)
test(canonical, '1:2:3:4:5:6:7', undefined)
test(canonical, '1:2:3:4:5:6:7:8:9', undefined)
test(canonical, '::1:2:3:4:5:6:7:8', undefined)
test(canonical, '12345::', undefined)
test(canonical, 'fe80::1%eth0', undefined)
test(canonical, '192.0.2.1::', undefined)
test(canonical, ':1:2:3:4:5:6:7', undefined)

test('octets and canonical text say the same', t => {
  const octets = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
    fc
      .array(fc.constantFrom(0, 0, 0, 1), { minLength: 16, maxLength: 16 })
      .map(list => Uint8Array.from(list)),
  )
  fc.assert(
    fc.property(octets, bytes => {
      const text = formatAddress(bytes)
      t.deepEqual(addressBytes(text), bytes)
      t.is(parseAddress(text), text)
    }),
  )
})

test('an address is what the runtime takes for one', t => {
  const characters = fc.constantFrom(...'0123456789abf:.:.::'.split(''))
  fc.assert(
    fc.property(fc.array(characters, { maxLength: 24 }), list => {
      const text = list.join('')
      t.is(parseAddress(text) !== undefined, isIPv4(text) || isIPv6(text), text)
    }),
    { numRuns: 2000 },
  )
})

test('addresses are ordered as numbers, not as text', t => {
  const sorted = ['10.0.0.10', '::1', '10.0.0.9', '9.0.0.1'].map(address).sort(compareAddresses)
  t.deepEqual(sorted, ['9.0.0.1', '10.0.0.9', '10.0.0.10', '::1'].map(address))
})

test('a prefix has no host bits; a network may', t => {
  t.is(parsePrefix('10.0.0.1/24'), undefined)
  t.is(parsePrefix('10.0.0.0/33'), undefined)
  t.is(parsePrefix('10.0.0.0/024'), undefined)
  t.is(parsePrefix('10.0.0.0'), undefined)
  t.is(parsePrefix('0.0.0.0/0'), prefix('0.0.0.0/0'))
  t.is(parsePrefix('2001:db8:0::/48'), prefix('2001:db8::/48'))
  t.deepEqual(parseNetwork('10.0.0.1/24'), {
    address: address('10.0.0.1'),
    prefix: prefix('10.0.0.0/24'),
    hostBits: true,
  })
  t.is(prefixOf(address('10.1.2.255'), 31), prefix('10.1.2.254/31'))
})

test('a prefix contains itself and what is longer inside it', t => {
  t.true(contains(prefix('10.0.0.0/8'), prefix('10.200.0.0/16')))
  t.true(contains(prefix('10.0.0.0/9'), prefix('10.127.255.0/24')))
  t.false(contains(prefix('10.0.0.0/9'), prefix('10.128.0.0/24')))
  t.false(contains(prefix('10.200.0.0/16'), prefix('10.0.0.0/8')))
  t.true(contains(prefix('0.0.0.0/0'), prefix('10.0.0.0/8')))
  t.false(contains(prefix('0.0.0.0/0'), prefix('::/0')))
  t.true(overlaps(prefix('10.0.0.0/24'), prefix('10.0.0.0/8')))
  t.false(overlaps(prefix('10.0.0.0/24'), prefix('10.0.1.0/24')))
})

test('prefixes are ordered by address, then the shorter first', t => {
  const sorted = ['10.0.1.0/24', '10.0.0.0/24', '::/0', '10.0.0.0/8']
    .map(prefix)
    .sort(comparePrefixes)
  t.deepEqual(sorted, ['10.0.0.0/8', '10.0.0.0/24', '10.0.1.0/24', '::/0'].map(prefix))
})

test('an AS number is a number or asdot, and never 0 or the last one', t => {
  t.is(parseAsn('65000'), 65000 as never)
  t.is(parseAsn('1.10'), 65546 as never)
  for (const text of ['0', '4294967295', '4294967296', '-1', '1.65536', '1.2.3', 'AS1', ''])
    t.is(parseAsn(text), undefined)
})

test('addresses say what they are', t => {
  t.is(familyOf(address('::1')), 'ipv6')
  t.true(isLinkLocal(address('fe80::1')))
  t.true(isLinkLocal(address('febf::1')))
  t.false(isLinkLocal(address('fec0::1')))
  for (const no of ['0.0.0.0', '127.0.0.1', '224.0.0.5', '255.255.255.255', '::', '::1', 'ff02::1'])
    t.false(isUnicast(address(no)), no)
  for (const yes of ['10.0.0.1', '2001:db8::1', 'fe80::1']) t.true(isUnicast(address(yes)), yes)
})
