import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { answersOf } from '../../../src/app/controller/answers.ts'
import { Controller } from '../../../src/app/controller.ts'
import { millis } from '../../../src/core/base/index.ts'
import type {
  DataplaneIntent,
  DataplaneSnapshot,
  KernelRouteSnapshot,
} from '../../../src/core/dataplane/index.ts'
import {
  type Entry,
  type LeasedKeys,
  type ServiceObject,
  type Store,
  serviceObjectKey,
  type WatchEvent,
} from '../../../src/core/intent/index.ts'
import { type Asn, address, prefix } from '../../../src/core/net/index.ts'
import type { RouteSnapshot, SpeakerSnapshot } from '../../../src/core/speaker/index.ts'
import { parseConfig } from '../../../src/shell/config/index.ts'
import {
  type Listener,
  type SpeakerCommand,
  serveDataplane,
  serveSpeaker,
  socketPaths,
} from '../../../src/shell/link/index.ts'
import { SILENT } from '../../../src/shell/log/index.ts'
import { KubernetesApi } from '../../support/kubernetes-api.ts'
import { service, slice } from '../../support/services.ts'
import { until } from '../../support/until.ts'

/** A store that says what the test says, and keeps what it is told. */
class Told implements Store {
  readonly set = new Map<string, string>()
  readonly sets: string[] = []
  readonly puts = new Map<string, string>()
  readonly deletes: string[] = []
  readonly #watches: { prefixes: readonly string[]; listener: (event: WatchEvent) => void }[] = []

  /** To each watch what it asked for. */
  say(event: WatchEvent): void {
    for (const { prefixes, listener } of this.#watches) {
      const isAsked = (key: string): boolean => prefixes.some(prefix => key.startsWith(prefix))
      const entriesOf = (all: readonly Entry[]): Entry[] => all.filter(({ key }) => isAsked(key))
      if (event.type === 'snapshot') listener({ ...event, entries: entriesOf(event.entries) })
      else if (event.type === 'lost') listener(event)
      else
        listener({ ...event, puts: entriesOf(event.puts), deletes: event.deletes.filter(isAsked) })
    }
  }

  async get(): Promise<undefined> {}

  async list(): Promise<{ entries: Entry[]; revision: number }> {
    return { entries: [], revision: 1 }
  }

  async put(key: string, value: string) {
    this.puts.set(key, value)
    return { done: true as const, revision: 1 }
  }

  async delete(key: string) {
    this.deletes.push(key)
    return { done: true as const, revision: 1 }
  }

  watch(prefixes: readonly string[], listener: (event: WatchEvent) => void) {
    this.#watches.push({ prefixes, listener })
    return { close() {} }
  }

  leased(): LeasedKeys {
    return {
      set: (key, value) => {
        this.sets.push(key)
        this.set.set(key, value)
      },
      unset: key => {
        this.set.delete(key)
      },
      settled: async () => {},
      close: async () => this.set.clear(),
    }
  }

  async close(): Promise<void> {}
}

const SESSION: SpeakerSnapshot['sessions'][number] = {
  name: 'Mesh_192_0_2_2',
  address: address('192.0.2.2'),
  port: 179,
  peerAs: 64512 as Asn,
  localAs: 64512 as Asn,
  state: 'Established',
  since: millis(1),
  counters: {
    messagesIn: 1,
    messagesOut: 1,
    updatesIn: 0,
    updatesOut: 0,
    notificationsIn: 0,
    notificationsOut: 0,
    octetsIn: 19,
    octetsOut: 19,
    established: 1,
  },
  prefixes: [],
  limits: [],
  capabilities: { offered: [], received: [] },
  faults: { discarded: 0, withdrawn: 0, reset: 0, recent: [] },
}

const SPEAKER: SpeakerSnapshot = {
  version: 1,
  at: millis(1),
  routerId: 1,
  localAs: 64512 as Asn,
  listening: [],
  sessions: [SESSION],
  tables: [],
  routes: [],
  routesTotal: 0,
}

const DATAPLANE: DataplaneSnapshot = {
  version: 1,
  at: millis(1),
  table: 254,
  protocol: 77,
  metric: 1024,
  speaker: 'up',
  inSync: true,
  wanted: 0,
  installed: 0,
  pending: 0,
  failed: 0,
  rejected: 0,
  foreign: 0,
  held: 0,
  stale: 0,
  repaired: 0,
  yielded: 0,
  alerted: 0,
  failures: 0,
  alerts: [],
  hazards: [],
  routes: [],
}

const nodeEntry = (name: string, at: string, revision: number): Entry => ({
  key: `/calico/resources/v3/projectcalico.org/nodes/${name}`,
  value: JSON.stringify({
    apiVersion: 'projectcalico.org/v3',
    kind: 'Node',
    metadata: { name },
    spec: { bgp: { ipv4Address: `${at}/24`, asNumber: 64512 } },
  }),
  revision,
})

const LEFT = nodeEntry('left', '192.0.2.1', 1)
const RIGHT = nodeEntry('right', '192.0.2.2', 2)
const AGENT = '/martlet/v1/nodes/left/agent'
const SESSION_KEY = '/martlet/v1/nodes/left/sessions/Mesh_192_0_2_2'

/** A controller between a store and two halves that the test plays. */
class Stage {
  readonly store = new Told()
  readonly commands: SpeakerCommand[] = []
  readonly intents: DataplaneIntent[] = []
  readonly paths
  readonly controller: Controller
  speaker: SpeakerSnapshot = SPEAKER
  readonly allowed: (readonly number[])[] = []
  found: readonly RouteSnapshot[] = []
  inKernel: readonly KernelRouteSnapshot[] = []
  #speakerListener: Listener | undefined
  #dataplaneListener: Listener | undefined

  constructor(t: ExecutionContext, more = 'podCIDRs: [10.99.1.0/24]') {
    const directory = mkdtempSync(join(tmpdir(), 'martlet-app-'))
    this.paths = socketPaths(directory)
    const text = `node: left\nstore: { directory: ${directory} }\n${more}\n`
    const configuration = parseConfig(`${text}runDirectory: ${directory}\n`, '/martlet.yaml')
    const options = {
      configuration,
      version: '0',
      log: SILENT,
      allowPorts: (ports: readonly number[]) => void this.allowed.push(ports),
    }
    this.controller = new Controller(options, this.store)
    t.teardown(async () => {
      await this.controller.close()
      await this.#speakerListener?.close()
      await this.#dataplaneListener?.close()
      rmSync(directory, { recursive: true })
    })
  }

  async speakerUp(): Promise<void> {
    this.#speakerListener = await serveSpeaker({
      path: this.paths.speaker,
      log: SILENT,
      configure: command => this.commands.push(command),
      snapshot: () => this.speaker,
      lookup: () => this.found,
      refresh: () => undefined,
    })
    await until(() => this.controller.speaker.isUp, 'the speaker is linked')
  }

  async speakerDown(): Promise<void> {
    await this.#speakerListener?.close()
    await until(() => !this.controller.speaker.isUp, 'the speaker is gone')
  }

  async dataplaneUp(): Promise<void> {
    this.#dataplaneListener = await serveDataplane({
      path: this.paths.dataplane,
      log: SILENT,
      intend: intent => this.intents.push(intent),
      snapshot: () => DATAPLANE,
      lookup: () => this.inKernel,
    })
    await until(() => this.controller.dataplane.isUp, 'the dataplane is linked')
  }

  /** Rounds until `found` says yes. */
  async report(found: () => boolean, what: string): Promise<void> {
    await until(() => {
      this.controller.round()
      return found()
    }, what)
  }

  agent(): { mode?: string; store?: { state: string }; processes?: { speaker: string } } {
    return JSON.parse(this.store.set.get(AGENT) ?? '{}')
  }
}

test('nothing is told before the first snapshot of the store, and then all of it', async t => {
  const stage = new Stage(t)
  await stage.speakerUp()
  await stage.dataplaneUp()
  stage.store.say({ type: 'lost', why: 'no answer' })
  await stage.report(() => stage.agent().mode === 'starting', 'it says that it is starting')
  t.deepEqual(stage.commands, [])
  t.deepEqual(stage.intents, [])
  stage.store.say({ type: 'snapshot', entries: [LEFT, RIGHT], revision: 2 })
  await until(() => stage.commands.length > 0 && stage.intents.length > 0, 'both are told')
  t.is(stage.commands[0]?.speaker?.localAs, 64512 as Asn)
  t.deepEqual(
    stage.commands[0]?.speaker?.peers.map(peer => peer.name),
    ['Mesh_192_0_2_2'],
  )
  t.deepEqual(stage.intents[0]?.routes, [
    { prefix: prefix('10.99.1.0/24'), out: { kind: 'blackhole' } },
  ])
  await stage.report(() => stage.agent().mode === 'running', 'it says that it runs')
  t.is(stage.commands.length, 1)
  t.is(stage.intents.length, 1)
})

test('a change that means nothing for a half is not told to it', async t => {
  const stage = new Stage(t)
  await stage.speakerUp()
  await stage.dataplaneUp()
  stage.store.say({ type: 'snapshot', entries: [LEFT], revision: 1 })
  await until(() => stage.commands.length === 1 && stage.intents.length === 1, 'both are told')
  stage.store.say({ type: 'changes', puts: [{ ...LEFT, revision: 3 }], deletes: [], revision: 3 })
  stage.store.say({ type: 'changes', puts: [RIGHT], deletes: [], revision: 4 })
  await until(() => stage.commands.length === 2, 'the speaker is told of its peer')
  t.is(stage.commands[1]?.speaker?.peers.length, 1)
  t.is(stage.intents.length, 1)
})

test('a speaker that comes back is told all again', async t => {
  const stage = new Stage(t)
  await stage.speakerUp()
  stage.store.say({ type: 'snapshot', entries: [LEFT, RIGHT], revision: 2 })
  await until(() => stage.commands.length === 1, 'the speaker is told')
  await stage.speakerDown()
  await stage.speakerUp()
  await until(() => stage.commands.length === 2, 'the new speaker is told')
  t.deepEqual(stage.commands[1], stage.commands[0])
})

test('while the store is lost everything stays as it was last wanted, and it is said', async t => {
  const stage = new Stage(t)
  await stage.speakerUp()
  stage.store.say({ type: 'snapshot', entries: [LEFT, RIGHT], revision: 2 })
  await stage.report(() => stage.agent().mode === 'running', 'it runs')
  stage.store.say({ type: 'lost', why: 'connection refused' })
  await stage.report(() => stage.agent().mode === 'stale', 'it says that it is stale')
  t.is(stage.agent().store?.state, 'lost')
  t.is(stage.commands.length, 1)
  stage.store.say({ type: 'snapshot', entries: [LEFT, RIGHT], revision: 9 })
  await stage.report(() => stage.agent().mode === 'running', 'it runs again')
  t.is(stage.commands.length, 1)
})

test('a node whose object is gone ends its sessions', async t => {
  const stage = new Stage(t)
  await stage.speakerUp()
  stage.store.say({ type: 'snapshot', entries: [LEFT, RIGHT], revision: 2 })
  await until(() => stage.commands.length === 1, 'the speaker is told')
  stage.store.say({ type: 'changes', puts: [], deletes: [LEFT.key], revision: 3 })
  await until(() => stage.commands.length === 2, 'the speaker is told again')
  t.deepEqual(stage.commands[1], { listen: [] })
  stage.speaker = { ...SPEAKER, version: 2, sessions: [] }
  await stage.report(() => stage.agent().mode === 'idle', 'it says that it is idle')
  await stage.report(() => !stage.store.set.has(SESSION_KEY), 'its session leaves the store')
  t.pass()
})

test('a session of which only counters move is not written each time, its state is', async t => {
  const stage = new Stage(t)
  await stage.speakerUp()
  stage.store.say({ type: 'snapshot', entries: [LEFT, RIGHT], revision: 2 })
  await stage.report(() => stage.store.set.has(SESSION_KEY), 'the session is in the store')
  const writes = (): number => stage.store.sets.filter(key => key === SESSION_KEY).length
  t.is(writes(), 1)
  const counters = { ...SESSION.counters, messagesIn: 50 }
  stage.speaker = { ...SPEAKER, version: 2, sessions: [{ ...SESSION, counters }], routesTotal: 2 }
  await stage.report(
    () => (stage.store.set.get(SUMMARY) ?? '').includes('"total": 2'),
    'the round after it has been reported',
  )
  t.is(writes(), 1)
  const down = { ...SESSION, counters, state: 'Idle' as const }
  stage.speaker = { ...SPEAKER, version: 3, sessions: [down] }
  await stage.report(() => writes() === 2, 'the state is written')
  t.regex(stage.store.set.get(SESSION_KEY) ?? '', /"messagesReceived": 50/)
})

const SUMMARY = '/martlet/v1/nodes/left/routes-summary'

test('what a speaker held stays in the store while there is none, and it is said', async t => {
  const stage = new Stage(t)
  await stage.speakerUp()
  stage.store.say({ type: 'snapshot', entries: [LEFT, RIGHT], revision: 2 })
  await stage.report(() => stage.store.set.has(SESSION_KEY), 'the session is in the store')
  await stage.speakerDown()
  await stage.report(() => stage.agent().processes?.speaker === 'down', 'it says so')
  t.true(stage.store.set.has(SESSION_KEY))
})

test('the last-known copy is written beside the leased state, and stays after the end', async t => {
  const stage = new Stage(t)
  await stage.speakerUp()
  stage.store.say({ type: 'snapshot', entries: [LEFT, RIGHT], revision: 2 })
  await stage.report(() => stage.store.puts.has('/martlet/v1/last/left'), 'the copy is there')
  await stage.controller.close()
  t.is(stage.store.set.size, 0)
  t.is(JSON.parse(stage.store.puts.get('/martlet/v1/last/left') ?? '{}').node, 'left')
})

const PUBLISHED = '/martlet/v1/pod-cidrs/left'

test('pod CIDRs of the configuration are published once, and not before the store answers', async t => {
  const stage = new Stage(t)
  await stage.speakerUp()
  stage.store.say({ type: 'lost', why: 'no answer' })
  await stage.report(() => stage.agent().mode === 'starting', 'it says that it is starting')
  t.false(stage.store.puts.has(PUBLISHED))
  stage.store.say({ type: 'snapshot', entries: [LEFT, RIGHT], revision: 2 })
  await stage.report(() => stage.store.puts.has(PUBLISHED), 'they are published')
  const value = stage.store.puts.get(PUBLISHED) ?? ''
  t.deepEqual(JSON.parse(value), { node: 'left', podCIDRs: ['10.99.1.0/24'] })
  stage.store.puts.delete(PUBLISHED)
  const entry = { key: PUBLISHED, value, revision: 3 }
  stage.store.say({ type: 'changes', puts: [entry], deletes: [], revision: 3 })
  stage.speaker = { ...SPEAKER, version: 2, routesTotal: 3 }
  await stage.report(
    () => (stage.store.set.get(SUMMARY) ?? '').includes('"total": 3'),
    'rounds go by',
  )
  t.false(stage.store.puts.has(PUBLISHED))
})

test('what an earlier configuration published is taken away', async t => {
  const stage = new Stage(t, 'podCIDRs: []')
  await stage.speakerUp()
  const entry = { key: PUBLISHED, value: '{"node":"left","podCIDRs":["10.9.0.0/24"]}', revision: 1 }
  stage.store.say({ type: 'snapshot', entries: [LEFT, entry], revision: 2 })
  await stage.report(() => stage.store.deletes.includes(PUBLISHED), 'it is deleted')
  t.deepEqual(stage.commands[0]?.speaker?.originated, [])
})

test('the supervisor is told at which port the speaker is to listen, when that changes', async t => {
  const stage = new Stage(t)
  await stage.speakerUp()
  stage.store.say({ type: 'snapshot', entries: [LEFT, RIGHT], revision: 2 })
  await until(() => stage.commands.length === 1, 'the speaker is told')
  t.deepEqual(stage.allowed, [[179]])
  const spec = { listenPort: 180 }
  const value = JSON.stringify({
    apiVersion: 'projectcalico.org/v3',
    kind: 'BGPConfiguration',
    metadata: { name: 'default' },
    spec,
  })
  const key = '/calico/resources/v3/projectcalico.org/bgpconfigurations/default'
  const put = { key, value, revision: 3 }
  stage.store.say({ type: 'changes', puts: [put], deletes: [], revision: 3 })
  await until(() => stage.commands.length === 2, 'the speaker is told again')
  t.deepEqual(stage.allowed, [[179], [180]])
})

test('of one route the kernel half is asked, wherever its prefix lies', async t => {
  const stage = new Stage(t)
  await stage.speakerUp()
  const best = { from: 'Mesh_192_0_2_2', best: true, multipath: false, communities: [] }
  const path = { ...best, nextHop: address('192.0.2.2'), asPath: '', origin: 'IGP' as const }
  stage.found = [{ prefix: prefix('203.0.113.0/24'), paths: [path] }]
  const answers = answersOf(stage.controller)
  const asked = async (): Promise<string> => {
    const [route] = await answers.routes('203.0.113.0/24')
    return `${route?.kernel}: ${route?.kernelError ?? route?.kernelLeads}`
  }
  t.is(await asked(), 'unknown: the dataplane does not answer')
  await stage.dataplaneUp()
  t.is(await asked(), 'absent: undefined')
  const held = { prefix: prefix('203.0.113.0/24'), owner: 'speaker' } as const
  stage.inKernel = [{ ...held, state: 'held', error: 'ENETDOWN' }]
  t.is(await asked(), 'held: ENETDOWN')
  stage.inKernel = [{ ...held, state: 'installed', leads: 'via 192.0.2.2 dev a' }]
  t.is(await asked(), 'installed: via 192.0.2.2 dev a')
})

test('a route that the node has for itself is answered, whatever BGP knows', async t => {
  const stage = new Stage(t)
  await stage.speakerUp()
  await stage.dataplaneUp()
  const pod = { prefix: prefix('10.200.0.7/32'), state: 'installed', owner: 'node' } as const
  stage.inKernel = [{ ...pod, leads: 'dev cali7' }]
  const answers = answersOf(stage.controller)
  const [route, ...others] = await answers.routes('10.200.0.7')
  t.like(route, { from: 'node', kernel: 'installed', kernelLeads: 'dev cali7' })
  t.deepEqual(others, [])
  stage.inKernel = [{ ...pod, owner: 'speaker', state: 'stale' }]
  const [left] = await answers.routes('10.200.0.7')
  t.like(left, { from: 'kernel', kernel: 'stale' })
})

test('a password that the store holds makes its session, and changes with it', async t => {
  const stage = new Stage(t, 'secrets: { store: true }')
  await stage.speakerUp()
  const mesh: Entry = {
    key: '/calico/resources/v3/projectcalico.org/bgpconfigurations/default',
    value: JSON.stringify({
      apiVersion: 'projectcalico.org/v3',
      kind: 'BGPConfiguration',
      metadata: { name: 'default' },
      spec: { nodeMeshPassword: { secretKeyRef: { name: 'bgp', key: 'mesh' } } },
    }),
    revision: 3,
  }
  const key = '/martlet/v1/secrets/bgp/mesh'
  const last = () => stage.commands.at(-1)?.speaker?.peers.map(({ password }) => password)
  stage.store.say({ type: 'snapshot', entries: [LEFT, RIGHT, mesh], revision: 3 })
  await until(() => stage.commands.length > 0, 'the speaker is told')
  t.deepEqual(last(), [])
  for (const [at, value] of ['one', 'two'].entries()) {
    const revision = 4 + at
    const puts = [{ key, value, revision }]
    stage.store.say({ type: 'changes', puts, deletes: [], revision })
    await until(() => last()?.[0] === value, `the password is ${value}`)
  }
  stage.store.say({ type: 'changes', puts: [], deletes: [key], revision: 6 })
  await until(() => last()?.length === 0, 'there is no session without it')
  t.pass()
})

const WITH_RANGE: Entry = {
  key: '/calico/resources/v3/projectcalico.org/bgpconfigurations/default',
  value: JSON.stringify({
    apiVersion: 'projectcalico.org/v3',
    kind: 'BGPConfiguration',
    metadata: { name: 'default' },
    spec: { serviceLoadBalancerIPs: [{ cidr: '203.0.113.0/24' }] },
  }),
  revision: 3,
}
const WEB = service('web', { externalTrafficPolicy: 'Local', ingress: ['203.0.113.5'] })

test('services of the directory are announced, and withdrawn with their last endpoint here', async t => {
  const stage = new Stage(t, 'podCIDRs: []')
  await stage.speakerUp()
  const entryOf = (object: ServiceObject, revision: number): Entry => ({
    key: serviceObjectKey(object),
    value: JSON.stringify(object),
    revision,
  })
  const [web, here] = [entryOf(WEB, 4), entryOf(slice('web', ['left']), 5)]
  const entries = [LEFT, WITH_RANGE, web, here]
  stage.store.say({ type: 'snapshot', entries, revision: 5 })
  const originated = () => stage.commands.at(-1)?.speaker?.originated ?? []
  const both = [prefix('203.0.113.0/24'), prefix('203.0.113.5/32')]
  await until(() => isDeepStrictEqual(originated(), both), 'both are announced')
  const puts = [entryOf(slice('web', ['right']), 6)]
  stage.store.say({ type: 'changes', puts, deletes: [], revision: 6 })
  await until(() => originated().length === 1, 'the address is withdrawn')
  t.deepEqual(originated(), [prefix('203.0.113.0/24')])
})

test('services of Kubernetes are announced; while it does not answer nothing is withdrawn', async t => {
  const api = await KubernetesApi.start()
  t.teardown(() => api.close())
  api.put(WEB)
  api.put(slice('web', ['worker-a']))
  const kubernetes = `kubernetes: {kubeconfig: ${api.kubeconfig()}, node: worker-a}`
  const stage = new Stage(t, `podCIDRs: []\n${kubernetes}`)
  await stage.speakerUp()
  stage.store.say({ type: 'snapshot', entries: [LEFT, WITH_RANGE], revision: 5 })
  const originated = () => stage.commands.at(-1)?.speaker?.originated.length
  await until(() => originated() === 2, 'range and address are announced')
  await api.lose()
  const told = (): boolean => {
    const problems = stage.controller.facts.desired?.problems ?? []
    return problems.some(({ object }) => object === 'kubernetes')
  }
  await stage.report(told, 'the outage is a problem')
  t.is(originated(), 2)
  api.put(slice('web', ['worker-b']))
  await api.restore()
  await until(() => originated() === 1, 'the endpoint has moved')
  await stage.report(() => !told(), 'the problem is solved')
})
