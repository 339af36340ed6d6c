/**
 * A real etcd that dies for a minute, is not there at the start, loses a Node, and is changed under
 * agents that run.
 */
import test, { type ExecutionContext } from 'ava'
import { Lab } from '../../src/shell/lab/index.ts'
import { LABS, labsLeftOut, packagesMissing, tellLogs, until } from './support/lab.ts'
import { AgentNode, Pings, peerResource, SOON, watchRoutes } from './support/survival.ts'

const FILE = `${LABS}mesh.clab.yml`
const STORE = { STORE: 'etcd' }
const RESOURCES = '/calico/resources/v3/projectcalico.org'
const STATE = '/martlet/v1/nodes'
/** Longer than the lease of the state (10 s) and than every back-off. */
const OUTAGE_MS = 60_000
/** Three times what is asked for: labs run beside others on few processors. */
const FRESH_WITHIN_MS = 15_000
const GONE_WITHIN_MS = 10_000

const ADDRESS = ['10.240.0.20', '10.240.0.21', '10.240.0.22'] as const
const ADDRESS6 = ['fd00:10:240::20', 'fd00:10:240::21', 'fd00:10:240::22'] as const

const leftOut = labsLeftOut() ?? (packagesMissing(FILE, STORE).join(' ') || undefined)
if (leftOut !== undefined) test.skip(`Left out: ${leftOut}`, t => t.pass())

class Scene {
  readonly lab: Lab
  readonly workers: readonly AgentNode[]

  constructor(lab: Lab) {
    this.lab = lab
    this.workers = ['worker-0', 'worker-1', 'worker-2'].map(name => new AgentNode(lab, name))
  }

  worker(number: 0 | 1 | 2): AgentNode {
    const worker = this.workers[number]
    if (worker === undefined) throw new Error('there are three')
    return worker
  }

  /** Runs etcdctl beside etcd; rejects when it fails. */
  async etcdctl(words: readonly string[], input?: string): Promise<string> {
    const command = ['etcdctl', '--command-timeout=2s', ...words]
    const options = input === undefined ? {} : { input }
    const { code, stdout, stderr } = await this.lab.node('store').exec(command, options)
    if (code !== 0) throw new Error(`${command.join(' ')}: ${stderr}`)
    return stdout
  }

  /** A document of the state in etcd; undefined where there is none. */
  async document(key: string): Promise<Record<string, unknown> | undefined> {
    const text = await this.etcdctl(['get', '--print-value-only', `${STATE}/${key}`])
    return text.trim() === '' ? undefined : JSON.parse(text)
  }

  /** Every session of every worker is Established, and every pod network in every kernel. */
  async whole(): Promise<void> {
    for (const [at, worker] of this.workers.entries())
      for (const other of [0, 1, 2])
        if (other !== at) {
          await worker.established(ADDRESS[other] ?? '')
          await worker.established(ADDRESS6[other] ?? '')
          await worker.carries(`10.200.${other}.0/24`)
        }
  }
}

let scene: Scene | undefined

test.before(async t => {
  if (leftOut !== undefined) return
  t.timeout(240_000)
  const lab = await Lab.up(FILE, { name: `survival-store-${process.pid}`, variables: STORE })
  scene = new Scene(lab)
  try {
    await scene.whole()
  } catch (error) {
    tellLogs(t, lab)
    throw error
  }
})

test.after.always('the lab goes', () => scene?.lab.down())

function lab(title: string, body: (t: ExecutionContext, scene: Scene) => Promise<void>): void {
  if (leftOut !== undefined) return
  test.serial(title, async t => {
    t.timeout(300_000)
    if (scene === undefined) throw new Error('there is no lab')
    try {
      await body(t, scene)
      await scene.whole()
    } catch (error) {
      tellLogs(t, scene.lab)
      throw error
    }
  })
}

/** How often each session of `worker` was Established, by the peer's address. */
async function established(worker: AgentNode): Promise<Record<string, number>> {
  const sessions = await (await worker.api()).sessions()
  return Object.fromEntries(sessions.map(s => [s.peerAddress, s.counters.established]))
}

/** `counts` without those of one peer. */
const without = (counts: Record<string, number>, peer: string): Record<string, number> =>
  Object.fromEntries(Object.entries(counts).filter(([address]) => address !== peer))

lab(
  'etcd dies for a minute: nothing else does, and who starts goes by its last word',
  async (t, s) => {
    const { lab } = s
    const [zero, one, two] = [s.worker(0), s.worker(1), s.worker(2)]
    await until('the state is there', () => s.document('worker-1/kernel'), SOON)
    await lab.stop('worker-2', 'TERM')
    await zero.carriesNot('10.200.2.0/24')
    const pings = await Pings.start(
      lab,
      ['pod-0a', 'pod-1a'],
      new Map([
        ['pod-0a', ['10.200.1.10', 'fd00:10:200:1::10']],
        ['pod-1a', ['10.200.0.10', 'fd00:10:200::10']],
      ]),
    )
    const before = await established(zero)
    const left = await two.routes()
    t.regex(left, /^blackhole 10\.200\.2\.0\/24/m)
    t.regex(left, /^10\.200\.0\.0\/24 via 10\.240\.0\.20/m)
    const watches = [await watchRoutes(lab, 'worker-0'), await watchRoutes(lab, 'worker-2')]
    await pings.begin()

    const from = zero.mark()
    await lab.stop('store', 'KILL')
    const killed = Date.now()
    const silent = two.mark()
    await lab.start('worker-2')
    await zero.said('STORE_LOST', from)
    const lost = await two.said('STORE_LOST', silent)
    t.log(`the one that starts says: ${lost.text}`)
    t.regex(lost.text ?? '', /store does not answer/)
    const { agent } = await until(
      'it goes by what it remembers',
      async () => {
        const state = await two.state().catch(() => undefined)
        return state?.agent.mode === 'stale' ? state : undefined
      },
      SOON,
    )
    t.is(agent.store.state, 'lost')
    t.true((agent.store.revision ?? 0) > 0)
    t.true(Date.parse(agent.store.savedAt ?? '') < killed)
    await two.said('STORE_REMEMBERED', silent)
    await zero.carries('10.200.2.0/24')
    for (const peer of [ADDRESS[0], ADDRESS[1]]) await two.established(peer)
    // what changes meanwhile must be told afterwards; no ping needs this route
    await one.run('ip', 'route', 'del', 'blackhole', '10.200.1.0/24', 'proto', '77')
    await one.carries('10.200.1.0/24')
    await until(
      'the outage is over',
      async () => {
        // each time: nothing was lost
        for (const peer of [ADDRESS[1], ADDRESS6[1]])
          t.is((await zero.session(peer))?.state, 'Established')
        return Date.now() - killed > OUTAGE_MS
      },
      { within: 2 * OUTAGE_MS, every: 1000 },
    )
    t.is((await zero.state()).agent.mode, 'stale')
    t.is((await two.state()).agent.mode, 'stale')
    t.is(await two.routes(), left, 'an agent that goes by its memory has the routes that it had')
    const sessions = await established(two)

    await lab.start('store')
    await until('etcd answers', () => s.etcdctl(['endpoint', 'health']), {
      within: 60_000,
      every: 20,
    })
    const back = performance.now()
    await until('the state in etcd is fresh', () => isFresh(s, killed), { ...SOON, every: 20 })
    const took = performance.now() - back
    t.log(`the state was fresh ${Math.round(took)} ms after etcd answered`)
    t.true(took < FRESH_WITHIN_MS)
    await two.said('STORE_FRESH', silent)
    await s.whole()
    t.log(`worker-2 was whole ${Math.round(performance.now() - back)} ms after etcd answered`)
    t.deepEqual(await established(two), sessions, 'what the store says is what it remembered')
    t.is((await two.state()).agent.store.savedAt, undefined)
    for (const { lost, sent, target } of await pings.count(t, 'over the outage'))
      t.is(lost, 0, `${target}: ${lost} of ${sent}`)
    pings.close()
    const now = await established(zero)
    for (const peer of [ADDRESS[1], ADDRESS6[1]]) t.is(now[peer], before[peer], peer)
    for (const watch of watches) {
      const deleted = (await watch.end()).filter(line =>
        /^Deleted .*(10\.200|fd00:10:200)/.test(line),
      )
      t.deepEqual(deleted, [])
    }
  },
)

/** Both agents wrote since the outage began, and what happened in it is told. */
async function isFresh(s: Scene, killed: number): Promise<boolean> {
  for (const name of ['worker-0', 'worker-1']) {
    const agent = await s.document(`${name}/agent`)
    const { store, mode } = agent ?? {}
    if (mode !== 'running' || typeof store !== 'object' || store === null) return false
    if (!('since' in store) || Date.parse(String(store.since)) < killed) return false
  }
  return Number((await s.document('worker-1/kernel'))?.repaired ?? 0) > 0
}

lab('etcd is compacted, emptied and filled again: no session ends, no route goes', async (t, s) => {
  const counts = await Promise.all(s.workers.map(established))
  const watch = await watchRoutes(s.lab, 'worker-0')
  const revision = (await s.worker(0).state()).agent.store.revision ?? 0
  await s.etcdctl(['compact', String(revision)])
  const keys = (await s.etcdctl(['get', '--prefix', '--keys-only', '/calico/'])).split('\n')
  const objects = new Map<string, string>()
  for (const key of keys.filter(key => key !== ''))
    objects.set(key, await s.etcdctl(['get', '--print-value-only', key]))
  t.true(objects.size > 3)

  const from = s.worker(0).mark()
  await s.etcdctl(['del', '--prefix', '/calico/'])
  for (const worker of s.workers) {
    const held = async (): Promise<boolean> => (await worker.state()).agent.mode === 'held'
    await until(`${worker.name} holds back`, held, SOON)
  }
  const { text } = await s.worker(0).said('STORE_HELD_BACK', from)
  t.regex(text ?? '', /holds no Node worker-0 any more.*martlet accept-empty/)
  // one after another, slower than one who restores by hand types
  for (const [key, value] of objects) await s.etcdctl(['put', key], value.trim())
  for (const worker of s.workers) {
    const running = async (): Promise<boolean> => (await worker.state()).agent.mode === 'running'
    await until(`${worker.name} goes on`, running, SOON)
  }
  t.deepEqual(await Promise.all(s.workers.map(established)), counts)
  t.deepEqual(
    (await watch.end()).filter(line => line.includes('10.200.')),
    [],
  )
})

lab('etcd is emptied and that is accepted: all sessions go', async (t, s) => {
  const zero = s.worker(0)
  const objects = new Map<string, string>()
  const listed = await s.etcdctl(['get', '--prefix', '--keys-only', '/calico/'])
  for (const key of listed.split('\n').filter(key => key !== ''))
    objects.set(key, await s.etcdctl(['get', '--print-value-only', key]))
  await s.etcdctl(['del', '--prefix', '/calico/'])
  const told = async (): Promise<boolean> =>
    (await s.document('worker-0/agent'))?.mode === 'held' &&
    (await s.document('worker-1/agent'))?.mode === 'held' &&
    (await s.document('worker-2/agent'))?.mode === 'held'
  await until('all say that they hold back', told, SOON)
  const accepted = await zero.run('martlet', 'accept-empty')
  t.is(accepted.split('\n').filter(line => line.includes(' goes on, ')).length, 3, accepted)
  for (const worker of s.workers) {
    const idle = async (): Promise<boolean> => (await worker.state()).agent.mode === 'idle'
    await until(`${worker.name} follows`, idle, SOON)
  }
  await zero.carriesNot('10.200.1.0/24')
  for (const [key, value] of objects) await s.etcdctl(['put', key], value.trim())
  await s.whole()
})

lab('a CalicoNodeStatus is answered as it asks', async (t, s) => {
  const key = `${RESOURCES}/caliconodestatuses/one`
  const metadata = { name: 'one', uid: 'u', creationTimestamp: '2026-08-22T10:00:00Z' }
  const kind = { kind: 'CalicoNodeStatus', apiVersion: 'projectcalico.org/v3' }
  const classes = ['Agent', 'BGP', 'Routes']
  const spec = { node: 'worker-0', classes, updatePeriodSeconds: 1 }
  await s.etcdctl(['put', key], JSON.stringify({ ...kind, metadata, spec }))
  const read = async () => JSON.parse(await s.etcdctl(['get', '--print-value-only', key]))
  const first = await until('it is answered', async () => (await read()).status, SOON)
  t.is(first.agent.birdV4.state, 'Ready')
  t.is(first.bgp.numberEstablishedV4, 2)
  t.is(first.bgp.numberEstablishedV6, 2)
  t.deepEqual(first.bgp.peersV4[0].peerIP, ADDRESS[1])
  const route = first.routes.routesV4.find(
    (one: { destination: string }) => one.destination === '10.200.1.0/24',
  )
  t.deepEqual(route, {
    type: 'FIB',
    destination: '10.200.1.0/24',
    gateway: ADDRESS[1],
    interface: 'eth1',
    learnedFrom: { sourceType: 'NodeMesh', peerIP: ADDRESS[1] },
  })
  const later = async (): Promise<boolean> => (await read()).status.lastUpdated > first.lastUpdated
  await until('it is answered again', later, SOON)
  const { status: _, ...rest } = await read()
  t.deepEqual(rest, { ...kind, metadata, spec })
  await s.etcdctl(['del', key])
})

lab('a Node is deleted: its sessions and routes go at once', async (t, s) => {
  const zero = s.worker(0)
  const counts = without(without(await established(zero), ADDRESS[2]), ADDRESS6[2])
  const key = `${RESOURCES}/nodes/worker-2`
  const node = await s.etcdctl(['get', '--print-value-only', key])
  t.true(node.includes('worker-2'))
  await s.etcdctl(['del', key])
  const deleted = performance.now()
  const gone = await Promise.all(
    [0, 1].map(async at => {
      const worker = s.worker(at === 0 ? 0 : 1)
      await worker.carriesNot('10.200.2.0/24')
      const six = (): Promise<string> =>
        worker.run('ip', '-6', 'route', 'show', 'fd00:10:200:2::/64')
      await until('IPv6 too', async () => (await six()).trim() === '', SOON)
      return performance.now() - deleted
    }),
  )
  const connections = async (): Promise<boolean> =>
    (await zero.connections(ADDRESS[2])).length === 0 &&
    (await zero.session(ADDRESS[2])) === undefined
  await until('the session is gone', connections, SOON)
  t.log(`routes left the kernels ${gone.map(Math.round).join(' and ')} ms after the deletion`)
  t.log(`the session was gone after ${Math.round(performance.now() - deleted)} ms`)
  t.true(Math.max(...gone) < GONE_WITHIN_MS)
  t.deepEqual(await established(zero), counts, 'and nobody else noticed')
  const idle = async (): Promise<boolean> => (await s.worker(2).state()).agent.mode === 'idle'
  await until('the node itself knows that it is not to speak', idle, SOON)
  await s.etcdctl(['put', key], node)
  await s.whole()
})

lab('a peer is added, changed and removed: only its own session is reset', async (t, s) => {
  const zero = s.worker(0)
  const peer = { node: 'worker-0', peerIP: ADDRESS[1] }
  const others = without(await established(zero), ADDRESS[1])
  const unmoved = async (after: string): Promise<void> => {
    const now = without(without(await established(zero), ADDRESS[1]), '10.240.0.77')
    t.deepEqual(now, others, after)
  }
  const named = (name: string) => (session: { name: string; state: string }) =>
    session.name.startsWith(name) && session.state === 'Established'

  await zero.apply(peerResource('explicit', { ...peer, asNumber: 64512 }))
  const added = await zero.untilSession(ADDRESS[1], 'is of the BGPPeer', named('Node_'))
  await unmoved('a peer was added in the place of one of the mesh')

  const quiet = { ...peer, asNumber: 64512, nextHopMode: 'Self' }
  const from = zero.mark()
  t.is((await zero.apply(peerResource('explicit', quiet))).code, 0)
  // changes come in their order: when this one is there, the one before it was
  await zero.apply(peerResource('nobody', { ...peer, peerIP: '10.240.0.77', asNumber: 64512 }))
  await zero.untilSession('10.240.0.77', 'is tried', ({ state }) => state !== 'Established')
  t.is((await zero.established(ADDRESS[1])).counters.established, added.counters.established)
  t.false(zero.lines(from).some(({ code }) => code === 'SESSION_DOWN'))

  await zero.apply(peerResource('explicit', { ...peer, asNumber: 64999 }))
  const wrong = await zero.untilSession(
    ADDRESS[1],
    'has another AS',
    ({ lastError, peerAsNumber }) => peerAsNumber === 64999 && lastError?.code === 2,
  )
  t.log(`asNumber changed: ${wrong.lastError?.direction} ${wrong.lastError?.text}`)
  await zero.carriesNot('10.200.1.0/24')
  await unmoved('a peer’s AS number changed')

  await zero.run('martlet', 'delete', 'bgppeer', 'nobody', 'explicit')
  await zero.untilSession(ADDRESS[1], 'is of the mesh again', named('Mesh_'))
  await until('it is gone', async () => (await zero.session('10.240.0.77')) === undefined, SOON)
  await unmoved('peers were removed')
})

interface Mistake {
  readonly key: string
  readonly value: unknown
  /** what the problem names, and whose problem it is */
  readonly field: string
  readonly reason: RegExp
}

const bgpPeer = (name: string, spec: object): Pick<Mistake, 'key' | 'value'> => ({
  key: `${RESOURCES}/bgppeers/${name}`,
  value: { apiVersion: 'projectcalico.org/v3', kind: 'BGPPeer', metadata: { name }, spec },
})

const configuration = (spec: object): Pick<Mistake, 'key' | 'value'> => ({
  key: `${RESOURCES}/bgpconfigurations/default`,
  value: {
    apiVersion: 'projectcalico.org/v3',
    kind: 'BGPConfiguration',
    metadata: { name: 'default' },
    spec,
  },
})

const MISTAKES: readonly Mistake[] = [
  { ...bgpPeer('malformed', {}), value: '{"kind": "BGPPeer", ', field: '', reason: /is not JSON/ },
  {
    ...bgpPeer('unknown', { node: 'worker-0', peerIP: '10.240.0.77', asNumbr: 64512 }),
    field: 'spec.asNumbr',
    reason: /did you mean "asNumber"/,
  },
  {
    ...bgpPeer('myself', { node: 'worker-0', peerIP: ADDRESS[0], asNumber: 64512 }),
    field: 'spec.peerIP',
    reason: /address of worker-0 itself/,
  },
  {
    ...bgpPeer('port', { node: 'worker-0', peerIP: '10.240.0.77:99999', asNumber: 64512 }),
    field: 'spec.peerIP',
    reason: /10\.240\.0\.77:99999.* is not an address/,
  },
  {
    ...configuration({ nodeToNodeMeshEnabled: true, listenPort: 70000, asNumber: 64500 }),
    field: 'spec.listenPort',
    reason: /70000 is too big; the most is 65535/,
  },
  {
    key: `${RESOURCES}/nodes/worker-9`,
    value: {
      apiVersion: 'projectcalico.org/v3',
      kind: 'Node',
      metadata: { name: 'worker-9' },
      spec: {},
      status: { podCIDRs: ['10.200.0.128/25'] },
    },
    field: 'status.podCIDRs',
    reason: /10\.200\.0\.0\/24 of worker-0 overlaps 10\.200\.0\.128\/25 of worker-9/,
  },
]

lab('what cannot be meant is named in the store’s words, and costs nothing', async (t, s) => {
  const zero = s.worker(0)
  const counts = await established(zero)
  const routes = await zero.routes()
  const watch = await watchRoutes(s.lab, 'worker-0')
  const from = zero.mark()
  const good = await s.etcdctl([
    'get',
    '--print-value-only',
    `${RESOURCES}/bgpconfigurations/default`,
  ])
  for (const { key, value } of MISTAKES)
    await s.etcdctl(['put', key], typeof value === 'string' ? value : JSON.stringify(value))
  for (const { key, field, reason } of MISTAKES) {
    const found = await until(
      `${key} is a problem`,
      async () => {
        const { agent } = await zero.state()
        return agent.problems.find(one => one.field === field && reason.test(one.reason))
      },
      SOON,
    )
    // two Nodes overlap, and a node is told of its own
    const own = key.replace('worker-9', 'worker-0')
    t.is(found.object, own)
    t.true(
      zero.lines(from).some(({ code, text = '' }) => code === 'PROBLEM' && text.startsWith(own)),
    )
    t.log(`${found.object} ${found.field}: ${found.reason}`)
  }
  const told = async (): Promise<boolean> =>
    JSON.stringify((await s.document('worker-0/agent'))?.problems).includes('asNumbr')
  await until('the problems are in etcd', told, SOON)
  t.deepEqual(without(await established(zero), '10.240.0.77'), counts)
  t.is(await zero.routes(), routes)
  for (const { key } of MISTAKES) if (!key.endsWith('/default')) await s.etcdctl(['del', key])
  await s.etcdctl(['put', `${RESOURCES}/bgpconfigurations/default`], good)
  await until('all are solved', async () => (await zero.state()).agent.problems.length === 0, SOON)
  t.true(zero.lines(from).some(({ code }) => code === 'PROBLEM_SOLVED'))
  t.deepEqual(await established(zero), counts)
  t.deepEqual(
    (await watch.end()).filter(line => line.includes('10.200.')),
    [],
  )
})
