/**
 * Reading and writing network byte order without exceptions.
 *
 * `Reader` never throws: past the end it returns 0 and sets `overrun`, which a decoder checks once.
 * `Writer` writes into a buffer of a fixed limit and sets `overflow` when something did not fit;
 * what it holds then is not to be sent. Both cost O(1) an operation; `view` and `bytes` do not
 * copy.
 */

/** Reads big-endian fields from a slice of bytes. */
export class Reader {
  readonly bytes: Uint8Array
  readonly end: number
  offset: number
  overrun = false

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = bytes
    this.offset = start
    this.end = end
  }

  /** Bytes that are left. */
  get remaining(): number {
    return this.end - this.offset
  }

  u8(): number {
    if (this.offset >= this.end) return this.#past()
    return this.bytes[this.offset++]!
  }

  u16(): number {
    if (this.offset + 2 > this.end) return this.#past()
    const at = this.offset
    this.offset = at + 2
    return (this.bytes[at]! << 8) | this.bytes[at + 1]!
  }

  u32(): number {
    if (this.offset + 4 > this.end) return this.#past()
    const { bytes, offset: at } = this
    this.offset = at + 4
    return (
      ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
    )
  }

  /** The next `length` bytes, not copied; empty past the end. */
  view(length: number): Uint8Array {
    if (length < 0 || this.offset + length > this.end) {
      this.#past()
      return this.bytes.subarray(0, 0)
    }
    const at = this.offset
    this.offset = at + length
    return this.bytes.subarray(at, at + length)
  }

  /** All that is left, not copied. */
  rest(): Uint8Array {
    return this.view(this.remaining)
  }

  #past(): number {
    this.overrun = true
    this.offset = this.end
    return 0
  }
}

/** From so many bytes on the runtime copies faster than a loop does. */
const LONG_BYTES = 96

/** Writes big-endian fields into a buffer that it owns or was given. */
export class Writer {
  readonly buffer: Uint8Array
  readonly limit: number
  length = 0
  overflow = false

  /**
   * @param space  a buffer to write into, or the number of bytes to allocate
   * @param limit  most bytes; absent: as many as there is room for
   */
  constructor(space: Uint8Array | number, limit?: number) {
    this.buffer = typeof space === 'number' ? new Uint8Array(space) : space
    this.limit = limit ?? this.buffer.length
  }

  u8(value: number): void {
    if (this.#fits(1)) this.buffer[this.length++] = value
  }

  u16(value: number): void {
    if (!this.#fits(2)) return
    this.buffer[this.length++] = value >>> 8
    this.buffer[this.length++] = value
  }

  u32(value: number): void {
    if (!this.#fits(4)) return
    const { buffer } = this
    buffer[this.length++] = value >>> 24
    buffer[this.length++] = value >>> 16
    buffer[this.length++] = value >>> 8
    buffer[this.length++] = value
  }

  /** Copies `from` in. */
  put(from: Uint8Array): void {
    if (!this.#fits(from.length)) return
    this.buffer.set(from, this.length)
    this.length += from.length
  }

  /** Copies bytes `start` to `end`, not included, of `from` in. */
  copy(from: Uint8Array, start: number, end: number): void {
    if (!this.#fits(end - start)) return
    const { buffer, length } = this
    if (end - start >= LONG_BYTES) buffer.set(from.subarray(start, end), length)
    else for (let at = start; at < end; at++) buffer[length + at - start] = from[at]!
    this.length = length + end - start
  }

  /**
   * Leaves a one-octet length field, runs `body`, and fills the field with the bytes that it wrote.
   */
  counted8(body: () => void): void {
    const at = this.length
    this.u8(0)
    body()
    const count = this.length - at - 1
    if (count > 0xff) this.overflow = true
    if (!this.overflow) this.buffer[at] = count
  }

  /** The same with a two-octet length field. */
  counted16(body: () => void): void {
    const at = this.length
    this.u16(0)
    body()
    const count = this.length - at - 2
    if (count > 0xffff) this.overflow = true
    if (this.overflow) return
    this.buffer[at] = count >>> 8
    this.buffer[at + 1] = count
  }

  /** What was written, not copied; valid until the next `reset`. */
  bytes(): Uint8Array {
    return this.buffer.subarray(0, this.length)
  }

  /** Starts over in the same buffer. */
  reset(): void {
    this.length = 0
    this.overflow = false
  }

  #fits(count: number): boolean {
    if (this.length + count <= this.limit) return true
    this.overflow = true
    return false
  }
}

/** True when both hold the same bytes. */
export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false
  for (let at = 0; at < left.length; at++) if (left[at] !== right[at]) return false
  return true
}
