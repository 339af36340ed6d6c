/** Who is behind a netlink port, told from a /proc of the test's own and from the real one. */
import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { hazardsHere, Witnesses } from '../../../src/shell/process/index.ts'
import { until } from '../../support/until.ts'

function folder(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'martlet-proc-'))
  t.teardown(() => rmSync(path, { recursive: true }))
  return path
}

/** A process as /proc shows it, with the inodes of the sockets that it holds. */
function addProcess(
  proc: string,
  one: { pid: number; parent: number; name: string; sockets?: readonly number[] },
): void {
  const path = join(proc, String(one.pid))
  mkdirSync(join(path, 'fd'), { recursive: true })
  writeFileSync(join(path, 'comm'), `${one.name}\n`)
  writeFileSync(
    join(path, 'status'),
    `Name:\t${one.name}\nPid:\t${one.pid}\nPPid:\t${one.parent}\n`,
  )
  for (const [at, inode] of (one.sockets ?? []).entries())
    symlinkSync(`socket:[${inode}]`, join(path, 'fd', String(at)))
}

test('a port that is a process’s number names it, and whose child it is', t => {
  const proc = folder(t)
  addProcess(proc, { pid: 88, parent: 1, name: 'zebra' })
  addProcess(proc, { pid: 4_700, parent: 88, name: 'bash' })
  addProcess(proc, { pid: 4_711, parent: 4_700, name: 'ip' })
  const witnesses = new Witnesses(proc)
  for (const port of [88, 4_711]) witnesses.see(port)
  t.is(witnesses.who(4_711), 'ip (pid 4711, of bash)')
  t.is(witnesses.who(88), 'zebra (pid 88)')
  t.is(witnesses.who(89), undefined)
})

test('the name stays when the process has ended', t => {
  const proc = folder(t)
  addProcess(proc, { pid: 4_711, parent: 1, name: 'ip' })
  const witnesses = new Witnesses(proc)
  witnesses.see(4_711)
  rmSync(join(proc, '4711'), { recursive: true })
  witnesses.see(4_711)
  t.is(witnesses.who(4_711), 'ip (pid 4711)')
})

test('a further socket of a process is found by its inode', async t => {
  const proc = folder(t)
  mkdirSync(join(proc, 'net'))
  const rows = [
    'sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode',
    '0000000000000000 16  4294963199 00000000 0        0        0     2        0        501',
    '0000000000000000 0   4294963199 00000000 0        0        0     2        0        502',
  ]
  writeFileSync(join(proc, 'net', 'netlink'), `${rows.join('\n')}\n`)
  addProcess(proc, { pid: 7, parent: 1, name: 'other', sockets: [501] })
  addProcess(proc, { pid: 88, parent: 1, name: 'zebra', sockets: [9, 502] })
  const witnesses = new Witnesses(proc)
  witnesses.see(4_294_963_199)
  await until(() => witnesses.who(4_294_963_199) === 'zebra (pid 88)', 'the socket is found')
  t.pass()
})

test('a name with anything but plain characters in it is shown without them', t => {
  const proc = folder(t)
  addProcess(proc, { pid: 9, parent: 1, name: 'a\u001b[31m"b c' })
  const witnesses = new Witnesses(proc)
  witnesses.see(9)
  t.is(witnesses.who(9), 'a??31m?b?c (pid 9)')
})

test('of many ports in one second the first twenty are looked at', t => {
  const proc = folder(t)
  for (let pid = 1; pid <= 40; pid++) addProcess(proc, { pid, parent: 1, name: `p${pid}` })
  let time = 0
  const witnesses = new Witnesses(proc, () => time)
  const named = (): number => {
    for (let pid = 40; pid > 0; pid--) if (!witnesses.who(pid)) witnesses.see(pid)
    return Array.from({ length: 40 }, (_, at) => witnesses.who(at + 1)).filter(Boolean).length
  }
  t.is(named(), 20)
  time = 999
  t.is(named(), 20)
  time = 1_000
  t.is(named(), 40)
})

test('a process of this machine is named', async t => {
  const sleeper = spawn('sleep', ['60'])
  t.teardown(() => sleeper.kill('SIGKILL'))
  const pid = sleeper.pid ?? 0
  const name = (): string => execFileSync('cat', [`/proc/${pid}/comm`], { encoding: 'utf8' }).trim()
  await until(() => name() === 'sleep', 'it runs')
  const witnesses = new Witnesses()
  witnesses.see(pid)
  t.regex(witnesses.who(pid) ?? '', new RegExp(`^sleep \\(pid ${pid}, of \\S+\\)$`))
})

/** A machine on which networkd runs, or not, with these files. */
function machine(t: ExecutionContext, files: Readonly<Record<string, string>>): string {
  const root = folder(t)
  for (const [path, text] of Object.entries(files)) {
    const whole = join(root, path)
    mkdirSync(join(whole, '..'), { recursive: true })
    writeFileSync(whole, text)
  }
  return root
}

const RUNS = { 'run/systemd/netif/state': 'OPER_STATE=routable\n' }

test('networkd that runs and manages what is foreign is a hazard, with its remedy', t => {
  const [sentence, ...others] = hazardsHere(machine(t, RUNS))
  t.regex(sentence ?? '', /ManageForeignRoutes=no and ManageForeignNextHops=no/)
  t.deepEqual(others, [])
})

test('networkd that does not run, or leaves what is foreign alone, is none', t => {
  t.deepEqual(hazardsHere(machine(t, { 'etc/systemd/networkd.conf': '[Network]\n' })), [])
  const told = 'ManageForeignRoutes=no\nManageForeignNextHops = off\n'
  const main = machine(t, { ...RUNS, 'etc/systemd/networkd.conf': `[Network]\n${told}` })
  t.deepEqual(hazardsHere(main), [])
})

test('an addition goes before the main file, a later one before an earlier, /etc before /usr', t => {
  const own = 'usr/lib/systemd/networkd.conf.d'
  const etc = 'etc/systemd/networkd.conf.d'
  const no = '[Network]\nManageForeignRoutes=no\n'
  const both = machine(t, {
    ...RUNS,
    'etc/systemd/networkd.conf': '[Network]\nManageForeignRoutes=yes\n#ManageForeignNextHops=yes\n',
    [`${own}/10-martlet.conf`]: '[Network]\nManageForeignRoutes=yes\nManageForeignNextHops=yes\n',
    [`${etc}/10-martlet.conf`]: no,
    [`${etc}/20-martlet.conf`]: 'ManageForeignNextHops=false\n',
  })
  t.deepEqual(hazardsHere(both), [])
  const late = machine(t, {
    ...RUNS,
    [`${etc}/10-martlet.conf`]: no,
    [`${own}/90-vendor.conf`]: '[Network]\nManageForeignRoutes=1\n',
  })
  t.is(hazardsHere(late).length, 1)
})
