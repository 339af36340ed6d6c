import {
  type AgentMode,
  documentText,
  type Entry,
  type LeasedKeys,
  lastDocument,
  lastKey,
  type NodeFacts,
  nodeStateRoot,
  podCidrsDocument,
  podCidrsKey,
  type StatusFacts,
  type Store,
  stateDocuments,
} from '../../core/intent/index.ts'
import { now } from '../../shell/clock/index.ts'
import type { Log } from '../../shell/log/index.ts'

/**
 * What a node writes to the store of its own accord: what it is and holds, for operators, and the
 * pod CIDRs of its configuration, for the other nodes.
 */

/** A document of which only counters changed is written again after this long. */
const COUNTERS_MS = 10_000

/** Between two last-known copies. */
const LAST_MS = 5_000

/** Fields that count what goes on and mean no change of state. */
const COUNTERS = new Set(['counters'])

interface Said {
  readonly text: string
  /** the document without its counters */
  readonly essence: string
  readonly at: number
}

/**
 * The state of one node in the store, under a lease: `report` says what is so, and what differs
 * from what was said before is set. The store's side bounds the rate of each key; counters, which
 * change all the time, are bounded further.
 */
export class Reporter {
  readonly #store: Store
  readonly #keys: LeasedKeys
  readonly #log: Log
  readonly #said = new Map<string, Said>()
  #lastText = ''
  #lastAt = Number.NEGATIVE_INFINITY
  #lastWriting = false
  #lastFailed = false

  /** @param leaseSeconds  how long the state of a node that died stays */
  constructor(store: Store, leaseSeconds: number, log: Log) {
    this.#store = store
    this.#keys = store.leased(leaseSeconds)
    this.#log = log
  }

  /** Makes the store say `facts`. O(documents). */
  report(facts: StatusFacts): void {
    const time = now()
    const documents = stateDocuments(facts)
    for (const [key, document] of documents) this.#say(key, document, time)
    for (const key of this.#said.keys()) {
      if (documents.has(key) || isUnknown(key, facts)) continue
      this.#said.delete(key)
      this.#keys.unset(key)
    }
    this.#remember(facts, time)
  }

  /** Takes this node's state away; the last-known copy stays. */
  async close(): Promise<void> {
    await this.#keys.close()
  }

  #say(key: string, document: object, time: number): void {
    const text = documentText(document)
    const said = this.#said.get(key)
    if (said?.text === text) return
    const essence = JSON.stringify(document, (name, value) =>
      COUNTERS.has(name) ? undefined : value,
    )
    if (said?.essence === essence && time - said.at < COUNTERS_MS) return
    this.#said.set(key, { text, essence, at: time })
    this.#keys.set(key, text)
  }

  #remember(facts: StatusFacts, time: number): void {
    if (this.#lastWriting || time - this.#lastAt < LAST_MS || facts.mode === 'starting') return
    const document = lastDocument(facts, now())
    const { at: _, ...rest } = document
    const text = JSON.stringify(rest)
    if (text === this.#lastText && !this.#lastFailed) return
    this.#lastAt = time
    this.#lastWriting = true
    this.#store.put(lastKey(facts.node), documentText(document)).then(
      () => {
        this.#lastWriting = false
        this.#lastFailed = false
        this.#lastText = text
      },
      (error: unknown) => {
        this.#lastWriting = false
        if (!this.#lastFailed)
          this.#log.warn(
            'STATE_NOT_WRITTEN',
            `the last-known copy is not written: ${sentenceOf(error)}`,
          )
        this.#lastFailed = true
      },
    )
  }
}

/**
 * While a half does not answer nobody knows what it holds: its documents stay as they were last
 * said, and the agent's says that the half is down.
 */
function isUnknown(key: string, facts: StatusFacts): boolean {
  const kind = key.slice(nodeStateRoot(facts.node).length)
  if (kind === 'kernel') return facts.dataplane === undefined
  return facts.speaker === undefined && !sessionsAreOver(facts.mode)
}

const sessionsAreOver = (mode: AgentMode): boolean => mode === 'idle'

const sentenceOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error)

/** Between two writes of pod CIDRs, whoever else writes the same key. */
const POD_CIDRS_MS = 1_000

/**
 * The pod CIDRs of this node's configuration, at POD_CIDRS_ROOT. Level-triggered: what the store
 * holds is compared with what it should hold, whenever either may have changed.
 */
export class PublishedPodCidrs {
  readonly #store: Store
  readonly #key: string
  /** undefined: no such document */
  readonly #wanted: string | undefined
  readonly #log: Log
  #writing = false
  #wroteAt = Number.NEGATIVE_INFINITY
  #failed = false

  constructor(store: Store, facts: NodeFacts, log: Log) {
    this.#store = store
    this.#log = log
    this.#key = podCidrsKey(facts.node)
    const document = podCidrsDocument(facts)
    this.#wanted = document === undefined ? undefined : documentText(document)
  }

  /** Writes where `entries`, the store as it was last seen, differ. At most once a second. */
  keep(entries: ReadonlyMap<string, Entry>): void {
    const found = entries.get(this.#key)?.value
    const time = now()
    if (found === this.#wanted || this.#writing || time - this.#wroteAt < POD_CIDRS_MS) return
    this.#wroteAt = time
    this.#writing = true
    const written =
      this.#wanted === undefined
        ? this.#store.delete(this.#key)
        : this.#store.put(this.#key, this.#wanted)
    written.then(
      () => this.#done(undefined),
      (error: unknown) => this.#done(error),
    )
  }

  #done(error: unknown): void {
    this.#writing = false
    if (error !== undefined && !this.#failed)
      this.#log.warn(
        'POD_CIDRS_NOT_WRITTEN',
        'the other nodes do not learn the pod CIDRs of this node’s configuration: ' +
          sentenceOf(error),
      )
    this.#failed = error !== undefined
  }
}
