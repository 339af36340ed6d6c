/**
 * Passwords and hops of sessions between the agent, with no privileges of its own, and routers that
 * others wrote: who may connect, what changes while it runs, and what nobody is told.
 */
import test, { type ExecutionContext } from 'ava'
import { FIXTURES, labsLeftOut, packagesMissing, tellLogs, until } from './support/lab.ts'
import { SOON } from './support/survival.ts'
import { type Cell, peerOf, rightNode, SECRETS, TransportLab } from './support/transport.ts'

const leftOut =
  labsLeftOut() ??
  (packagesMissing(`${FIXTURES}transport.clab.yml`, { SCENE: '/nowhere' }).join(' ') || undefined)
if (leftOut !== undefined) test.skip(`Left out: ${leftOut}`, t => t.pass())

const FAMILIES = ['ipv4', 'ipv6'] as const
const DIRECTIONS = ['we', 'they'] as const
const { right, wrong } = SECRETS

/** What each end has, and whether it opens. */
const PASSWORDS: readonly Pick<Cell, 'ours' | 'theirs' | 'opens'>[] = [
  { opens: true },
  { ours: 'right', theirs: right, opens: true },
  { ours: 'right', theirs: wrong, opens: false },
  { ours: 'right', opens: false },
  { theirs: right, opens: false },
]

const HOPS: readonly Pick<Cell, 'hops' | 'security' | 'opens'>[] = [
  { hops: 1, security: 'ttl security yes', opens: true },
  // BIRD's own TTL is then 64
  { hops: 1, security: 'multihop', opens: false },
  { security: 'ttl security yes', opens: false },
]

const all = (rows: readonly Omit<Cell, 'family' | 'connects'>[]): readonly Cell[] =>
  FAMILIES.flatMap(family =>
    DIRECTIONS.flatMap(connects => rows.map(row => ({ family, connects, ...row }))),
  )

const CELLS: readonly Cell[] = [
  ...all(PASSWORDS),
  ...all(HOPS),
  { family: 'ipv4', connects: 'we', anySource: true, opens: true },
  // this one's secret is not there yet
  { family: 'ipv4', connects: 'they', ours: 'late', theirs: right, opens: false },
]
const LATE = CELLS.length - 1

let running: TransportLab | undefined

test.before(async t => {
  if (leftOut !== undefined) return
  t.timeout(180_000)
  running = await TransportLab.open(CELLS)
})
test.after.always('the lab goes', () => running?.close())

function lab(
  title: string,
  body: (t: ExecutionContext, scene: TransportLab) => Promise<void>,
): void {
  if (leftOut !== undefined) return
  test.serial(title, async t => {
    t.timeout(180_000)
    if (running === undefined) throw new Error('there is no lab')
    try {
      await body(t, running)
    } catch (error) {
      tellLogs(t, running.lab)
      throw error
    }
  })
}

/** Which of the cells are Established, and how often each was. */
async function states(scene: TransportLab): Promise<readonly { up: boolean; times: number }[]> {
  const sessions = await (await scene.left.api()).sessions()
  return CELLS.map((cell, at) => {
    const found = sessions.find(({ peerAddress }) => peerAddress === peerOf(at, cell))
    return {
      up: found?.state === 'Established',
      times: found?.counters.established ?? 0,
    }
  })
}

/** Waits until those that are wanted are Established, each for the `times`th time at least. */
const opened = (
  scene: TransportLab,
  what: string,
  wanted: (cell: Cell) => boolean,
  times = 1,
): Promise<true> =>
  until(
    what,
    async () => {
      const found = await states(scene)
      const late = CELLS.flatMap((cell, at) => {
        const state = found[at]
        const done = state?.up === true && state.times >= times
        return wanted(cell) && !done ? [`${at} ${JSON.stringify(state)}`] : []
      })
      if (late.length > 0) throw new Error(`not cells ${late.join(', ')}`)
      return true
    },
    SOON,
  )

const pids = (scene: TransportLab): readonly number[] =>
  (['speaker', 'controller', 'dataplane'] as const).map(name => scene.left.child(name))

lab(
  'sessions open exactly where both ends agree, over both families and either way',
  async (t, scene) => {
    await opened(scene, 'those that agree are Established', ({ opens }) => opens)
    // all kinds of refusal have happened, at the end that was connected to
    await until(
      'the kernels have refused what differs',
      async () => {
        for (const name of ['left', 'bird']) {
          const { wrong, unsigned, unexpected } = await scene.signatures(name)
          if (wrong < 4 || unsigned < 4 || unexpected < 4) return false
        }
        return true
      },
      SOON,
    )
    const found = await states(scene)
    for (const [at, cell] of CELLS.entries()) {
      if (cell.opens) continue
      // BIRD sets what it refuses after it has connected: our first words may come before
      if (cell.security === 'ttl security yes') t.false(await scene.isUpAtBird(at), `cell ${at}`)
      else t.is(found[at]?.times, 0, JSON.stringify(cell))
    }
  },
)

lab('who is kept out by a password is told what the kernel drops', async (t, scene) => {
  const hinted = async (wanted: Pick<Cell, 'ours' | 'theirs'>, hint: RegExp): Promise<void> => {
    const at = CELLS.findIndex(
      ({ connects, ours, theirs }) =>
        connects === 'they' && ours === wanted.ours && theirs === wanted.theirs,
    )
    const session = await scene.left.session(peerOf(at, CELLS[at]!))
    t.regex(session?.hint ?? '', hint)
    t.is(session?.authentication, wanted.ours && 'TCP MD5')
  }
  await hinted({ ours: 'right', theirs: wrong }, /signed with another password/)
  await hinted({ ours: 'right' }, /without a signature/)
  await hinted({ theirs: right }, /by a peer without a password here/)
  const up = await scene.left.session(peerOf(1, CELLS[1]!))
  t.is(up?.state, 'Established')
  t.is(up?.hint, undefined)
})

lab('the speaker does it without a privilege', async (t, scene) => {
  const status = await scene.left.run('cat', `/proc/${scene.left.child('speaker')}/status`)
  t.regex(status, /^CapEff:\t0000000000000000$/m)
  t.regex(status, /^CapBnd:\t0000000000000000$/m)
  t.regex(status, /^NoNewPrivs:\t1$/m)
  t.notRegex(status, /^Uid:\t0\t/m)
  t.false(scene.left.lines().some(({ code }) => code === 'RUNTIME_LACKS'))
})

lab('FRR agrees on a password, and on hops over IPv6', async (t, scene) => {
  for (const address of ['10.88.0.4', 'fd88::4']) {
    const { state } = await scene.left.established(address)
    t.is(state, 'Established')
  }
})

lab(
  'packets leave with the class of network control, and far or near as was said',
  async (t, scene) => {
    const shown = await scene.run('left', 'ss', '-Htn', '--tos', '-e', 'state', 'established')
    const lines = shown.split('\n').filter(line => line.includes(':179'))
    t.true(lines.length > 0)
    for (const line of lines) t.regex(line, /tos:0xc0|tclass:0xc0/, line)
  },
)

lab(
  'a secret that is missing keeps its session down, says so, and opens it when it comes',
  async (t, scene) => {
    const problem = async (): Promise<string | undefined> => {
      const { agent } = await scene.left.state()
      return agent.problems.find(({ object }) => object.includes(`cell-${LATE}`))?.reason
    }
    t.is(
      await problem(),
      'the file /etc/martlet/secrets/late/password is not there; put the password into it; ' +
        'no session is made of this peer',
    )
    t.is(await scene.left.session(peerOf(LATE, CELLS[LATE]!)), undefined)
    await scene.secret('late', right)
    await scene.left.established(peerOf(LATE, CELLS[LATE]!))
    t.is(await problem(), undefined)
    await scene.secret('late', undefined)
    await until(
      'the session goes with its secret',
      async () => (await problem()) !== undefined,
      SOON,
    )
    const gone = async (): Promise<boolean> =>
      (await scene.left.session(peerOf(LATE, CELLS[LATE]!))) === undefined
    await until('and is not shown any more', gone, SOON)
  },
)

lab('who differed needs nothing but the right password', async (t, scene) => {
  const before = pids(scene)
  const differs = ({ ours, theirs }: Cell): boolean => ours !== undefined || theirs !== undefined
  const agreed = CELLS.map(
    (cell): Cell => (differs(cell) ? { ...cell, ours: 'right', theirs: right } : cell),
  )
  await scene.change(agreed)
  await opened(scene, 'those with a password are Established', differs)
  // and a password that is another tomorrow needs no process to start again
  await scene.secret('right', 'tangerine-4')
  await scene.changeBird(
    agreed.map(cell => (differs(cell) ? { ...cell, theirs: 'tangerine-4' } : cell)),
  )
  await opened(scene, 'they have ended and are Established again', differs, 2)
  t.deepEqual(pids(scene), before)
})

lab('a password that both nodes change does not end the session between them', async (t, scene) => {
  const { left, right: far } = scene
  const sessions = [
    [left, '10.88.0.3'],
    [left, 'fd88::3'],
    [far, '10.88.0.2'],
    [far, 'fd88::2'],
  ] as const
  const times = async (): Promise<readonly (number | undefined)[]> =>
    Promise.all(
      sessions.map(async ([node, address]) => {
        return (await node.session(address))?.counters.established
      }),
    )
  for (const [node, address] of sessions) await node.established(address)
  await left.carries('10.99.2.0/24')
  const before = await times()
  const dropped = await scene.signatures('left')
  // both read the same file, and neither at the same moment as the other
  await scene.secret('mesh', 'tangerine-5')
  for (const podCidr of ['10.99.3.0/24', '10.99.4.0/24', '10.99.5.0/24']) {
    await scene.apply(rightNode(podCidr))
    await left.carries(podCidr)
  }
  t.deepEqual(await times(), before)
  const { unexpected, unsigned } = await scene.signatures('left')
  t.true(unexpected >= dropped.unexpected && unsigned >= dropped.unsigned)
  // a new connection has the new one, and needs it
  await scene.run('left', 'ss', '-K', 'dst', '10.88.0.3')
  await until(
    'the session is another',
    async () => {
      const session = await left.session('10.88.0.3')
      return session?.state === 'Established' && session.counters.established > 1
    },
    SOON,
  )
  t.pass()
})

lab('nothing that the agent says or keeps has a password in it', async (t, scene) => {
  const { left } = scene
  const told = [
    left.lines(),
    await left.state(),
    await (await left.api()).sessions(),
    await left.run('martlet', 'peers', '-o', 'json'),
    await left.run('martlet', 'get', 'bgppeers', '-o', 'yaml'),
    await left.run(
      'sh',
      '-c',
      'cat /proc/*/cmdline; find /var/lib/martlet /run -type f | xargs cat',
    ),
  ].map(one => JSON.stringify(one))
  t.true(told[0]!.length > 1000)
  t.true(told[4]!.includes('secretKeyRef'))
  for (const text of told) t.notRegex(text, /tangerine/)
})
