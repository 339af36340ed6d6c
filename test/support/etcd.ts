/**
 * Real etcd servers on loopback, one process each, in a folder of their own; ended by their
 * process, never by name.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { ExecutionContext } from 'ava'
import { until } from './until.ts'

const run = promisify(execFile)

/** One member, started and stopped at will. */
export interface EtcdMember {
  readonly endpoint: string
  start(): Promise<void>
  /** Starts, without waiting until it answers: the first of several members has nobody to elect. */
  launch(): void
  healthy(): Promise<void>
  signal(signal: NodeJS.Signals): void
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>
  /** Runs etcdctl against this member. */
  control(...words: string[]): Promise<string>
  /** Kills it and removes its folder. */
  remove(): Promise<void>
}

/** How the members differ from an open one. */
export interface EtcdOptions {
  /** flags of etcd */
  readonly flags?: readonly string[]
  /** flags of etcdctl that reach such a member */
  readonly controlFlags?: readonly string[]
  readonly scheme?: 'http' | 'https'
}

/** Ports that were given out: a server that is stopped for a while gets its own again. */
const taken = new Set<number>()

/** A port that nobody listens on just now, and that nobody else of this process is given. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  if (taken.has(port)) return await freePort()
  taken.add(port)
  return port
}

/** A cluster of `count` members that know one another, none started. */
export async function etcdMembers(count: number, options: EtcdOptions = {}): Promise<EtcdMember[]> {
  const ports: { client: number; peer: number }[] = []
  for (let at = 0; at < count; at++)
    ports.push({ client: await freePort(), peer: await freePort() })
  const cluster = ports.map(({ peer }, at) => `member${at}=http://127.0.0.1:${peer}`).join(',')
  return ports.map(({ client, peer }, at) => member(at, client, peer, cluster, options))
}

function member(
  at: number,
  clientPort: number,
  peerPort: number,
  cluster: string,
  { flags = [], controlFlags = [], scheme = 'http' }: EtcdOptions,
): EtcdMember {
  const folder = mkdtempSync(join(tmpdir(), 'martlet-etcd-'))
  const endpoint = `${scheme}://127.0.0.1:${clientPort}`
  const peer = `http://127.0.0.1:${peerPort}`
  let child: ChildProcess | undefined
  const control = async (...words: string[]): Promise<string> => {
    const reach = ['--endpoints', endpoint, '--command-timeout=2s', '--dial-timeout=1s']
    const { stdout } = await run('etcdctl', [...reach, ...controlFlags, ...words], {
      env: { ...process.env, ETCDCTL_API: '3' },
    })
    return stdout
  }
  const launch = (): void => {
    child = spawn(
      'etcd',
      [
        ['--name', `member${at}`],
        ['--data-dir', join(folder, 'data')],
        ['--listen-client-urls', endpoint],
        ['--advertise-client-urls', endpoint],
        ['--listen-peer-urls', peer],
        ['--initial-advertise-peer-urls', peer],
        ['--initial-cluster', cluster],
        ['--initial-cluster-token', cluster],
        flags,
      ].flat(),
      { stdio: 'ignore' },
    )
  }
  const healthy = async (): Promise<void> => {
    const answers = (): Promise<boolean> =>
      control('endpoint', 'health').then(
        () => true,
        () => false,
      )
    await until(answers, `${endpoint} is healthy`, { withinMs: 30_000, everyMs: 50 })
  }
  const kill = async (): Promise<void> => {
    const running = child
    child = undefined
    if (running === undefined || running.exitCode !== null) return
    const gone = new Promise(resolve => running.once('exit', resolve))
    running.kill('SIGKILL')
    await gone
  }
  return {
    endpoint,
    launch,
    healthy,
    kill,
    control,
    start: async () => {
      launch()
      await healthy()
    },
    signal: signal => child?.kill(signal),
    remove: async () => {
      await kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/**
 * An authority (`ca`), a server on 127.0.0.1 and a client, made by openssl for a day: `.crt` and `.key` of each, in a
 * folder that goes with the test.
 */
export function certificates(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'martlet-tls-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const openssl = (...words: string[]): unknown =>
    execFileSync('openssl', words, { cwd: folder, stdio: 'ignore' })
  const keyed = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  openssl('req', '-x509', ...keyed, '-keyout', 'ca.key', '-out', 'ca.crt', '-subj', '/CN=ca')
  writeFileSync(join(folder, 'san'), 'subjectAltName=IP:127.0.0.1\n')
  for (const name of ['server', 'client']) {
    const request = ['-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`]
    openssl('req', ...keyed, ...request)
    const signer = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '1']
    const files = ['-in', `${name}.csr`, '-out', `${name}.crt`, '-extfile', 'san']
    openssl('x509', '-req', ...signer, ...files)
  }
  return folder
}
