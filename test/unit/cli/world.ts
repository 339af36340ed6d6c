/**
 * A world for commands under test: a terminal that remembers, a store in memory, an agent that
 * answers what it is given, a clock that stands still.
 */

import { execute } from '../../../src/app/cli/index.ts'
import type { Surroundings } from '../../../src/app/cli/surroundings.ts'
import type { FlushAnswer, FlushRequest } from '../../../src/app/dataplane/flush.ts'
import type {
  AgentDocument,
  Entry,
  KernelDocument,
  LeasedKeys,
  Listing,
  Precondition,
  RouteDocument,
  ServiceSource,
  SessionDocument,
  Store,
  WriteResult,
} from '../../../src/core/intent/index.ts'
import type { AgentClient } from '../../../src/shell/api/index.ts'
import { parseConfig } from '../../../src/shell/config/index.ts'

/** What a command line said and how it ended. */
export interface Outcome {
  readonly code: number
  readonly printed: string
  readonly remarks: string
}

/** Files by path, and what else a test wants otherwise than the default. */
export interface Setting {
  readonly files?: Readonly<Record<string, string>>
  readonly columns?: number
  readonly colour?: boolean
  readonly store?: MemoryStore
  /** what the configuration says of it, in YAML */
  readonly storeIn?: string
  /** what Kubernetes has; absent: it is not configured */
  readonly services?: ServiceSource
  readonly agent?: AgentClient
  readonly flush?: (request: FlushRequest) => FlushAnswer
}

/** A store without time: no watch, no leases. `beforeWrite` lets somebody else be faster. */
export class MemoryStore implements Store {
  readonly entries = new Map<string, Entry>()
  beforeWrite: ((key: string) => void) | undefined
  closed = 0
  #revision = 0

  /** Writes as somebody else would. */
  seed(key: string, value: unknown): void {
    this.#revision += 1
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    this.entries.set(key, { key, value: text, revision: this.#revision })
  }

  async get(key: string): Promise<Entry | undefined> {
    return this.entries.get(key)
  }

  async list(prefix: string | readonly string[], at?: number): Promise<Listing> {
    if (at !== undefined && at !== this.#revision) throw new Error(`revision ${at} is not kept`)
    const prefixes = [prefix].flat()
    const entries = [...this.entries.values()]
      .filter(({ key }) => prefixes.some(prefix => key.startsWith(prefix)))
      .toSorted((a, b) => (a.key < b.key ? -1 : 1))
    return { entries, revision: this.#revision }
  }

  async put(key: string, value: string, precondition?: Precondition): Promise<WriteResult> {
    this.beforeWrite?.(key)
    const current = this.entries.get(key)
    if (!holds(precondition, current)) return { done: false, current }
    this.seed(key, value)
    return { done: true, revision: this.#revision }
  }

  async delete(key: string, precondition?: Precondition): Promise<WriteResult> {
    this.beforeWrite?.(key)
    const current = this.entries.get(key)
    if (!holds(precondition, current)) return { done: false, current }
    this.#revision += 1
    this.entries.delete(key)
    return { done: true, revision: this.#revision }
  }

  watch(): { close(): void } {
    throw new Error('no command watches')
  }

  leased(): LeasedKeys {
    throw new Error('no command holds a lease')
  }

  async close(): Promise<void> {
    this.closed += 1
  }
}

function holds(precondition: Precondition | undefined, current: Entry | undefined): boolean {
  if (precondition === undefined) return true
  if ('absent' in precondition) return current === undefined
  return current?.revision === precondition.revision
}

/** When every command runs. */
export const NOW = new Date('2026-11-20T10:15:33.000Z')

/** Runs one command line of this node, `worker-0`, in a world of its own. */
export async function run(words: readonly string[], setting: Setting = {}): Promise<Outcome> {
  const printed: string[] = []
  const remarks: string[] = []
  const files = setting.files ?? {}
  const world: Surroundings = {
    terminal: {
      columns: setting.columns ?? 80,
      colour: setting.colour ?? false,
      print: text => void printed.push(text.replace(/\n$/, '')),
      remark: text => void remarks.push(text.replace(/\n$/, '')),
      readText: async path => files[path] ?? refuse(path),
      filesAt: async path => {
        const inside = Object.keys(files).filter(file => file.startsWith(`${path}/`))
        return inside.length > 0 || path.endsWith('/') ? inside.toSorted() : [path]
      },
    },
    version: '1.2.3',
    environment: {},
    now: () => NOW,
    uniqueId: () => '00000000-0000-4000-8000-000000000001',
    pause: async () => {},
    loadConfig: () =>
      parseConfig(
        `{node: worker-0, store: ${setting.storeIn ?? '{directory: /store}'}}`,
        '/etc/martlet.yaml',
      ),
    openStore: async () => setting.store ?? new MemoryStore(),
    openServices: async () => setting.services,
    openAgent: async () => ({ socket: '/run/martlet/api/api.sock', client: setting.agent }),
    start: async (name, config) => void printed.push(`started ${name} ${config ?? ''}`.trim()),
    flush: async request => setting.flush?.(request) ?? refuse('kernel'),
  }
  const code = await execute(words, world)
  return { code, printed: printed.join('\n'), remarks: remarks.join('\n') }
}

function refuse(path: string): never {
  throw Object.assign(new Error(`no ${path}`), { code: 'ENOENT' })
}

/** An agent that answers these documents. */
export function agentOf(answers: {
  readonly agent: AgentDocument
  readonly kernel?: KernelDocument
  readonly sessions?: readonly SessionDocument[]
  readonly routes?: readonly RouteDocument[]
}): AgentClient {
  const { agent, kernel, sessions = [], routes = [] } = answers
  return {
    state: async () => ({ node: agent.node, agent, sessions, ...(kernel ? { kernel } : {}) }),
    sessions: async () => sessions,
    routes: async () => routes,
    refresh: async peer => [peer],
    close: async () => {},
  }
}

/** A node on which all is well, with what a test wants otherwise. */
export const agentDocument = (changes: Partial<AgentDocument> = {}): AgentDocument => ({
  node: 'worker-0',
  version: '1.2.3',
  mode: 'running',
  startedAt: '2026-11-20T10:12:20.000Z',
  routerId: '10.240.0.20',
  asNumber: 64512,
  processes: { speaker: 'up', dataplane: 'up' },
  store: { kind: 'etcd', state: 'fresh', since: '2026-11-20T10:12:20.000Z' },
  listen: [{ family: 'ipv4', port: 179, state: 'open' }],
  originated: ['10.200.0.0/24'],
  sessions: { total: 1, established: 1 },
  problems: [],
  ...changes,
})

/** An Established session, with what a test wants otherwise. */
export const sessionDocument = (changes: Partial<SessionDocument> = {}): SessionDocument => ({
  node: 'worker-0',
  name: 'Global_10_240_0_1',
  peerAddress: '10.240.0.1',
  peerPort: 179,
  peerAsNumber: 64512,
  localAsNumber: 64512,
  type: 'iBGP',
  state: 'Established',
  since: '2026-11-20T10:12:21.000Z',
  negotiated: {
    routerId: '10.240.0.1',
    holdTime: '90s',
    keepaliveTime: '30s',
    families: ['ipv4'],
    fourOctetAs: true,
    routeRefresh: false,
    enhancedRefresh: false,
    messageMax: 4096,
    addPathReceive: [],
    addPathSend: [],
    extendedNextHop: false,
    longLived: [],
  },
  capabilities: { offered: [], received: [] },
  limits: [],
  prefixes: [
    { family: 'ipv4', received: 2, accepted: 2, stale: 0, endOfRib: true, best: 2, advertised: 1 },
  ],
  counters: {
    established: 1,
    messagesReceived: 9,
    messagesSent: 8,
    updatesReceived: 3,
    updatesSent: 2,
    notificationsReceived: 0,
    notificationsSent: 0,
    octetsReceived: 327,
    octetsSent: 240,
  },
  updateFaults: { attributeDiscard: 0, treatAsWithdraw: 0, sessionReset: 0, recent: [] },
  ...changes,
})

/** A learned route in the kernel, with what a test wants otherwise. */
export const routeDocument = (changes: Partial<RouteDocument> = {}): RouteDocument => ({
  node: 'worker-0',
  prefix: '10.200.1.0/24',
  family: 'ipv4',
  from: 'Global_10_240_0_1',
  nextHops: ['10.240.0.21'],
  kernel: 'installed',
  best: {
    from: 'Global_10_240_0_1',
    best: true,
    multipath: false,
    nextHop: '10.240.0.21',
    asPath: '',
    origin: 'IGP',
    localPref: 100,
    communities: [],
  },
  pathsTotal: 1,
  ...changes,
})

/** Of a kernel half that holds nothing. */
export const NO_ROUTES: KernelDocument['routes'] = {
  ...{ wanted: 0, installed: 0, pending: 0, failed: 0, stale: 0 },
  ...{ rejected: 0, foreign: 0, held: 0 },
}

/** A kernel half without a worry, with what a test wants otherwise. */
export const kernelDocument = (changes: Partial<KernelDocument> = {}): KernelDocument => ({
  node: 'worker-0',
  speaker: 'up',
  inSync: true,
  table: 254,
  protocol: 77,
  metric: 1024,
  routes: { ...NO_ROUTES, wanted: 3, installed: 3 },
  repaired: 0,
  yielded: 0,
  alerted: 0,
  failures: 0,
  lastSync: '2026-11-20T10:15:30.000Z',
  ...changes,
})
