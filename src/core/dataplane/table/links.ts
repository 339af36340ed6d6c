import type { LinkMessage } from '../../rtnl/index.ts'

/** The node's links, as far as routes need them: which index a name has now. */

/** What a change of a link means for routes. */
export type LinkChange = 'same' | 'better' | 'worse'

/**
 * Links by index and by name. A link that is made again keeps its name and gets another index, so
 * what was resolved holds for one `version` only. A dump may be older than a notification that came
 * while it ran, which stands. Some hundred objects; the kernel's links are the limit.
 */
export class Links {
  readonly #byIndex = new Map<number, LinkMessage & { readonly dump: number }>()
  readonly #byName = new Map<string, number>()
  readonly #allowed: readonly string[] | undefined
  /** indices of which a notification told since the dump began */
  readonly #told = new Set<number>()
  #dump = 0
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

  /** Dump number `dump` begins. */
  begin(dump: number): void {
    this.#dump = dump
    this.#told.clear()
  }

  /** Takes what the kernel says of one link, in dump number `dump` (0: a notification). */
  learn(link: LinkMessage, dump: number): LinkChange {
    if (dump === 0) this.#told.add(link.index)
    else if (this.#told.has(link.index)) return 'same'
    const known = this.#byIndex.get(link.index)
    if (!link.present) return known === undefined ? 'same' : this.#forget(link.index, known.name)
    this.#byIndex.set(link.index, { ...link, dump: this.#dump })
    if (known !== undefined && known.name !== link.name) this.#unname(link.index, known.name)
    if (this.#byName.get(link.name) !== link.index) {
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

  /** Forgets links that neither the dump nor anything since it began named. True: there was one. */
  settle(dump: number): boolean {
    let gone = false
    for (const [index, link] of this.#byIndex)
      if (link.dump < dump) {
        this.#forget(index, link.name)
        gone = true
      }
    return gone
  }

  #forget(index: number, name: string): LinkChange {
    this.#byIndex.delete(index)
    this.#unname(index, name)
    return 'worse'
  }

  /**
   * The link `index` has `name` no more. Of its successor a dump may have told before notifications
   * of itself were read: then the name is that one's. O(links).
   */
  #unname(index: number, name: string): void {
    this.#version++
    if (this.#byName.get(name) !== index) return
    this.#byName.delete(name)
    for (const link of this.#byIndex.values())
      if (link.name === name && link.index !== index) this.#byName.set(name, link.index)
  }
}

const matches = (pattern: string, name: string): boolean =>
  pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern
