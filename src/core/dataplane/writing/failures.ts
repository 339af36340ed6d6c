import { after, type Millis, millis, NEVER, type Prng } from '../../base/index.ts'
import type { Prefix, PrefixId } from '../../net/index.ts'
import { errnoText, isShared } from '../../rtnl/index.ts'
import type { KernelOutput, Refusal } from '../ports.ts'
import type { RouteTable, Shared } from '../table/route-table.ts'
import { backOff } from './holds.ts'

/** What the kernel refused: counted, told, and when to try again. */

/** A retry that follows the last one by more than this starts over with short pauses. */
const RETRIES_FORGET = millis(60_000)

/** The last route that the kernel refused. */
export interface LastFailure {
  readonly prefix: Prefix
  readonly error: string
  readonly at: Millis
}

/** Refusals of routes. One timer for all that were refused for reasons of their own. */
export class Failures {
  /** ever */
  total = 0
  last: LastFailure | undefined
  readonly #shared: Shared
  readonly #output: KernelOutput
  readonly #chance: Prng
  #retryAt: Millis = NEVER
  #retries = 0
  #retriedAt: Millis = millis(0)

  constructor(shared: Shared, output: KernelOutput, chance: Prng) {
    this.#shared = shared
    this.#output = output
    this.#chance = chance
  }

  /** When rows that were refused for reasons of their own are to be tried again. */
  get next(): Millis {
    return this.#retryAt
  }

  /** True when that time has come; once. */
  due(now: Millis): boolean {
    if (now < this.#retryAt) return false
    this.#retryAt = NEVER
    this.#retriedAt = now
    return true
  }

  /** A row was refused for a reason of its own. */
  retry(now: Millis): void {
    if (this.#retryAt !== NEVER) return
    this.#retries = now - this.#retriedAt > RETRIES_FORGET ? 1 : this.#retries + 1
    this.#retryAt = after(now, backOff(this.#retries, this.#chance))
  }

  count(table: RouteTable, row: PrefixId, refusal: Omit<Refusal, 'at'>, now: Millis): void {
    const error = refusal.text ?? errnoText(refusal.errno)
    const prefix = table.prefixes.text(row)
    this.total++
    this.#shared.version++
    this.last = { prefix, error, at: now }
    // of a next hop that fails, the hold tells once for all
    if (!isShared(refusal.errno)) this.#output.note({ code: 'ROUTE_REFUSED', prefix, error })
  }
}
