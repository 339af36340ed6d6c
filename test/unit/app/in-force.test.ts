/** What a node goes by: its store, or what that said before. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { InForce } from '../../../src/app/controller/in-force.ts'
import {
  ACCEPT_EMPTY_KEY,
  type Entry,
  type ServiceEvent,
  serviceObjectKey,
} from '../../../src/core/intent/index.ts'
import { parseConfig } from '../../../src/shell/config/index.ts'
import { StoredServices } from '../../../src/shell/kubernetes/index.ts'
import { SILENT } from '../../../src/shell/log/index.ts'
import { service } from '../../support/services.ts'
import { until } from '../../support/until.ts'

const ROOT = '/calico/resources/v3/projectcalico.org/'

function entry(plural: string, kind: string, name: string, spec: object, revision = 1): Entry {
  const value = { kind, apiVersion: 'projectcalico.org/v3', metadata: { name }, spec }
  return { key: `${ROOT}${plural}/${name}`, value: JSON.stringify(value), revision }
}

const node = (name: string, at: string, revision = 1): Entry =>
  entry('nodes', 'Node', name, { bgp: { ipv4Address: `${at}/24` } }, revision)

const LEFT = node('left', '192.0.2.1')
const RIGHT = node('right', '192.0.2.2')
const PEER = entry('bgppeers', 'BGPPeer', 'tor', { peerIP: '192.0.2.9', asNumber: 65000 })
const ALL = [LEFT, RIGHT, PEER]
const snapshot = (entries: readonly Entry[], revision = 5) =>
  ({ type: 'snapshot', entries, revision }) as const
const LOST = { type: 'lost', why: 'connection refused' } as const

/** Controllers of one machine, one after another. */
class Machine {
  readonly directory = mkdtempSync(join(tmpdir(), 'martlet-in-force-'))
  readonly path = join(this.directory, 'state', 'last-good.json')

  constructor(t: ExecutionContext) {
    t.teardown(() => rmSync(this.directory, { recursive: true }))
  }

  start(t: ExecutionContext, who = 'node: left', store = this.directory): InForce {
    const text = `${who}\nstore: { directory: ${store} }\nrunDirectory: ${this.directory}\n`
    const inForce = new InForce(parseConfig(text, '/m.yaml'), SILENT, 0, () => undefined)
    t.teardown(() => inForce.close())
    return inForce
  }

  /** A controller that followed `entries` and has ended. */
  async past(t: ExecutionContext, entries: readonly Entry[], revision = 5): Promise<void> {
    const inForce = this.start(t)
    inForce.heard(snapshot(entries, revision))
    await until(() => inForce.snapshot !== undefined, 'it is followed')
    inForce.close()
  }
}

const names = ({ snapshot }: InForce): string[] | undefined =>
  snapshot && [...snapshot.nodes, ...snapshot.bgpPeers].map(({ metadata }) => metadata.name)

test('nothing is in force before the first snapshot, where nothing is remembered', async t => {
  const inForce = new Machine(t).start(t)
  t.is(inForce.snapshot, undefined)
  inForce.heard(LOST)
  t.is(inForce.snapshot, undefined)
  inForce.heard(snapshot(ALL))
  await until(() => inForce.snapshot !== undefined, 'it is followed')
  t.deepEqual(names(inForce), ['left', 'right', 'tor'])
  t.is(inForce.standing.revision, 5)
  t.is(inForce.entries?.size, 3)
})

test('a start without the store goes by what it said last, and says when that was', async t => {
  const machine = new Machine(t)
  await machine.past(t, ALL, 77)
  const inForce = machine.start(t)
  t.is(inForce.snapshot, undefined, 'the store is given the time to answer')
  inForce.heard(LOST)
  t.deepEqual(names(inForce), ['left', 'right', 'tor'])
  t.is(inForce.standing.revision, 77)
  t.regex(inForce.standing.savedAt ?? '', /^\d{4}-.*Z$/)
  t.is(inForce.entries, undefined, 'and nothing is written by it')
  inForce.heard(snapshot([LEFT, PEER], 90))
  await until(() => inForce.standing.savedAt === undefined, 'the store is followed')
  t.deepEqual(names(inForce), ['left', 'tor'])
  t.is(inForce.standing.revision, 90)
})

test('a memory of another node, or of another store, counts for nothing', async t => {
  const machine = new Machine(t)
  await machine.past(t, ALL)
  for (const other of [machine.start(t, 'node: right'), machine.start(t, 'node: left', '/other')]) {
    other.heard(LOST)
    t.is(other.snapshot, undefined)
  }
})

test('what was in force of an object that is not valid is remembered with it', async t => {
  const machine = new Machine(t)
  const first = machine.start(t)
  first.heard(snapshot(ALL))
  await until(() => first.snapshot !== undefined, 'it is followed')
  const mistyped = { ...RIGHT, value: RIGHT.value.replace('192.0.2.2/24', 'nowhere'), revision: 8 }
  first.heard({ type: 'changes', puts: [mistyped], deletes: [], revision: 8 })
  await until(() => (first.snapshot?.problems.length ?? 0) > 0, 'it is a problem')
  first.close()
  const inForce = machine.start(t)
  inForce.heard(LOST)
  t.deepEqual(names(inForce), ['left', 'right', 'tor'])
  t.is(inForce.snapshot?.nodes[1]?.spec.bgp?.ipv4Address, '192.0.2.2/24')
})

test('a store that was emptied is held back, over restarts too, and does not empty the memory', async t => {
  const machine = new Machine(t)
  await machine.past(t, ALL)
  for (let start = 0; start < 2; start++) {
    const inForce = machine.start(t)
    inForce.heard(snapshot([], 2))
    await until(() => inForce.standing.held !== undefined, 'it is held back')
    t.is(inForce.standing.held?.what, 'hold')
    t.deepEqual(names(inForce), ['left', 'right', 'tor'])
    t.is(inForce.entries, undefined)
    inForce.close()
    t.is(JSON.parse(readFileSync(machine.path, 'utf8')).entries.length, 3)
  }
})

test('what is held back is followed when it is accepted', async t => {
  const inForce = new Machine(t).start(t)
  inForce.heard(snapshot(ALL, 10))
  await until(() => inForce.snapshot !== undefined, 'it is followed')
  inForce.heard({ type: 'changes', puts: [], deletes: ALL.map(({ key }) => key), revision: 11 })
  await until(() => inForce.standing.held !== undefined, 'it is held back')
  t.deepEqual(names(inForce), ['left', 'right', 'tor'])
  const word = { key: ACCEPT_EMPTY_KEY, value: '{}', revision: 12 }
  inForce.heard({ type: 'changes', puts: [word], deletes: [], revision: 12 })
  await until(() => inForce.standing.held === undefined, 'it is followed')
  t.deepEqual(names(inForce), [])
})

test('one Node that is deleted goes within seconds', async t => {
  const inForce = new Machine(t).start(t)
  inForce.heard(snapshot(ALL, 10))
  await until(() => inForce.snapshot !== undefined, 'it is followed')
  inForce.heard({ type: 'changes', puts: [], deletes: [LEFT.key], revision: 11 })
  await until(() => names(inForce)?.includes('left') === false, 'it is gone', { withinMs: 3000 })
  t.is(inForce.standing.held, undefined)
})

test('a datastore that is not ready is paused, and goes on where it left', async t => {
  const inForce = new Machine(t).start(t)
  const ready = (datastoreReady: boolean, revision: number): Entry =>
    entry('clusterinformations', 'ClusterInformation', 'default', { datastoreReady }, revision)
  inForce.heard(snapshot([...ALL, ready(true, 1)], 10))
  await until(() => inForce.snapshot !== undefined, 'it is followed')
  const puts = [ready(false, 11)]
  inForce.heard({ type: 'changes', puts, deletes: [RIGHT.key], revision: 11 })
  await until(() => inForce.standing.held?.what === 'pause', 'it is paused')
  t.deepEqual(names(inForce), ['left', 'right', 'tor'])
  inForce.heard({ type: 'changes', puts: [ready(true, 12)], deletes: [], revision: 12 })
  await until(() => inForce.standing.held === undefined, 'it goes on')
  t.deepEqual(names(inForce), ['left', 'tor'])
})

test('what is followed is kept on disk while the controller runs, not only at its end', async t => {
  const machine = new Machine(t)
  const inForce = machine.start(t)
  inForce.heard(snapshot(ALL, 10))
  await until(() => existsSync(machine.path), 'it is kept')
  t.is(JSON.parse(readFileSync(machine.path, 'utf8')).revision, 10)
})

test('passwords are of the revision that is in force, over a start without the store too', async t => {
  const machine = new Machine(t)
  const reference = { name: 'bgp', key: 'password' }
  const secret = (value: string, revision: number): Entry => ({
    key: '/martlet/v1/secrets/bgp/password',
    value,
    revision,
  })
  await machine.past(t, [...ALL, secret('one', 4)])
  const inForce = machine.start(t)
  inForce.heard(LOST)
  t.deepEqual(inForce.secrets.read(reference), { text: 'one' })
  inForce.heard(snapshot([...ALL, secret('two', 6)], 6))
  await until(() => inForce.standing.revision === 6, 'the store is followed')
  t.deepEqual(inForce.secrets.read(reference), { text: 'two' })
  t.is(inForce.snapshot?.problems.length, 0)
  // the store is emptied: what is held back keeps its passwords
  inForce.heard(snapshot([], 7))
  await until(() => inForce.standing.held !== undefined, 'it is held back')
  t.deepEqual(inForce.secrets.read(reference), { text: 'two' })
})

test('services in the store are told of when they are in force, and held back with all else', async t => {
  const web = service('web')
  const key = serviceObjectKey(web)
  const entries = [...ALL, { key, value: JSON.stringify(web), revision: 3 }]
  const machine = new Machine(t)
  await machine.past(t, entries)
  const inForce = machine.start(t)
  const heard: ServiceEvent[] = []
  new StoredServices(inForce).watch(event => heard.push(event))
  const last = () => {
    const event = heard.at(-1)
    return event?.type === 'objects' ? event.objects.services : undefined
  }
  inForce.heard(LOST)
  t.deepEqual(last(), [web], 'they are remembered')
  inForce.heard(snapshot([], 90))
  await until(() => inForce.standing.held !== undefined, 'the emptied store is held back')
  t.deepEqual(last(), [web])
  inForce.heard(snapshot(ALL, 91))
  await until(() => last()?.length === 0, 'it is followed')
  inForce.heard(snapshot([...ALL, node('more', '192.0.2.3', 95)], 95))
  await until(() => inForce.snapshot?.nodes.length === 3, 'it is followed')
  t.is(heard.length, 2, 'who is no service is nothing to tell')
})
