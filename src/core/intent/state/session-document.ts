import type { Instant } from './instant.ts'

/** What an operator reads of a neighbour. */

/** One neighbour. */
export interface SessionDocument {
  readonly node: string
  readonly name: string
  readonly peerAddress: string
  readonly peerPort: number
  readonly peerAsNumber: number
  readonly localAsNumber: number
  readonly type: 'iBGP' | 'eBGP'
  /** both ends sign with a password; absent: nobody does. RFC 2385 */
  readonly authentication?: 'TCP MD5'
  /** most hops to the peer; absent: any number. RFC 5082 */
  readonly ttlSecurity?: number
  /** RFC 4271 §8.2.2 */
  readonly state: string
  readonly since: Instant
  /** while Established */
  readonly negotiated?: {
    /** the peer's BGP Identifier */
    readonly routerId: string
    readonly holdTime: string
    readonly keepaliveTime: string
    readonly families: readonly string[]
    readonly fourOctetAs: boolean
    readonly routeRefresh: boolean
    /** the beginning and the end of a refresh are marked. RFC 7313 */
    readonly enhancedRefresh: boolean
    /** octets of the longest message. RFC 8654 */
    readonly messageMax: number
    /** families in which the peer sends several paths of a prefix. RFC 7911 */
    readonly addPathReceive: readonly string[]
    /** families in which it is sent several */
    readonly addPathSend: readonly string[]
    /** IPv4 routes may have IPv6 next hops. RFC 8950 */
    readonly extendedNextHop: boolean
    /** its families whose routes are kept as a last resort, and how long. RFC 9494 */
    readonly longLived: readonly {
      readonly family: string
      readonly staleTime: string
      readonly forwarding: boolean
    }[]
    /** what the peer is to us, by its own word. RFC 9234 */
    readonly peerRole?: string
    /** what the peer offers; absent where it offers nothing. RFC 4724, RFC 8538 */
    readonly gracefulRestart?: {
      /** for how long its routes are kept when it goes away */
      readonly restartTime: string
      /** families whose routes are kept */
      readonly families: readonly string[]
      /** of those, forwarded through its last restart */
      readonly forwarding: readonly string[]
      /** it had just restarted when the session began */
      readonly restarting: boolean
      /** routes are kept through a NOTIFICATION too */
      readonly notification: boolean
    }
  }
  /** what the OPENs of the present connection offered, in words */
  readonly capabilities: {
    readonly offered: readonly string[]
    readonly received: readonly string[]
  }
  /** when routes that the peer has not repeated go; absent while there are none */
  readonly staleUntil?: Instant
  /** while Established, and while routes of the peer are kept */
  readonly prefixes: readonly {
    readonly family: string
    /** said by the peer */
    readonly received: number
    /** of those, not refused by import rules */
    readonly accepted: number
    /** of those received, not repeated since it went away, or began to say all again */
    readonly stale: number
    /** when the stale ones, which are a last resort by now, go. RFC 9494 */
    readonly longLivedUntil?: Instant
    /** the peer has said all that it has */
    readonly endOfRib: boolean
    /** of those, best here */
    readonly best: number
    readonly advertised: number
  }[]
  /** the range of the node's configuration that it came from; absent where a resource names it */
  readonly range?: string
  /** where it stands with its limits, while Established */
  readonly limits: readonly LimitDocument[]
  /** there is no session because of a limit, and until when; without: until it is changed */
  readonly suspended?: { readonly why: string; readonly until?: Instant }
  /** since the peer was configured */
  readonly counters: {
    readonly established: number
    readonly messagesReceived: number
    readonly messagesSent: number
    readonly updatesReceived: number
    readonly updatesSent: number
    readonly notificationsReceived: number
    readonly notificationsSent: number
    readonly octetsReceived: number
    readonly octetsSent: number
  }
  /** malformed UPDATEs by what was done about them. RFC 7606 */
  readonly updateFaults: {
    readonly attributeDiscard: number
    readonly treatAsWithdraw: number
    readonly sessionReset: number
    /** the last ones, the newest last */
    readonly recent: readonly FaultDocument[]
  }
  /** why the session last ended, or last could not begin */
  readonly lastError?: SessionErrorDocument
  /** what else may be the reason, while it is not Established */
  readonly hint?: string
}

/** What was wrong with an UPDATE. */
export interface FaultDocument {
  readonly at: Instant
  /** what was done about it. RFC 7606 §2 */
  readonly remedy: string
  readonly why: string
  /** the beginning of the attribute that it is about, or of the UPDATE; hexadecimal */
  readonly octets: string
  /** how many there were */
  readonly octetsTotal: number
}

/** How many prefixes of a family are too many. */
export interface LimitDocument {
  /** received, accepted, announced */
  readonly which: string
  readonly family: string
  readonly count: number
  readonly most: number
  /** beyond that: warn, block, restart, disable */
  readonly action: string
  /** within, near, passed */
  readonly standing: string
  /** routes left out by `block` since the peer was last asked for all */
  readonly left: number
}

/** How a session ended. */
export interface SessionErrorDocument {
  /** we sent the NOTIFICATION, the peer did, or there was none */
  readonly direction: 'sent' | 'received' | 'local'
  /** of the NOTIFICATION. RFC 4271 §4.5 */
  readonly code?: number
  readonly subcode?: number
  readonly text: string
  readonly at: Instant
  /** why the last attempt since has failed */
  readonly later?: { readonly text: string; readonly at: Instant }
}
