import type { SessionError } from '../../core/session/index.ts'
import type { SpeakerNote } from '../../core/speaker/index.ts'
import type { Fields, LineLevel, Log } from './log.ts'

/** What the core reports, as lines. The only place where a note gets a level and a sentence. */

/** Writes `note` to `log`. */
export function logNote(log: Log, note: SpeakerNote): void {
  const { level, text, fields } = lineOf(note)
  log[level](note.code, text, fields)
}

interface Line {
  readonly level: LineLevel
  readonly text: string
  readonly fields: Fields
}

function lineOf(note: SpeakerNote): Line {
  switch (note.code) {
    case 'SESSION_STATE': {
      const { peer, from, to, why } = note
      return { level: 'debug', text: `${from} to ${to}: ${why}`, fields: { peer, from, to } }
    }
    case 'SESSION_UP':
      return { level: 'info', text: 'the session is Established', fields: { peer: note.peer } }
    case 'SESSION_DOWN':
      return { level: 'warn', text: describe(note.error), fields: { peer: note.peer } }
    case 'ROUTES_KEPT':
    case 'ROUTES_LONG_LIVED':
    case 'PEER_RESTARTED':
    case 'PEER_REFRESHED':
    case 'REFRESH_IGNORED':
    case 'STALE_ROUTES_EXPIRED':
      return lineOfKept(note)
    case 'PREFIX_LIMIT_NEAR':
    case 'PREFIX_LIMIT_PASSED': {
      const { peer, which, family, count, most, action } = note
      const near = note.code === 'PREFIX_LIMIT_NEAR'
      const text = near
        ? `${count} of at most ${most} ${family} prefixes are ${which}`
        : `the limit of ${most} ${family} prefixes ${which} is passed: ${BEYOND[action]}`
      return { level: 'warn', text, fields: { peer, which, family, count, most, action } }
    }
    case 'CONNECTION_REFUSED':
      return { level: 'warn', text: note.why, fields: { remote: note.remote } }
    case 'UPDATE_FAULT': {
      const { peer, remedy, why } = note
      return { level: 'warn', text: why, fields: { peer, remedy } }
    }
    case 'PEER_ADDED':
    case 'PEER_REMOVED':
    case 'PEER_RESET':
      return { level: 'info', text: note.why, fields: { peer: note.peer } }
    case 'ROUTE_DOES_NOT_FIT': {
      const { peer, prefix } = note
      const text = 'the attributes exceed a message, so the prefix is withdrawn from this peer'
      return { level: 'warn', text, fields: { peer, prefix } }
    }
    case 'NEXT_HOP_MISSING': {
      const { peer, family } = note
      const text =
        `${family} routes are not sent to this peer: the session has no ${family} address to ` +
        'name as next hop; give the node one'
      return { level: 'warn', text, fields: { peer, family } }
    }
    case 'PATHS_LEFT_OUT': {
      const { peer, limit } = note
      const text = 'the peer sends more paths of a prefix than are taken; the others are left out'
      return { level: 'warn', text, fields: { peer, limit } }
    }
    case 'TABLE_FULL':
      return { level: 'error', text: note.why, fields: { limit: note.limit } }
    default:
      return note satisfies never
  }
}

type KeptCode =
  | 'ROUTES_KEPT'
  | 'ROUTES_LONG_LIVED'
  | 'PEER_RESTARTED'
  | 'PEER_REFRESHED'
  | 'REFRESH_IGNORED'
  | 'STALE_ROUTES_EXPIRED'

type KeptNote = Extract<SpeakerNote, { readonly code: KeptCode }>

/** What is kept of peers that are away, or say all again. */
function lineOfKept(note: KeptNote): Line {
  switch (note.code) {
    case 'ROUTES_KEPT': {
      const { peer, routes, keep } = note
      const text = 'the peer may be restarting: its routes are kept'
      return { level: 'info', text, fields: { peer, routes, keepMs: keep } }
    }
    case 'ROUTES_LONG_LIVED': {
      const { peer, family, routes, keep } = note
      const text = 'the peer did not come back in time: its routes stay, as a last resort'
      return { level: 'warn', text, fields: { peer, family, routes, keepMs: keep } }
    }
    case 'PEER_RESTARTED': {
      const { peer, family, swept } = note
      const text = 'the peer is back and has said all; what it did not repeat goes'
      return { level: 'info', text, fields: { peer, family, swept } }
    }
    case 'PEER_REFRESHED': {
      const { peer, family, swept } = note
      const text = 'the peer has said all again; what it did not repeat goes'
      return { level: 'info', text, fields: { peer, family, swept } }
    }
    case 'REFRESH_IGNORED': {
      const { peer, family, why } = note
      return { level: 'warn', text: why, fields: { peer, family } }
    }
    case 'STALE_ROUTES_EXPIRED': {
      const { peer, routes } = note
      const text = 'routes that the peer did not repeat in time go'
      return { level: 'warn', text, fields: { peer, routes } }
    }
    default:
      return note satisfies never
  }
}

/** What becomes of a session that has passed a limit. */
const BEYOND = {
  warn: 'it goes on all the same',
  block: 'further ones are left out',
  restart: 'the session ends, and begins again later',
  disable: 'the session ends until its configuration changes',
} as const

function describe(error: SessionError): string {
  if (error.direction === 'local') return `the session ended: ${error.text}`
  const who = error.direction === 'sent' ? 'we ended the session' : 'the peer ended the session'
  return `${who}: ${error.text} (NOTIFICATION ${error.code}/${error.subcode})`
}
