import type { PrefixId } from '../../net/index.ts'
import { endOfRib } from '../../wire/index.ts'
import { CHANGES, type Decided } from '../loc-rib.ts'
import {
  type AttributeSetId,
  LOCAL_PEER,
  NO_OUT_SET,
  NONE,
  type OutSetId,
  type PeerColumns,
  type PeerId,
} from '../rows.ts'
import { Broadcast } from './broadcast.ts'
import { Ceiling } from './ceiling.ts'
import { Feed } from './feed.ts'
import { type Exporter, Forms } from './forms.ts'
import type { GroupForm, GroupTables } from './group-form.ts'
import { PACK_ROWS_MAX } from './packer.ts'
import { Plane } from './plane.ts'
import { SEND_PATHS_MAX, Selection } from './selection.ts'
import { type Member, Stream } from './stream.ts'

/**
 * Peers that are sent the same bytes.
 */

/** The walk that fills the columns is over. */
const FILLED = Number.POSITIVE_INFINITY

/**
 * An update group in one family: one Adj-RIB-Out, one encoding of each change, and for each member
 * a `Stream` that says how far it is.
 *
 * A pass is: `consider` each decided row, `flush`, then `pump` those who are not in step. A row is
 * in a pass once. Withdrawals go first, in a pass and in a pump. A new group fills its columns by
 * its own walk of the Loc-RIB (`fill`), and its members follow that walk.
 *
 * A group that sends several paths of a prefix has a plane for each (plane.ts), made when it is
 * first needed.
 */
export class UpdateGroup {
  readonly form: GroupForm
  /** End-of-RIB is owed but not said: we have restarted, and have not heard all. RFC 4724 §4.1 */
  endOfRibHeld = false
  readonly #tables: GroupTables
  readonly #peers: PeerColumns
  readonly #forms: Forms
  /** absent: the best path alone */
  readonly #selection: Selection | undefined
  readonly #ceiling: Ceiling | undefined
  readonly #planes: Plane[] = []
  readonly #streams = new Map<PeerId, Stream>()
  readonly #streamOf: (Stream | undefined)[] = []
  #filled = 0
  /** rows of the pass, of all planes */
  #staged = 0
  // what a shared message does not say to one member: plane, place in its pass, and the member
  readonly #alone: { readonly plane: Plane; readonly at: number; readonly stream: Stream }[] = []
  readonly #broadcast = new Broadcast()
  /** by plane: which of the paths selected goes there */
  readonly #places = new Int8Array(SEND_PATHS_MAX)

  constructor(tables: GroupTables, exporter: Exporter, form: GroupForm) {
    this.#tables = tables
    this.form = form
    this.#peers = tables.locRib.columns.peers
    this.#forms = new Forms(tables.outSets, exporter)
    if (form.sendPaths !== undefined)
      this.#selection = new Selection(tables.locRib, this.#forms, form.sendPaths)
    const { ceiling } = form
    if (ceiling !== undefined)
      this.#ceiling = new Ceiling(ceiling, () => this.sizeFor(ceiling.peer))
    this.#extend(1)
  }

  /** How many members there are. */
  get size(): number {
    return this.#streams.size
  }

  /** True while the columns are being filled. */
  get filling(): boolean {
    return this.#filled !== FILLED
  }

  /** The columns, for checks. */
  get planes(): readonly Plane[] {
    return this.#planes
  }

  /** Bytes of the columns. */
  get bytes(): number {
    return this.#planes.reduce((sum, plane) => sum + plane.bytes, this.#forms.bytes)
  }

  /** How many paths a member holds, once it has been sent all. */
  sizeFor(peer: PeerId): number {
    return this.#planes.reduce((sum, { adj }) => sum + adj.sizeFor(peer), 0)
  }

  /** How many prefixes have a path that a ceiling has left out. */
  get leftOut(): number {
    return this.#ceiling?.left ?? 0
  }

  /** The place of a member in the stream. */
  stream(peer: PeerId): Stream | undefined {
    return this.#streams.get(peer)
  }

  /** A member comes and holds nothing; its walk ends with End-of-RIB. O(1). */
  join(member: Member): Stream {
    const stream = new Stream(member)
    for (const { adj } of this.#planes)
      stream.feeds.push(new Feed(member.peer, this.#tables.locRib, adj))
    this.#enter(stream)
    return stream
  }

  /**
   * A member comes over from another group, whose prefixes have path identifiers as these have.
   * Only into a group that is filled. O(rows).
   */
  adopt(member: Member, from: Stream): Stream {
    this.#extend(from.feeds.length)
    const stream = this.join(member)
    stream.adopt(from)
    for (const [at, feed] of stream.feeds.entries()) feed.adopt(from.feeds[at])
    return stream
  }

  /** A member goes. */
  leave(peer: PeerId): void {
    this.#streams.get(peer)?.clear()
    this.#streams.delete(peer)
    this.#streamOf[peer] = undefined
  }

  /** Fills the columns of at most `budget` rows. True when more are left. */
  fill(budget: number): boolean {
    if (this.#filled === FILLED) {
      const more = this.#ceiling?.admit(budget, row => this.consider(row)) ?? false
      this.flush()
      return more
    }
    const { locRib } = this.#tables
    const end = Math.min(locRib.prefixes.rows, this.#filled + budget)
    for (let at = this.#filled; at < end; at++) {
      if (!locRib.prefixes.has(at)) continue
      const row = at as PrefixId
      if (this.#selection !== undefined) this.#putSelected(row, this.#selection)
      else this.#putBest(row)
    }
    this.#filled = end === locRib.prefixes.rows ? FILLED : end
    return this.#filled !== FILLED
  }

  /** Rows were decided: what has changed for the members goes into the pass. */
  considerAll({ rows, changes, count }: Decided): void {
    // where paths that are not the best matter too, nothing of the row says whether they changed
    const all = this.#selection !== undefined
    for (let at = 0; at < count; at++)
      if (all || (changes[at]! & CHANGES.BEST) !== 0) this.consider(rows[at]!)
  }

  /** A row was decided: if what members are sent has changed, it goes into the pass. */
  consider(row: PrefixId): void {
    // the walk will come to it
    if (row >= this.#filled) return
    if (this.#staged > PACK_ROWS_MAX - SEND_PATHS_MAX) this.flush()
    this.#ceiling?.forget(row)
    if (this.#selection !== undefined) this.#putSelected(row, this.#selection)
    else this.#putBest(row)
  }

  /** Ends the pass: sends what changed to those in step, marks it for the others. */
  flush(): void {
    if (this.#staged === 0) return
    const inStep: Stream[] = []
    for (const stream of this.#streams.values())
      if (stream.inStep) inStep.push(stream)
      else this.#mark(stream)
    if (inStep.length > 0) this.#share(inStep)
    for (const plane of this.#planes) plane.endPass()
    this.#staged = 0
  }

  /**
   * Sends a member what it lacks, withdrawals first, at most `budget` rows. Returns the rows looked
   * at; 0 when there was nothing to do or its socket is full.
   */
  pump(stream: Stream, budget: number): number {
    if (!this.isBehind(stream)) return 0
    const { locRib, packer } = this.#tables
    const { member } = stream
    stream.begin()
    const most = Math.min(budget, PACK_ROWS_MAX - 1)
    const taken: PrefixId[] = []
    for (const [at, feed] of stream.feeds.entries())
      while (taken.length < most) {
        const row = feed.takeWithdrawal()
        if (row < 0) break
        packer.add(row as PrefixId, NO_OUT_SET, LOCAL_PEER, this.#planes[at]!.path)
        taken.push(row as PrefixId)
      }
    for (const [at, feed] of stream.feeds.entries())
      while (taken.length < most) {
        const row = feed.takeAnnouncement()
        if (row < 0) break
        const { adj, path } = this.#planes[at]!
        packer.add(row as PrefixId, adj.get(row as PrefixId), LOCAL_PEER, path)
        taken.push(row as PrefixId)
      }
    let left = most - taken.length
    for (let at = 0; at < stream.feeds.length && left > 0; at++)
      left -= this.#walk(stream.feeds[at]!, this.#planes[at]!, left)
    packer.flush(locRib.prefixes, this.form, message => member.send(message))
    for (const each of taken) locRib.drop(each)
    if (this.#owesEndOfRib(stream) && stream.complete) {
      stream.endOfRib = false
      member.send(endOfRib(locRib.family))
    }
    stream.end()
    return most - left
  }

  /** True for a member that lacks something and may be sent it. */
  isBehind(stream: Stream): boolean {
    if (stream.congested) return false
    return !stream.complete || this.#owesEndOfRib(stream) || stream.markDue
  }

  /** Members that lack something and may be sent it. */
  *behind(): Generator<Stream> {
    for (const stream of this.#streams.values()) if (this.isBehind(stream)) yield stream
  }

  /** An attribute set has gone from the tables. */
  forget(set: AttributeSetId): void {
    this.#forms.forget(set)
  }

  /** Empties the columns of a group without members. True when more is left. */
  sweep(budget: number): boolean {
    this.#forms.forgetAll()
    return this.#planes.some(plane => plane.sweep(budget))
  }

  /** Calls `visit` for each reference to a set that is held here: for checks. */
  references(visit: (set: OutSetId) => void): void {
    this.#forms.references(visit)
    for (const { adj } of this.#planes) adj.references(visit)
  }

  #owesEndOfRib(stream: Stream): boolean {
    return stream.endOfRib && !this.endOfRibHeld
  }

  /** The best path of a row, into the only plane. */
  #putBest(row: PrefixId): void {
    const { best, from } = this.#tables.locRib
    const source = from[row] as PeerId
    const set = this.#forms.export(row, best[row] as AttributeSetId, source)
    this.#put(this.#planes[0]!, row, set, this.#peers.owner[source] as PeerId)
  }

  /** A path of a row into its plane: in the pass, or only in the columns while they are filled. */
  #put(plane: Plane, row: PrefixId, set: OutSetId, owner: PeerId): void {
    if (set !== NO_OUT_SET && this.#ceiling?.refuses(plane.adj, row, owner) === true) {
      this.#tables.outSets.release(set)
      this.#put(plane, row, NO_OUT_SET, LOCAL_PEER)
      return
    }
    if (row >= this.#filled) {
      if (set !== NO_OUT_SET) plane.adj.put(row, set, owner)
    } else if (plane.change(row, set, owner)) this.#staged++
  }

  /** Each path of a row stays in its plane; a new one takes the first that is free. */
  #putSelected(row: PrefixId, selection: Selection): void {
    const { sources, sets, forms } = selection
    selection.select(row)
    const places = this.#places.fill(NONE)
    for (let at = 0; at < selection.count; at++) {
      const plane = this.#planeOf(row, sources[at]!)
      if (plane >= 0) places[plane] = at
    }
    for (let at = 0; at < selection.count; at++)
      if (!places.includes(at)) places[places.indexOf(NONE)] = at
    for (let each = 0; each < SEND_PATHS_MAX; each++) {
      const at = places[each]!
      if (at !== NONE) this.#extend(each + 1)
      const plane = this.#planes[each]
      if (plane === undefined) return
      if (at === NONE) {
        this.#put(plane, row, NO_OUT_SET, LOCAL_PEER)
        continue
      }
      const source = sources[at]!
      const set = this.#forms.made(sets[at]!, source, forms[at]!)
      this.#put(plane, row, set, this.#peers.owner[source] as PeerId)
      if (set !== NO_OUT_SET) plane.claim(row, source)
    }
  }

  /** The plane that has the path of `source`, or NONE. */
  #planeOf(row: PrefixId, source: PeerId): number {
    const planes = this.#planes
    for (let at = 0; at < planes.length; at++) if (planes[at]!.has(row, source)) return at
    return NONE
  }

  /** Makes planes until there are `count`. Of a new one everybody holds nothing. */
  #extend(count: number): void {
    const { locRib, outSets } = this.#tables
    while (this.#planes.length < count) {
      const plane = new Plane(this.form.addPath ? this.#planes.length + 1 : 0, locRib, outSets)
      this.#planes.push(plane)
      for (const { member, feeds } of this.#streams.values()) {
        const feed = new Feed(member.peer, locRib, plane.adj)
        // what comes into it after the columns were filled is said row by row
        if (!this.filling) feed.skipWalk()
        feeds.push(feed)
      }
    }
  }

  #walk(feed: Feed, { adj, path }: Plane, budget: number): number {
    const { locRib, packer } = this.#tables
    const last = Math.min(this.#filled, locRib.prefixes.rows)
    const start = feed.walk
    if (start === Number.POSITIVE_INFINITY) return 0
    const end = Math.min(last, start + budget)
    const over = end === last && !this.filling
    for (let row = feed.takeWalked(end, over); row >= 0; row = feed.takeWalked(end, over))
      packer.add(row as PrefixId, adj.get(row as PrefixId), LOCAL_PEER, path)
    return end - start
  }

  #mark({ feeds }: Stream): void {
    for (const [each, { rows, last, lastOwners }] of this.#planes.entries())
      for (let at = 0; at < rows.length; at++)
        feeds[each]!.change(rows[at]!, last[at]!, lastOwners[at]!)
  }

  /** One encoding for all that are in step; what concerns one member alone is marked for it. */
  #share(inStep: readonly Stream[]): void {
    const { locRib, packer } = this.#tables
    for (const plane of this.#planes)
      for (let at = 0; at < plane.rows.length; at++) this.#stage(plane, at)
    const broadcast = this.#broadcast
    packer.flush(locRib.prefixes, this.form, (messages, excluded) =>
      broadcast.add(messages, excluded),
    )
    broadcast.send(inStep.map(({ member }) => member))
    for (const { plane, at, stream } of this.#alone) {
      const feed = stream.feeds[this.#planes.indexOf(plane)]!
      feed.change(plane.rows[at]!, plane.last[at]!, plane.lastOwners[at]!)
    }
    this.#alone.length = 0
  }

  #stage(plane: Plane, at: number): void {
    const { packer } = this.#tables
    const { adj, path } = plane
    const row = plane.rows[at]!
    const last = plane.last[at]!
    const lastOwner = plane.lastOwners[at]!
    const set = adj.out[row] as OutSetId
    const owner = adj.owner[row] as PeerId
    if (set === NO_OUT_SET) {
      packer.add(row, NO_OUT_SET, this.#member(lastOwner), path)
      return
    }
    // the same to all but the one it came from and the one it comes from now
    if (set === last) this.#standAlone(plane, at, lastOwner)
    else packer.add(row, set, this.#member(owner), path)
    if (last !== NO_OUT_SET && lastOwner !== owner) this.#standAlone(plane, at, owner)
  }

  #standAlone(plane: Plane, at: number, peer: PeerId): void {
    const stream = this.#streamOf[peer]
    if (stream?.inStep) this.#alone.push({ plane, at, stream })
  }

  /** The peer if it is a member: others need not be kept from a message. */
  #member(peer: PeerId): PeerId {
    return this.#streamOf[peer] === undefined ? LOCAL_PEER : peer
  }

  #enter(stream: Stream): void {
    const { peer } = stream.member
    this.#streams.set(peer, stream)
    while (this.#streamOf.length <= peer) this.#streamOf.push(undefined)
    this.#streamOf[peer] = stream
  }
}
