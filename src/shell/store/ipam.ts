import {
  AFFINITIES_ROOT,
  type AffinityState,
  type AllocationBlock,
  type AssignRules,
  affinityKey,
  assignStep,
  BLOCKS_ROOT,
  type BlockView,
  blockKey,
  type ClaimRules,
  type ClaimStep,
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
  type IpamConfig,
  newBlock,
  ordinalsOf,
  parseAffinityKey,
  parseBlockKey,
  type ReleaseRules,
  releaseStep,
  withAllReserved,
  withAssigned,
  withoutAffinity,
  withReleased,
} from '../../core/calico/index.ts'
import type { Entry, Store, WriteResult } from '../../core/intent/index.ts'
import { type Address, type Prefix, parsePrefix } from '../../core/net/index.ts'
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
    const config = await this.#config()
    for (let write = 0; write < IPAM_WRITES_MAX; write++) {
      const step = claimStep(this.#view(), { ...rules, config })
      if (step.type === 'held') return { block: step.block }
      if (step.type === 'none') return { why: step.why }
      await this.#claimStep(step, rules.handleId)
    }
    throw tooMany()
  }

  /**
   * Assigns one address to an owner, or finds the one that it has. Rejects where the store does not
   * answer; what was begun is gone on with by the next call.
   */
  async assign(
    rules: Omit<AssignRules, 'config'>,
  ): Promise<{ readonly address: Address } | { readonly why: string }> {
    await this.#read()
    const config = await this.#config()
    for (let write = 0; write < IPAM_WRITES_MAX; write++) {
      const step = assignStep(this.#view(), { ...rules, config })
      switch (step.type) {
        case 'held':
          return { address: step.address }
        case 'none':
          return { why: step.why }
        case 'assign':
          await this.#assign(step.block, step.ordinal, rules)
          break
        case 'release':
          await this.#giveBack(step.block, rules.handleId)
          break
        case 'claim':
          await this.#claimStep(step.step, undefined)
          break
        default:
          step satisfies never
      }
    }
    throw tooMany()
  }

  /** Gives back all addresses of an owner. Rejects where the store does not answer. */
  async giveBack(handleId: string): Promise<void> {
    await this.#read()
    const handle = await this.#store.get(handleKey(handleId))
    const named = Object.keys((handle && decodeHandle(handle.value)?.block) ?? {})
    const blocks = new Set(named.flatMap(text => parsePrefix(text) ?? []))
    for (const [cidr, block] of this.#blocks)
      if (block !== undefined && ordinalsOf(block, handleId).length > 0) blocks.add(cidr)
    for (const cidr of blocks) await this.#giveBack(cidr, handleId)
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

  /** One write of a claim. */
  #claimStep(
    step: Exclude<ClaimStep, { readonly type: 'held' | 'none' }>,
    handleId: string | undefined,
  ): Promise<void> {
    switch (step.type) {
      case 'pend':
        return this.#setAffinity(step.block, 'pending')
      case 'confirm':
        return this.#setAffinity(step.block, 'confirmed')
      case 'create':
        return this.#create(step.block)
      case 'reserve':
        return this.#reserve(step.block, handleId)
      case 'abandon':
        return this.#remove(affinityKey(this.#node, step.block))
      default:
        return step.type satisfies never
    }
  }

  async #config(): Promise<IpamConfig> {
    const configured = await this.#store.get(IPAM_CONFIG_KEY)
    return (configured && decodeIpamConfig(configured.value)) ?? IPAM_CONFIG_DEFAULT
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

  async #assign(
    cidr: Prefix,
    ordinal: number,
    owner: Pick<AssignRules, 'handleId' | 'secondary'>,
  ): Promise<void> {
    const block = this.#blocks.get(cidr)
    if (block === undefined) return
    const count = ordinalsOf(block, owner.handleId).length + 1
    await this.#count(owner.handleId, cidr, count)
    await this.#put(blockKey(cidr), encodeBlock(withAssigned(block, ordinal, owner)))
  }

  /** The block first: an owner that counts too many is gone on with, an address of nobody's not. */
  async #giveBack(cidr: Prefix, handleId: string): Promise<void> {
    for (let write = 0; write < IPAM_WRITES_MAX; write++) {
      const block = this.#blocks.get(cidr)
      if (block === undefined || ordinalsOf(block, handleId).length === 0) {
        await this.#count(handleId, cidr, 0)
        return
      }
      await this.#change(cidr, known => withReleased(known, handleId))
    }
    throw tooMany()
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
