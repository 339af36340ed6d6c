import { millis, Prng } from '../../../src/core/base/index.ts'
import {
  type ConnectionId,
  PeerSession,
  type SessionConfig,
} from '../../../src/core/session/index.ts'
import {
  type Capability,
  decodeNotification,
  encodeKeepalive,
  encodeOpen,
  type Notification,
  type Open,
} from '../../../src/core/wire/index.ts'
import { asn, CONFIG, evenIds, Recorder } from './network.ts'

/** One session, and a peer that says what a test wants it to say. */

/** When everything begins. */
export const START = millis(1000)
/** The connection that the session opens. */
export const OWN = 2 as ConnectionId
/** One that the peer opens. */
export const THEIRS = 1 as ConnectionId

/** What the peer offers. */
export const CAPABILITIES: readonly Capability[] = [
  { type: 'multiprotocol', afi: 1, safi: 1 },
  { type: 'multiprotocol', afi: 2, safi: 1 },
  { type: 'route-refresh' },
  { type: 'four-octet-as', asn: asn(65002) },
]

/** The OPEN of a peer that agrees. */
export const PEER: Open = {
  type: 'OPEN',
  version: 4,
  asn: 65002,
  holdSeconds: 90,
  routerId: 0x0a000002,
  capabilities: CAPABILITIES,
}

/** How far a connection has come. */
export type Reached = 'Connect' | 'OpenSent' | 'OpenConfirm' | 'Established'

/** A session whose own connection has come as far as `state`. */
export function reach(state: Reached, config: SessionConfig = CONFIG, open: Open = PEER) {
  const record = new Recorder()
  const session = new PeerSession(config, record, {
    chance: new Prng(7),
    nextConnection: evenIds(),
  })
  session.start(START)
  if (state !== 'Connect') session.connected(OWN, START)
  if (state === 'OpenConfirm' || state === 'Established')
    session.received(OWN, encodeOpen(open), START)
  if (state === 'Established') session.received(OWN, encodeKeepalive(), START)
  return { session, record }
}

/** The NOTIFICATION that was sent last, if one was sent. */
export function farewell(record: Recorder): Notification | undefined {
  const bytes = record.sent.at(-1)?.bytes
  if (bytes?.[18] !== 3) return undefined
  const decoded = decodeNotification(bytes.subarray(19))
  return 'remedy' in decoded ? undefined : decoded
}

/** Whole messages in one chunk. */
export const together = (...messages: readonly Uint8Array[]): Uint8Array =>
  Uint8Array.from(messages.flatMap(message => [...message]))
