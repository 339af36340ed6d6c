/** Questions for the way to an address, and what routes answer. */
import test from 'ava'
import { address } from '../../../src/core/net/index.ts'
import {
  EACCES,
  EHOSTUNREACH,
  EINVAL,
  ENETUNREACH,
  emptyRoute,
  encodeLookup,
  foundIn,
  LOOKUP_OCTETS_MAX,
  NativeWriter,
} from '../../../src/core/rtnl/index.ts'

const question = test.macro<[string, readonly number[]]>({
  exec(t, text, octets) {
    const to = new NativeWriter(LOOKUP_OCTETS_MAX)
    encodeLookup(to, address(text), 7)
    t.deepEqual([...to.bytes()], octets)
    t.false(to.overflow)
  },
  title: (_, text) =>
    `the route to ${text} is asked for as a route, not as what a packet would get`,
})

// nlmsghdr, rtmsg with the address's bits and RTM_F_FIB_MATCH, RTA_DST; nothing else is allowed
test(question, '192.0.2.1', [
  ...[36, 0, 0, 0, 26, 0, 1, 0, 7, 0, 0, 0, 0, 0, 0, 0],
  ...[2, 32, 0, 0, 0, 0, 0, 0, 0, 0x20, 0, 0],
  ...[8, 0, 1, 0, 192, 0, 2, 1],
])
test(question, '2001:db8::1', [
  ...[48, 0, 0, 0, 26, 0, 1, 0, 7, 0, 0, 0, 0, 0, 0, 0],
  ...[10, 128, 0, 0, 0, 0, 0, 0, 0, 0x20, 0, 0],
  ...[20, 0, 1, 0, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
])

test('a type of route that leads nowhere is the errno that the kernel answers for it', t => {
  const answers = [6, 7, 8, 9].map(kind => foundIn({ ...emptyRoute(), kind, metric: 9 }))
  t.deepEqual(
    answers.map(({ errno, metric, hops }) => [errno, metric, hops.length]),
    [EINVAL, EHOSTUNREACH, EACCES, ENETUNREACH].map(errno => [errno, 9, 0]),
  )
  t.like(foundIn({ ...emptyRoute(), kind: 2 }), { errno: 0, local: true })
  t.like(foundIn({ ...emptyRoute(), kind: 1, protocol: 4 }), {
    errno: 0,
    local: false,
    protocol: 4,
  })
})
