import { LinkError } from './error.ts'

/**
 * Length-delimited messages on a byte stream: a varint and so many octets, as protobuf's own
 * libraries write them. What a dying peer sent of its last message is dropped with the connection.
 */

/** Octets of the length that `frame` writes before a message, at most. */
const LENGTH_OCTETS_MAX = 5

const EMPTY = new Uint8Array(0)

/** `body` with its length before it. Copies. */
export function frame(body: Uint8Array): Uint8Array {
  const head: number[] = []
  let rest = body.length
  for (; rest > 0x7f; rest >>>= 7) head.push((rest & 0x7f) | 0x80)
  head.push(rest)
  const framed = new Uint8Array(head.length + body.length)
  framed.set(head)
  framed.set(body, head.length)
  return framed
}

/** Cuts a byte stream into messages. Keeps at most one partial message. */
export class FrameReader {
  readonly #limit: number
  /** of the message that is not complete: its pieces, and their octets */
  #pieces: Uint8Array[] = []
  #held = 0
  /** octets that are needed before looking again */
  #wanted = 1

  /** @param limit  octets of the longest message */
  constructor(limit: number) {
    this.#limit = limit
  }

  /**
   * Takes `chunk` (kept, not copied) and gives the messages that it completed, as views of it where
   * they lie in one chunk. Throws a `LinkError` for a message above the limit; the stream is of no
   * use then.
   *
   * O(octets), also where a message comes octet by octet.
   */
  push(chunk: Uint8Array): Uint8Array[] {
    this.#pieces.push(chunk)
    this.#held += chunk.length
    if (this.#held < this.#wanted) return []
    const bytes = this.#pieces.length === 1 ? chunk : Buffer.concat(this.#pieces, this.#held)
    const bodies: Uint8Array[] = []
    let offset = 0
    for (;;) {
      const head = readLength(bytes, offset)
      if (head === undefined) {
        this.#keep(bytes, offset, bytes.length - offset + 1)
        return bodies
      }
      if (head.length > this.#limit)
        throw new LinkError(
          'LINK_FRAME',
          `a message of ${head.length} octets exceeds the limit of ${this.#limit}`,
        )
      const end = head.start + head.length
      if (end > bytes.length) {
        this.#keep(bytes, offset, end - offset)
        return bodies
      }
      bodies.push(bytes.subarray(head.start, end))
      offset = end
    }
  }

  #keep(bytes: Uint8Array, offset: number, wanted: number): void {
    const rest = offset === bytes.length ? EMPTY : bytes.subarray(offset)
    this.#pieces = rest.length === 0 ? [] : [rest]
    this.#held = rest.length
    this.#wanted = wanted
  }
}

function readLength(
  bytes: Uint8Array,
  offset: number,
): { start: number; length: number } | undefined {
  let length = 0
  for (let at = 0; at < LENGTH_OCTETS_MAX; at++) {
    const octet = bytes[offset + at]
    if (octet === undefined) return undefined
    length += (octet & 0x7f) * 2 ** (7 * at)
    if (octet < 0x80) return { start: offset + at + 1, length }
  }
  throw new LinkError('LINK_FRAME', 'a length of more than five octets')
}
