import type { KernelEvent, KernelOutput, ServedLink } from '../ports.ts'
import type { Links } from '../table/links.ts'
import type { WorkloadLink } from '../types.ts'

/** The node's ends of links to workloads: what makes a workload reach its gateway, and the node. */

/**
 * Asks for each wanted link when it comes, comes back or comes up, when what is wanted of it
 * changes, and with every dump: somebody may have set it otherwise. What is as it should be is not
 * written again, so asking costs little. An address that was wanted goes when it is not any more;
 * nothing else is undone: a link ends with its workload.
 *
 * Hundreds of plain objects: the node's workloads are the limit.
 */
export class ServedLinks {
  readonly #links: Links
  readonly #output: KernelOutput
  #wanted: ReadonlyMap<string, WorkloadLink> = new Map()
  readonly #due = new Set<string>()
  /** of those that the kernel refused, by name */
  readonly #errors = new Map<string, string>()

  constructor(links: Links, output: KernelOutput) {
    this.#links = links
    this.#output = output
  }

  /** Takes the wanted ones, whole. O(links). */
  intend(wanted: readonly WorkloadLink[]): void {
    const last = this.#wanted
    this.#wanted = new Map(
      wanted.map(link => [link.interface, following(link, last.get(link.interface))]),
    )
    for (const [name, link] of this.#wanted)
      if (JSON.stringify(last.get(name)) !== JSON.stringify(link)) this.#due.add(name)
    for (const name of last.keys()) if (!this.#wanted.has(name)) this.#errors.delete(name)
  }

  /** Takes what the kernel says: a dump names every link. O(1). */
  hear(event: KernelEvent): void {
    switch (event.type) {
      case 'Link':
        if (event.link.present && this.#wanted.has(event.link.name)) this.#due.add(event.link.name)
        return
      case 'Address': {
        const name = this.#links.nameOf(event.link) ?? ''
        const { addresses = [] } = this.#wanted.get(name) ?? {}
        const own = addresses.find(({ address }) => address === event.address)
        if (own !== undefined && own.present !== event.present) this.#due.add(name)
        return
      }
      case 'Served':
        for (const { name, error } of event.links) this.#served(name, error)
        return
      default:
    }
  }

  /** Asks for those that are due and there; the others come with a notification of their own. */
  work(): void {
    if (this.#due.size === 0) return
    const links: ServedLink[] = []
    for (const name of this.#due) {
      const index = this.#links.indexOf(name)
      const wanted = this.#wanted.get(name)
      if (wanted === undefined || this.#links.whyNot(index) !== undefined) continue
      if (!this.#links.allows(index)) continue
      const { neighbours, addresses = [] } = wanted
      links.push({ index, name, neighbours, addresses })
    }
    this.#due.clear()
    if (links.length > 0) this.#output.serve(links)
  }

  #served(name: string, error: string | undefined): void {
    if (error === this.#errors.get(name)) return
    if (error === undefined) this.#errors.delete(name)
    else {
      this.#errors.set(name, error)
      this.#output.note({ code: 'WORKLOAD_LINK_REFUSED', name, error })
    }
  }
}

/**
 * An address that was named before and is not any more goes: for as long as the link is wanted, as
 * nobody knows when that is done. As many as were configured in this life.
 */
function following(link: WorkloadLink, last: WorkloadLink | undefined): WorkloadLink {
  const { addresses = [] } = link
  const former = (last?.addresses ?? [])
    .filter(({ address }) => !addresses.some(own => own.address === address))
    .map(({ address }) => ({ address, present: false }))
  return former.length === 0 ? link : { ...link, addresses: [...addresses, ...former] }
}
