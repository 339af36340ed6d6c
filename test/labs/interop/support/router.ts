/** One running router of a lab: its files, what it announces, and what it answers. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Family } from '../../../../src/core/net/index.ts'
import type { Lab } from '../../../../src/shell/lab/index.ts'
import type {
  Announcement,
  Change,
  Files,
  Neighbour,
  Program,
  RouterDescription,
  SeenRoute,
  SeenSession,
} from './program.ts'

/** Where a router is, and what runs there. */
export interface Place {
  readonly program: Program
  /** the node's name in the topology */
  readonly node: string
  readonly asn: number
  readonly routerId: string
  readonly addresses: Readonly<Record<Family, string>>
  /** what it learns goes into its kernel, where the program can do that here */
  readonly forwards?: boolean
  /** the third octet of what it announces, so that all routes of a lab are different */
  readonly number: number
}

const describe = (place: Place, neighbours: readonly Neighbour[]): RouterDescription => ({
  ...place,
  asn: neighbours[0]?.ownAsn ?? place.asn,
  forwards: place.forwards === true,
  neighbours,
})

const keyOf = ({ prefix, second }: Announcement): string =>
  `${prefix}${second === true ? ' again' : ''}`

/** A router in its node. Until `join`, it is a folder of files. */
export class Router {
  readonly place: Place
  readonly #folder: string
  readonly #announced = new Map<string, Announcement>()
  #description: RouterDescription
  #changed: Promise<void> = Promise.resolve()
  #lab: Lab | undefined

  /** Writes the files with which the node's program will start. */
  constructor(place: Place, folder: string, neighbours: readonly Neighbour[]) {
    this.place = place
    this.#folder = join(folder, place.node)
    this.#description = describe(place, neighbours)
    mkdirSync(this.#folder)
    this.#write(place.program.files(this.#description, []))
  }

  /** The node is up. */
  join(lab: Lab): void {
    this.#lab = lab
  }

  get name(): string {
    return this.place.program.name
  }

  /** its AS number in the sessions that it has now */
  get asn(): number {
    return this.#description.asn
  }

  get neighbours(): readonly Neighbour[] {
    return this.#description.neighbours
  }

  /** The neighbour by its name; the first without one. */
  neighbour(name?: string): Neighbour {
    const found = this.neighbours.find(one => name === undefined || one.name === name)
    if (found === undefined) throw new Error(`${this.name} has no neighbour ${name}`)
    return found
  }

  /** Ends the program and starts it with other neighbours and no routes. */
  async restart(neighbours: readonly Neighbour[]): Promise<void> {
    const { node, program } = this.place
    await this.#running.stop(node)
    this.#description = describe(this.place, neighbours)
    this.#announced.clear()
    this.#write(program.files(this.#description, []))
    await this.#running.start(node)
  }

  /** Ends the program without a word to anybody. */
  async kill(): Promise<void> {
    await this.#running.stop(this.place.node, 'KILL')
  }

  /** Starts the program that was killed, which announces what it did, but for `gone`. */
  async revive(gone: readonly string[]): Promise<void> {
    this.#forget(gone)
    const announced = [...this.#announced.values()]
    const change = {
      description: this.#description,
      announced,
      withdrawn: gone,
      withdrawnTwice: [],
    }
    const { node, program } = this.place
    this.#write({
      ...program.files(this.#description, announced, 'again'),
      ...program.changeFiles?.(change),
    })
    await this.#running.start(node)
  }

  /** Stops its processes, or lets them go on. */
  async signal(name: 'STOP' | 'CONT'): Promise<void> {
    await this.#run(['sh', '-c', `kill -${name} $(pidof ${this.place.program.processes})`])
  }

  /** Announces routes, instead of those with the same prefix. */
  async announce(announced: readonly Announcement[]): Promise<void> {
    for (const route of announced) this.#announced.set(keyOf(route), route)
    await this.#change({
      description: this.#description,
      announced,
      withdrawn: [],
      withdrawnTwice: [],
    })
  }

  /** Withdraws routes that it announces. */
  async withdraw(withdrawn: readonly string[]): Promise<void> {
    const withdrawnTwice = withdrawn.filter(prefix =>
      this.#announced.has(keyOf({ prefix, second: true })),
    )
    this.#forget(withdrawn)
    const description = this.#description
    await this.#change({ description, announced: [], withdrawn, withdrawnTwice })
  }

  #forget(prefixes: readonly string[]): void {
    for (const prefix of prefixes)
      for (const second of [false, true]) this.#announced.delete(keyOf({ prefix, second }))
  }

  /** One after the other: cells of a row may want something of the same router. */
  #change(change: Change): Promise<void> {
    const { program } = this.place
    const done = this.#changed.then(async () => {
      this.#write({
        ...program.files(change.description, [...this.#announced.values()]),
        ...program.changeFiles?.(change),
      })
      await program.apply(this.#run, change)
    })
    this.#changed = done.catch(() => {})
    return done
  }

  session(neighbour = this.neighbour()): Promise<SeenSession> {
    return this.place.program.session(this.#run, neighbour)
  }

  /** Prefixes that it holds from the neighbour. */
  received(family: Family, neighbour = this.neighbour()): Promise<readonly string[]> {
    return this.place.program.received(this.#run, neighbour, family)
  }

  /** A route from the neighbour; undefined where it has none. */
  async route(prefix: string, neighbour = this.neighbour()): Promise<SeenRoute | undefined> {
    return (await this.paths(prefix, neighbour))[0]
  }

  /** All paths of a prefix from the neighbour. */
  paths(prefix: string, neighbour = this.neighbour()): Promise<readonly SeenRoute[]> {
    return this.place.program.routes(this.#run, neighbour, prefix)
  }

  refresh(): Promise<void> {
    return this.place.program.refresh(this.#run, this.neighbour())
  }

  updatesReceived(): Promise<number> {
    return this.place.program.updatesReceived(this.#run, this.neighbour())
  }

  shutDown(text: string): Promise<void> {
    return this.place.program.shutDown(this.#run, this.neighbour(), text)
  }

  refuse(prefix: string, refused: boolean): Promise<void> {
    return this.place.program.refuse(this.#run, this.neighbour(), prefix, refused)
  }

  reset(): Promise<void> {
    return this.place.program.reset(this.#run, this.neighbour())
  }

  bringUp(): Promise<void> {
    return this.place.program.bringUp(this.#run, this.neighbour())
  }

  /** What it says about NOTIFICATIONs that it received. */
  notifications(): Promise<string> {
    const log = this.#running.node(this.place.node).log()
    return this.place.program.notifications(this.#run, this.neighbour(), log)
  }

  get #running(): Lab {
    if (this.#lab === undefined) throw new Error(`${this.name} has no lab yet`)
    return this.#lab
  }

  readonly #run = async (command: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await this.#running.node(this.place.node).exec(command)
    if (code === 0) return stdout
    throw new Error(`${this.name}: ${command.join(' ')}: ${code} ${stdout}${stderr}`)
  }

  #write(files: Files): void {
    const mode = this.place.program.fileMode
    for (const [name, content] of Object.entries(files))
      writeFileSync(join(this.#folder, name), content, { mode })
  }
}
