import { after, type Millis, millis } from '../../base/index.ts'
import {
  AFFINITIES_ROOT,
  escapeName,
  kindNamed,
  RESOURCES_ROOT,
  resourceKey,
} from '../../calico/index.ts'
import type { Entry } from './ports.ts'

/**
 * Whether what the store says now is to be followed at once, or a disaster of the store that must
 * not become one of the network. Pure; its owner asks whenever the store has said something, and at
 * the times that the answers name.
 *
 * What counts are Nodes, BGPPeers and IPPools. The store is suddenly empty where this node's Node
 * was in force and is gone, and with it
 *
 * - after an outage, a lost watch or a start of ours (the store was listed, and nobody saw how they
 *   went): every Node that was in force; or every BGPPeer and IPPool, where there were any
 * - while we watched, within OWN_SETTLES: every Node that was in force, and that was not this
 *   one alone, with no BGPPeer and no IPPool gone
 *
 * BGPPeers that name this node do not count: who deletes a node deletes them too. So one Node that
 * an operator deletes goes within seconds, and a store that was restored from nothing does not take
 * the node out of the network. What is held back stays until this node's Node is there again, and
 * nothing that counts has changed for RETURN_SETTLES; or until somebody accepts it.
 */

/** How long more is waited for when this node's own Node goes. */
export const OWN_SETTLES = millis(1000)
/** The same, when several objects that count go at once, or a block of ours, and no Node yet. */
export const SEVERAL_SETTLE = millis(250)
/** How long nothing that counts may change when the Node is back: they are put back one by one. */
export const RETURN_SETTLES = millis(3000)

const NODES = rootOf('Node')
const PEERS = rootOf('BGPPeer')
const POOLS = rootOf('IPPool')
const COUNTING = [NODES, PEERS, POOLS]
const CLUSTER_INFORMATION = resourceKey({ kind: kindNamed('ClusterInformation')!, name: 'default' })

/** What the store says, as its owner has put it together. */
export interface StoreView {
  readonly entries: ReadonlyMap<string, Entry>
  /** of the last thing that it said */
  readonly revision: number
  /** what it said was found by listing: deletions may have come in any order, at any time */
  readonly listed: boolean
  /** files that cannot be read just now: what they held is not known to be gone */
  readonly unreadable?: ReadonlySet<string>
  /** of the last word that an empty store is meant so; absent: nobody said it */
  readonly accepted?: number
}

/** What is to be done about it. */
export type Judgement =
  /** follow it */
  | { readonly what: 'follow' }
  /** ask again at `until`: what is in force stays for now */
  | { readonly what: 'wait'; readonly until: Millis }
  /** keep what is in force; ask again when the store says more, or at `until` */
  | {
      readonly what: 'hold'
      readonly why: string
      readonly since: Millis
      readonly until?: Millis
    }
  /** the datastore is not to be acted on: keep what is in force */
  | { readonly what: 'pause'; readonly why: string }

/** Remembers what is in force, as far as it counts here. */
export class HoldBack {
  readonly #node: string
  readonly #own: string
  /** under which the blocks of this node are: they go together with the rest, so they tell of it */
  readonly #blocks: string
  /** of what is in force */
  #force: ReadonlyMap<string, Entry>
  /** since what is in force was followed, the store was listed */
  #listed = true
  /** since when something that counts is gone, and that is not followed yet */
  #goneSince: Millis | undefined
  #held: { readonly since: Millis; readonly revision: number } | undefined
  #quiet: { readonly since: Millis; readonly text: string } | undefined

  /** @param inForce  what is followed from the start: what an earlier controller left */
  constructor(node: string, inForce: Iterable<Entry> = []) {
    this.#node = node
    this.#own = resourceKey({ kind: kindNamed('Node')!, name: node })
    this.#blocks = `${AFFINITIES_ROOT}${escapeName(node)}/`
    this.#force = this.#countingOf(inForce)
  }

  /** What to do about `view`; `follow` makes it what is in force. O(entries). */
  judge(view: StoreView, now: Millis): Judgement {
    this.#listed ||= view.listed
    if (isNotReady(view.entries)) return { what: 'pause', why: 'datastoreReady is false' }
    const accepted = this.#isAccepted(view)
    const judgement = accepted ? FOLLOW : (this.#judgeHeld(view, now) ?? this.#judge(view, now))
    if (judgement.what === 'follow') this.#follow(view)
    return judgement
  }

  #isAccepted({ accepted = 0 }: StoreView): boolean {
    return this.#held !== undefined && accepted > this.#held.revision
  }

  /** Undefined while nothing is held back. */
  #judgeHeld(view: StoreView, now: Millis): Judgement | undefined {
    if (this.#held === undefined) return undefined
    const { since } = this.#held
    if (!view.entries.has(this.#own)) {
      this.#quiet = undefined
      return { what: 'hold', since, why: this.#sentence(view.entries) }
    }
    const text = this.#textOf(view.entries)
    if (this.#quiet?.text !== text) this.#quiet = { since: now, text }
    const until = after(this.#quiet.since, RETURN_SETTLES)
    if (now >= until) return FOLLOW
    return { what: 'hold', since, until, why: 'what had gone is coming back' }
  }

  #judge(view: StoreView, now: Millis): Judgement {
    const gone = [...this.#force.values()]
      .filter(entry => !view.entries.has(entry.key) && !isHidden(entry, view))
      .map(({ key }) => key)
    const ownGone = gone.includes(this.#own)
    if (ownGone && this.#isEmptied(gone)) {
      this.#goneSince = undefined
      this.#held = { since: now, revision: view.revision }
      return { what: 'hold', since: now, why: this.#sentence(view.entries) }
    }
    const settles = this.#listed ? undefined : settlingOf(gone, ownGone)
    if (settles === undefined) return FOLLOW
    this.#goneSince ??= now
    const until = after(this.#goneSince, settles)
    return now >= until ? FOLLOW : { what: 'wait', until }
  }

  /** Our own is gone; with it, is all? */
  #isEmptied(gone: readonly string[]): boolean {
    const all = [...this.#force.values()].filter(entry => !this.#isOwnPeer(entry))
    const isLeft = (root: string): boolean =>
      all.some(({ key }) => key.startsWith(root) && !gone.includes(key))
    const are = (root: string): number => all.filter(({ key }) => key.startsWith(root)).length
    const restGone = are(PEERS) + are(POOLS) > 0 && !isLeft(PEERS) && !isLeft(POOLS)
    const nodesGone = !isLeft(NODES)
    return this.#listed ? nodesGone || restGone : nodesGone && (are(NODES) > 1 || restGone)
  }

  #isOwnPeer({ key, value }: Entry): boolean {
    return key.startsWith(PEERS) && fieldOf(value, 'spec', 'node') === this.#node
  }

  #follow(view: StoreView): void {
    const hidden = [...this.#force.values()].filter(entry => isHidden(entry, view))
    this.#force = this.#countingOf([...hidden, ...view.entries.values()])
    this.#listed = false
    this.#goneSince = undefined
    this.#held = undefined
    this.#quiet = undefined
  }

  #countingOf(entries: Iterable<Entry>): Map<string, Entry> {
    const counting = new Map<string, Entry>()
    for (const entry of entries)
      if (COUNTING.some(root => entry.key.startsWith(root)) || entry.key.startsWith(this.#blocks))
        counting.set(entry.key, entry)
    return counting
  }

  /** Equal exactly while nothing that counts is put or deleted. */
  #textOf(entries: ReadonlyMap<string, Entry>): string {
    return [...this.#countingOf(entries.values()).values()]
      .map(({ key, revision }) => `${key} ${revision}`)
      .toSorted()
      .join('\n')
  }

  #sentence(entries: ReadonlyMap<string, Entry>): string {
    const gone = [...this.#force.keys()].filter(key => !entries.has(key))
    const count = (root: string): number => gone.filter(key => key.startsWith(root)).length
    return (
      `the store holds no Node ${this.#node} any more, and of what counts ${gone.length} of ` +
      `${this.#force.size} objects are gone at once (Nodes ${count(NODES)}, ` +
      `BGPPeers ${count(PEERS)}, IPPools ${count(POOLS)})`
    )
  }
}

const FOLLOW: Judgement = { what: 'follow' }

function rootOf(kind: string): string {
  return `${RESOURCES_ROOT}${kindNamed(kind)!.plural}/`
}

/** In a file that cannot be read: whoever decodes it goes by what it last said. */
const isHidden = ({ source }: Entry, { unreadable }: StoreView): boolean =>
  source !== undefined && unreadable?.has(source.replace(/:\d+$/, '')) === true

/** How long more may go before it is known what all of it means; undefined: it is known. */
function settlingOf(gone: readonly string[], ownGone: boolean): Millis | undefined {
  if (ownGone) return OWN_SETTLES
  const [first, ...others] = gone
  const several = others.length > 0 || first?.startsWith(AFFINITIES_ROOT) === true
  return several ? SEVERAL_SETTLE : undefined
}

/** Calico's lock for who moves a datastore; an object that cannot be read locks nothing. */
function isNotReady(entries: ReadonlyMap<string, Entry>): boolean {
  const found = entries.get(CLUSTER_INFORMATION)
  return found !== undefined && fieldOf(found.value, 'spec', 'datastoreReady') === false
}

function fieldOf(text: string, ...path: readonly string[]): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // whoever decodes it reports it
    return undefined
  }
  for (const name of path)
    value = typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
  return value
}
