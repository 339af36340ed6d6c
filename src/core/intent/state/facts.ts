import type { Millis } from '../../base/index.ts'
import type { DataplaneSnapshot } from '../../dataplane/index.ts'
import type { SpeakerSnapshot } from '../../speaker/index.ts'
import type { Desired } from '../types.ts'
import type { AgentDocument, AgentMode } from './documents.ts'
import type { Instant } from './instant.ts'

/** What documents for operators are made of. */

/** All that a node can say of itself. */
export interface StatusFacts {
  readonly node: string
  readonly version: string
  readonly mode: AgentMode
  readonly startedAt: Millis
  readonly processes: AgentDocument['processes']
  readonly store: {
    readonly kind: 'etcd' | 'directory'
    readonly state: 'fresh' | 'lost'
    readonly since: Millis
    readonly why?: string
    readonly revision?: number
    readonly savedAt?: Instant
  }
  /** why what the store says is not followed; absent: it is */
  readonly held?: { readonly since: Millis; readonly why: string }
  /** absent before the store's first answer */
  readonly desired?: Desired
  /** absent while there is no link to the speaker, or no answer yet */
  readonly speaker?: SpeakerSnapshot
  readonly dataplane?: DataplaneSnapshot
  /** what the kernel dropped of late, of whichever peer, for its TCP MD5 signature */
  readonly signatures?: {
    readonly unsigned: boolean
    readonly unexpected: boolean
    readonly wrong: boolean
  }
  /**
   * Wall clock less monotonic clock, in milliseconds. Take it once a process: a new one each time
   * would move every instant a little, and so rewrite every document.
   */
  readonly epochOffset: number
}
