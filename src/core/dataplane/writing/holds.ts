import { after, type Millis, millis, NEVER, type Prng } from '../../base/index.ts'
import { errnoText } from '../../rtnl/index.ts'
import type { KernelOutput, Refusal } from '../ports.ts'
import type { Groups, Hold } from '../table/groups.ts'

/** Next hops that the kernel refuses: one route tries for all that go the same way. */

/** Between two attempts, before jitter; doubled each time. */
const RETRY_MIN = millis(100)
const RETRY_MAX = millis(10_000)

/** For so long after a link came up or an address was given, attempts are not spaced further. */
const EAGER = millis(2_000)

/** The pause before attempt `attempts + 1`: doubled each time, a quarter of it by chance. */
export function backOff(attempts: number, chance: Prng): Millis {
  const pause = Math.min(RETRY_MIN * 2 ** (attempts - 1), RETRY_MAX)
  return millis(pause * (0.75 + chance.next() / 4))
}

/** The holds of all groups. Their number is that of the groups that fail. */
export class Holds {
  readonly #groups: Groups
  readonly #output: KernelOutput
  readonly #chance: Prng
  #betterAt: Millis = millis(Number.NEGATIVE_INFINITY)

  constructor(groups: Groups, output: KernelOutput, chance: Prng) {
    this.#groups = groups
    this.#output = output
    this.#chance = chance
  }

  /** When a hold is due; NEVER when there is none. O(groups that fail). */
  get next(): Millis {
    let next = NEVER
    for (const id of this.#groups.held) {
      const hold = this.#groups.get(id).hold
      // a probe that is on its way ends with its answer
      if (hold !== undefined && hold.state !== 'probing' && hold.until < next) next = hold.until
    }
    return next
  }

  /** Why a route through `group` has to wait, or 0: it may go, and the first one goes for all. */
  blocks(group: number): number {
    const hold = this.#groups.get(group).hold
    if (hold === undefined) return 0
    if (hold.state !== 'open') return hold.errno
    hold.state = 'probing'
    return 0
  }

  /** The kernel refused the route `code` through `group`, because of the way. */
  refused(group: number, code: number, refusal: Omit<Refusal, 'at'>, now: Millis): void {
    const { hold, text } = this.#groups.get(group)
    // the others of the same batch say the same again
    if (hold?.state === 'closed') return
    const error = refusal.text ?? errnoText(refusal.errno)
    if (hold?.errno !== refusal.errno)
      this.#output.note({ code: 'NEXT_HOP_REFUSED', hops: text, error })
    const attempts = now - this.#betterAt < EAGER ? 1 : (hold?.attempts ?? 0) + 1
    const until = after(now, backOff(attempts, this.#chance))
    this.#groups.hold(group, {
      errno: refusal.errno,
      text: error,
      attempts,
      until,
      probe: code,
      state: 'closed',
    })
  }

  /** The kernel took a route through `group`. True when it was held: the others may go. */
  taken(group: number): boolean {
    const { hold, text } = this.#groups.get(group)
    if (hold === undefined) return false
    this.#groups.release(group)
    this.#output.note({ code: 'NEXT_HOP_BACK', hops: text })
    return true
  }

  /** The answer to a route says nothing of its way: if it tried for all, the others may. */
  undecided(group: number, now: Millis): void {
    const { hold } = this.#groups.get(group)
    if (hold?.state !== 'probing') return
    hold.state = 'open'
    hold.until = now
  }

  /** A link or an address is there that was not: what failed may work. */
  better(now: Millis): void {
    this.#betterAt = now
    for (const id of this.#groups.held) {
      const hold = this.#groups.get(id).hold
      if (hold?.state === 'closed') hold.until = now
    }
  }

  /**
   * Opens the holds that are due: `probe` is asked to send the route that tries for all and answers
   * whether it can. Where it cannot, or nothing came of it, the group is free: all may try.
   */
  due(now: Millis, probe: (hold: Hold, group: number) => boolean): boolean {
    let freed = false
    for (const id of [...this.#groups.held]) {
      const hold = this.#groups.get(id).hold
      if (hold === undefined || hold.until > now || hold.state === 'probing') continue
      const again = hold.state === 'closed'
      hold.state = 'open'
      hold.until = after(now, RETRY_MAX)
      if (again && probe(hold, id)) continue
      this.#groups.release(id)
      freed = true
    }
    return freed
  }
}
