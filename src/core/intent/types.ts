import type { DataplaneIntent } from '../dataplane/index.ts'
import type { SpeakerConfig } from '../speaker/index.ts'

/** What should be: the answer to "what do these resources mean for this node?" */

/** What this node should do. Lists are in canonical order, so that equality is the difference. */
export interface Desired {
  /** absent: the node has no object, or none that it could speak BGP with; `problems` says why */
  readonly speaker?: SpeakerConfig
  /** where to listen; empty with no speaker */
  readonly listen: readonly { readonly family: 'ipv4' | 'ipv6'; readonly port: number }[]
  readonly dataplane: DataplaneIntent
  readonly problems: readonly Problem[]
}

/** Something in the store that cannot be meant. It harms itself only. */
export interface Problem {
  /** the key or file of the object */
  readonly object: string
  /** the path of the field, `spec.peerIP`; empty for the whole object */
  readonly field: string
  /** what was found, why it is wrong, what to write instead */
  readonly reason: string
}
