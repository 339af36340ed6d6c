/**
 * A queue of byte strings in one buffer.
 */

/** Octets of the first buffer. */
const OCTETS_MIN = 1 << 10

/** An idle queue keeps a buffer of at most this many octets; a larger one is for whoever grows. */
const IDLE_OCTETS = 1 << 14

/** Most octets of a buffer that waits for a queue that grows. */
const SPARE_OCTETS = 1 << 18

const NOTHING = new Uint8Array(0)

/**
 * The buffer of a queue that became empty. A queue that is filled and emptied all the time would
 * else grow its buffer each time from the beginning.
 */
let spare = NOTHING

/**
 * First in, first out, copied on the way in, without an object per element.
 *
 *   | length, 4 octets | the string | length | ...
 *
 * The buffer doubles as needed; its owner bounds it by not pushing more.
 */
export class ByteQueue {
  #buffer = NOTHING
  #start = 0
  #end = 0
  #size = 0

  /** How many strings wait. */
  get size(): number {
    return this.#size
  }

  /** Octets that wait, their lengths included. */
  get octets(): number {
    return this.#end - this.#start
  }

  /** Copies `bytes` in at the end. */
  push(bytes: Uint8Array): void {
    const need = 4 + bytes.length
    if (this.#end + need > this.#buffer.length) this.#makeRoom(need)
    const buffer = this.#buffer
    const at = this.#end
    buffer[at] = bytes.length >>> 24
    buffer[at + 1] = bytes.length >>> 16
    buffer[at + 2] = bytes.length >>> 8
    buffer[at + 3] = bytes.length
    buffer.set(bytes, at + 4)
    this.#end = at + need
    this.#size++
  }

  /** Takes the first out; undefined when empty. Not copied: valid until the next `push`, to any. */
  shift(): Uint8Array | undefined {
    if (this.#size === 0) return undefined
    const buffer = this.#buffer
    const at = this.#start
    const length =
      (buffer[at]! << 24) | (buffer[at + 1]! << 16) | (buffer[at + 2]! << 8) | buffer[at + 3]!
    this.#start = at + 4 + length
    this.#size--
    const bytes = buffer.subarray(at + 4, this.#start)
    if (this.#size === 0) {
      this.#start = 0
      this.#end = 0
      if (buffer.length > IDLE_OCTETS) this.clear()
    }
    return bytes
  }

  /** Forgets all that waits. */
  clear(): void {
    const { length } = this.#buffer
    if (length > spare.length && length <= SPARE_OCTETS) spare = this.#buffer
    this.#buffer = NOTHING
    this.#start = 0
    this.#end = 0
    this.#size = 0
  }

  #makeRoom(need: number): void {
    const used = this.#end - this.#start
    // half of it free at the front: move rather than grow, so that each octet moves once at most on
    // average
    const moves = this.#start >= this.#buffer.length >>> 1 && used + need <= this.#buffer.length
    if (moves) this.#buffer.copyWithin(0, this.#start, this.#end)
    else {
      const length = Math.max(OCTETS_MIN, 2 * this.#buffer.length, used + need)
      const taken = length > IDLE_OCTETS && length <= spare.length
      const buffer = taken ? spare : new Uint8Array(length)
      if (taken) spare = NOTHING
      buffer.set(this.#buffer.subarray(this.#start, this.#end))
      this.#buffer = buffer
    }
    this.#start = 0
    this.#end = used
  }
}
