import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import test from 'ava'
import { Lab, LabError, Probes, rolesOf, sessionsOf } from '../../src/shell/lab/index.ts'
import { FIXTURES, labsLeftOut, until } from './support/lab.ts'

/**
 * The runner itself: that a lab is what its file says, that it touches nothing outside, and that
 * nothing of it is left, however it ends.
 */

const leftOut = labsLeftOut()
const lab = leftOut === undefined ? test.serial : test.serial.skip
const PAIR = `${FIXTURES}bird-pair.clab.yml`
const ODDS = `${FIXTURES}odds.clab.yml`

if (leftOut !== undefined) test.skip(`Left out: ${leftOut}`, t => t.pass())

/**
 * What the machine shows of labs: nothing, ever. Other tests may change the rest of it meanwhile.
 */
const outside = (): readonly string[] => [
  ...(readFileSync('/proc/net/dev', 'utf8').match(/^\s*(clab|mgmt\d+|pod\d|sw|plain\d):/gm) ?? []),
  ...readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .filter(line => /^lab |\/run\/lab/.test(line)),
  ...['/run/lab', '/.lab', '/etc/lab-was-here'].filter(path => existsSync(path)),
]

async function withLab(file: string, use: (lab: Lab) => Promise<void>): Promise<void> {
  const running = await Lab.up(file, { name: `test-${process.pid}` })
  try {
    await use(running)
  } finally {
    await running.down()
  }
}

lab('Two BIRDs peer, and their pods see each other’s own addresses', async t => {
  await withLab(PAIR, async running => {
    t.deepEqual(outside(), [])
    const { pods, workers, speakers } = rolesOf(running)
    t.deepEqual(
      [pods, workers],
      [
        ['pod-0', 'pod-1'],
        ['left', 'right'],
      ],
    )
    t.is(speakers.length, 2)
    const probes = await Probes.start(running, pods)
    probes.probe('pod-0', ['10.200.1.10'], 50)
    probes.probe('pod-1', ['10.200.0.10'], 50)
    const seen = await until(
      'both pods are reached',
      async () => {
        const reports = [...(await probes.report('pod-0')), ...(await probes.report('pod-1'))]
        return reports.every(report => report.received > 0) && reports.map(report => report.seen)
      },
      { within: 20_000 },
    )
    t.deepEqual(seen, ['10.200.0.10', '10.200.1.10'])
    probes.close()
    const sessions = await sessionsOf(running)
    t.deepEqual(
      sessions.map(session => [session.node, session.peer, session.peerAs, session.state]),
      [
        ['left', '10.240.0.21', 64511, 'Established'],
        ['right', '10.240.0.20', 64510, 'Established'],
      ],
    )
  })
  t.deepEqual(outside(), [])
})

lab('A program that is killed is started again, one that is stopped is not until told', async t => {
  await withLab(PAIR, async running => {
    const right = running.node('right')
    await right.exec(['sh', '-c', 'kill -9 "$(cat /.lab/main.pid)"'])
    await until('right was restarted', () => right.record().restarts > 0, { within: 30_000 })
    await until('right runs', () => right.record().state === 'running', { within: 30_000 })
    const { restarts } = right.record()
    await running.stop('right', 'KILL')
    t.is(right.record().state, 'stopped')
    await running.start('right')
    t.is(right.record().state, 'running')
    t.is(right.record().restarts, restarts)
    await t.throwsAsync(async () => running.stop('nobody'), { message: /nobody/ })
  })
})

lab('Odd corners of the subset are realised', async t => {
  await withLab(ODDS, async running => {
    const say = async (node: string, ...command: string[]): Promise<string> =>
      (await running.node(node).exec(command)).stdout.trim()

    t.is(await say('plain', 'hostname'), 'other-name')
    t.is(await say('plain', 'sh', '-c', 'echo $FROM_DEFAULTS $FROM_NODE'), 'one two')
    t.is(await say('plain', 'cat', '/proc/sys/net/ipv4/ip_forward'), '1')
    t.is(await say('plain', 'cat', '/sys/class/net/eth1/mtu'), '1500')
    t.is(await say('plain', 'cat', '/sys/class/net/eth1/address'), '02:00:00:00:00:01')
    // binds: one read-only, one that two nodes share and this machine does not
    t.not((await running.node('plain').exec(['touch', '/config/x'])).code, 0)
    t.is((await running.node('plain').exec(['touch', '/shared/made-here'])).code, 0)
    t.is(await say('shares', 'ls', '/shared/made-here'), '/shared/made-here')
    t.false(existsSync(`${FIXTURES}bird/made-here`))
    // the machine's files are there, and changing them is the node's own affair
    t.is((await running.node('plain').exec(['sh', '-c', 'echo x > /etc/lab-was-here'])).code, 0)
    t.false(existsSync('/etc/lab-was-here'))
    t.not((await running.node('shares').exec(['ls', '/etc/lab-was-here'])).code, 0)
    // container: one network for two nodes; else two
    t.is(
      await say('shares', 'readlink', '/proc/self/ns/net'),
      await say('plain', 'readlink', '/proc/self/ns/net'),
    )
    t.not(
      await say('meek', 'readlink', '/proc/self/ns/net'),
      await say('plain', 'readlink', '/proc/self/ns/net'),
    )
    // privileged: false leaves what Docker leaves, and cap-add adds
    const capabilities = await say('meek', 'grep', 'CapBnd', '/proc/self/status')
    t.is(capabilities.split('\t')[1], '00000000a80435fb')
    t.is(await say('meek', 'sh', '-c', 'id -u'), '65534')
    // the order of waiting: meek began when plain was healthy, which was when its exec had made the
    // file
    t.is((await running.node('meek').exec(['true'])).code, 0)
    // management: names resolve, the default route is there
    t.regex(await say('meek', 'getent', 'hosts', 'plain'), /^172\.20\.20\.77\s/)
    t.regex(await say('meek', 'ip', 'route'), /default via 172\.20\.20\.1 dev eth0/)
    t.regex(await say('plain', 'ip', '-br', 'address', 'show', 'dummy0'), /10\.99\.0\.1\/32/)
    // the lab's host has the bridge, and enters nodes by $LAB_EXEC
    const entered = await running.exec([
      'sh',
      '-c',
      '$LAB_EXEC plain hostname; ip -br link show sw',
    ])
    t.regex(entered.stdout, /^other-name\nsw /)
    const zombies = await say(
      'plain',
      'sh',
      '-c',
      'sh -c "sleep 0.1 &" ; sleep 0.5; ps -e -o stat=',
    )
    t.notRegex(zombies, /Z/)
  })
})

lab('A command of exec that fails fails the lab, and nothing is left', async t => {
  const error = await t.throwsAsync(Lab.up(`${FIXTURES}fails.clab.yml`), { instanceOf: LabError })
  t.regex(error?.message ?? '', /a: exec "ip address add nonsense dev eth1" ended with 1/)
  t.deepEqual(
    Lab.running().filter(({ name }) => name === 'fails'),
    [],
  )
  t.deepEqual(outside(), [])
})

lab('Two labs of one file run side by side, the second under a name of its own', async t => {
  await withLab(PAIR, first =>
    withLab(PAIR, async second => {
      t.is(second.name, `${first.name}-2`)
      t.true(first.record().ready && second.record().ready)
    }),
  )
})

lab('kill -9 of whoever runs a lab leaves no process and no lab', async t => {
  const name = `orphan-${process.pid}`
  const program = `
    const { Lab } = await import(${JSON.stringify(new URL('../../src/shell/lab/index.ts', import.meta.url).href)})
    const lab = await Lab.up(${JSON.stringify(PAIR)}, { name: ${JSON.stringify(name)} })
    console.log(lab.pid)
    setInterval(() => {}, 1000)`
  const owner = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const pid = await new Promise<number>(resolve => {
    owner.stdout.once('data', (chunk: Buffer) => resolve(Number(chunk.toString())))
  })
  const inside = () =>
    readdirSync('/proc').filter(
      entry => /^\d+$/.test(entry) && namespaceOf(entry) === namespaceOf(String(pid)),
    )
  t.true(inside().length >= 2)
  const namespace = namespaceOf(String(pid))
  owner.kill('SIGKILL')
  await until('all is gone', () => !existsSync(`/proc/${pid}`), { within: 30_000 })
  t.deepEqual(
    Lab.running().filter(found => found.name === name),
    [],
  )
  await until(
    'no process is in the sandbox’s network',
    () =>
      readdirSync('/proc').every(entry => !/^\d+$/.test(entry) || namespaceOf(entry) !== namespace),
    { within: 30_000 },
  )
})

function namespaceOf(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`)
  } catch {
    return undefined
  }
}
