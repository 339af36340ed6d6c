/**
 * A router between peers that behave and peers that do not: whatever these do, the others keep the sessions that they
 * had, with a hold time of nine seconds; memory and log stay bounded, and what was taken is given back.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { AGENT_HOME } from '../../src/shell/lab/images.ts'
import { Lab } from '../../src/shell/lab/index.ts'
import { FIXTURES, labsLeftOut, packagesMissing, tellLogs, until } from './support/lab.ts'
import { AgentNode, SOON } from './support/survival.ts'

const TOPOLOGY = `${FIXTURES}hostile.clab.yml`
const BIRD = '10.89.0.2'
const FAR = '198.51.100.0/24'

/** Who is configured by address, each in an AS of its own. */
const PEERS = {
  good: { address: '10.89.1.10', asn: 65010 },
  stall: { address: '10.89.1.20', asn: 65020 },
  dribble: { address: '10.89.1.21', asn: 65021 },
  dribbleOpen: { address: '10.89.1.22', asn: 65022 },
  crowd: { address: '10.89.1.23', asn: 65023 },
  attributes: { address: '10.89.1.24', asn: 65024 },
  long: { address: '10.89.1.25', asn: 65025 },
  refresh: { address: '10.89.1.26', asn: 65026 },
  churn: { address: '10.89.1.27', asn: 65027 },
  sessions: { address: '10.89.1.28', asn: 65028 },
} as const

type PeerName = keyof typeof PEERS

const leftOut =
  labsLeftOut() ?? (packagesMissing(TOPOLOGY, { SCENE: '/nowhere' }).join(' ') || undefined)
if (leftOut !== undefined) test.skip(`Left out: ${leftOut}`, t => t.pass())

const birdText = `
log stderr all;
router id ${BIRD};
protocol device {}
protocol static far { ipv4; route ${FAR} blackhole; }
protocol bgp agent {
  local ${BIRD} as 65002;
  neighbor 10.89.0.1 as 64512;
  hold time 9;
  connect delay time 1; connect retry time 1;
  ipv4 { import all; export where source = RTS_STATIC; };
}
`

const configurationText = JSON.stringify({
  node: 'agent',
  store: { directory: '/var/lib/martlet/store' },
  transit: true,
  bgp: {
    holdSeconds: 9,
    ranges: [{ name: 'leaves', prefix: '10.89.128.0/17', asNumber: 65100, peersMax: 10 }],
  },
})

const resource = (kind: string, name: string, spec: object): string =>
  JSON.stringify({ apiVersion: 'projectcalico.org/v3', kind, metadata: { name }, spec })

const resourcesText = [
  resource('BGPConfiguration', 'default', { asNumber: 64512, nodeToNodeMeshEnabled: false }),
  resource('Node', 'agent', { bgp: { ipv4Address: '10.89.0.1/16' } }),
  resource('BGPPeer', 'bird', { peerIP: BIRD, asNumber: 65002 }),
  ...Object.entries(PEERS).map(([name, { address, asn }]) =>
    resource('BGPPeer', name.toLowerCase(), { peerIP: address, asNumber: asn }),
  ),
].join('\n---\n')

/** A process of test/labs/support/hostile-peer.ts, and what it said. */
class Hostile {
  readonly said: Record<string, unknown>[] = []
  readonly #child: ChildProcess
  #rest = ''
  #errors = ''

  constructor(lab: Lab, way: string, from: string, asn: number | 'none', count: number) {
    const program = `${AGENT_HOME}/test/labs/support/hostile-peer.ts`
    const [command = '', ...rest] = lab
      .node('crowd')
      .enter(['node', program, way, from, String(asn), String(count)])
    this.#child = spawn(command, rest, { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child.stdin?.on('error', () => {})
    this.#child.stdout?.on('data', bytes => {
      const lines = (this.#rest + String(bytes)).split('\n')
      this.#rest = lines.pop() ?? ''
      for (const line of lines) this.said.push(JSON.parse(line))
    })
    this.#child.stderr?.on('data', bytes => {
      this.#errors += String(bytes)
    })
  }

  /** Waits for its next line, the first that nobody waited for yet. */
  async next(): Promise<Record<string, unknown>> {
    return await until(
      'the hostile peer says something',
      () => {
        if (this.#child.exitCode !== null && this.said.length === 0) throw new Error(this.#errors)
        return this.said.shift()
      },
      { within: 150_000, every: 20 },
    )
  }

  /** Lets it go on. */
  goOn(): void {
    this.#child.stdin?.write('\n')
  }

  end(): void {
    this.#child.kill()
  }
}

interface Scene {
  readonly lab: Lab
  readonly agent: AgentNode
  readonly folder: string
  readonly good: Hostile
}

let scene: Scene | undefined

test.before(async t => {
  if (leftOut !== undefined) return
  t.timeout(180_000)
  const folder = mkdtempSync(join(tmpdir(), 'martlet-hostile-'))
  mkdirSync(join(folder, 'resources'))
  writeFileSync(join(folder, 'martlet.yaml'), configurationText)
  writeFileSync(join(folder, 'resources/all.yaml'), resourcesText)
  writeFileSync(join(folder, 'bird.conf'), birdText)
  const lab = await Lab.up(TOPOLOGY, {
    name: `hostile-${process.pid}`,
    variables: { SCENE: folder },
  })
  const agent = new AgentNode(lab, 'agent')
  const { address, asn } = PEERS.good
  scene = { lab, agent, folder, good: new Hostile(lab, 'good', address, asn, 0) }
  try {
    await scene.good.next()
    await Promise.all([agent.established(address), agent.established(BIRD), agent.carries(FAR)])
  } catch (error) {
    tellLogs(t, lab)
    throw error
  }
})

test.after.always('the lab goes', async () => {
  scene?.good.end()
  await scene?.lab.down()
  if (scene !== undefined) rmSync(scene.folder, { recursive: true })
})

/** A test in which those who behave lose neither session nor route. */
function lab(title: string, body: (t: ExecutionContext, here: Scene) => Promise<void>): void {
  if (leftOut !== undefined) return
  test.serial(title, async t => {
    t.timeout(240_000)
    if (scene === undefined) throw new Error('there is no lab')
    const { agent, good } = scene
    try {
      const from = agent.mark()
      await body(t, scene)
      for (const address of [BIRD, PEERS.good.address]) {
        const session = await agent.session(address)
        t.is(session?.state, 'Established', address)
        t.is(session?.counters.established, 1, address)
      }
      t.true((await agent.routes()).includes(FAR))
      good.goOn()
      t.false((await good.next()).closed)
      const lines = agent.lines(from).length
      t.true(lines < 1000, `${lines} lines`)
      t.log(`${lines} lines, ${await residentMegabytes(agent)} MB`)
    } catch (error) {
      tellLogs(t, scene.lab)
      throw error
    }
  })
}

/** What the BGP half has in memory. */
async function residentMegabytes(agent: AgentNode): Promise<number> {
  const status = await agent.run('cat', `/proc/${agent.child('speaker')}/status`)
  return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024)
}

const hostile = (lab: Lab, way: string, name: PeerName, count: number): Hostile =>
  new Hostile(lab, way, PEERS[name].address, PEERS[name].asn, count)

/** Prefixes that a peer has here. */
async function received(agent: AgentNode, name: PeerName): Promise<number> {
  const session = await agent.session(PEERS[name].address)
  return session?.prefixes.reduce((sum, each) => sum + each.received, 0) ?? 0
}

lab('a thousand connections from one address are two', async (t, { lab }) => {
  const one = hostile(lab, 'crowd', 'crowd', 1000)
  t.true(Number((await one.next()).left) <= 2)
})

lab('a thousand connections of a stranger are none', async (t, { lab, agent }) => {
  const from = agent.mark()
  const stranger = new Hostile(lab, 'crowd', '10.89.1.99', 65099, 1000)
  t.deepEqual(await stranger.next(), { left: 0 })
  const refusals = agent.lines(from).filter(({ code }) => code === 'CONNECTION_REFUSED')
  t.true(refusals.length > 0 && refusals.length <= 90, `${refusals.length} lines`)
})

lab('a thousand connections from a range are as many as it may have', async (t, { lab, agent }) => {
  const crowd = new Hostile(lab, 'crowd', '10.89.130.1', 'none', 1000)
  t.deepEqual(await crowd.next(), { left: 10 })
  // those of the crowd went with its process; who came from a range is kept for a while
  const sessions = await (await agent.api()).sessions()
  t.is(sessions.filter(({ name }) => name.startsWith('leaves_')).length, 10)
})

lab('an octet a second is no message: the hold time is over', async (t, { lab, agent }) => {
  const slow = hostile(lab, 'dribble', 'dribble', 1)
  const open = hostile(lab, 'dribble', 'dribbleOpen', 0)
  const { closed, notifications, seconds } = await slow.next()
  t.deepEqual({ closed, notifications }, { closed: true, notifications: 1 })
  t.true(Number(seconds) >= 8, `${seconds} s`)
  const { lastError } = await agent.untilSession(
    PEERS.dribble.address,
    'is over',
    ({ lastError }) => lastError?.direction === 'sent',
  )
  t.is(lastError?.code, 4)
  open.end()
})

lab(
  'attributes by the ten thousand are given back, and one that does not read holds nobody',
  async (t, here) => {
    const { lab, agent } = here
    const stalled = hostile(lab, 'stall', 'stall', 0)
    await stalled.next()
    const before = await residentMegabytes(agent)
    const many = 30_000
    const peer = hostile(lab, 'attributes', 'attributes', many)
    t.deepEqual(await peer.next(), { said: many })
    await until('all are there', async () => (await received(agent, 'attributes')) === many, SOON)
    await until(
      'the good peer is told all',
      async () => {
        here.good.goOn()
        const { updates } = await here.good.next()
        return Number(updates) >= many
      },
      SOON,
    )
    t.is((await agent.session(PEERS.stall.address))?.state, 'Established')
    const most = await residentMegabytes(agent)
    t.true(most < before + 300, `${before} MB, then ${most}`)
    peer.goOn()
    t.deepEqual(await peer.next(), { withdrawn: many })
    await until('none are there', async () => (await received(agent, 'attributes')) === 0, SOON)
    peer.end()
    stalled.goOn()
    t.false((await stalled.next()).closed, 'it is there, and has not been sent more than it takes')
  },
)

lab(
  'messages of 64 kB that are mostly wrong are counted, and cost routes alone',
  async (t, here) => {
    const peer = hostile(here.lab, 'long', 'long', 500)
    t.deepEqual(await peer.next(), { closed: false })
    await here.agent.untilSession(
      PEERS.long.address,
      'has faults',
      ({ updateFaults: { attributeDiscard } }) => attributeDiscard > 100,
    )
  },
)

lab('a hundred thousand requests for all again cost a few walks', async (t, { lab, agent }) => {
  const many = 5_000
  const routes = hostile(lab, 'attributes', 'attributes', many)
  await routes.next()
  await until('all are there', async () => (await received(agent, 'attributes')) === many, SOON)
  const bursts = 10
  const { closed, updates } = await hostile(lab, 'refresh', 'refresh', bursts).next()
  t.false(closed)
  t.true(Number(updates) <= (2 * bursts + 1) * (many + 2), `${updates} UPDATEs`)
  t.true(Number(updates) > many, 'they were answered')
  routes.end()
})

lab('routes that come and go without end disturb nobody', async (t, { lab, agent }) => {
  const before = await residentMegabytes(agent)
  t.deepEqual(await hostile(lab, 'churn', 'churn', 300).next(), { closed: false })
  await until('they are gone', async () => (await received(agent, 'churn')) === 0, SOON)
  const after = await residentMegabytes(agent)
  t.true(after < before + 200, `${before} MB, then ${after}`)
})

lab('sessions that begin and end without end disturb nobody', async (t, { lab, agent }) => {
  t.deepEqual(await hostile(lab, 'sessions', 'sessions', 200).next(), { sessions: 200 })
  await agent.untilSession(
    PEERS.sessions.address,
    'was Established 200 times',
    ({ counters }) => counters.established === 200,
  )
})
