import {
  AFFINITIES_ROOT,
  type AffinityState,
  type AllocationBlock,
  affinityKey,
  BLOCKS_ROOT,
  type BlockView,
  blockKey,
  type ClaimRules,
  claimStep,
  decodeBlock,
  decodeHandle,
  decodeIpamConfig,
  encodeBlock,
  encodeHandle,
  escapeName,
  handleKey,
  IPAM_CONFIG_DEFAULT,
  IPAM_CONFIG_KEY,
  newBlock,
  parseAffinityKey,
  parseBlockKey,
  type ReleaseRules,
  releaseStep,
  withAllReserved,
  withoutAffinity,
  withReleased,
} from '../../core/calico/index.ts'
import type { Entry, Store, WriteResult } from '../../core/intent/index.ts'
import type { Prefix } from '../../core/net/index.ts'
import { StoreError } from './errors.ts'

/**
 * Calico's IPAM on a store: blocks claimed and released, one compare-and-swap after another. What
 * comes next, core/calico/ipam says; here it is written.
 */

/**
 * Most writes of one claim or release. Who needs more is one of very many that race; it may begin
 * again.
 */
export const IPAM_WRITES_MAX = 1000

/** A node's way to its blocks. */
export class BlockClient {
  readonly #store: Store
  readonly #node: string
  /** wall clock, milliseconds since 1970 */
  readonly #now: () => number
  readonly #entries = new Map<string, Entry>()
  readonly #affinities = new Map<Prefix, AffinityState>()
  readonly #blocks = new Map<Prefix, AllocationBlock | undefined>()

  constructor(store: Store, node: string, now: () => number) {
    this.#store = store
    this.#node = node
    this.#now = now
  }

  /**
   * Claims a block of the family, or finds the one that the node has. Rejects where the store does
   * not answer; what was begun is gone on with by the next claim.
   */
  async claim(
    rules: Omit<ClaimRules, 'config'>,
  ): Promise<{ readonly block: Prefix } | { readonly why: string }> {
    await this.#read()
    const configured = await this.#store.get(IPAM_CONFIG_KEY)
    const config = (configured && decodeIpamConfig(configured.value)) ?? IPAM_CONFIG_DEFAULT
    for (let write = 0; write < IPAM_WRITES_MAX; write++) {
      const step = claimStep(this.#view(), { ...rules, config })
      switch (step.type) {
        case 'held':
          return { block: step.block }
        case 'none':
          return { why: step.why }
        case 'pend':
          await this.#setAffinity(step.block, 'pending')
          break
        case 'confirm':
          await this.#setAffinity(step.block, 'confirmed')
          break
        case 'create':
          await this.#create(step.block)
          break
        case 'reserve':
          await this.#reserve(step.block, rules.handleId)
          break
        case 'abandon':
          await this.#remove(affinityKey(this.#node, step.block))
          break
        default:
          step satisfies never
      }
    }
    throw tooMany()
  }

  /** Gives a block up. Rejects where the store does not answer; the next release goes on. */
  async release(rules: ReleaseRules): Promise<{ readonly used: number } | undefined> {
    await this.#read()
    for (let write = 0; write < IPAM_WRITES_MAX; write++) {
      const step = releaseStep(this.#view(), rules)
      switch (step.type) {
        case 'refused':
          return { used: step.used }
        case 'released':
          return undefined
        case 'mark':
          await this.#setAffinity(rules.block, 'pendingDeletion')
          break
        case 'free':
          await this.#change(rules.block, block => withReleased(block, rules.handleId ?? ''))
          break
        case 'orphan':
          await this.#forgetCount(rules)
          await this.#change(rules.block, withoutAffinity)
          break
        case 'delete':
          await this.#forgetCount(rules)
          await this.#remove(blockKey(rules.block))
          break
        case 'forget':
          await this.#remove(affinityKey(this.#node, rules.block))
          break
        default:
          step satisfies never
      }
    }
    throw tooMany()
  }

  #view(): BlockView {
    return { node: this.#node, affinities: this.#affinities, blocks: this.#blocks }
  }

  async #read(): Promise<void> {
    const own = `${AFFINITIES_ROOT}${escapeName(this.#node)}/`
    const { entries } = await this.#store.list([own, BLOCKS_ROOT])
    this.#entries.clear()
    this.#affinities.clear()
    this.#blocks.clear()
    for (const entry of entries) this.#learn(entry.key, entry)
  }

  /** Knows from now on what a key holds. */
  #learn(key: string, entry: Entry | undefined): void {
    if (entry === undefined) this.#entries.delete(key)
    else this.#entries.set(key, entry)
    const affinity = parseAffinityKey(key)
    const block = parseBlockKey(key)
    if (affinity !== undefined) {
      const state = entry && stateOf(entry.value)
      if (state === undefined) this.#affinities.delete(affinity.block)
      else this.#affinities.set(affinity.block, state)
    } else if (block !== undefined) {
      if (entry === undefined) this.#blocks.delete(block)
      else this.#blocks.set(block, decodeBlock(entry.value))
    }
  }

  #setAffinity(block: Prefix, state: AffinityState): Promise<void> {
    const value = JSON.stringify({ state, deleted: false })
    return this.#put(affinityKey(this.#node, block), value)
  }

  #create(block: Prefix): Promise<void> {
    const now = this.#now()
    const claimed = newBlock(block, {
      node: this.#node,
      claimTime: `${new Date(now).toISOString().slice(0, 19)}Z`,
      sequenceNumber: BigInt(Math.floor(now)) * 1_000_000n,
    })
    return this.#put(blockKey(block), encodeBlock(claimed))
  }

  async #reserve(cidr: Prefix, handleId: string | undefined): Promise<void> {
    const block = this.#blocks.get(cidr)
    if (block === undefined || handleId === undefined) return
    const reserved = withAllReserved(block, { handleId, node: this.#node })
    const index = reserved.attributes.findIndex(attribute => attribute.handleId === handleId)
    const count = reserved.allocations.filter(slot => slot === index).length
    await this.#count(handleId, cidr, count)
    await this.#put(blockKey(cidr), encodeBlock(reserved))
  }

  async #change(cidr: Prefix, change: (block: AllocationBlock) => AllocationBlock): Promise<void> {
    const block = this.#blocks.get(cidr)
    if (block !== undefined) await this.#put(blockKey(cidr), encodeBlock(change(block)))
  }

  /** Before the block goes: a release that dies between the two is gone on with. */
  async #forgetCount({ handleId, block }: ReleaseRules): Promise<void> {
    if (handleId !== undefined) await this.#count(handleId, block, 0)
  }

  /** Says in the handle how many addresses of a block it has; a handle of none is no more. */
  async #count(handleId: string, cidr: Prefix, count: number): Promise<void> {
    const key = handleKey(handleId)
    for (let write = 0; write < IPAM_WRITES_MAX; write++) {
      const entry = await this.#store.get(key)
      const { [cidr]: _, ...others } = (entry && decodeHandle(entry.value)?.block) ?? {}
      const block = count === 0 ? others : { ...others, [cidr]: count }
      if (Object.keys(block).length > 0) {
        const value = encodeHandle({ block, deleted: false })
        const { done } = await this.#store.put(key, value, entry ?? { absent: true })
        if (done) return
      } else if (entry === undefined || (await this.#store.delete(key, entry)).done) return
    }
    throw tooMany()
  }

  /** Writes where nothing has changed since it was read; either way it is known what is there. */
  async #put(key: string, value: string): Promise<void> {
    const known = this.#entries.get(key)
    const result = await this.#store.put(
      key,
      value,
      known === undefined ? { absent: true } : { revision: known.revision },
    )
    this.#learn(key, result.done ? { key, value, revision: result.revision } : result.current)
  }

  async #remove(key: string): Promise<void> {
    const known = this.#entries.get(key)
    if (known === undefined) return
    const result: WriteResult = await this.#store.delete(key, { revision: known.revision })
    this.#learn(key, result.done ? undefined : result.current)
  }
}

/** What an affinity's value says; what cannot be read is taken for what older Calicos wrote. */
function stateOf(value: string): AffinityState | undefined {
  let found: unknown
  try {
    found = JSON.parse(value)
  } catch {
    return 'confirmed'
  }
  if (typeof found !== 'object' || found === null) return 'confirmed'
  const state: unknown = Reflect.get(found, 'state')
  if (Reflect.get(found, 'deleted') === true) return 'pendingDeletion'
  return state === 'pending' || state === 'pendingDeletion' ? state : 'confirmed'
}

const tooMany = (): StoreError =>
  new StoreError('STORE_UNAVAILABLE', `blocks change faster than ${IPAM_WRITES_MAX} writes follow`)
