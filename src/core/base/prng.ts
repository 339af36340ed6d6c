/**
 * A small seeded generator of uniform numbers (mulberry32), for jitter and simulation; not for
 * secrets.
 *
 * The core never draws from the world: whoever makes an engine hands it a `Prng`, so that one seed
 * replays one run.
 */
export class Prng {
  #state: number

  /** @param seed  any 32-bit integer */
  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** The next number in [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let word = this.#state
    word = Math.imul(word ^ (word >>> 15), word | 1)
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61)
    return ((word ^ (word >>> 14)) >>> 0) / 4294967296
  }

  /** An integer in [0, bound). */
  below(bound: number): number {
    return Math.floor(this.next() * bound)
  }
}
