/** Links that sessions are bound to, as numbers: link-local next hops on them are told apart so. */

/** Links that have a number: it is two octets of a record. */
export const LINKS_MAX = 65_535

/** Numbers of links, from 1 on, in the order in which they were met. */
export class Links {
  readonly #numbers = new Map<string, number>()
  readonly #names = ['']

  /**
   * The number of the link that has this name; 0 where there is no room for another. Numbers are
   * never given back: a node has few links.
   */
  number(name: string): number {
    const known = this.#numbers.get(name)
    if (known !== undefined) return known
    if (this.#numbers.size === LINKS_MAX) return 0
    this.#numbers.set(name, this.#names.length)
    return this.#names.push(name) - 1
  }

  /** The name of the link that has this number. */
  name(number: number): string | undefined {
    return this.#names[number]
  }
}
