import { compareBytes } from '../../net/index.ts'

/**
 * Values by the octets of an address of one family, in order, so that those inside a prefix are
 * found without looking at the others.
 */
export class AddressIndex<Value extends { readonly bytes: Uint8Array }> {
  #values: Value[] = []
  #sorted = true

  /** Adds a value whose address is not there yet. */
  add(value: Value): void {
    this.#values.push(value)
    this.#sorted = false
  }

  /** Takes a value out. O(values). */
  delete(value: Value): void {
    this.#values.splice(this.#values.indexOf(value), 1)
  }

  /**
   * Calls `visit` for each value inside the prefix of `length` bits at `bytes[offset]`. O(log
   * values) and those inside; sorts after additions.
   */
  within(bytes: Uint8Array, offset: number, length: number, visit: (value: Value) => void): void {
    if (!this.#sorted) this.#values.sort((one, other) => compareBytes(one.bytes, other.bytes))
    this.#sorted = true
    let low = 0
    let high = this.#values.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareBits(this.#values[middle]!.bytes, bytes, offset, length) < 0) low = middle + 1
      else high = middle
    }
    for (; low < this.#values.length; low++) {
      const value = this.#values[low]!
      if (compareBits(value.bytes, bytes, offset, length) !== 0) return
      visit(value)
    }
  }
}

/** Where an address stands to a prefix: before it, 0 inside, after it. */
function compareBits(
  address: Uint8Array,
  bytes: Uint8Array,
  offset: number,
  length: number,
): number {
  const whole = length >>> 3
  for (let at = 0; at < whole; at++) {
    const difference = address[at]! - bytes[offset + at]!
    if (difference !== 0) return difference
  }
  const rest = length & 7
  if (rest === 0) return 0
  const mask = (0xff00 >>> rest) & 0xff
  return (address[whole]! & mask) - (bytes[offset + whole]! & mask)
}
