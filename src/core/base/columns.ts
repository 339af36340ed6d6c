/**
 * Growing columns: the one place where a typed array becomes a longer one, or a shorter.
 *
 * The memory of the old one is taken over, so that it is free at once and not when the runtime next
 * collects garbage: nobody may use the old one afterwards, which is empty.
 */

/**
 * The length that a column of `length` rows grows to so that row `row` fits: by half, at least
 * `least`.
 */
export function grownLength(length: number, row: number, least = 64): number {
  return Math.max(least, row + 1, length + (length >>> 1))
}

/** `column` with `length` rows, cut where that is shorter; new rows hold `value`. */
export function grownInt32(
  column: Int32Array<ArrayBuffer>,
  length: number,
  value = 0,
): Int32Array<ArrayBuffer> {
  const rows = column.length
  const grown = new Int32Array(column.buffer.transfer(4 * length))
  return value === 0 || length <= rows ? grown : grown.fill(value, rows)
}

/** The same for unsigned words; new rows hold 0. */
export function grownUint32(
  column: Uint32Array<ArrayBuffer>,
  length: number,
): Uint32Array<ArrayBuffer> {
  return new Uint32Array(column.buffer.transfer(4 * length))
}

/** The same for 16-bit numbers; new rows hold 0. */
export function grownUint16(
  column: Uint16Array<ArrayBuffer>,
  length: number,
): Uint16Array<ArrayBuffer> {
  return new Uint16Array(column.buffer.transfer(2 * length))
}

/** The same for octets; new rows hold 0. */
export function grownUint8(
  column: Uint8Array<ArrayBuffer>,
  length: number,
): Uint8Array<ArrayBuffer> {
  return new Uint8Array(column.buffer.transfer(length))
}

/** Frees the memory of a column that is not used any more. */
export function freeColumn(column: { readonly buffer: ArrayBuffer }): void {
  column.buffer.transfer(0)
}
