/**
 * What sessions survive, and how: peers that are killed, links that go down, a port in use, two
 * sides that connect at once, a wrong AS number, silence.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import test, { type ExecutionContext } from 'ava'
import { Lab } from '../../src/shell/lab/index.ts'
import { FIXTURES, labsLeftOut, packagesMissing, tellLogs, until } from './support/lab.ts'
import { AgentNode, type Line, peerResource, SOON, watchRoutes } from './support/survival.ts'

const FILE = `${FIXTURES}survival.clab.yml`
const ALPHA = '10.9.0.1'
const BETA = '10.9.0.2'
const TERN = '10.9.0.3'
const ALPHA_PODS = '10.99.1.0/24'
const BETA_PODS = '10.99.2.0/24'
const FAR = '198.51.100.0/24'

const leftOut = labsLeftOut() ?? (packagesMissing(FILE, {}).join(' ') || undefined)
if (leftOut !== undefined) test.skip(`Left out: ${leftOut}`, t => t.pass())

interface Scene {
  readonly lab: Lab
  readonly alpha: AgentNode
  readonly beta: AgentNode
  readonly tern: AgentNode
}

let scene: Scene | undefined

async function open(): Promise<Scene> {
  const lab = await Lab.up(FILE, { name: `survival-sessions-${process.pid}` })
  const [alpha, beta, tern] = [
    new AgentNode(lab, 'alpha'),
    new AgentNode(lab, 'beta'),
    new AgentNode(lab, 'tern'),
  ]
  scene = { lab, alpha, beta, tern }
  return scene
}

test.after.always('the lab goes', () => scene?.lab.down())

/** A test that begins and ends with both sessions Established and all routes in the kernel. */
function lab(title: string, body: (t: ExecutionContext, scene: Scene) => Promise<void>): void {
  if (leftOut !== undefined) return
  test.serial(title, async t => {
    t.timeout(300_000)
    const here = scene ?? (await open())
    try {
      await whole(here)
      await body(t, here)
      await whole(here)
    } catch (error) {
      tellLogs(t, here.lab)
      // what is broken is not the next test's affair
      await here.lab.down()
      scene = undefined
      throw error
    }
  })
}

async function whole({ alpha, beta }: Scene): Promise<void> {
  await Promise.all([alpha.established(BETA), alpha.established(TERN), beta.established(ALPHA)])
  await Promise.all([alpha.carries(BETA_PODS), alpha.carries(FAR), beta.carries(ALPHA_PODS)])
}

const isDown = ({ state }: { readonly state: string }): boolean => state !== 'Established'

const took = (from: number, to: number): string => `${Math.round(to - from)} ms`

lab('BIRD is killed: its routes leave at once, and are back with it', async (t, { lab, alpha }) => {
  const killed = performance.now()
  await lab.stop('tern', 'KILL')
  t.log(`the route left ${took(killed, await alpha.carriesNot(FAR))} after the kill`)
  const { lastError } = await alpha.untilSession(TERN, 'is down', isDown)
  t.regex(lastError?.text ?? '', /closed|refused/)
  const started = performance.now()
  await lab.start('tern')
  t.log(`and was back ${took(started, await alpha.carries(FAR))} after the start`)
  // what we told it before, it is told again
  const told = async (): Promise<boolean> =>
    (await lab.node('tern').exec(['birdc', 'show', 'route', ALPHA_PODS])).stdout.includes(ALPHA)
  await until('BIRD has alpha’s pods', told, SOON)
})

lab(
  'an agent is killed: its peer keeps its routes for it, and it keeps its own',
  async (t, here) => {
    const { lab, alpha, beta } = here
    const watches = [await watchRoutes(lab, 'alpha'), await watchRoutes(lab, 'beta')]
    await lab.stop('beta', 'KILL')
    await alpha.untilSession(BETA, 'is down', isDown)
    t.regex(await alpha.routes(), new RegExp(`^${BETA_PODS} via ${BETA}`, 'm'))
    t.regex(await beta.routes(), new RegExp(`^${ALPHA_PODS} via ${ALPHA}`, 'm'))
    await lab.start('beta')
    await whole(here)
    await until('it is in sync', async () => (await beta.state()).kernel?.inSync === true, SOON)
    const seen = await Promise.all(watches.map(watch => watch.end()))
    const ours = seen.flat().filter(line => line.includes('10.99.'))
    t.deepEqual(ours, [], 'the one that came adopted what the one that died had left')
  },
)

lab('a link goes down and up: routes go and come with it', async (t, { lab, alpha }) => {
  const watch = await watchRoutes(lab, 'alpha')
  const down = performance.now()
  await alpha.run('ip', 'link', 'set', 'eth1', 'down')
  const [pods, far] = await Promise.all([alpha.carriesNot(BETA_PODS), alpha.carriesNot(FAR)])
  t.log(`the routes left ${took(down, Math.max(pods, far))} after the link went down`)
  // or what is said of the sessions afterwards may be what was known before
  await Promise.all([BETA, TERN].map(peer => alpha.untilSession(peer, 'is down', isDown)))
  const up = performance.now()
  await alpha.run('ip', 'link', 'set', 'eth1', 'up')
  const back = await Promise.all([alpha.carries(BETA_PODS), alpha.carries(FAR)])
  t.log(`and were back ${took(up, Math.max(...back))} after it came up`)
  const own = (await watch.end()).filter(line => line.includes(ALPHA_PODS))
  t.deepEqual(own, [], 'the blackhole for the own pods stayed all the time')
})

lab('a neighbour’s link goes down for longer than the hold time', async (t, { alpha, tern }) => {
  const before = await alpha.established(TERN)
  await tern.run('ip', 'link', 'set', 'eth1', 'down')
  const down = await alpha.untilSession(TERN, 'is down', isDown)
  t.log(`it ended with: ${JSON.stringify(down.lastError)}`)
  await alpha.carriesNot(FAR)
  await tern.run('ip', 'link', 'set', 'eth1', 'up')
  const up = performance.now()
  const after = await alpha.established(TERN)
  t.log(`Established again ${took(up, performance.now())} after the link came up`)
  t.is(after.counters.established, before.counters.established + 1)
})

lab('a port in use: told with its remedy, sessions are made from here', async (t, here) => {
  const { lab, alpha, beta } = here
  await lab.stop('beta', 'TERM')
  const squatter = await squat(lab)
  t.teardown(() => squatter.kill())
  const from = beta.mark()
  await lab.start('beta')
  const line = await beta.said('LISTEN_FAILED', from)
  const { text = '' } = line
  t.log(text)
  t.regex(text, /ipv4 port 179: address in use.*ss -ltnp.*listenPort/)
  const { counters } = await beta.established(ALPHA)
  await alpha.established(BETA)
  const [connection = ''] = await beta.connections(ALPHA)
  t.regex(connection, new RegExp(`${BETA}:(?!179\\b)\\d+ +${ALPHA}:179\\b`), 'beta connected')
  await beta.carries(ALPHA_PODS)
  t.is(beta.lines(from).find(({ code }) => code === 'LISTENING')?.code, undefined)
  // the child of a shell in another process tree: whoever listens is the one
  await beta.run('sh', '-c', 'kill $(cat /tmp/squatter)')
  const freed = performance.now()
  await beta.said('LISTENING', from)
  t.log(`listening ${took(freed, performance.now())} after the port was free`)
  t.regex(await beta.run('ss', '-Hltn', 'sport = :179'), /0\.0\.0\.0:179/)
  const after = await beta.established(ALPHA)
  t.is(after.counters.established, counters.established, 'the session did not notice')
})

/** A program in beta that takes port 179 and says nothing to whoever connects. */
async function squat(lab: Lab): Promise<ChildProcess> {
  const program =
    'require("fs").writeFileSync("/tmp/squatter", String(process.pid));' +
    'require("net").createServer().listen(179, "0.0.0.0", () => console.log("squats"))'
  const [command = '', ...rest] = lab.node('beta').enter(['node', '-e', program])
  const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise(resolve => child.stdout.once('data', resolve))
  return child
}

lab(
  'both speakers are killed at once, again and again: one connection remains',
  async (t, here) => {
    const { alpha, beta } = here
    for (let round = 1; round <= 3; round++) {
      await Promise.all([alpha.murder('speaker'), beta.murder('speaker')])
      await Promise.all([alpha.established(BETA), beta.established(ALPHA)])
      await oneConnection(t, `round ${round}`, here)
    }
  },
)

/** Both kernels have one connection between the two, the same one, and both speakers use it. */
async function oneConnection(t: ExecutionContext, round: string, here: Scene): Promise<void> {
  const { alpha, beta } = here
  const ends = await until(
    `one connection in ${round}`,
    async () => {
      const [ofAlpha, ofBeta] = await Promise.all([
        alpha.connections(BETA),
        beta.connections(ALPHA),
      ])
      const states = await Promise.all([alpha.session(BETA), beta.session(ALPHA)])
      if (states.some(session => session?.state !== 'Established')) return false
      if (ofAlpha.length !== 1 || ofBeta.length !== 1) throw new Error(`${ofAlpha} ${ofBeta}`)
      return [addresses(ofAlpha[0]), addresses(ofBeta[0]).toReversed()]
    },
    SOON,
  )
  t.deepEqual(ends[0], ends[1], round)
}

/** Both ends in a line of `ss -Htn state established`: it begins with two queue lengths. */
const addresses = (line = ''): string[] => line.trim().split(/\s+/).slice(2, 4)

lab('BIRD begins anew again and again: one connection remains', async (t, { alpha, tern }) => {
  for (let round = 1; round <= 5; round++) {
    const { counters } = await alpha.established(TERN)
    await tern.run('birdc', 'restart', 'alpha')
    await alpha.untilSession(
      TERN,
      'is Established again',
      session =>
        session.state === 'Established' && session.counters.established > counters.established,
    )
    const one = async (): Promise<boolean> => (await alpha.connections(TERN)).length === 1
    await until(`one connection in round ${round}`, one, SOON)
    t.regex(await tern.run('birdc', 'show', 'protocols', 'alpha'), /Established/)
  }
})

lab('an AS number that BIRD has not: both say so, the others do not notice', async (t, here) => {
  const { lab, alpha } = here
  const before = await alpha.established(BETA)
  const peer = { node: 'alpha', peerIP: TERN }
  await alpha.apply(peerResource('alpha-tern', { ...peer, asNumber: 64999 }))
  const { lastError, peerAsNumber } = await alpha.untilSession(
    TERN,
    'has a wrong AS',
    session => session.lastError?.code === 2,
  )
  t.is(peerAsNumber, 64999)
  t.log(`alpha: ${lastError?.direction} ${lastError?.text}`)
  t.is(lastError?.direction, 'sent')
  t.is(lastError?.subcode, 2)
  t.regex(lastError?.text ?? '', /64513/)
  t.regex(lastError?.text ?? '', /64999/)
  const bird = (): string | undefined => /Received: Bad peer AS.*/.exec(lab.node('tern').log())?.[0]
  t.log(`BIRD: ${await until('BIRD was told', bird, SOON)}`)
  await alpha.carriesNot(FAR)
  await alpha.apply(peerResource('alpha-tern', { ...peer, asNumber: 64513 }))
  await alpha.established(TERN)
  t.is((await alpha.session(BETA))?.counters.established, before.counters.established)
})

lab('a wrong AS number between agents: both say so, and try ever more seldom', async (t, here) => {
  const { alpha, beta } = here
  const from = beta.mark()
  const peer = { node: 'beta', peerIP: ALPHA }
  await beta.apply(peerResource('beta-alpha', { ...peer, asNumber: 64777 }))
  const wrong = (session: { lastError?: { code?: number; subcode?: number } }): boolean =>
    session.lastError?.code === 2 && session.lastError.subcode === 2
  const [here1, there] = await Promise.all([
    beta.untilSession(ALPHA, 'has a wrong AS', wrong),
    alpha.untilSession(BETA, 'has a wrong AS', wrong),
  ])
  t.log(`beta: ${here1.lastError?.direction} ${here1.lastError?.text}`)
  t.log(`alpha: ${there.lastError?.direction} ${there.lastError?.text}`)
  t.is(here1.lastError?.direction, 'sent')
  t.regex(here1.lastError?.text ?? '', /64512.*64777|64777.*64512/)
  t.is(there.lastError?.direction, 'received')
  const tries = (): readonly number[] => timesOf(beta.lines(from), 'Idle to Connect: waited')
  const times = await until('beta tried six times', () => tries().length >= 6 && tries(), SOON)
  const [refused = 0] = timesOf(beta.lines(from), 'OpenSent to Idle: peer is AS')
  const waited = times.slice(0, 6).map(time => time - refused)
  t.log(`beta tried again ${waited.join(', ')} ms after it first refused`)
  // A wait is 100 ms, doubled by each failure, less a quarter of jitter. Two causes are counted
  // apart, a refusal and a peer that hangs up, so that six are at best two rows of three.
  t.true((waited[5] ?? 0) >= 2 * 0.75 * (100 + 200 + 400) - 50)
  await beta.apply(peerResource('beta-alpha', { ...peer, asNumber: 64512 }))
})

/** When sessions moved so, in milliseconds. */
const timesOf = (lines: readonly Line[], move: string): readonly number[] =>
  lines
    .filter(({ code, text = '' }) => code === 'SESSION_STATE' && text.startsWith(move))
    .map(({ time = '' }) => Date.parse(time))

lab('peers that fall silent are left when the hold time is over', async (t, here) => {
  const { alpha, beta, tern } = here
  await Promise.all([tern.signalMain('STOP'), beta.signal('speaker', 'STOP')])
  const expired = (session: { lastError?: { code?: number } }): boolean =>
    session.lastError?.code === 4
  const [ofTern, ofBeta] = await Promise.all([
    alpha.untilSession(TERN, 'has expired', expired),
    alpha.untilSession(BETA, 'has expired', expired),
  ])
  for (const { lastError, negotiated, state } of [ofTern, ofBeta]) {
    t.log(`${state} ${JSON.stringify(lastError)} ${negotiated?.holdTime ?? ''}`)
    t.is(lastError?.direction, 'sent')
  }
  await Promise.all([alpha.carriesNot(FAR), alpha.carriesNot(BETA_PODS)])
  // nobody told beta's kernel half that the speaker sleeps
  t.regex(await beta.routes(), new RegExp(`^${ALPHA_PODS} `, 'm'))
  await Promise.all([tern.signalMain('CONT'), beta.signal('speaker', 'CONT')])
  await whole(here)
  // what came while it slept is heard before its own timers: it does not call alpha silent
  const { lastError } = await beta.established(ALPHA)
  t.log(`beta: ${lastError?.direction} ${lastError?.text}`)
  t.is(lastError?.direction, 'received')
  t.is(lastError?.code, 4)
})
