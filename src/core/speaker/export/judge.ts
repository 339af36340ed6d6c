import type { Family, PrefixId } from '../../net/index.ts'
import type { Program, RouteView, Subject } from '../../policy/index.ts'
import type { AttributeSetId } from '../../rib/index.ts'
import type { Tables } from '../tables.ts'

/** Asks one program about the routes of one family: wherever a policy is put to the tables. */
export class Judge {
  readonly #program: Program
  readonly #tables: Tables
  readonly #view: RouteView
  readonly #describe: (set: AttributeSetId) => Subject
  /** outcome of what is learned and of what is originated, where nothing else matters */
  readonly #outcomes: readonly [number, number] | undefined

  constructor(program: Program, family: Family, tables: Tables) {
    this.#program = program
    this.#tables = tables
    this.#describe = set => tables.subject(set)
    this.#view = { originated: false, kind: 0, family, bytes: new Uint8Array(16), length: 0 }
    if (program.looksAtPrefix || program.looksAtAttributes) return
    this.#outcomes = [program.run(this.#view), program.run({ ...this.#view, originated: true })]
  }

  /** The outcome of a path with `set`. Called for each route; allocates nothing. */
  outcome(row: PrefixId, set: AttributeSetId, originated: boolean): number {
    if (this.#outcomes !== undefined) return this.#outcomes[originated ? 1 : 0]
    const view = this.#view
    const program = this.#program
    view.originated = originated
    if (program.looksAtAttributes) view.kind = program.kindOf(set, this.#describe)
    if (program.looksAtPrefix) {
      const { prefixes } = this.#tables.locRibs[view.family]
      view.length = prefixes.length(row)
      prefixes.write(row, view.bytes, 0)
    }
    return program.run(view)
  }
}
