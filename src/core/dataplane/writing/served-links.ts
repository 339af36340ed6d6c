import type { KernelEvent, KernelOutput, ServedLink } from '../ports.ts'
import type { Links } from '../table/links.ts'
import type { WorkloadLink } from '../types.ts'

/** The node's ends of links to workloads: what makes a workload reach its gateway. */

/**
 * Asks for each wanted link when it comes, comes back or comes up, when what is wanted of it
 * changes, and with every dump: somebody may have set it otherwise. What is as it should be is not
 * written again, so asking costs little. Nothing is undone: a link ends with its workload.
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
    this.#wanted = new Map(wanted.map(link => [link.interface, link]))
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
      links.push({ index, name, neighbours: wanted.neighbours })
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
