import type { LinkMessage } from '../../rtnl/index.ts'

/** The node's links, as far as routes need them: which index a name has now. */

/** What a change of a link means for routes. */
export type LinkChange = 'same' | 'better' | 'worse'

/**
 * Links by index and by name. A link that is made again keeps its name and gets another index, so
 * what was resolved holds for one `version` only. Some hundred objects; the kernel's links are the
 * limit.
 */
export class Links {
  readonly #byIndex = new Map<number, LinkMessage & { readonly dump: number }>()
  readonly #byName = new Map<string, number>()
  readonly #allowed: readonly string[] | undefined
  #version = 0

  /** @param allowed  names of links that routes may lead through, `cali*` for all that begin so */
  constructor(allowed?: readonly string[]) {
    this.#allowed = allowed
  }

  /** Routes may lead through some links alone. */
  get guarded(): boolean {
    return this.#allowed !== undefined
  }

  /** True when routes may lead through the link with `index`. O(names that are allowed). */
  allows(index: number): boolean {
    if (this.#allowed === undefined) return true
    const name = this.nameOf(index)
    return name !== undefined && this.#allowed.some(allowed => matches(allowed, name))
  }

  /** Changes whenever a name may mean another index, or a link goes down or up. */
  get version(): number {
    return this.#version
  }

  /** The index of the link that has `name`, 0 where there is none. */
  indexOf(name: string): number {
    return this.#byName.get(name) ?? 0
  }

  /** The name of a link; undefined where there is none. */
  nameOf(index: number): string | undefined {
    return this.#byIndex.get(index)?.name
  }

  /**
   * Why nothing goes through a link: it is down, or, as an empty text, not there. Undefined where
   * something does.
   */
  whyNot(index: number): string | undefined {
    const link = this.#byIndex.get(index)
    if (link === undefined) return ''
    return link.up && link.carrier ? undefined : `${link.name} is down`
  }

  /** Takes what the kernel says of one link, in dump number `dump` (0: a notification). */
  learn(link: LinkMessage, dump: number): LinkChange {
    const known = this.#byIndex.get(link.index)
    if (!link.present) return known === undefined ? 'same' : this.#forget(link.index, known.name)
    this.#byIndex.set(link.index, { ...link, dump: dump === 0 ? (known?.dump ?? 0) : dump })
    if (known?.name !== link.name) {
      if (known !== undefined && this.#byName.get(known.name) === link.index)
        this.#byName.delete(known.name)
      this.#byName.set(link.name, link.index)
      this.#version++
    }
    // another name is a link that was missing; a link that is new and down changes nothing
    if (known === undefined || known.name !== link.name) return link.up ? 'better' : 'same'
    const was = Number(known.up) + Number(known.up && known.carrier)
    const is = Number(link.up) + Number(link.up && link.carrier)
    if (is !== was) this.#version++
    return is > was ? 'better' : is < was ? 'worse' : 'same'
  }

  /** Forgets links that the dump did not name. True when there was one. */
  settle(dump: number): boolean {
    let gone = false
    for (const [index, link] of this.#byIndex)
      if (link.dump !== 0 && link.dump < dump) {
        this.#forget(index, link.name)
        gone = true
      }
    return gone
  }

  #forget(index: number, name: string): LinkChange {
    this.#byIndex.delete(index)
    if (this.#byName.get(name) === index) this.#byName.delete(name)
    this.#version++
    return 'worse'
  }
}

const matches = (pattern: string, name: string): boolean =>
  pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern
