/**
 * Next hops that are lost and found while their sessions stand: the kernel's word is enough. One
 * agent between two routers that announce the same.
 */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Lab } from '../../src/shell/lab/index.ts'
import { FIXTURES, labsLeftOut, packagesMissing, tellLogs, until } from './support/lab.ts'
import { AgentNode, SOON } from './support/survival.ts'

const FILE = `${FIXTURES}next-hops.clab.yml`
const leftOut =
  labsLeftOut() ?? (packagesMissing(FILE, { SCENE: '/nowhere' }).join(' ') || undefined)
if (leftOut !== undefined) test.skip(`Left out: ${leftOut}`, t => t.pass())

/** Nobody's: what the kernel says of it is that we hear. */
const MARK = '203.0.113.203'
/** What both announce, through themselves. */
const NEAR = '10.99.1.0/24'
/** What both announce through an address of theirs that is on no link of ours. */
const FAR = '10.99.2.0/24'
/** The same, and it covers these addresses. */
const COVER = '192.0.2.0/24'
const [ONE, TWO] = ['10.88.1.2', '10.88.2.2'] as const
const [FAR_ONE, FAR_TWO] = ['192.0.2.1', '192.0.2.2'] as const

const birdText = (own: string, left: string, far: string): string => `
log stderr all;
router id ${own};
protocol device {}
protocol static { ipv4; route ${NEAR} blackhole; route ${FAR} blackhole; route ${COVER} blackhole; }
protocol bgp left {
  local ${own} as 65010;
  neighbor ${left} as 64512;
  # a session that is direct would end with its link
  multihop 2;
  hold time 90;
  connect delay time 1; connect retry time 1; error wait time 1, 2;
  ipv4 {
    import none;
    export filter {
      if net = ${FAR} || net = ${COVER} then bgp_next_hop = ${far};
      accept;
    };
  };
}
`

const resource = (kind: string, name: string, spec: object): string =>
  JSON.stringify({ apiVersion: 'projectcalico.org/v3', kind, metadata: { name }, spec })

const cluster = [
  resource('BGPConfiguration', 'default', { asNumber: 64512 }),
  resource('Node', 'left', { bgp: { ipv4Address: '10.88.1.1/24' } }),
  ...[ONE, TWO].map((peerIP, at) =>
    resource('BGPPeer', `peer-${at}`, {
      node: 'left',
      peerIP,
      asNumber: 65010,
      sourceAddress: 'None',
    }),
  ),
].join('\n---\n')

const configuration = JSON.stringify({
  node: 'left',
  store: { directory: '/var/lib/martlet/store' },
  kernel: { protocol: 77 },
})

let lab: Lab | undefined
let left: AgentNode
const folder = mkdtempSync(join(tmpdir(), 'martlet-next-hops-'))

test.before(async t => {
  if (leftOut !== undefined) return
  t.timeout(180_000)
  mkdirSync(join(folder, 'resources'))
  writeFileSync(join(folder, 'resources/cluster.yaml'), cluster)
  writeFileSync(join(folder, 'left.yaml'), configuration)
  writeFileSync(join(folder, 'one.conf'), birdText(ONE, '10.88.1.1', FAR_ONE))
  writeFileSync(join(folder, 'two.conf'), birdText(TWO, '10.88.2.1', FAR_TWO))
  lab = await Lab.up(FILE, { name: `next-hops-${process.pid}`, variables: { SCENE: folder } })
  left = new AgentNode(lab, 'left')
  for (const peer of [ONE, TWO]) await left.established(peer)
})
test.after.always('the lab goes', async () => {
  await lab?.down()
  rmSync(folder, { recursive: true })
})

function scene(title: string, body: (t: ExecutionContext) => Promise<void>): void {
  if (leftOut !== undefined) return
  test.serial(title, async t => {
    t.timeout(180_000)
    if (lab === undefined) throw new Error('there is no lab')
    try {
      await body(t)
    } catch (error) {
      tellLogs(t, lab)
      throw error
    }
  })
}

/** The gateways of a route in the kernel, in order. */
async function gateways(of: string): Promise<string> {
  const routes = JSON.parse(await left.run('ip', '-j', 'route', 'show', of, 'proto', '77'))
  const ways = routes.flatMap((route: { nexthops?: object[] }) => route.nexthops ?? [route])
  return ways
    .map(({ gateway }: { gateway?: string }) => gateway)
    .sort()
    .join(' ')
}

const goes = (of: string, through: string): Promise<true> =>
  until(
    `${of} goes through ${through || 'nothing'}`,
    async () => {
      const now = await gateways(of)
      if (now !== through) throw new Error(`through ${now}`)
      return true
    },
    SOON,
  )

/** What an operator reads of the paths of a prefix, by peer. */
const shown = async (of: string): Promise<string> => await left.run('martlet', 'routes', of)

const stand = async (): Promise<readonly (string | undefined)[]> =>
  await Promise.all([ONE, TWO].map(async peer => (await left.session(peer))?.state))

scene('two links that are up are two equal paths', async t => {
  await goes(NEAR, `${ONE} ${TWO}`)
  t.regex(await shown(NEAR), /used beside it/)
})

/** What the kernel of the node says while `trouble` happens, each line with its time. */
async function watch(trouble: () => Promise<void>): Promise<readonly string[]> {
  const [program = '', ...rest] = lab!
    .node('left')
    .enter(['ip', '-o', '-ts', 'monitor', 'link', 'route'])
  const monitor = spawn(program, rest, { stdio: ['ignore', 'pipe', 'ignore'] })
  let said = ''
  monitor.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const mark = async (): Promise<boolean> => {
    for (const verb of ['add', 'del']) await left.run('ip', 'route', verb, MARK, 'dev', 'lo')
    return said.includes(MARK)
  }
  await until('the monitor hears', mark, SOON)
  await trouble()
  monitor.kill()
  return said.split('\n').filter(line => !line.includes(MARK))
}

const timeOf = (line: string | undefined): number => Date.parse(line?.slice(1, 27) ?? '')

/** An address inside `NEAR` that packets reach through `ONE`, of the two equal ways. */
async function throughOne(): Promise<string> {
  for (let host = 1; host < 255; host++) {
    const to = `${NEAR.replace(/0\/24$/, '')}${host}`
    if ((await left.run('ip', 'route', 'get', to)).includes(`via ${ONE} `)) return to
  }
  throw new Error(`no packet to ${NEAR} goes through ${ONE}`)
}

scene('a link that loses its carrier takes its path, and the session stands', async t => {
  // a group that the kernel shrinks is not told as a route: packets are asked for
  const asks = `until ip route get ${await throughOne()} | grep -q 'via ${TWO} '; do :; done`
  let moved = Number.NaN
  const lines = await watch(async () => {
    const seen = left.run('timeout', '60', 'sh', '-c', `${asks}; date +%Y-%m-%dT%H:%M:%S.%6N`)
    await lab?.node('one').exec(['ip', 'link', 'set', 'eth1', 'down'])
    moved = Date.parse((await seen).trim())
    await goes(NEAR, TWO)
  })
  const lost = timeOf(lines.find(line => line.includes(' eth1') && line.includes('NO-CARRIER')))
  t.log(`packets go the other way ${moved - lost} ms after the link was lost`)
  t.true(Number.isFinite(moved - lost), lines.join('\n'))
  t.deepEqual(await stand(), ['Established', 'Established'])
  t.regex(await shown(NEAR), /eth1 is down/)
  await lab?.node('one').exec(['ip', 'link', 'set', 'eth1', 'up'])
  await goes(NEAR, `${ONE} ${TWO}`)
  t.deepEqual(await stand(), ['Established', 'Established'])
})

scene('a link that is set down takes its path, and the session stands', async t => {
  await left.run('ip', 'link', 'set', 'eth2', 'down')
  await goes(NEAR, ONE)
  t.deepEqual(await stand(), ['Established', 'Established'])
  t.regex(await shown(NEAR), /no route to 10\.88\.2\.2/)
  await left.run('ip', 'link', 'set', 'eth2', 'up')
  await goes(NEAR, `${ONE} ${TWO}`)
})

scene('a next hop that nothing leads to is not used, and it is said why', async t => {
  await goes(FAR, '')
  const text = await shown(FAR)
  t.regex(text, /no route to 192\.0\.2\.1/)
  t.regex(text, /no route to 192\.0\.2\.2/)
})

scene('a next hop behind a gateway is reached through it, the nearer one before', async t => {
  const route = (...words: readonly string[]): Promise<string> => left.run('ip', 'route', ...words)
  await route('add', `${FAR_ONE}/32`, 'via', ONE, 'metric', '20')
  await goes(FAR, ONE)
  await route('add', `${FAR_TWO}/32`, 'via', TWO, 'metric', '10')
  await goes(FAR, TWO)
  t.regex(await shown(FAR), /farther next hop/)
  await route('replace', `${FAR_TWO}/32`, 'via', ONE, 'metric', '10')
  await goes(FAR, ONE)
  await route('add', `${FAR_ONE}/32`, 'via', TWO, 'metric', '10')
  await goes(FAR, `${ONE} ${TWO}`)
  await route('del', `${FAR_ONE}/32`, 'metric', '10')
  await route('del', `${FAR_ONE}/32`, 'metric', '20')
  await route('del', `${FAR_TWO}/32`)
  await goes(FAR, '')
  t.deepEqual(await stand(), ['Established', 'Established'])
})

scene('a route that covers its own next hop is as good as the route under it', async t => {
  await goes(COVER, '')
  await left.run('ip', 'route', 'add', 'default', 'via', ONE, 'metric', '100')
  await goes(COVER, ONE)
  await goes(FAR, ONE)
  const under = await left.run('ip', 'route', 'get', FAR_ONE)
  t.regex(under, new RegExp(`via ${ONE} `))
  await left.run('ip', 'route', 'add', 'default', 'via', TWO, 'metric', '50')
  await goes(COVER, TWO)
  await goes(FAR, TWO)
  await left.run('ip', 'route', 'del', 'default', 'metric', '50')
  await goes(COVER, ONE)
  await left.run('ip', 'route', 'del', 'default')
  await goes(COVER, '')
  await goes(FAR, '')
  t.regex(await shown(COVER), /no route to 192\.0\.2\.1/)
})
