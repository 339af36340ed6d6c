import { randomUUID } from 'node:crypto'
import { DATASTORE_KEY, newDatastore, usablePools } from '../../core/calico/index.ts'
import {
  cniHandle,
  type Desired,
  detectAddress,
  type Entry,
  type HostAddress,
  internalAddressOf,
  nodeKey,
  type Problem,
  podCidrsOf,
  registrationOf,
  type Snapshot,
  type Store,
  withheld,
  withoutTunnels,
} from '../../core/intent/index.ts'
import { FAMILIES, type Family, parsePrefix } from '../../core/net/index.ts'
import { now } from '../../shell/clock/index.ts'
import type { NodeConfiguration } from '../../shell/config/index.ts'
import { addressToward, CniFile, hostInterfaces } from '../../shell/host/index.ts'
import type { Log } from '../../shell/log/index.ts'
import { BlockClient } from '../../shell/store/index.ts'

/**
 * This node's part in the cluster: its Node object, kept true; a block of addresses, claimed where
 * it has none; the file for its container runtime.
 *
 * What somebody takes away stays away until the agent is started again: a Node that is deleted is
 * not made anew, a block that is released is not claimed again. So `calicoctl delete node` drains a
 * node whose agent runs.
 */

/** Between two attempts to write the Node, whoever else writes it. */
const REGISTER_MS = 1_000

/** Between two attempts to get a block where there is none: each reads all blocks. */
const CLAIM_MS = 5_000

/** What it is decided by, at one time. */
export interface View {
  readonly snapshot: Snapshot
  /** what the store holds; undefined while that is not followed: nothing is written then */
  readonly entries: ReadonlyMap<string, Entry> | undefined
}

/** Keeps it. */
export class Membership {
  readonly #configuration: NodeConfiguration
  readonly #store: Store
  readonly #log: Log
  readonly #changed: () => void
  readonly #poll: NodeJS.Timeout | undefined
  readonly #cni: CniFile | undefined
  readonly #problems = new Map<'registration' | 'ipam' | 'cni', readonly Problem[]>()
  /** undefined before the first look at the machine */
  #detected: Readonly<Partial<Record<Family, HostAddress>>> | undefined
  #refused = false
  /** our Node was there since the start */
  #registered = false
  #takenAway = false
  readonly #claimed = new Set<Family>()
  readonly #busy = new Set<string>()
  #triedAt: Partial<Record<'registration' | 'ipam', number>> = {}
  #internal: Readonly<Partial<Record<Family, HostAddress['address'] | undefined>>> = {}
  #ranges: string | undefined

  /** @param changed  is called when there is something else to be desired, or to be said */
  constructor(configuration: NodeConfiguration, store: Store, log: Log, changed: () => void) {
    this.#configuration = configuration
    this.#store = store
    this.#log = log
    this.#changed = changed
    const { registration, cni } = configuration
    this.#cni = cni && new CniFile(cni)
    if (registration === undefined) return
    this.#poll = setInterval(() => this.#look(), registration.pollMs)
    this.#look()
  }

  /** False before it is known which addresses are this node's: nothing is decided without. */
  get isReady(): boolean {
    return this.#configuration.registration === undefined || this.#detected !== undefined
  }

  /** What is to be done: no sessions, where this node's address is another's. */
  applied(desired: Desired): Desired {
    const problems = [...desired.problems, ...[...this.#problems.values()].flat()]
    const whole = { ...desired, problems }
    return this.#refused ? withheld(whole) : whole
  }

  /** Compares what is with what should be, and begins to write what differs. */
  keep(view: View): void {
    this.#keepCni(view)
    if (view.entries === undefined) return
    this.#register(view.snapshot, view.entries)
    this.#claim(view.snapshot, view.entries)
  }

  close(): void {
    clearInterval(this.#poll)
  }

  /** Looks at the machine's addresses. */
  #look(): void {
    this.#alone('look', async () => {
      const detected: Partial<Record<Family, HostAddress>> = {}
      for (const family of FAMILIES) {
        const found = await this.#addressOf(family)
        if (found !== undefined) detected[family] = found
      }
      const before = JSON.stringify(this.#detected)
      this.#detected = detected
      if (before !== JSON.stringify(detected)) this.#changed()
    })
  }

  async #addressOf(family: Family): Promise<HostAddress | undefined> {
    const source = this.#configuration.registration?.[family]
    if (source === undefined || source.type === 'none') return undefined
    const interfaces = hostInterfaces()
    if (source.type === 'given')
      return interfaces
        .flatMap(({ addresses }) => addresses)
        .find(({ address }) => address === source.address)
    const { method } = source
    const reached =
      method.type === 'can-reach' ? await addressToward(method.destination, family) : undefined
    const internal = this.#internal[family]
    return detectAddress(family, method, {
      interfaces,
      ...(reached !== undefined && { reached }),
      ...(internal !== undefined && { internal }),
    })
  }

  #register(snapshot: Snapshot, entries: ReadonlyMap<string, Entry>): void {
    const { node, registration } = this.#configuration
    if (registration === undefined) return
    const own = snapshot.nodes.find(({ metadata }) => metadata.name === node)
    const internal = { ipv4: internalAddressOf(own, 'ipv4'), ipv6: internalAddressOf(own, 'ipv6') }
    const isNews = JSON.stringify(internal) !== JSON.stringify(this.#internal)
    this.#internal = internal
    if (isNews) this.#look()
    if (this.#detected === undefined) return
    const key = nodeKey(node)
    const entry = entries.get(key)
    if (entry === undefined && this.#registered) {
      if (!this.#takenAway)
        this.#log.warn('NODE_DELETED', `${key} was deleted; it is made again at the next start`)
      this.#takenAway = true
      this.#say('registration', [], false)
      return
    }
    this.#takenAway = false
    const { value, refused, problems } = registrationOf(
      {
        node,
        facts: registration,
        detected: this.#detected,
        ...(entry !== undefined && { stored: entry.value }),
        nodes: snapshot.nodes,
      },
      { uid: randomUUID(), time: timestamp() },
    )
    this.#say('registration', problems, refused)
    this.#registered ||= entry !== undefined
    if (value === undefined || !this.#isTime('registration', REGISTER_MS)) return
    this.#alone('register', async () => {
      if (entry === undefined) await this.#initialize()
      const precondition = entry ?? { absent: true as const }
      const { done } = await this.#store.put(key, value, precondition)
      if (done) this.#log.info('NODE_REGISTERED', `${key} is what this node is`)
    })
  }

  /** Makes an etcd a Calico datastore where it is none yet, as every writer of Calico's does. */
  async #initialize(): Promise<void> {
    // nobody's calicoctl reads a directory
    if (this.#configuration.store.kind !== 'etcd') return
    if ((await this.#store.get(DATASTORE_KEY)) !== undefined) return
    const made = newDatastore({ uniqueId: randomUUID, creationTimestamp: timestamp() })
    for (const { key, value } of made) await this.#store.put(key, value, { absent: true })
  }

  #claim(snapshot: Snapshot, entries: ReadonlyMap<string, Entry>): void {
    const { node, claimsBlocks } = this.#configuration
    const own = snapshot.nodes.find(({ metadata }) => metadata.name === node)
    // who is no member claims nothing
    if (claimsBlocks !== true || own === undefined || !entries.has(nodeKey(node)) || this.#refused)
      return
    const labels = own.metadata.labels ?? {}
    const shared = {
      pools: snapshot.ipPools,
      labels,
      reserved: snapshot.ipReservations.flatMap(({ spec }) =>
        (spec.reservedCIDRs ?? []).flatMap(text => parsePrefix(text) ?? []),
      ),
      ...(this.#cni !== undefined && { handleId: cniHandle(node) }),
    }
    const wanted = FAMILIES.filter(
      family => !this.#claimed.has(family) && usablePools({ ...shared, family }).length > 0,
    )
    const problem = (reason: string): Problem => ({ object: nodeKey(node), field: '', reason })
    if (wanted.length === 0) {
      const why =
        'ipam.claim: no IPPool is for workloads of this node; apply one, or label the node'
      this.#say('ipam', this.#claimed.size > 0 ? [] : [problem(why)], this.#refused)
      return
    }
    if (!this.#isTime('ipam', CLAIM_MS)) return
    this.#alone('claim', async () => {
      const problems: Problem[] = []
      const client = new BlockClient(this.#store, node, Date.now)
      for (const family of wanted) {
        const claimed = await client.claim({ ...shared, family })
        if ('why' in claimed) problems.push(problem(`ipam.claim: ${claimed.why}`))
        else {
          this.#claimed.add(family)
          this.#log.info('BLOCK_CLAIMED', `${claimed.block} is this node's`)
        }
      }
      this.#say('ipam', problems, this.#refused)
    })
  }

  #keepCni({ snapshot }: View): void {
    const { cni, facts } = this.#configuration
    if (this.#cni === undefined || cni === undefined) return
    const ranges = withoutTunnels(snapshot, facts.node, podCidrsOf(snapshot, facts).own)
    const text = ranges.join(' ')
    if (text === this.#ranges && (this.#problems.get('cni') ?? []).length === 0) return
    this.#alone('cni', async () => {
      const why = await this.#cni?.keep(ranges)
      if (why === undefined && text !== this.#ranges) {
        if (text !== '') this.#log.info('CNI_WRITTEN', `${cni.path} says ${text}`)
        else if (this.#ranges !== undefined)
          this.#log.info('CNI_REMOVED', `${cni.path} is gone: this node has no block`)
        this.#ranges = text
      }
      const problems = why === undefined ? [] : [{ object: cni.path, field: '', reason: why }]
      this.#say('cni', problems, this.#refused)
    })
  }

  #say(about: 'registration' | 'ipam' | 'cni', problems: readonly Problem[], refused: boolean) {
    const same = JSON.stringify(this.#problems.get(about) ?? []) === JSON.stringify(problems)
    if (same && refused === this.#refused) return
    this.#problems.set(about, problems)
    this.#refused = refused
    this.#changed()
  }

  #isTime(about: 'registration' | 'ipam', pauseMs: number): boolean {
    const time = now()
    if (time - (this.#triedAt[about] ?? Number.NEGATIVE_INFINITY) < pauseMs) return false
    this.#triedAt[about] = time
    return true
  }

  /** One of a kind at a time. What fails is tried again at the next look. */
  #alone(name: string, work: () => Promise<void>): void {
    if (this.#busy.has(name)) return
    this.#busy.add(name)
    work()
      .catch((error: unknown) => {
        const why = error instanceof Error ? error.message : String(error)
        this.#log.warn('MEMBERSHIP_RETRIED', `${name}: ${why}`)
      })
      .finally(() => this.#busy.delete(name))
  }
}

const timestamp = (): string => `${new Date().toISOString().slice(0, 19)}Z`
