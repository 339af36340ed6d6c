/**
 * Reading and writing the kernel's own byte order without exceptions.
 *
 * Netlink is not a network protocol: its fields are in host order. Every machine that Martlet runs
 * on is little-endian (shell/posix checks that at start), so this room is too; addresses inside
 * attributes stay in network order and are never touched here.
 */

/** The low 16 bits at `at`. O(1); past the end the missing octets count as zero. */
export function u16At(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8)
}

/** The unsigned 32 bits at `at`. O(1); past the end the missing octets count as zero. */
export function u32At(bytes: Uint8Array, at: number): number {
  return s32At(bytes, at) >>> 0
}

/** The signed 32 bits at `at`. O(1); past the end the missing octets count as zero. */
export function s32At(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
}

/** `length` rounded up to a multiple of four: where the next message or attribute starts. */
export const align4 = (length: number): number => (length + 3) & ~3

/**
 * Writes little-endian fields, netlink attributes and messages into a buffer of a fixed limit.
 *
 * What does not fit sets `overflow` and is not written; what the writer holds then is not to be
 * sent.
 */
export class NativeWriter {
  readonly buffer: Uint8Array
  length = 0
  overflow = false

  /** @param space  a buffer to write into, or the number of bytes to allocate; also the limit */
  constructor(space: Uint8Array | number) {
    this.buffer = typeof space === 'number' ? new Uint8Array(space) : space
  }

  /** Bytes that are left. */
  get room(): number {
    return this.buffer.length - this.length
  }

  u8(value: number): void {
    if (this.#fits(1)) this.buffer[this.length++] = value
  }

  u16(value: number): void {
    if (!this.#fits(2)) return
    this.buffer[this.length++] = value
    this.buffer[this.length++] = value >>> 8
  }

  u32(value: number): void {
    if (!this.#fits(4)) return
    const { buffer } = this
    buffer[this.length++] = value
    buffer[this.length++] = value >>> 8
    buffer[this.length++] = value >>> 16
    buffer[this.length++] = value >>> 24
  }

  /** Copies `count` bytes of `from` in, starting at `start`. */
  put(from: Uint8Array, start = 0, count = from.length - start): void {
    if (!this.#fits(count)) return
    // a loop, not subarray: addresses are 4 or 16 octets, and a view would cost more than the copy
    for (let at = 0; at < count; at++) this.buffer[this.length + at] = from[start + at]!
    this.length += count
  }

  /** Zeros up to the next multiple of four. */
  pad(): void {
    while ((this.length & 3) !== 0 && this.#fits(1)) this.buffer[this.length++] = 0
  }

  /** `count` octets of zero. */
  zeros(count: number): void {
    if (!this.#fits(count)) return
    this.buffer.fill(0, this.length, this.length + count)
    this.length += count
  }

  /** An attribute that holds one 32-bit number. */
  number(type: number, value: number): void {
    this.u16(8)
    this.u16(type)
    this.u32(value)
  }

  /** Fills the 16-bit length that was left at `at` with what was written since, and pads. */
  close16(at: number): void {
    const count = this.length - at
    if (count > 0xffff) this.overflow = true
    if (this.overflow) return
    this.buffer[at] = count
    this.buffer[at + 1] = count >>> 8
    this.pad()
  }

  /** Fills the 32-bit length that was left at `at` with what was written since. */
  close32(at: number): void {
    const count = this.length - at
    if (this.overflow) return
    this.buffer[at] = count
    this.buffer[at + 1] = count >>> 8
    this.buffer[at + 2] = count >>> 16
    this.buffer[at + 3] = count >>> 24
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
    if (this.length + count <= this.buffer.length) return true
    this.overflow = true
    return false
  }
}
