import { type Family, PrefixTable, prefixParts } from '../net/index.ts'
import type { PrefixRule } from './term.ts'

/** Many prefix rules at once. */

/** The rules of one family: a table of their prefixes, and for each the ranges of lengths. */
class FamilySet {
  readonly #table: PrefixTable
  readonly #ranges: (readonly [number, number])[][] = []
  /** lengths that rules have, shortest first */
  readonly #lengths: number[] = []

  constructor(family: Family) {
    this.#table = new PrefixTable(family)
  }

  add({ prefix, lengthMin, lengthMax }: PrefixRule): void {
    const { length } = prefixParts(prefix)
    const row = this.#table.addPrefix(prefix)
    this.#ranges[row] = [...(this.#ranges[row] ?? []), [lengthMin, lengthMax]]
    if (this.#lengths.includes(length)) return
    this.#lengths.push(length)
    this.#lengths.sort((a, b) => a - b)
  }

  matches(bytes: Uint8Array, offset: number, length: number): boolean {
    for (const each of this.#lengths) {
      if (each > length) return false
      const row = this.#table.find(bytes, offset, each)
      if (row >= 0 && this.#ranges[row]!.some(([min, max]) => length >= min && length <= max))
        return true
    }
    return false
  }
}

/**
 * A set of prefix rules of both families. A look-up costs one probe for each length that rules
 * have.
 */
export class PrefixSet {
  readonly #families: Readonly<Record<Family, FamilySet>> = {
    ipv4: new FamilySet('ipv4'),
    ipv6: new FamilySet('ipv6'),
  }

  constructor(rules: readonly PrefixRule[]) {
    for (const rule of rules) this.#families[prefixParts(rule.prefix).family].add(rule)
  }

  /** True when some rule takes the prefix of `length` bits at `bytes[offset]`. */
  matches(family: Family, bytes: Uint8Array, offset: number, length: number): boolean {
    return this.#families[family].matches(bytes, offset, length)
  }
}
