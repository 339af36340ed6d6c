import type { SessionDocument } from '../../../core/intent/index.ts'
import { parseAddress } from '../../../core/net/index.ts'
import type { Terminal } from '../../../shell/terminal/index.ts'
import { age, type Column, count, deadline, facts, moment, paint, since, table } from '../output.ts'
import { peerType, sessionInfo, sessionMood, sessionSummary } from './health.ts'

/**
 * `martlet peers`: the neighbours as `calicoctl node status` tells them, and one of them in
 * full.
 */

/**
 * All sessions, IPv4 neighbours first. `severalNodes` adds a column that says whose each one is.
 */
export function tabulateSessions(
  terminal: Terminal,
  sessions: readonly SessionDocument[],
  options: { readonly now: Date; readonly wide: boolean; readonly severalNodes: boolean },
): string {
  return (['IPv4', 'IPv6'] as const)
    .map(family => {
      const own = sessions.filter(one => one.peerAddress.includes(':') === (family === 'IPv6'))
      if (own.length === 0) return `${family} BGP status\nNo ${family} peers found.`
      const columns = sessionColumns(options.now, options.severalNodes)
      return `${family} BGP status\n${table(terminal, columns, own, options.wide)}`
    })
    .join('\n\n')
}

function sessionColumns(now: Date, severalNodes: boolean): Column<SessionDocument>[] {
  const sum = (session: SessionDocument, what: 'received' | 'advertised'): string =>
    String(session.prefixes.reduce((total, family) => total + family[what], 0))
  const node: Column<SessionDocument> = { heading: 'NODE', text: session => session.node }
  return [
    ...(severalNodes ? [node] : []),
    { heading: 'PEER ADDRESS', text: peerAddress },
    { heading: 'PEER TYPE', text: session => peerType(session.name) },
    {
      heading: 'STATE',
      text: session => sessionSummary(session.state),
      mood: session => sessionMood(session.state),
    },
    { heading: 'SINCE', text: session => since(session.since, now) },
    { heading: 'AS', text: session => String(session.peerAsNumber), wide: true },
    { heading: 'FOR', text: session => age(session.since, now), wide: true },
    { heading: 'RECEIVED', text: session => sum(session, 'received'), wide: true },
    { heading: 'ADVERTISED', text: session => sum(session, 'advertised'), wide: true },
    { heading: 'NAME', text: session => session.name, wide: true },
    { heading: 'INFO', text: sessionInfo, yields: true },
  ]
}

/** The address, with the port where it is not BGP's own. */
const peerAddress = ({ peerAddress, peerPort }: SessionDocument): string => {
  if (peerPort === 179) return peerAddress
  return peerAddress.includes(':') ? `[${peerAddress}]:${peerPort}` : `${peerAddress}:${peerPort}`
}

/** Whether `asked` names a session, or is the address of its peer. */
export const isCalled = (session: SessionDocument, asked: string): boolean =>
  session.name === asked || session.peerAddress === (parseAddress(asked) ?? asked)

/** One session in full. */
export function describeSession(terminal: Terminal, session: SessionDocument, now: Date): string {
  const state = paint(terminal, sessionMood(session.state), session.state)
  const sections = [
    [
      `${peerAddress(session)} at ${session.node}`,
      facts([
        ['Name', `${session.name} (${peerType(session.name)})`],
        ['State', `${state} since ${moment(session.since, now)}`],
        ['Routes kept', session.staleUntil && `until ${deadline(session.staleUntil, now)}`],
        ['AS', `${session.peerAsNumber}, ours ${session.localAsNumber}: ${session.type}`],
        ['Secured by', securityText(session)],
        ['Established', `${count(session.counters.established, 'time')} since it was configured`],
        ['Range', session.range],
        ['Suspended', suspensionText(session, now)],
        ['Last error', session.lastError?.text ?? 'none'],
        ['Told by', toldBy(session, now)],
        ['Since then', laterText(session, now)],
        ['Hint', session.hint],
      ]),
    ],
    ['Negotiated', negotiatedFacts(session)],
    ['Capabilities of our OPEN', capabilityLines(session.capabilities.offered)],
    ['Capabilities of its OPEN', capabilityLines(session.capabilities.received)],
    ['Prefixes', prefixTable(terminal, session, now)],
    ...(session.limits?.length > 0 ? [['Limits', limitTable(terminal, session)]] : []),
    ['Messages', messageTable(terminal, session)],
    ['Faults in UPDATEs', faultFacts(session, now)],
  ]
  return sections.map(([heading, body]) => `${heading}\n${indent(body ?? '')}`).join('\n\n')
}

/** Why there is no session, and for how long. */
function suspensionText({ suspended }: SessionDocument, now: Date): string | undefined {
  if (suspended === undefined) return undefined
  const { why, until } = suspended
  const end = until === undefined ? 'the limit is changed' : deadline(until, now)
  return `${why}, until ${end}`
}

/** How strangers are kept out. */
function securityText({ authentication, ttlSecurity }: SessionDocument): string | undefined {
  const hops = ttlSecurity && `at most ${count(ttlSecurity, 'hop')}`
  return [authentication, hops].filter(part => part !== undefined).join(', ') || undefined
}

const indent = (text: string): string => text.replace(/^(?=.)/gm, '  ')

/** Who found the last error, by which NOTIFICATION the other was told, and when. */
function toldBy({ lastError }: SessionDocument, now: Date): string | undefined {
  if (lastError === undefined) return undefined
  const { direction, code, subcode, at } = lastError
  const who = { sent: 'us', received: 'the peer', local: 'nobody' }[direction]
  const how = code === undefined ? 'no NOTIFICATION' : `NOTIFICATION ${code}/${subcode ?? 0}`
  return `${who}, ${how}, ${moment(at, now)}`
}

function negotiatedFacts({ negotiated }: SessionDocument): string {
  if (negotiated === undefined) return 'nothing: the session is not Established'
  const yes = (holds: boolean): string => (holds ? 'yes' : 'no')
  return facts([
    ['Router id', negotiated.routerId],
    ['Hold time', `${negotiated.holdTime}, keepalive every ${negotiated.keepaliveTime}`],
    ['Families', negotiated.families.join(', ')],
    ['Four-octet AS', yes(negotiated.fourOctetAs)],
    ['Route refresh', refreshText(negotiated)],
    ['Longest message', `${negotiated.messageMax} octets`],
    ['Several paths', severalText(negotiated)],
    ['IPv6 next hops', yes(negotiated.extendedNextHop)],
    ['It is to us', negotiated.peerRole],
    ['Graceful restart', restartText(negotiated.gracefulRestart)],
    ['Long-lived', longLivedText(negotiated)],
  ])
}

type Negotiated = NonNullable<SessionDocument['negotiated']>

/** RFC 2918, RFC 7313 */
function refreshText({ routeRefresh, enhancedRefresh }: Negotiated): string {
  if (!routeRefresh) return 'no'
  return enhancedRefresh ? 'yes, its beginning and end are marked' : 'yes'
}

/** RFC 7911 */
function severalText({ addPathReceive, addPathSend }: Negotiated): string {
  const parts = [
    ...(addPathReceive.length > 0 ? [`from it: ${addPathReceive.join(', ')}`] : []),
    ...(addPathSend.length > 0 ? [`to it: ${addPathSend.join(', ')}`] : []),
  ]
  return parts.join('; ') || 'no'
}

/** RFC 9494 */
const longLivedText = ({ longLived }: Negotiated): string =>
  longLived.map(({ family, staleTime }) => `${family} for ${staleTime}`).join(', ') || 'no'

const capabilityLines = (capabilities: readonly string[]): string =>
  capabilities.join('\n') || 'none: there is no connection with an OPEN'

function laterText({ lastError }: SessionDocument, now: Date): string | undefined {
  const later = lastError?.later
  return later && `${later.text}, ${moment(later.at, now)}`
}

/** RFC 4724, RFC 8538: what becomes of the peer's routes when it goes away. */
function restartText(restart: Negotiated['gracefulRestart']): string {
  if (restart === undefined) return 'no'
  const { families, restartTime, notification, restarting } = restart
  const kept =
    families.length === 0
      ? 'its routes are not kept, it keeps ours'
      : `its ${families.join(', ')} routes are kept for ${restartTime}`
  return [
    kept,
    ...(families.length > 0 && notification ? ['through a NOTIFICATION too'] : []),
    ...(restarting ? ['it had just restarted'] : []),
  ].join(', ')
}

function prefixTable(terminal: Terminal, { prefixes }: SessionDocument, now: Date): string {
  if (prefixes.length === 0) return 'none'
  // RFC 9494: stale ones of a peer that has been away for long
  const lastResort = ({ longLivedUntil: until }: (typeof prefixes)[number]): string =>
    until === undefined ? 'no' : `until ${deadline(until, now)}`
  const isKept = prefixes.some(({ longLivedUntil }) => longLivedUntil !== undefined)
  return table(
    terminal,
    [
      { heading: 'FAMILY', text: row => row.family },
      { heading: 'RECEIVED', text: row => String(row.received) },
      { heading: 'ACCEPTED', text: row => String(row.accepted) },
      { heading: 'STALE', text: row => String(row.stale) },
      ...(isKept ? [{ heading: 'LAST RESORT', text: lastResort }] : []),
      { heading: 'COMPLETE', text: row => (row.endOfRib ? 'yes' : 'no') },
      { heading: 'BEST', text: row => String(row.best) },
      { heading: 'ADVERTISED', text: row => String(row.advertised) },
    ],
    prefixes,
  )
}

function limitTable(terminal: Terminal, { limits }: SessionDocument): string {
  return table(
    terminal,
    [
      { heading: 'LIMIT', text: row => `${row.family} ${row.which}` },
      { heading: 'COUNT', text: row => String(row.count) },
      { heading: 'MOST', text: row => String(row.most) },
      { heading: 'BEYOND', text: row => row.action },
      { heading: 'LEFT OUT', text: row => String(row.left) },
      {
        heading: 'STANDING',
        text: row => row.standing,
        mood: row => (row.standing === 'within' ? 'good' : 'bad'),
      },
    ],
    limits,
  )
}

function messageTable(terminal: Terminal, { counters }: SessionDocument): string {
  const rows = [
    ['messages', counters.messagesReceived, counters.messagesSent],
    ['updates', counters.updatesReceived, counters.updatesSent],
    ['notifications', counters.notificationsReceived, counters.notificationsSent],
    ['octets', counters.octetsReceived, counters.octetsSent],
  ] as const
  return table(
    terminal,
    [
      { heading: 'KIND', text: row => row[0] },
      { heading: 'RECEIVED', text: row => String(row[1]) },
      { heading: 'SENT', text: row => String(row[2]) },
    ],
    rows,
  )
}

/** How many there were, then the last ones, the newest first, each with its octets. */
function faultFacts({ updateFaults }: SessionDocument, now: Date): string {
  const counts = facts([
    ['attribute discarded', String(updateFaults.attributeDiscard)],
    ['treated as withdrawn', String(updateFaults.treatAsWithdraw)],
    ['session reset', String(updateFaults.sessionReset)],
  ])
  const recent = updateFaults.recent.toReversed().map(({ at, remedy, why, ...rest }) => {
    const { octets, octetsTotal } = rest
    const more = octetsTotal * 2 > octets.length ? `... of ${octetsTotal} octets` : ''
    return `${moment(at, now)}: ${remedy}: ${why}\n  ${octets}${more}`
  })
  return [counts, ...recent].join('\n')
}
