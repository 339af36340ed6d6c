import type { Millis } from '../../base/index.ts'
import type { Address } from '../../net/index.ts'
import type { PeerConfig } from '../../speaker/index.ts'

/** One session of a node as the resources ask for it, with where it comes from. */
export interface Neighbour {
  /** what the speaker is to be told, unless `withheld` */
  readonly config: PeerConfig
  /** the key of the BGPPeer; absent: the mesh */
  readonly resource?: string
  /** that BGPPeer names this node as the peer of another */
  readonly reverse: boolean
  readonly password: 'none' | 'set' | 'missing'
  /** as the resource says it; absent: it does not, and the default is used */
  readonly restartTime?: Millis
  /** names of BGPFilters, in order */
  readonly filters: readonly string[]
  /** the gateway of a host route to the peer */
  readonly reachableBy?: Address
  /** why there is to be no session for now */
  readonly withheld?: string
}
