/**
 * Two routers announce the same, and one dies: its link goes down. How many packets are lost that
 * are sent every millisecond, by nexthop objects, by plain routes, and by BIRD.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { Lab } from '../../src/shell/lab/index.ts'
import { FIXTURES, labsLeftOut, packagesMissing, tellLogs, until } from './support/lab.ts'
import { SOON } from './support/survival.ts'

const FILE = `${FIXTURES}failover.clab.yml`
const leftOut =
  labsLeftOut() ?? (packagesMissing(FILE, { SCENE: '/nowhere' }).join(' ') || undefined)
if (leftOut !== undefined) test.skip(`Left out: ${leftOut}`, t => t.pass())

/** What both routers announce, and have an address in: so many that both are used. */
const TARGETS = Array.from({ length: 10 }, (_, at) => `10.99.${at}`)

/** Packets beyond BIRD's that a busy machine may cost. */
const TOLERANCE = 25

/** The nodes under test, and the subnets of their links to `one` and `two`. */
const NODES = [
  { name: 'objects', links: [1, 2], link: 'eth1' },
  { name: 'plain', links: [3, 4], link: 'eth2' },
  { name: 'bird', links: [5, 6], link: 'eth3' },
] as const

const session = (subnet: number, own: number, as: number): string => `
protocol bgp link${subnet} {
  local 10.88.${subnet}.${own} as ${own === 1 ? 64512 : as};
  neighbor 10.88.${subnet}.${3 - own} as ${own === 1 ? as : 64512};
  connect delay time 1; connect retry time 1; error wait time 1, 2;
  ipv4 { import ${own === 1 ? 'all' : 'none'}; export ${own === 1 ? 'none' : 'all'}; };
}`

const routerText = (side: number): string => `
log stderr all;
router id 10.0.0.${side + 1};
protocol device {}
protocol static { ipv4; ${TARGETS.map(net => `route ${net}.0/24 blackhole;`).join(' ')} }
${NODES.map(({ links }) => session(links[side] ?? 0, 2, 65010)).join('')}
`

const birdText = `
log stderr all;
router id 10.0.0.3;
protocol device {}
protocol kernel { merge paths on; ipv4 { import none; export all; }; }
${[5, 6].map(subnet => session(subnet, 1, 65010)).join('')}
`

const resource = (kind: string, name: string, spec: object): string =>
  JSON.stringify({ apiVersion: 'projectcalico.org/v3', kind, metadata: { name }, spec })

const cluster = (name: string, links: readonly number[]): string =>
  [
    resource('BGPConfiguration', 'default', { asNumber: 64512 }),
    resource('Node', name, { bgp: { ipv4Address: `10.88.${links[0]}.1/24` } }),
    ...links.map(subnet =>
      resource('BGPPeer', `peer-${subnet}`, {
        node: name,
        peerIP: `10.88.${subnet}.2`,
        asNumber: 65010,
        sourceAddress: 'None',
      }),
    ),
  ].join('\n---\n')

let lab: Lab | undefined
const folder = mkdtempSync(join(tmpdir(), 'martlet-failover-'))

test.before(async t => {
  if (leftOut !== undefined) return
  t.timeout(180_000)
  for (const { name, links } of NODES.slice(0, 2)) {
    mkdirSync(join(folder, name))
    writeFileSync(join(folder, name, 'cluster.yaml'), cluster(name, links))
    const kernel = { protocol: 77, nexthopObjects: name === 'objects' }
    const configuration = { node: name, store: { directory: '/var/lib/martlet/store' }, kernel }
    writeFileSync(join(folder, `${name}.yaml`), JSON.stringify(configuration))
  }
  writeFileSync(join(folder, 'bird.conf'), birdText)
  writeFileSync(join(folder, 'one.conf'), routerText(0))
  writeFileSync(join(folder, 'two.conf'), routerText(1))
  lab = await Lab.up(FILE, { name: `failover-${process.pid}`, variables: { SCENE: folder } })
  for (const router of ['one', 'two'])
    for (const net of TARGETS) await run(router, 'ip', 'address', 'add', `${net}.1/32`, 'dev', 'lo')
})
test.after.always('the lab goes', async () => {
  await lab?.down()
  rmSync(folder, { recursive: true })
})

async function run(node: string, ...command: readonly string[]): Promise<string> {
  const done = await lab?.node(node).exec(command)
  if (done?.code !== 0) throw new Error(`${node}: ${command.join(' ')}: ${done?.stderr}`)
  return done.stdout
}

/** Waits until each target goes through both routers; answers how the kernel says it. */
const spread = (node: string): Promise<string> =>
  until(
    `${node} has two ways to each target`,
    async () => {
      const routes = await run(node, 'ip', '-4', 'route', 'show')
      const ways = routes.split('\n').filter(line => line.includes('nexthop via')).length
      if (ways !== 2 * TARGETS.length) throw new Error(routes)
      return routes
    },
    SOON,
  )

/** How many targets packets reach through `one`. */
async function throughOne(at: number): Promise<number> {
  const { name, links } = NODES[at]!
  let count = 0
  for (const net of TARGETS) {
    const way = await run(name, 'ip', 'route', 'get', `${net}.1`, 'from', `10.77.${at + 1}.1`)
    if (way.includes(`via 10.88.${links[0]}.2 `)) count++
  }
  return count
}

/** Packets that a node has sent to `one`, ever. */
const sentTo = async (node: string): Promise<number> =>
  Number(await run(node, 'cat', '/sys/class/net/eth1/statistics/tx_packets'))

/** Sends to every target for three seconds, while `one` dies. Answers what was sent and lost. */
async function fail(at: number): Promise<{ readonly sent: number; readonly lost: number }> {
  const { name, link } = NODES[at]!
  const pings = TARGETS.map(net => {
    const how = ['-q', '-n', '-i', '0.001', '-w', '3', '-I', `10.77.${at + 1}.1`]
    return lab!.node(name).exec(['ping', ...how, `${net}.1`])
  })
  const before = await sentTo(name)
  await until(
    `${name} sends to the router that dies`,
    async () => (await sentTo(name)) > before + 200,
    SOON,
  )
  await run('one', 'ip', 'link', 'set', link, 'down')
  let [sent, lost] = [0, 0]
  for (const { stdout } of await Promise.all(pings)) {
    const [, out = 0, back = 0] = stdout.match(/(\d+) packets transmitted, (\d+) received/) ?? []
    sent += Number(out)
    lost += Number(out) - Number(back)
  }
  return { sent, lost }
}

if (leftOut === undefined)
  test.serial('a router that dies costs no more packets than with BIRD', async t => {
    t.timeout(180_000)
    if (lab === undefined) throw new Error('there is no lab')
    try {
      for (const { name } of NODES) {
        const routes = await spread(name)
        t.is(routes.includes('nhid'), name === 'objects', routes)
      }
      const lost: number[] = []
      for (const [at, { name }] of NODES.entries()) {
        const used = await throughOne(at)
        const result = await fail(at)
        t.log(`${name}: ${result.lost} of ${result.sent} packets lost, ${used} flows had to move`)
        t.true(used > 0, `${name}: no flow goes through the router that dies`)
        t.true(result.sent > 1_000, `${name}: only ${result.sent} packets were sent`)
        lost.push(result.lost)
      }
      const [objects = 0, plain = 0, bird = 0] = lost
      t.true(objects <= bird + TOLERANCE)
      t.true(plain <= bird + TOLERANCE)
    } catch (error) {
      tellLogs(t, lab)
      throw error
    }
  })
