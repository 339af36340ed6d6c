import test from 'ava'
import { after, seconds } from '../../../src/core/base/index.ts'
import type { SessionConfig, SessionOptions } from '../../../src/core/session/index.ts'
import {
  type Capability,
  decodeOpen,
  encodeKeepalive,
  encodeNotification,
  encodeOpen,
  encodeRouteRefresh,
  type Negotiated,
  notification,
  type Role,
} from '../../../src/core/wire/index.ts'
import { bytesOf, hexOf } from '../../vectors/vectors.ts'
import { asn, CONFIG } from './network.ts'
import { CAPABILITIES, farewell, OWN, PEER, reach, START } from './scripted.ts'

/** What capabilities come to, each offered by one side, by the other, by both. RFC 5492 */

const BOTH = [
  { afi: 1, safi: 1 },
  { afi: 2, safi: 1 },
] as const

/** A session whose peer offers `theirs` beside what it always offers. */
function meet(
  options: SessionOptions,
  theirs: readonly Capability[],
  more: Partial<SessionConfig> = {},
) {
  const open = { ...PEER, capabilities: [...CAPABILITIES, ...theirs] }
  return reach('Established', { ...CONFIG, ...more, options }, open)
}

const agreed = test.macro(
  (
    t,
    options: SessionOptions,
    theirs: readonly Capability[],
    expected: { readonly [Field in keyof Negotiated]?: Negotiated[Field] | undefined },
    more: Partial<SessionConfig> = {},
  ) => {
    const { session } = meet(options, theirs, more)
    for (const [field, value] of Object.entries(expected))
      t.deepEqual(session.negotiated?.[field as keyof Negotiated], value, field)
    t.is(session.state, 'Established')
  },
)

/** The capability of one kind in our own OPEN. */
function ours(
  type: Capability['type'],
  options?: SessionOptions,
  more: Partial<SessionConfig> = {},
) {
  const config = { ...CONFIG, ...more, ...(options && { options }) }
  const open = decodeOpen(reach('OpenSent', config).record.sent[0]!.bytes.subarray(19))
  if ('remedy' in open) throw new Error(open.why)
  return open.capabilities.find(capability => capability.type === type)
}

const EXTENDED: Capability = { type: 'extended-message' }
test('RFC 8654 §3: both offer longer messages', agreed, {}, [EXTENDED], { messageMax: 65_535 })
test('RFC 8654 §4: the peer does not offer them', agreed, {}, [], { messageMax: 4096 })
test('RFC 8654 §4: we do not offer them', agreed, { extendedMessages: false }, [EXTENDED], {
  messageMax: 4096,
})

test('RFC 8654 §4: a message of 4,097 octets is taken where we offered that, and only there', t => {
  const long = new Uint8Array(4097).fill(0xff, 0, 16)
  long.set([0x10, 0x01, 2], 16)
  long.set([0x0f, 0xea], 19)
  const sessions = [meet({}, [EXTENDED]), meet({}, []), meet({ delayOpen: seconds(9) }, [])]
  for (const { session, record } of sessions) {
    session.received(OWN, long.subarray(0, 4000), START)
    session.received(OWN, long.subarray(4000), START)
    t.deepEqual(
      record.updates.map(({ length }) => length),
      [4078],
    )
  }
  const refuses = meet({ extendedMessages: false }, [EXTENDED])
  refuses.session.received(OWN, long, START)
  t.like(farewell(refuses.record), { code: 1, subcode: 2 })
})

test('RFC 8654 §4: an OPEN is never longer than 4,096 octets', t => {
  const { session, record } = meet({}, [EXTENDED])
  const long = new Uint8Array(4097).fill(0xff, 0, 16)
  long.set([0x10, 0x01, 1], 16)
  session.received(OWN, long, START)
  t.like(farewell(record), { code: 1, subcode: 2 })
})

const REFRESH: Capability = { type: 'enhanced-route-refresh' }
test('RFC 7313 §3.1: both mark their refreshes', agreed, {}, [REFRESH], { enhancedRefresh: true })
test('RFC 7313 §3.1: the peer does not', agreed, {}, [], { enhancedRefresh: false })

test('RFC 7313 §4: subtypes of a refresh are heard where both know them', t => {
  const { session, record } = meet({}, [REFRESH])
  for (const subtype of [0, 1, 2, 3, 255])
    session.received(
      OWN,
      encodeRouteRefresh({ type: 'ROUTE-REFRESH', afi: 1, subtype, safi: 1 }),
      START,
    )
  t.deepEqual(
    record.refreshes.map(({ subtype }) => subtype),
    [0, 1, 2, 3, 255],
  )
  t.is(session.state, 'Established')
})

const odd = test.macro((t, theirs: readonly Capability[], subtype: number, sent: string) => {
  const { session, record } = meet({}, theirs)
  const message = new Uint8Array(24).fill(0xff, 0, 16)
  message.set([0, 24, 5, 0, 1, subtype, 1, 9], 16)
  session.received(OWN, message, START)
  const { code, subcode, data } = farewell(record)!
  t.is(`${code}/${subcode} ${hexOf(data)}`, sent)
})
const WHOLE = `${'ff'.repeat(16)}001805000101`
test('RFC 7313 §5: a BoRR of another length', odd, [REFRESH], 1, `7/1 ${WHOLE}0109`)
test('RFC 7313 §5: an EoRR of another length', odd, [REFRESH], 2, `7/1 ${WHOLE.slice(0, -2)}020109`)
test('RFC 4271 §6.1: a request of another length', odd, [REFRESH], 0, '1/2 0018')
test(
  'RFC 4271 §6.1: any of another length, where RFC 7313 was not agreed on',
  odd,
  [],
  1,
  '1/2 0018',
)

const NEXT_HOPS: Capability = {
  type: 'extended-next-hop',
  families: [{ afi: 1, safi: 1, nextHopAfi: 2 }],
}
test('RFC 8950 §4: both take IPv6 next hops', agreed, {}, [NEXT_HOPS], { extendedNextHop: true })
test('RFC 8950 §4: the peer does not', agreed, {}, [], { extendedNextHop: false })
test('RFC 8950 §4: we do not', agreed, { extendedNextHop: false }, [NEXT_HOPS], {
  extendedNextHop: false,
})
test(
  'RFC 8950 §4: the peer takes them for VPN routes',
  agreed,
  {},
  [{ type: 'extended-next-hop', families: [{ afi: 1, safi: 128, nextHopAfi: 2 }] }],
  { extendedNextHop: false },
)
test(
  'RFC 8950 §4: a session without IPv4 has none',
  agreed,
  {},
  [NEXT_HOPS],
  { extendedNextHop: false },
  {
    families: ['ipv6'],
  },
)
test('RFC 8950 §4: it is not offered without IPv4', t => {
  t.deepEqual(ours('extended-next-hop'), NEXT_HOPS)
  t.is(ours('extended-next-hop', {}, { families: ['ipv6'] }), undefined)
  t.is(ours('extended-next-hop', { extendedNextHop: false }), undefined)
})

const paths = (first: [boolean, boolean], second: [boolean, boolean]): Capability => ({
  type: 'add-path',
  families: [first, second].map(([receive, send], at) => ({ ...BOTH[at]!, receive, send })),
})
const PATHS = { addPath: { receive: true, send: true } }
test(
  'RFC 7911 §4: what one side sends, the other receives',
  agreed,
  PATHS,
  [paths([true, false], [false, true])],
  {
    addPathSend: ['ipv4'],
    addPathReceive: ['ipv6'],
  },
)
test('RFC 7911 §4: the peer offers nothing', agreed, PATHS, [], {
  addPathSend: [],
  addPathReceive: [],
})
test(
  'RFC 7911 §4: we only send',
  agreed,
  { addPath: { receive: false, send: true } },
  [paths([true, true], [true, true])],
  { addPathSend: ['ipv4', 'ipv6'], addPathReceive: [] },
)
test('RFC 7911 §4: not configured, not offered', agreed, {}, [paths([true, true], [true, true])], {
  addPathSend: [],
  addPathReceive: [],
})
test('RFC 7911 §4: each family is offered in both directions, or as configured', t => {
  t.is(ours('add-path'), undefined)
  t.deepEqual(ours('add-path', PATHS), paths([true, true], [true, true]))
  t.deepEqual(
    ours('add-path', { addPath: { receive: true, send: false } }),
    paths([true, false], [true, false]),
  )
})

const longLived = (staleSeconds: number): Capability => ({
  type: 'long-lived-graceful-restart',
  families: [{ ...BOTH[1], forwarding: true, staleSeconds }],
})
const RESTART: Capability = {
  type: 'graceful-restart',
  restarting: false,
  notification: false,
  restartSeconds: 90,
  families: [],
}
const KEEPS = { longLived: seconds(3600) }
test(
  'RFC 9494 §3.1: the families of the peer, each with its time',
  agreed,
  KEEPS,
  [RESTART, longLived(7200)],
  {
    longLived: [{ family: 'ipv6', staleSeconds: 7200, forwarding: true }],
  },
)
test('RFC 9494 §4.1: nothing without graceful restart', agreed, KEEPS, [longLived(7200)], {
  longLived: [],
})
test('RFC 9494 §3.1: nothing where it is not configured', agreed, {}, [RESTART, longLived(7200)], {
  longLived: [],
})
test('RFC 9494 §3.1: every family is offered, with a time of 24 bits', t => {
  t.is(ours('long-lived-graceful-restart'), undefined)
  const families = (staleSeconds: number) =>
    BOTH.map(each => ({ ...each, forwarding: false, staleSeconds }))
  const type = 'long-lived-graceful-restart'
  t.deepEqual(ours(type, KEEPS), { type, families: families(3600) })
  t.deepEqual(ours(type, { longLived: seconds(99_999_999) }), {
    type,
    families: families(16_777_215),
  })
})

// ---- RFC 9234

const NUMBERS: Readonly<Record<Role, number>> = {
  provider: 0,
  'route-server': 1,
  'route-server-client': 2,
  customer: 3,
  peer: 4,
}
const PAIRS = ['provider/customer', 'customer/provider', 'peer/peer']
PAIRS.push('route-server/route-server-client', 'route-server-client/route-server')
const ROLES = ['provider', 'route-server', 'route-server-client', 'customer', 'peer'] as const

test('RFC 9234 §4.2: of all pairs of roles, five go together', t => {
  let met = 0
  for (const role of ROLES)
    for (const theirs of ROLES) {
      const { session, record } = meet({ role }, [{ type: 'role', role: NUMBERS[theirs] }])
      const fits = PAIRS.includes(`${role}/${theirs}`)
      t.is(session.state, fits ? 'Established' : 'Idle', `${role}/${theirs}`)
      if (fits) {
        met++
        t.is(session.negotiated?.peerRole, theirs)
      } else {
        t.like(farewell(record), { code: 2, subcode: 11 })
        t.is(session.lastError?.text, `we are ${role} to the peer; it is ${theirs} to us`)
      }
    }
  t.is(met, 5)
})

const mismatch = test.macro(
  (t, options: SessionOptions, numbers: readonly number[], text: string) => {
    const { session, record } = meet(
      options,
      numbers.map(role => ({ type: 'role' as const, role })),
    )
    t.like(farewell(record), { code: 2, subcode: 11 })
    t.is(hexOf(farewell(record)!.data), '')
    t.is(session.lastError?.text, text)
  },
)
test(
  'RFC 9234 §4.2: a role that nobody knows',
  mismatch,
  { role: 'peer' },
  [9],
  'we are peer to the peer; it is role 9 to us',
)
test(
  'RFC 9234 §4.2: strict, and no role',
  mismatch,
  { role: 'peer', roleRequired: true },
  [],
  'the peer does not say its role',
)
test(
  'RFC 9234 §4.2: two roles',
  mismatch,
  { role: 'peer' },
  [4, 3],
  'the peer has several roles: 4, 3',
)
test(
  'RFC 9234 §4.2: two roles, though we have none',
  mismatch,
  {},
  [4, 3],
  'the peer has several roles: 4, 3',
)

test('RFC 9234 §4.2: one role said twice is one role', t => {
  const { session } = meet({ role: 'peer' }, [
    { type: 'role', role: 4 },
    { type: 'role', role: 4 },
  ])
  t.is(session.negotiated?.peerRole, 'peer')
})
test('RFC 9234 §4.2: no role is no fault, unless it is insisted on', agreed, { role: 'peer' }, [], {
  peerRole: undefined,
})
test(
  'RFC 9234 §4.2: the role of a peer is known though we have none',
  agreed,
  {},
  [{ type: 'role', role: 0 }],
  {
    peerRole: 'provider',
  },
)
test('RFC 9234 §4.1: inside an AS there are no roles', t => {
  const inside = { localAs: asn(65002), options: { role: 'peer', roleRequired: true } } as const
  t.is(ours('role', inside.options, inside), undefined)
  t.deepEqual(ours('role', inside.options), { type: 'role', role: 4 })
  const open = { ...PEER, capabilities: [...CAPABILITIES, { type: 'role', role: 9 } as const] }
  const { session } = reach('Established', { ...CONFIG, ...inside }, open)
  t.is(session.state, 'Established')
  t.is(session.negotiated?.peerRole, undefined)
})

// ---- capabilities that are insisted on

const required = test.macro(
  (t, options: SessionOptions, theirs: readonly Capability[], data: string, missing: string) => {
    const open = { ...PEER, capabilities: [...CAPABILITIES.slice(0, 2), ...theirs] }
    const { session, record } = reach('OpenConfirm', { ...CONFIG, options }, open)
    t.like(farewell(record), { code: 2, subcode: 7 })
    t.is(hexOf(farewell(record)!.data), data)
    t.is(session.lastError?.text, `the peer does not offer ${missing}`)
  },
)
test(
  'RFC 5492 §5: a missing refresh',
  required,
  { required: ['route-refresh'] },
  [],
  '0200',
  'route-refresh',
)
test(
  'RFC 5492 §5: of three, the two that are missing, as we offer them',
  required,
  { required: ['route-refresh', 'four-octet-as', 'extended-next-hop'] },
  [{ type: 'route-refresh' }],
  '41040000fde90506000100010002',
  'four-octet-as, extended-next-hop',
)
test(
  'RFC 5492 §5: one that we do not offer ourselves',
  required,
  { required: ['add-path'] },
  [],
  '4500',
  'add-path',
)

test('RFC 5492 §3: what is required and there, is no fault', t => {
  const { session } = meet({ required: ['route-refresh', 'extended-message', 'role'] }, [
    EXTENDED,
    { type: 'role', role: 0 },
  ])
  t.is(session.state, 'Established')
})

const wanted = test.macro((t, data: string, text: string) => {
  const { session } = reach('OpenSent')
  session.received(OWN, encodeNotification(notification(2, 7, bytesOf(data))), START)
  t.is(session.lastError?.text, `OPEN Message Error, Unsupported Capability: ${text}`)
})
test(
  'RFC 5492 §5: what the peer wants is named',
  wanted,
  '010400020001 4600'.replace(' ', ''),
  'the peer wants multiprotocol: ipv6; enhanced-route-refresh',
)
test(
  'RFC 5492 §5: a peer that does not say what it wants',
  wanted,
  '',
  'the peer wants more than ipv4, ipv6',
)
test(
  'RFC 5492 §5: a peer whose list breaks off',
  wanted,
  '02000104',
  'the peer wants route-refresh',
)

test('the capabilities of both sides are kept for who asks', t => {
  const { session } = meet({ role: 'provider' }, [{ type: 'role', role: 3 }])
  const { offered, received } = session.capabilities
  t.deepEqual(received, [...CAPABILITIES, { type: 'role', role: 3 }])
  t.deepEqual(
    offered.map(({ type }) => type),
    [
      'multiprotocol',
      'multiprotocol',
      'route-refresh',
      'extended-next-hop',
      'extended-message',
      'role',
      'graceful-restart',
      'four-octet-as',
      'enhanced-route-refresh',
    ],
  )
  t.deepEqual(reach('Connect').session.capabilities, { offered: [], received: [] })
})

test('an OPEN with everything there is fits the short form of its parameters', t => {
  const options: SessionOptions = { ...PATHS, ...KEEPS, role: 'peer' }
  const { record } = reach('OpenSent', { ...CONFIG, options })
  const sent = record.sent[0]!.bytes
  t.true(sent.length < 19 + 10 + 255)
  t.not(sent[28], 255)
  const open = decodeOpen(sent.subarray(19))
  if ('remedy' in open) return t.fail(open.why)
  t.deepEqual(encodeOpen(open), sent)
})

test('RFC 5492 §3: a peer that knows of no capabilities is met without them, once', t => {
  const { session, record } = reach('OpenSent')
  let now = START
  /** Waits for the next connection, and returns it with the capabilities of our OPEN. */
  const again = () => {
    now = after(now, seconds(120))
    session.tick(now)
    const connection = record.connects.at(-1)!
    session.connected(connection, now)
    const open = decodeOpen(record.sent.at(-1)!.bytes.subarray(19))
    if ('remedy' in open) throw new Error(open.why)
    return { connection, offered: open.capabilities.length }
  }
  session.received(OWN, encodeNotification(notification(2, 4)), START)
  const plain = again()
  t.is(plain.offered, 0)
  // what it offers all the same was not agreed on
  session.received(plain.connection, encodeOpen(PEER), now)
  session.received(plain.connection, encodeKeepalive(), now)
  t.is(session.state, 'Established')
  t.like(session.negotiated, { families: ['ipv4'], fourOctetAs: false, routeRefresh: false })
  session.closed(plain.connection, 'reset', now)
  const full = again()
  t.true(full.offered > 0, 'the next router there may know more')
  session.received(full.connection, encodeNotification(notification(2, 2)), now)
  t.true(again().offered > 0, 'another objection is none to capabilities')
})
