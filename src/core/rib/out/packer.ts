import { grownInt32, type Interner } from '../../base/index.ts'
import type { PrefixId, PrefixTable } from '../../net/index.ts'
import { UpdateBuilder } from '../../wire/index.ts'
import { NO_OUT_SET, NONE, type OutSetId, type PeerId } from '../rows.ts'

/**
 * Rows into UPDATE messages, one message for as many rows of one attribute set as fit.
 */

/** Most rows that are gathered before they are packed. */
export const PACK_ROWS_MAX = 16_384

/** Octets of the longest prefix, IPv6. */
const PREFIX_OCTETS = 16

/** What messages are to be like: part of what two sessions agreed on. */
export interface MessageForm {
  /** octets of a message, header included */
  readonly messageMax: number
  /** prefixes have path identifiers. RFC 7911 */
  readonly addPath: boolean
}

/**
 * Gathers rows with what they are sent with, then writes messages: withdrawals first, then
 * announcements by attribute set in the order in which the sets came up. A message has one excluded
 * peer for all its rows.
 *
 *   entry   row, excluded peer, path identifier, next entry of its set (of the last: the first)
 *   set     its last entry, NONE while it has none
 */
export class Packer {
  readonly #sets: Interner
  readonly #builders = new Map<number, UpdateBuilder>()
  readonly #rows = new Int32Array(PACK_ROWS_MAX)
  readonly #excluded = new Uint16Array(PACK_ROWS_MAX)
  readonly #paths = new Uint8Array(PACK_ROWS_MAX)
  readonly #next = new Int32Array(PACK_ROWS_MAX)
  #tails = new Int32Array(0)
  readonly #touched: OutSetId[] = []
  #withdrawn = NONE
  #count = 0
  readonly #scratch = new Uint8Array(PREFIX_OCTETS)

  /** @param sets  records: next hop's length, next hop, attributes; as `OutSetId` numbers them */
  constructor(sets: Interner) {
    this.#sets = sets
  }

  /** How many rows are gathered; `add` wants fewer than `PACK_ROWS_MAX`. */
  get count(): number {
    return this.#count
  }

  /**
   * One row to announce with `set`, or to withdraw for `NO_OUT_SET`, to all but `excluded`; under
   * the path identifier `path` where the session has them.
   */
  add(row: PrefixId, set: OutSetId, excluded: PeerId, path: number): void {
    const entry = this.#count++
    this.#rows[entry] = row
    this.#excluded[entry] = excluded
    this.#paths[entry] = path
    const tail = set === NO_OUT_SET ? this.#withdrawn : this.#tail(set)
    if (tail === NONE) this.#next[entry] = entry
    else {
      this.#next[entry] = this.#next[tail]!
      this.#next[tail] = entry
    }
    if (set === NO_OUT_SET) this.#withdrawn = entry
    else this.#tails[set] = entry
  }

  /**
   * Writes and forgets what was gathered. `send` gets each message, and the peer that must not get
   * it.
   */
  flush(
    prefixes: PrefixTable,
    form: MessageForm,
    send: (message: Uint8Array, excluded: PeerId) => void,
  ): void {
    if (this.#count === 0) return
    const builder = this.#builder(form)
    if (this.#withdrawn !== NONE) {
      builder.withdraw(prefixes.family)
      this.#pack(builder, this.#withdrawn, prefixes, send)
      this.#withdrawn = NONE
    }
    for (const set of this.#touched) {
      const record = this.#sets.view(set)
      const octets = record[0]!
      const nextHop = record.subarray(1, 1 + octets)
      builder.announce(prefixes.family, record.subarray(1 + octets), nextHop)
      this.#pack(builder, this.#tails[set]!, prefixes, send)
      this.#tails[set] = NONE
    }
    this.#touched.length = 0
    this.#count = 0
  }

  #tail(set: OutSetId): number {
    if (set >= this.#tails.length) this.#tails = grownInt32(this.#tails, this.#sets.capacity, NONE)
    const tail = this.#tails[set]!
    if (tail === NONE) this.#touched.push(set)
    return tail
  }

  #pack(
    builder: UpdateBuilder,
    tail: number,
    prefixes: PrefixTable,
    send: (message: Uint8Array, excluded: PeerId) => void,
  ): void {
    const scratch = this.#scratch
    let entry = this.#next[tail]!
    let excluded = this.#excluded[entry]!
    for (;;) {
      const row = this.#rows[entry] as PrefixId
      if (this.#excluded[entry] !== excluded) {
        send(builder.finish(), excluded as PeerId)
        excluded = this.#excluded[entry]!
      }
      prefixes.write(row, scratch, 0)
      const length = prefixes.length(row)
      const path = this.#paths[entry]!
      if (!builder.add(scratch, 0, length, path)) {
        send(builder.finish(), excluded as PeerId)
        builder.add(scratch, 0, length, path)
      }
      if (entry === tail) break
      entry = this.#next[entry]!
    }
    send(builder.finish(), excluded as PeerId)
  }

  #builder({ messageMax, addPath }: MessageForm): UpdateBuilder {
    const key = 2 * messageMax + (addPath ? 1 : 0)
    const known = this.#builders.get(key)
    if (known !== undefined) return known
    const builder = new UpdateBuilder(messageMax, addPath)
    this.#builders.set(key, builder)
    return builder
  }
}
