/** A node's part in the cluster: a controller on a simulated etcd, and what it writes there. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Controller } from '../../../src/app/controller.ts'
import {
  AFFINITIES_ROOT,
  BLOCKS_ROOT,
  DATASTORE_KEY,
  decodeBlock,
  kindNamed,
  parseAffinityKey,
  resourceKey,
} from '../../../src/core/calico/index.ts'
import { cniHandle, nodeKey } from '../../../src/core/intent/index.ts'
import { parseConfig } from '../../../src/shell/config/index.ts'
import { SILENT } from '../../../src/shell/log/index.ts'
import { BlockClient } from '../../../src/shell/store/index.ts'
import { SimulatedEtcd, SimulatedStore } from '../../../src/sim/index.ts'
import { until } from '../../support/until.ts'

const clock = {
  now: () => Number(process.hrtime.bigint()) / 1e6,
  after: (delayMs: number, action: () => void) => {
    const timer = setTimeout(action, delayMs)
    return () => clearTimeout(timer)
  },
}

const LEFT = nodeKey('left')
const POOL = resourceKey({ kind: kindNamed('IPPool')!, name: 'default' })
const REGISTRATION = 'registration: {ipv4: 192.0.2.1/24, asNumber: 64513, labels: {rack: r1}}'

/** One etcd, and controllers of the node `left` that are started and ended. */
class Stage {
  readonly etcd = new SimulatedEtcd(clock)
  readonly directory: string
  /** what the configuration says that it is */
  storeIn: 'etcd' | 'directory' = 'etcd'
  #controller: Controller | undefined

  constructor(t: ExecutionContext) {
    this.directory = mkdtempSync(join(tmpdir(), 'martlet-member-'))
    t.teardown(async () => {
      await this.stop()
      rmSync(this.directory, { recursive: true })
    })
  }

  start(more: string): void {
    const { directory, storeIn } = this
    const store =
      storeIn === 'etcd' ? '{etcd: {endpoints: [http://127.0.0.1:1]}}' : `{directory: ${directory}}`
    const folders = `runDirectory: ${directory}\nstateDirectory: ${directory}`
    const text = `node: left\nstore: ${store}\n${folders}\n${more}\n`
    const configuration = parseConfig(text, join(directory, 'martlet.yaml'))
    const options = { configuration, version: '0', log: SILENT }
    this.#controller = new Controller(options, new SimulatedStore(this.etcd))
  }

  async stop(): Promise<void> {
    await this.#controller?.close()
    this.#controller = undefined
  }

  put(key: string, value: object): void {
    this.etcd.write(new Map([[key, JSON.stringify(value)]]), [])
  }

  node(name: string, ipv4Address: string, creationTimestamp = '2026-01-01T00:00:00Z'): void {
    this.put(nodeKey(name), {
      kind: 'Node',
      apiVersion: 'projectcalico.org/v3',
      metadata: { name, creationTimestamp },
      spec: { bgp: { ipv4Address } },
    })
  }

  pool(): void {
    this.put(POOL, {
      kind: 'IPPool',
      apiVersion: 'projectcalico.org/v3',
      metadata: { name: 'default' },
      spec: { cidr: '10.200.0.0/24', blockSize: 28, nodeSelector: "rack == 'r1'" },
    })
  }

  stored(key: string) {
    const entry = this.etcd.get(key)
    return entry === undefined ? undefined : JSON.parse(entry.value)
  }

  /** Rounds until `found` says yes. */
  async until<Found>(found: () => Found, what: string) {
    return await until(() => {
      this.#controller?.round()
      return found()
    }, what)
  }

  /** What is wanted by now; rounds until there is something. */
  async desired() {
    return await this.until(() => this.#controller?.facts.desired, 'something is desired')
  }

  /** Goes on for longer than what would be a mistake takes. */
  async after(milliseconds: number): Promise<void> {
    const end = clock.now() + milliseconds
    await this.until(() => clock.now() > end, 'some time has passed')
  }
}

test('a node registers itself, in a datastore that it makes, and speaks as what it registered', async t => {
  const stage = new Stage(t)
  stage.start(REGISTRATION)
  const node = await stage.until(() => stage.stored(LEFT), 'the Node is there')
  t.like(node, {
    kind: 'Node',
    metadata: { name: 'left', labels: { rack: 'r1' } },
    spec: { bgp: { ipv4Address: '192.0.2.1/24', asNumber: 64513 } },
    status: {},
  })
  t.regex(node.metadata.uid, /^[0-9a-f-]{36}$/)
  t.regex(node.metadata.creationTimestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
  t.regex(stage.stored(DATASTORE_KEY).spec.clusterGUID, /^[0-9a-f]{32}$/)
  const tier = resourceKey({ kind: kindNamed('Tier')!, name: 'default' })
  t.deepEqual(stage.stored(tier).spec, { order: 1_000_000, defaultAction: 'Deny' })
  await stage.until(async () => (await stage.desired()).speaker?.localAs === 64513, 'it speaks')
})

test('a datastore that is there already is left as it is, and a directory is none', async t => {
  const stage = new Stage(t)
  stage.put(DATASTORE_KEY, { spec: { clusterGUID: 'of Calico' } })
  stage.start(REGISTRATION)
  await stage.until(() => stage.stored(LEFT), 'the Node is there')
  t.deepEqual(stage.stored(DATASTORE_KEY), { spec: { clusterGUID: 'of Calico' } })
  const other = new Stage(t)
  other.storeIn = 'directory'
  other.start(REGISTRATION)
  await other.until(() => other.stored(LEFT), 'the Node is there')
  t.is(other.stored(DATASTORE_KEY), undefined)
})

test('a Node that somebody edits is put right again, and keeps what is not the node’s', async t => {
  const stage = new Stage(t)
  stage.node('left', '192.0.2.77/24')
  stage.start(REGISTRATION)
  const is = (text: string) => stage.stored(LEFT)?.spec.bgp.ipv4Address === text
  await stage.until(() => is('192.0.2.1/24'), 'the address is right')
  stage.put(LEFT, {
    ...stage.stored(LEFT),
    metadata: { ...stage.stored(LEFT).metadata, labels: { rack: 'r9', zone: 'z' } },
    spec: { bgp: { ipv4Address: '192.0.2.78/24' } },
  })
  await stage.until(() => is('192.0.2.1/24'), 'the address is right again')
  t.deepEqual(stage.stored(LEFT).metadata.labels, { rack: 'r1', zone: 'z' })
})

test('an address that another node holds is not taken, and the node has no sessions until it is free', async t => {
  const stage = new Stage(t)
  stage.node('right', '192.0.2.1')
  stage.node('left', '192.0.2.5/24')
  stage.start(REGISTRATION)
  const { speaker, listen, problems } = await stage.desired()
  t.is(speaker, undefined)
  t.deepEqual(listen, [])
  t.true(problems.some(({ reason }) => reason.startsWith('192.0.2.1 is held by node right')))
  t.is(stage.stored(LEFT).spec.bgp.ipv4Address, '192.0.2.5/24')
  stage.etcd.write(new Map(), [nodeKey('right')])
  await stage.until(async () => (await stage.desired()).speaker !== undefined, 'it speaks')
  await stage.until(
    () => stage.stored(LEFT).spec.bgp.ipv4Address === '192.0.2.1/24',
    'it is registered',
  )
})

test('a Node that is deleted stays deleted until the agent is started again', async t => {
  const stage = new Stage(t)
  stage.node('right', '192.0.2.2/24')
  stage.start(REGISTRATION)
  await stage.until(async () => (await stage.desired()).speaker !== undefined, 'it speaks')
  stage.etcd.write(new Map(), [LEFT])
  await stage.until(async () => (await stage.desired()).speaker === undefined, 'it is silent')
  // longer than between two attempts to write it
  await stage.after(1_200)
  t.is(stage.stored(LEFT), undefined)
  await stage.stop()
  stage.start(REGISTRATION)
  await stage.until(() => stage.stored(LEFT), 'the Node is there again')
  t.pass()
})

test('a block is claimed, reserved and written for pods; released, it is not claimed again', async t => {
  const stage = new Stage(t)
  const cni = join(stage.directory, '10-pods.conflist')
  stage.pool()
  stage.start(`${REGISTRATION}\nipam: {claim: true}\ncni: {path: ${cni}, name: pods}`)
  const { node, block } = await stage.until(() => {
    const [entry] = stage.etcd.list([AFFINITIES_ROOT])
    const isDone = entry !== undefined && JSON.parse(entry.value).state === 'confirmed'
    return isDone ? parseAffinityKey(entry.key) : undefined
  }, 'an affinity is confirmed')
  t.is(node, 'left')
  await stage.until(() => existsSync(cni), 'the file is there')
  const { plugins } = JSON.parse(readFileSync(cni, 'utf8'))
  t.deepEqual(plugins[0].ipam.ranges, [[{ subnet: block }]])
  const blocks = stage.etcd.list([BLOCKS_ROOT]).map(({ value }) => decodeBlock(value))
  t.is(blocks.length, 1)
  t.is(blocks[0]?.affinity, 'host:left')
  await stage.until(
    () => decodeBlock(stage.etcd.list([BLOCKS_ROOT])[0]?.value ?? '')?.unallocated.length === 0,
    'its addresses are not Calico’s to assign',
  )
  await stage.until(
    async () => (await stage.desired()).originated.some(({ prefix }) => prefix === block),
    'it is announced',
  )
  const client = new BlockClient(new SimulatedStore(stage.etcd), 'left', Date.now)
  await client.release({ block, force: false, handleId: cniHandle('left') })
  await stage.until(() => !existsSync(cni), 'the file is gone')
  // longer than between two claims
  await stage.after(5_500)
  t.deepEqual(stage.etcd.list([AFFINITIES_ROOT, BLOCKS_ROOT]), [])
})

test('a node that no pool is for says so, and takes its block when there is one', async t => {
  const stage = new Stage(t)
  stage.start(`${REGISTRATION}\nipam: {claim: true}`)
  await stage.until(
    async () =>
      (await stage.desired()).problems.some(({ reason }) =>
        reason.startsWith('ipam.claim: no IPPool'),
      ),
    'it says so',
  )
  stage.pool()
  await stage.until(() => stage.etcd.list([BLOCKS_ROOT]).length === 1, 'a block is claimed')
  await stage.until(
    async () => (await stage.desired()).problems.length === 0,
    'there is nothing to say any more',
  )
  t.pass()
})
