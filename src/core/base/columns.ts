/**
 * Growing columns: the one place that copies a typed array into a longer one.
 */

/**
 * The length that a column of `length` rows grows to so that row `row` fits: by half, at least
 * `least`.
 */
export function grownLength(length: number, row: number, least = 64): number {
  return Math.max(least, row + 1, length + (length >>> 1))
}

/** A copy of `column` with `length` rows, cut where that is shorter; new rows hold `value`. */
export function grownInt32(column: Int32Array, length: number, value = 0): Int32Array<ArrayBuffer> {
  const grown = new Int32Array(length)
  grown.set(column.length > length ? column.subarray(0, length) : column)
  if (value !== 0 && length > column.length) grown.fill(value, column.length)
  return grown
}

/** The same for unsigned words; new rows hold 0. */
export function grownUint32(column: Uint32Array, length: number): Uint32Array<ArrayBuffer> {
  const grown = new Uint32Array(length)
  grown.set(column.length > length ? column.subarray(0, length) : column)
  return grown
}

/** The same for 16-bit numbers; new rows hold 0. */
export function grownUint16(column: Uint16Array, length: number): Uint16Array<ArrayBuffer> {
  const grown = new Uint16Array(length)
  grown.set(column.length > length ? column.subarray(0, length) : column)
  return grown
}

/** The same for octets; new rows hold 0. */
export function grownUint8(column: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const grown = new Uint8Array(length)
  grown.set(column.length > length ? column.subarray(0, length) : column)
  return grown
}
