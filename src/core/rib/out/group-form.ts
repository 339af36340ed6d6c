import type { Interner } from '../../base/index.ts'
import type { LocRib } from '../loc-rib.ts'
import type { CeilingOf } from './ceiling.ts'
import type { MessageForm, Packer } from './packer.ts'
import type { SendPaths } from './selection.ts'

/** What an update group is made of. */

/** What a group works with, and shares with the others of its family. */
export interface GroupTables {
  readonly locRib: LocRib
  readonly outSets: Interner
  readonly packer: Packer
}

/** What the members of a group have in common, beside the rules of its exporter. */
export interface GroupForm extends MessageForm {
  /** only with `addPath`; absent: the best path alone */
  readonly sendPaths?: SendPaths
  /** absent: any number of paths */
  readonly ceiling?: CeilingOf
}
