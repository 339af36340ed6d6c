import { grownInt32, type Interner } from '../../base/index.ts'
import type { PrefixId, PrefixTable } from '../../net/index.ts'
import { UpdateBuilder } from '../../wire/index.ts'
import { LOCAL_PEER, NO_OUT_SET, NONE, type OutSetId, type PeerId } from '../rows.ts'

/**
 * Rows into UPDATE messages, one message for as many rows of one attribute set as fit.
 */

/** Most rows that are gathered before they are packed. */
export const PACK_ROWS_MAX = 16_384

/** What messages are to be like: part of what two sessions agreed on. */
export interface MessageForm {
  /** octets of a message, header included */
  readonly messageMax: number
  /** prefixes have path identifiers. RFC 7911 */
  readonly addPath: boolean
}

/** Takes messages, and the peer that must not get them. */
export type Send = (messages: Uint8Array, excluded: PeerId) => void

/** Messages that are written, and whom they are not for. */
interface Sending {
  excluded: PeerId
  readonly builder: UpdateBuilder
  readonly send: Send
}

const NOTHING = new Uint8Array(0)

function handOut({ builder, excluded, send }: Sending): void {
  builder.take(messages => send(messages, excluded))
}

/**
 * Gathers rows with what they are sent with, then writes messages: withdrawals first, then
 * announcements by attribute set in the order in which the sets came up. A message has one excluded
 * peer for all its rows.
 *
 *   entry   row
 *   run     entries that differ in nothing but their row: the first of them, the excluded peer, the
 *           path identifier, the next run of its set (of the last: the first)
 *   set     its last run, NONE while it has none
 *
 * Prefixes that came together mostly go together, so a run is about as long as a set has prefixes.
 */
export class Packer {
  readonly #sets: Interner
  readonly #builders = new Map<number, UpdateBuilder>()
  readonly #rows = new Int32Array(PACK_ROWS_MAX)
  readonly #starts = new Int32Array(PACK_ROWS_MAX + 1)
  readonly #excluded = new Uint16Array(PACK_ROWS_MAX)
  readonly #paths = new Uint8Array(PACK_ROWS_MAX)
  readonly #next = new Int32Array(PACK_ROWS_MAX)
  #tails = new Int32Array(0)
  readonly #touched: OutSetId[] = []
  #withdrawn = NONE
  #count = 0
  #runs = 0
  /** what the rows of the last run are sent with */
  #set = NO_OUT_SET

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
    const last = this.#runs - 1
    const goesOn =
      last >= 0 &&
      set === this.#set &&
      excluded === this.#excluded[last] &&
      path === this.#paths[last]
    if (!goesOn) this.#open(entry, set, excluded, path)
  }

  /**
   * Writes and forgets what was gathered. `send` gets messages, several in one piece where they
   * follow one another, and the peer that must not get them.
   */
  flush(prefixes: PrefixTable, form: MessageForm, send: Send): void {
    if (this.#count === 0) return
    const builder = this.#builder(form)
    this.#starts[this.#runs] = this.#count
    // messages with the same excluded peer are handed out together
    const sending: Sending = { excluded: LOCAL_PEER, builder, send }
    if (this.#withdrawn !== NONE) {
      builder.withdraw(prefixes.family)
      this.#pack(sending, this.#withdrawn, prefixes)
      this.#withdrawn = NONE
    }
    for (const set of this.#touched) {
      const record = this.#sets.view(set)
      const octets = record[0]!
      const nextHop = octets === 0 ? NOTHING : record.subarray(1, 1 + octets)
      builder.announce(prefixes.family, record.subarray(1 + octets), nextHop)
      this.#pack(sending, this.#tails[set]!, prefixes)
      this.#tails[set] = NONE
    }
    this.#touched.length = 0
    this.#count = 0
    this.#runs = 0
    handOut(sending)
  }

  #open(entry: number, set: OutSetId, excluded: PeerId, path: number): void {
    const run = this.#runs++
    this.#set = set
    this.#starts[run] = entry
    this.#excluded[run] = excluded
    this.#paths[run] = path
    const tail = set === NO_OUT_SET ? this.#withdrawn : this.#tail(set)
    if (tail === NONE) this.#next[run] = run
    else {
      this.#next[run] = this.#next[tail]!
      this.#next[tail] = run
    }
    if (set === NO_OUT_SET) this.#withdrawn = run
    else this.#tails[set] = run
  }

  #tail(set: OutSetId): number {
    if (set >= this.#tails.length) this.#tails = grownInt32(this.#tails, this.#sets.capacity, NONE)
    const tail = this.#tails[set]!
    if (tail === NONE) this.#touched.push(set)
    return tail
  }

  #pack(sending: Sending, tail: number, prefixes: PrefixTable): void {
    const { builder } = sending
    for (let run = this.#next[tail]!; ; run = this.#next[run]!) {
      const excluded = this.#excluded[run] as PeerId
      if (excluded !== sending.excluded) {
        if (builder.count > 0) builder.end()
        handOut(sending)
        sending.excluded = excluded
      }
      this.#write(builder, run, prefixes)
      if (run === tail) break
    }
    builder.end()
  }

  #write(builder: UpdateBuilder, run: number, prefixes: PrefixTable): void {
    const path = this.#paths[run]!
    const end = this.#starts[run + 1]!
    for (let entry = this.#starts[run]!; entry < end; entry++) {
      const row = this.#rows[entry] as PrefixId
      if (builder.addRow(prefixes, row, path)) continue
      builder.end()
      builder.addRow(prefixes, row, path)
    }
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
