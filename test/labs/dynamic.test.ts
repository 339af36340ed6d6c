/**
 * Neighbours from ranges of addresses: BIRDs that nobody has named, with passwords and hops that the
 * kernel checks by prefix, and a limit that one of them passes.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Lab } from '../../src/shell/lab/index.ts'
import { FIXTURES, labsLeftOut, packagesMissing, tellLogs, until } from './support/lab.ts'
import { AgentNode, SOON } from './support/survival.ts'

const TOPOLOGY = `${FIXTURES}dynamic.clab.yml`

const leftOut =
  labsLeftOut() ?? (packagesMissing(TOPOLOGY, { SCENE: '/nowhere' }).join(' ') || undefined)
if (leftOut !== undefined) test.skip(`Left out: ${leftOut}`, t => t.pass())

/** Texts that are nowhere else. */
const SECRETS = { leaves: 'tangerine-1', inner: 'tangerine-2', rotated: 'tangerine-3' } as const

interface Bird {
  readonly address: string
  readonly password?: string
  readonly routes?: readonly string[]
}

const BIRDS = {
  leaf: { address: '10.88.0.130', password: SECRETS.leaves, routes: ['10.90.1.0/24'] },
  // the password of the range around its own
  stranger: { address: '10.88.0.201', password: SECRETS.leaves },
  inner: { address: '10.88.0.200', password: SECRETS.inner, routes: ['10.90.2.0/24'] },
  six: { address: 'fd88::130', routes: ['fd90::/64'] },
  greedy: {
    address: '10.88.0.132',
    password: SECRETS.leaves,
    routes: ['10.91.1.0/24', '10.91.2.0/24', '10.91.3.0/24'],
  },
  elsewhere: { address: '10.88.0.10' },
} as const satisfies Readonly<Record<string, Bird>>

type BirdName = keyof typeof BIRDS

const familyOf = (address: string): 'ipv4' | 'ipv6' => (address.includes(':') ? 'ipv6' : 'ipv4')

const birdText = (name: string, { address, password, routes = [] }: Bird): string => `
log stderr all;
router id 10.88.0.${1 + Object.keys(BIRDS).indexOf(name)};
protocol device {}
protocol static { ${familyOf(address)}; ${routes.map(each => `route ${each} blackhole;`).join(' ')} }
protocol bgp ${name} {
  local ${address} as 65010;
  neighbor ${familyOf(address) === 'ipv6' ? 'fd88::1' : '10.88.0.1'} as 64512;
  strict bind yes;
  ttl security yes;
  ${password === undefined ? '' : `password "${password}";`}
  connect delay time 1; connect retry time 1; error wait time 1, 2;
  ${familyOf(address)} { import all; export where source = RTS_STATIC; };
}
`

const startText = [
  'until ip link show dev eth1 >/dev/null 2>&1; do sleep 0.1; done',
  'ip link set eth1 up',
  'mkdir -p /run/bird',
  ...Object.entries(BIRDS).flatMap(([name, { address }]) => [
    `ip address add ${address}/${familyOf(address) === 'ipv6' ? '64 nodad' : '24'} dev eth1`,
    `bird -f -c /etc/router/${name}.conf -s /run/bird/${name}.ctl &`,
  ]),
  'wait',
  '',
].join('\n')

const secured = (name: string) => ({ passwordSecret: { name, key: 'password' }, ttlSecurity: 1 })
const configurationText = JSON.stringify({
  node: 'agent',
  store: { directory: '/var/lib/martlet/store' },
  secrets: { directory: 'secrets' },
  bgp: {
    holdSeconds: 21,
    ranges: [
      {
        name: 'leaves',
        prefix: '10.88.0.128/25',
        asNumber: 65010,
        ...secured('leaves'),
        session: { limits: { received: { most: 2, restartSeconds: 3600 } } },
      },
      { name: 'inner', prefix: '10.88.0.192/26', asNumber: 65010, ...secured('inner') },
      { name: 'six', prefix: 'fd88::/64', asNumber: 65010, ttlSecurity: 1 },
    ],
  },
  log: { level: 'debug' },
})

const resourcesText = JSON.stringify({
  apiVersion: 'projectcalico.org/v3',
  kind: 'Node',
  metadata: { name: 'agent' },
  spec: { bgp: { ipv4Address: '10.88.0.1/24', ipv6Address: 'fd88::1/64' } },
})

let scene: { readonly lab: Lab; readonly agent: AgentNode; readonly folder: string } | undefined

test.before(async t => {
  if (leftOut !== undefined) return
  t.timeout(180_000)
  const folder = mkdtempSync(join(tmpdir(), 'martlet-dynamic-'))
  const write = (path: string, text: string): void => {
    mkdirSync(join(folder, path, '..'), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  for (const name of ['leaves', 'inner'] as const) write(`secrets/${name}/password`, SECRETS[name])
  write('martlet.yaml', configurationText)
  write('resources/node.yaml', resourcesText)
  write('bird/start.sh', startText)
  for (const [name, bird] of Object.entries(BIRDS)) write(`bird/${name}.conf`, birdText(name, bird))
  const lab = await Lab.up(TOPOLOGY, {
    name: `dynamic-${process.pid}`,
    variables: { SCENE: folder },
  })
  scene = { lab, agent: new AgentNode(lab, 'agent'), folder }
})

test.after.always('the lab goes', async () => {
  await scene?.lab.down()
  if (scene !== undefined) rmSync(scene.folder, { recursive: true })
})

function lab(
  title: string,
  body: (t: ExecutionContext, agent: AgentNode, lab: Lab) => Promise<void>,
): void {
  if (leftOut !== undefined) return
  test.serial(title, async t => {
    t.timeout(180_000)
    if (scene === undefined) throw new Error('there is no lab')
    try {
      await body(t, scene.agent, scene.lab)
    } catch (error) {
      tellLogs(t, scene.lab)
      throw error
    }
  })
}

/** What a BIRD says of its session. */
async function says(lab: Lab, name: BirdName): Promise<string> {
  const command = ['birdc', '-s', `/run/bird/${name}.ctl`, 'show', 'protocols', 'all', name]
  const { code, stdout, stderr } = await lab.node('bird').exec(command)
  if (code !== 0) throw new Error(`${name}: ${code} ${stderr}`)
  return stdout
}

lab(
  'who connects from a range has a session, with the password of the longest prefix',
  async (t, agent) => {
    const expected = {
      leaf: 'leaves_10_88_0_130',
      inner: 'inner_10_88_0_200',
      six: 'six_fd88__130',
    } as const
    for (const [name, session] of Object.entries(expected)) {
      const { address } = BIRDS[name as keyof typeof expected]
      const found = await agent.established(address)
      t.is(found.name, session)
      t.is(found.ttlSecurity, 1)
      t.is(found.authentication, name === 'six' ? undefined : 'TCP MD5')
    }
    await until(
      'routes of both are in the kernel',
      async () => {
        const routes = await agent.routes()
        return routes.includes('10.90.1.0/24') && routes.includes('10.90.2.0/24')
      },
      SOON,
    )
  },
)

lab('a limit of a range ends the session of the one that passes it', async (t, agent, lab) => {
  const { address } = BIRDS.greedy
  const found = await agent.untilSession(address, 'is suspended', ({ suspended }) => !!suspended)
  t.is(found.suspended?.why, 'more than 2 ipv4 prefixes received')
  t.like(found.lastError, { direction: 'sent', code: 6, subcode: 1 })
  // in its log, and not among its protocols: there its next attempt, which is refused, takes the place of it
  await until(
    'BIRD says why',
    () => lab.node('bird').log().includes('greedy: Received: Maximum number of prefixes reached'),
    SOON,
  )
  t.false((await agent.routes()).includes('10.91.'))
  t.is((await agent.session(BIRDS.leaf.address))?.state, 'Established')
})

lab('strangers have no session: another password, or no range at all', async (t, agent, lab) => {
  await agent.said('CONNECTION_REFUSED', 0)
  const sessions = (await (await agent.api()).sessions()).map(({ peerAddress }) => peerAddress)
  for (const name of ['stranger', 'elsewhere'] as const) {
    t.false(sessions.includes(BIRDS[name].address), name)
    t.notRegex(await says(lab, name), /Established/)
  }
})

lab('a password of a range that changes is asked for at once', async (t, agent, lab) => {
  const before = await agent.established(BIRDS.inner.address)
  const put = async (node: string, file: string, text: string): Promise<void> => {
    const script = `cat >${file}.draft && mv ${file}.draft ${file}`
    const { code, stderr } = await lab.node(node).exec(['sh', '-c', script], { input: text })
    t.is(code, 0, stderr)
  }
  const changed = birdText('inner', { ...BIRDS.inner, password: SECRETS.rotated })
  await put('bird', '/etc/router/inner.conf', changed)
  await lab.node('bird').exec(['birdc', '-s', '/run/bird/inner.ctl', 'configure'])
  await put('agent', '/etc/martlet/secrets/inner/password', SECRETS.rotated)
  const again = await agent.untilSession(
    BIRDS.inner.address,
    'is Established with the new password',
    ({ state, counters, since }) =>
      state === 'Established' &&
      (counters.established > before.counters.established || since > before.since),
  )
  t.is(again.name, before.name)
  t.is((await agent.session(BIRDS.leaf.address))?.counters.established, 1, 'another range')
})

lab('what is listened on is said as it is', async (t, agent) => {
  const { agent: document } = await agent.state()
  t.deepEqual(document.listen, [
    { family: 'ipv4', port: 179, state: 'open' },
    { family: 'ipv6', port: 179, state: 'open' },
  ])
})
