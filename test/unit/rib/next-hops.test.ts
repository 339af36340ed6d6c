/** Which next hops a route may have, before anybody asks the kernel. */
import test from 'ava'
import { address, addressBytes } from '../../../src/core/net/index.ts'
import { NextHops } from '../../../src/core/rib/index.ts'

const OWN = address('10.0.0.1')

const eligible = test.macro<[string, boolean]>({
  exec(t, text, expected) {
    const hops = new NextHops()
    hops.own(new Set([OWN]))
    const bytes = addressBytes(address(text))
    const id = hops.hold(bytes, 0, bytes.length)
    t.is(hops.eligible[id], expected ? 1 : 0)
    // the same where our addresses change later
    hops.own(new Set())
    t.is(hops.eligible[id] === 1, expected || text === OWN)
    if (!expected) t.regex(hops.whyNot(id), text === OWN ? /./ : /no host has/)
  },
  title: (_, text, expected) => `${text} is ${expected ? 'a' : 'no'} next hop`,
})

test(eligible, '10.0.0.2', true)
test(eligible, '2001:db8::1', true)
test(eligible, 'fe80::1', true)
test(eligible, OWN, false)
test(eligible, '0.0.0.0', false)
test(eligible, '127.0.0.1', false)
test(eligible, '224.0.0.5', false)
test(eligible, '255.255.255.255', false)
test(eligible, '::1', false)
test(eligible, '::', false)
test(eligible, 'ff02::1', false)
