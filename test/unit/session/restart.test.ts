import test from 'ava'
import { after, millis, Prng, seconds } from '../../../src/core/base/index.ts'
import { PeerSession, type SessionConfig } from '../../../src/core/session/index.ts'
import {
  type Capability,
  CEASE,
  cease,
  decodeOpen,
  encodeKeepalive,
  encodeNotification,
  encodeOpen,
  type GracefulRestartCapability,
  hardReset,
  insideHardReset,
  type Notification,
  notification,
  type Open,
} from '../../../src/core/wire/index.ts'
import { CONFIG, evenIds, Recorder } from './network.ts'
import { CAPABILITIES, farewell, OWN, PEER, reach, START, THEIRS } from './scripted.ts'

/** Graceful restart as far as one session decides it. RFC 4724, RFC 8538 */

const RESTART: GracefulRestartCapability = {
  type: 'graceful-restart',
  restarting: false,
  notification: false,
  restartSeconds: 90,
  families: [{ afi: 1, safi: 1, forwarding: true }],
}

const openWith = (...more: readonly Capability[]): Open => ({
  ...PEER,
  capabilities: [...CAPABILITIES, ...more],
})

const PLAIN = openWith(RESTART)
const THROUGH_NOTIFICATIONS = openWith({ ...RESTART, notification: true })

/** What our OPEN offers. */
function offered(config: SessionConfig = CONFIG): GracefulRestartCapability | undefined {
  const open = decodeOpen(reach('OpenSent', config).record.sent[0]!.bytes.subarray(19))
  if ('remedy' in open) throw new Error(open.why)
  return open.capabilities.find(({ type }) => type === 'graceful-restart') as never
}

test('RFC 4724 §3: our OPEN names every family, and a restart time of twelve bits', t => {
  t.is(offered()?.restartSeconds, 120)
  t.deepEqual(
    offered()?.families.map(({ afi }) => afi),
    [1, 2],
  )
  t.is(offered({ ...CONFIG, restart: seconds(9999) })?.restartSeconds, 4095)
  t.is(offered({ ...CONFIG, restart: millis(1999) })?.restartSeconds, 1)
})

test('RFC 4724 §3: without a restart time no family is named, but others are kept', t => {
  const { restart: _restart, ...silent } = CONFIG
  t.like(offered(silent), { restartSeconds: 0, families: [] })
  const { session, record } = reach('Established', silent, PLAIN)
  session.closed(OWN, 'reset', START)
  t.true(record.downs[0]!.kept)
})

test('RFC 4724 §3: what the peer offers is negotiated as far as both have the family', t => {
  const six = { afi: 2, safi: 1, forwarding: false }
  const all = { ...RESTART, families: [six, ...RESTART.families, { ...six, afi: 25 }] }
  const both = reach('Established', CONFIG, openWith({ ...RESTART, families: [] }, all))
  t.deepEqual(both.session.negotiated?.gracefulRestart, {
    restartSeconds: 90,
    restarting: false,
    notification: false,
    families: ['ipv4', 'ipv6'],
    forwarding: ['ipv4'],
  })
  const one = reach('Established', { ...CONFIG, families: ['ipv4'] }, openWith(all))
  t.deepEqual(one.session.negotiated?.gracefulRestart?.families, ['ipv4'])
  t.is(reach('Established').session.negotiated?.gracefulRestart, undefined)
})

interface End {
  readonly open: Open
  readonly by: 'loss' | 'received' | 'sent' | 'silence'
  readonly with?: Notification
  readonly kept: boolean
}

const ends = test.macro((t, { open, by, with: reason = notification(5, 0), kept }: End) => {
  const { session, record } = reach('Established', CONFIG, open)
  if (by === 'loss') session.closed(OWN, 'connection reset', START)
  if (by === 'received') session.received(OWN, encodeNotification(reason), START)
  if (by === 'sent') session.reset(OWN, reason, 'for a reason', START)
  if (by === 'silence') session.tick(after(START, seconds(91)))
  t.is(record.downs.length, 1)
  t.is(record.downs[0]!.kept, kept)
})
const shutdown = cease(CEASE.ADMINISTRATIVE_SHUTDOWN)
const reset = cease(CEASE.ADMINISTRATIVE_RESET)
test('RFC 4724 §4.2: a lost connection keeps routes', ends, { open: PLAIN, by: 'loss', kept: true })
test('RFC 4724 §4.2: not those of a peer that does not offer it', ends, {
  open: PEER,
  by: 'loss',
  kept: false,
})
test('RFC 4724 §4.2: a NOTIFICATION from the peer keeps nothing', ends, {
  open: PLAIN,
  by: 'received',
  with: reset,
  kept: false,
})
test('RFC 4724 §4.2: our own NOTIFICATION keeps nothing', ends, {
  open: PLAIN,
  by: 'sent',
  kept: false,
})
test('RFC 4724 §4.2: a hold timer that runs out keeps nothing', ends, {
  open: PLAIN,
  by: 'silence',
  kept: false,
})
test('RFC 8538 §4: with N on both sides a NOTIFICATION keeps routes', ends, {
  open: THROUGH_NOTIFICATIONS,
  by: 'received',
  with: reset,
  kept: true,
})
test('RFC 8538 §4: with N on both sides our own NOTIFICATION keeps routes', ends, {
  open: THROUGH_NOTIFICATIONS,
  by: 'sent',
  kept: true,
})
test('a hold timer that runs out keeps nothing, with N on both sides either', ends, {
  open: THROUGH_NOTIFICATIONS,
  by: 'silence',
  kept: false,
})
test('RFC 8538 §3.1: a Hard Reset keeps nothing', ends, {
  open: THROUGH_NOTIFICATIONS,
  by: 'received',
  with: hardReset(shutdown),
  kept: false,
})
const stops = test.macro((t, open: Open, subcode: number, hard: boolean) => {
  const { session, record } = reach('Established', CONFIG, open)
  session.stop(cease(subcode), START)
  const said = farewell(record)!
  t.like(said, { code: 6, subcode: hard ? CEASE.HARD_RESET : subcode })
  t.is(insideHardReset(said)?.subcode, hard ? subcode : undefined)
  t.is(record.downs[0]!.kept, open === THROUGH_NOTIFICATIONS && !hard)
})
const SHUTDOWN = CEASE.ADMINISTRATIVE_SHUTDOWN
const CHANGED = CEASE.OTHER_CONFIGURATION_CHANGE
test('RFC 8538 §5.1: a shutdown is a Hard Reset', stops, THROUGH_NOTIFICATIONS, SHUTDOWN, true)
test('RFC 8538 §5.1: so is the end of a peer', stops, THROUGH_NOTIFICATIONS, 3, true)
test('RFC 8538 §5.1: so are too many prefixes', stops, THROUGH_NOTIFICATIONS, 1, true)
test('RFC 8538 §5.1: a changed configuration is none', stops, THROUGH_NOTIFICATIONS, CHANGED, false)
test('RFC 8538 §2: without N there is no Hard Reset', stops, PLAIN, SHUTDOWN, false)

test('RFC 8538 §3.1: a Hard Reset for too many prefixes means waiting, as the Cease alone', t => {
  const { session } = reach('Established', CONFIG, THROUGH_NOTIFICATIONS)
  session.received(OWN, encodeNotification(hardReset(notification(6, 1))), START)
  t.is(session.state, 'Idle')
  t.is(session.lastError?.text, 'Cease, Hard Reset: Cease, Maximum Number of Prefixes Reached')
})

const returns = test.macro((t, open: Open, seconds_: number, taken: boolean) => {
  const { session, record } = reach('Established', CONFIG, open)
  const now = after(START, seconds(seconds_))
  session.accepted(THEIRS, now)
  session.received(THEIRS, encodeOpen(open), now)
  session.received(THEIRS, encodeKeepalive(), now)
  t.is(session.state, 'Established')
  t.is(record.downs.length, taken ? 1 : 0)
  t.deepEqual(record.closes, [taken ? OWN : THEIRS])
  if (!taken) return
  t.true(record.downs[0]!.kept)
  t.is(record.ups.at(-1)!.connection, THEIRS)
  const onOld = record.sent.filter(({ connection }) => connection === OWN)
  t.true(onOld.every(({ bytes }) => bytes[18] !== 3, 'without a NOTIFICATION'))
})
test('RFC 4724 §5: an OPEN takes the place of an Established session', returns, PLAIN, 5, true)
test('RFC 4724 §5: not without the capability', returns, PEER, 5, false)
test('RFC 4271 §6.8: not while it may be a collision', returns, PLAIN, 0.9, false)

test('RFC 4724 §5: a connection alone takes no place, nor an OPEN that is refused', t => {
  const { session, record } = reach('Established', CONFIG, PLAIN)
  const now = after(START, seconds(60))
  session.accepted(THEIRS, now)
  session.received(THEIRS, encodeOpen({ ...PLAIN, asn: 65009, capabilities: [] }), now)
  t.deepEqual(record.closes, [THEIRS])
  t.is(record.downs.length, 0)
  t.is(session.state, 'Established')
})

test('RFC 4724 §5: our own connection takes no place of the peer\u2019s', t => {
  const { session, record } = reach('OpenSent', { ...CONFIG, routerId: 1 }, PLAIN)
  session.accepted(THEIRS, START)
  session.received(THEIRS, encodeOpen(PLAIN), START)
  session.received(THEIRS, encodeKeepalive(), START)
  t.is(session.state, 'Established')
  t.true(record.closes.includes(OWN))
  t.is(record.downs.length, 0)
})

test('RFC 4724 §3: R and F are asked for when an OPEN is sent, not before', t => {
  const record = new Recorder()
  let standing = { restarting: true, forwarding: false }
  const session = new PeerSession(CONFIG, record, {
    chance: new Prng(7),
    nextConnection: evenIds(),
    standing: () => standing,
  })
  session.start(START)
  standing = { restarting: false, forwarding: true }
  session.connected(OWN, START)
  const open = decodeOpen(record.sent[0]!.bytes.subarray(19))
  if ('remedy' in open) throw new Error(open.why)
  t.like(
    open.capabilities.find(({ type }) => type === 'graceful-restart'),
    {
      restarting: false,
      families: [
        { afi: 1, safi: 1, forwarding: true },
        { afi: 2, safi: 1, forwarding: true },
      ],
    },
  )
})
