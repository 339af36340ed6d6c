import { TUNNELS, type TunnelKind } from '../../core/calico/index.ts'
import {
  cniHandle,
  type Desired,
  type Entry,
  nodeKey,
  nodeWithTunnels,
  type Problem,
  type Snapshot,
  type Store,
  type TunnelAddressChange,
  tunnelAddressChanges,
} from '../../core/intent/index.ts'
import { type Address, parsePrefix } from '../../core/net/index.ts'
import { now } from '../../shell/clock/index.ts'
import type { NodeConfiguration } from '../../shell/config/index.ts'
import type { Log } from '../../shell/log/index.ts'
import { BlockClient } from '../../shell/store/index.ts'
import type { View } from './membership.ts'

/**
 * The addresses of this node's ends of tunnels: assigned by IPAM while a pool asks for the tunnel,
 * said in the Node, and given back.
 */

/** Between two attempts: each reads all blocks. */
const ASSIGN_MS = 1_000

/** Keeps them. */
export class TunnelAddresses {
  readonly #configuration: NodeConfiguration
  readonly #store: Store
  readonly #log: Log
  readonly #changed: () => void
  #problems: readonly Problem[] = []
  #busy = false
  #triedAt = Number.NEGATIVE_INFINITY

  /** @param changed  is called when there is something else to be said */
  constructor(configuration: NodeConfiguration, store: Store, log: Log, changed: () => void) {
    this.#configuration = configuration
    this.#store = store
    this.#log = log
    this.#changed = changed
  }

  /** What is to be done, with what cannot be. */
  applied(desired: Desired): Desired {
    return { ...desired, problems: [...desired.problems, ...this.#problems] }
  }

  /** Compares what is with what should be, and begins to write what differs. */
  keep({ snapshot, entries }: View): void {
    const { node, facts } = this.#configuration
    const entry = entries?.get(nodeKey(node))
    if (entry === undefined || this.#busy) return
    const changes = tunnelAddressChanges(snapshot, facts).filter(change =>
      this.#isTime(change, snapshot),
    )
    if (changes.length === 0) this.#say([])
    if (changes.length === 0 || now() - this.#triedAt < ASSIGN_MS) return
    this.#triedAt = now()
    this.#busy = true
    this.#make(changes, snapshot, entry)
      .catch((error: unknown) => {
        const why = error instanceof Error ? error.message : String(error)
        this.#log.warn('TUNNEL_ADDRESS_RETRIED', `addresses of tunnels: ${why}`)
      })
      .finally(() => {
        this.#busy = false
      })
  }

  /** A block that is all the container runtime's is claimed first: see `avoid`. */
  #isTime({ kind, pools }: TunnelAddressChange, { blocks }: Snapshot): boolean {
    const { node, cni, claimsBlocks } = this.#configuration
    if (cni === undefined || claimsBlocks !== true || pools.length === 0) return true
    const isFour = TUNNELS[kind].family === 'ipv4'
    const handle = cniHandle(node)
    return blocks.some(
      ({ cidr, attributes }) =>
        cidr.includes(':') !== isFour && attributes.some(({ handleId }) => handleId === handle),
    )
  }

  async #make(
    changes: readonly TunnelAddressChange[],
    snapshot: Snapshot,
    entry: Entry,
  ): Promise<void> {
    const { node, cni } = this.#configuration
    const labels = snapshot.nodes.find(({ metadata }) => metadata.name === node)?.metadata.labels
    const client = new BlockClient(this.#store, node, Date.now)
    const addresses = new Map<TunnelKind, Address | undefined>()
    const problems: Problem[] = []
    for (const { kind, handleId, secondary, pools } of changes) {
      if (pools.length === 0) continue
      const assigned = await client.assign({
        ...{ family: TUNNELS[kind].family, pools, labels: labels ?? {}, handleId, secondary },
        reserved: snapshot.ipReservations.flatMap(({ spec }) =>
          (spec.reservedCIDRs ?? []).flatMap(text => parsePrefix(text) ?? []),
        ),
        ...(cni !== undefined && { avoid: cniHandle(node) }),
      })
      if ('address' in assigned) addresses.set(kind, assigned.address)
      else
        problems.push({
          object: nodeKey(node),
          field: '',
          reason: `the tunnel ${TUNNELS[kind].link} has no address: ${assigned.why}`,
        })
    }
    const given = changes.filter(({ pools }) => pools.length === 0)
    for (const { kind } of given) addresses.set(kind, undefined)
    this.#say(problems)
    const value = nodeWithTunnels(entry.value, node, addresses)
    if (addresses.size > 0 && value !== undefined && value !== entry.value) {
      // who wrote the Node meanwhile is read first
      const { done } = await this.#store.put(entry.key, value, { revision: entry.revision })
      if (!done) return
      for (const [kind, address] of addresses)
        this.#log.info('TUNNEL_ADDRESS', `${TUNNELS[kind].link} has ${address ?? 'no address'}`)
    }
    // only what no Node says any more: whoever reads it meanwhile sends nothing there
    for (const { handleId } of given) await client.giveBack(handleId)
  }

  #say(problems: readonly Problem[]): void {
    if (JSON.stringify(problems) === JSON.stringify(this.#problems)) return
    this.#problems = problems
    this.#changed()
  }
}
