import type { PeerId } from '../rows.ts'
import type { Feed } from './feed.ts'

/** A member of an update group, and how far it is. */

/** Who is sent something, and where messages go. */
export interface Member {
  readonly peer: PeerId
  /**
   * Takes whole messages, one behind the other. They are shared with other members: nobody may
   * write into them
   */
  send(messages: Uint8Array): void
}

/** What is sent before and after all that is said again. RFC 7313 §4 */
export interface RefreshMarks {
  readonly begins: Uint8Array
  readonly ends: Uint8Array
}

/**
 * The place of one member in the stream of its group: a feed for each plane, and what is owed once
 * all of them are through.
 *
 * RFC 7313 §4: the beginning of a refresh is not marked before End-of-RIB was sent, so a refresh
 * with marks waits for that; one that is asked for while another runs comes after it.
 */
export class Stream {
  readonly member: Member
  /** in the order of the group's planes */
  readonly feeds: Feed[] = []
  /** its socket is full */
  congested = false
  /** owed at the end of the first walk */
  endOfRib = true
  /** a refresh that is to begin, and the one that runs */
  #asked: RefreshMarks | undefined
  #running: RefreshMarks | undefined

  constructor(member: Member) {
    this.member = member
  }

  /** True when the member holds what the columns say. */
  get complete(): boolean {
    for (const feed of this.feeds) if (!feed.complete) return false
    return true
  }

  /** True when the member is sent what the group says, as all others in step are. */
  get inStep(): boolean {
    return !this.congested && this.complete
  }

  /**
   * The member asked for everything again: RFC 2918. It may have to wait. O(1).
   */
  refresh(marks?: RefreshMarks): void {
    if (marks === undefined) for (const feed of this.feeds) feed.refresh()
    else this.#asked = marks
  }

  /** True where a mark is to be sent, now or when all is said. */
  get markDue(): boolean {
    return this.#running !== undefined || (this.#asked !== undefined && !this.endOfRib)
  }

  /** Sends what a refresh begins with, where one may begin now. */
  begin(): void {
    if (this.#asked === undefined || this.#running !== undefined || this.endOfRib) return
    this.#running = this.#asked
    this.#asked = undefined
    this.member.send(this.#running.begins)
    for (const feed of this.feeds) feed.refresh()
  }

  /** Sends what a refresh ends with, where all has been said. */
  end(): void {
    if (this.#running === undefined || !this.complete) return
    this.member.send(this.#running.ends)
    this.#running = undefined
  }

  /** The member has come over from another group. */
  adopt(from: Stream): void {
    this.congested = from.congested
    this.endOfRib = from.endOfRib
    this.#asked = from.#asked
    this.#running = from.#running
  }

  /** The member has gone. */
  clear(): void {
    for (const feed of this.feeds) feed.clear()
  }
}
