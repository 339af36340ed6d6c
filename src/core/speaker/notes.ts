import type { Millis } from '../base/index.ts'
import type { Address, Family, Prefix } from '../net/index.ts'
import type { FullTable } from '../rib/index.ts'
import type { SessionError, State } from '../session/index.ts'
import type { PrefixLimit, PrefixLimits } from './types.ts'

/** What the core of the BGP half reports: facts, that the edge makes lines of. */

/** A fact that the speaker reports; at the edge it becomes a log line. `code` is stable. */
export type SpeakerNote =
  | {
      readonly code: 'SESSION_STATE'
      readonly peer: string
      readonly from: State
      readonly to: State
      readonly why: string
    }
  | { readonly code: 'SESSION_UP'; readonly peer: string }
  | { readonly code: 'SESSION_DOWN'; readonly peer: string; readonly error: SessionError }
  /** the peer may be restarting: its routes stay for so long. RFC 4724 §4.2 */
  | {
      readonly code: 'ROUTES_KEPT'
      readonly peer: string
      readonly routes: number
      readonly keep: Millis
    }
  /** it did not come back in time, and they stay for so long as a last resort. RFC 9494 §4.2 */
  | {
      readonly code: 'ROUTES_LONG_LIVED'
      readonly peer: string
      readonly family: Family
      readonly routes: number
      readonly keep: Millis
    }
  /**
   * it is back and has said all, or was asked to and has: so many of them it did not say again. RFC
   * 4724 §4.2, RFC 7313 §4
   */
  | {
      readonly code: 'PEER_RESTARTED' | 'PEER_REFRESHED'
      readonly peer: string
      readonly family: Family
      readonly swept: number
    }
  /** a ROUTE-REFRESH that means nothing where it came. RFC 7313 §4, §5 */
  | {
      readonly code: 'REFRESH_IGNORED'
      readonly peer: string
      readonly family: Family
      readonly why: string
    }
  /** it did not come back, or did not say all, in time */
  | { readonly code: 'STALE_ROUTES_EXPIRED'; readonly peer: string; readonly routes: number }
  /** a limit of the peer is near, or passed; not said again before the count has gone down */
  | {
      readonly code: 'PREFIX_LIMIT_NEAR' | 'PREFIX_LIMIT_PASSED'
      readonly peer: string
      readonly which: keyof PrefixLimits
      readonly family: Family
      readonly count: number
      readonly most: number
      readonly action: PrefixLimit['action']
    }
  | { readonly code: 'CONNECTION_REFUSED'; readonly remote: Address; readonly why: string }
  | {
      readonly code: 'UPDATE_FAULT'
      readonly peer: string
      readonly remedy: string
      readonly why: string
    }
  | {
      readonly code: 'PEER_ADDED' | 'PEER_REMOVED' | 'PEER_RESET'
      readonly peer: string
      readonly why: string
    }
  /**
   * attributes that leave no room for a prefix in a message: the routes that have them are not sent
   */
  | { readonly code: 'ROUTE_DOES_NOT_FIT'; readonly peer: string; readonly prefix: Prefix }
  /**
   * routes whose next hop would be this node are not sent: it has no address of that family to name
   */
  | { readonly code: 'NEXT_HOP_MISSING'; readonly peer: string; readonly family: Family }
  /** paths of a prefix beyond what one peer may have are not taken; said once a session */
  | { readonly code: 'PATHS_LEFT_OUT'; readonly peer: string; readonly limit: number }
  | { readonly code: 'TABLE_FULL'; readonly limit: number; readonly why: string }

/** The note that there is no room: what follows of it, and in which table. */
export const tableFull = (what: string, { limit, of }: FullTable): SpeakerNote => ({
  code: 'TABLE_FULL',
  limit,
  why: `${what}: there is no room for more ${of}`,
})
