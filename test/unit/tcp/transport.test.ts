/** Passwords, hop limits and traffic classes of real sockets, over loopback, both ends ours. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Server } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { type Address, address, hostPrefix, prefix } from '../../../src/core/net/index.ts'
import type { ConnectionId } from '../../../src/core/session/index.ts'
import { type SpeakerEvent, TRANSPORT_DEFAULT } from '../../../src/core/speaker/index.ts'
import { SILENT } from '../../../src/shell/log/index.ts'
import { socketOption } from '../../../src/shell/posix/index.ts'
import {
  AllowedPeers,
  Connections,
  type ConnectionsOptions,
  Listeners,
  listenHere,
  RUNTIME_WHOLE,
  readSignatureCounters,
  type SecuredTransport,
} from '../../../src/shell/tcp/index.ts'
import { waiting } from '../../../src/shell/tcp/options.ts'
import { handleOf } from '../../../src/shell/tcp/runtime.ts'
import { until } from '../../support/until.ts'

const HERE = { ipv4: address('127.0.0.1'), ipv6: address('::1') } as const
const FAMILIES = ['ipv4', 'ipv6'] as const
type Family = (typeof FAMILIES)[number]

const having = (fields: Partial<SecuredTransport>): SecuredTransport => ({
  ...TRANSPORT_DEFAULT,
  ...fields,
})
const id = (value: number): ConnectionId => value as ConnectionId

/** A speaker's edge that remembers what it would tell the speaker. */
class Edge {
  readonly events: SpeakerEvent[] = []
  readonly lines: string[] = []
  readonly connections: Connections
  readonly listeners: Listeners
  server: Server | undefined
  port = 0
  #next = 2

  constructor(options: ConnectionsOptions = {}) {
    const log = { ...SILENT, error: (code: string, text: string) => this.lines.push(code, text) }
    this.connections = new Connections(
      event => {
        const copy =
          event.type === 'Received' ? { ...event, bytes: new Uint8Array(event.bytes) } : event
        this.events.push(copy)
      },
      { log, ...options },
    )
    this.listeners = new Listeners({
      log,
      bind: async at => {
        this.server = await listenHere({ ...at, port: 0 })
        const name = this.server.address()
        if (name !== null && typeof name !== 'string') this.port = name.port
        return this.server
      },
      accepted: socket => this.connections.accept(socket),
    })
  }

  allow(remote: Address | string, transport: SecuredTransport): void {
    const range = remote.includes('/') ? prefix(remote) : hostPrefix(address(remote))
    this.allowAll(new AllowedPeers([{ remote: range, transport }]))
  }

  allowAll(peers: AllowedPeers): void {
    this.connections.allow(peers)
    this.listeners.allow(peers)
  }

  async listen(family: Family): Promise<void> {
    this.listeners.set([{ family, port: 1 }])
    await until(() => this.port > 0, 'it listens')
  }

  connect(to: Edge, family: Family, transport: SecuredTransport, from?: Address): ConnectionId {
    const connection = id(this.#next)
    this.#next += 2
    const localAddress = from === undefined ? {} : { localAddress: from }
    const { password, ...rest } = transport
    const secret = password === undefined ? {} : { password }
    const at = { address: HERE[family], port: to.port, ...localAddress, transport: rest, ...secret }
    this.connections.connect(connection, at)
    return connection
  }

  heard(type: SpeakerEvent['type']): SpeakerEvent | undefined {
    return this.events.find(event => event.type === type)
  }

  text(): string {
    return this.events
      .map(event => (event.type === 'Received' ? Buffer.from(event.bytes).toString() : ''))
      .join('')
  }

  end(): void {
    this.listeners.close()
    // those that it opened and those that it accepted, whatever became of them
    for (let at = 1; at < 100; at++) this.connections.close(id(at))
  }
}

function edges(t: ExecutionContext, options: ConnectionsOptions = {}): [Edge, Edge] {
  const both: [Edge, Edge] = [new Edge(options), new Edge(options)]
  t.teardown(() => {
    for (const edge of both) edge.end()
  })
  return both
}

/** A counter of TcpExt; it counts for everybody, so that it is at least what one test did. */
function counted(name: string): number {
  const [names, values] = readFileSync('/proc/net/netstat', 'utf8')
    .split('\n')
    .filter(line => line.startsWith('TcpExt:'))
    .map(line => line.split(' '))
  return Number(values?.[names?.indexOf(name) ?? -1] ?? Number.NaN)
}

const opens = test.macro({
  exec: async (t, family: Family, transport: SecuredTransport) => {
    const [near, far] = edges(t)
    far.allow(HERE[family], transport)
    await far.listen(family)
    const connection = near.connect(far, family, transport)
    await until(() => near.heard('Connected'), 'it opens')
    near.connections.send(connection, Buffer.from('hello'))
    await until(() => far.text() === 'hello', 'it carries')
    far.connections.send(id(1), Buffer.from('good day'))
    await until(() => near.text() === 'good day', 'it carries back')
    t.deepEqual([...near.lines, ...far.lines], [])
  },
  title: (_, family, transport) =>
    `a connection opens over ${family} when both ends have ${JSON.stringify(transport)}`,
})

for (const family of FAMILIES) {
  test(opens, family, TRANSPORT_DEFAULT)
  test(opens, family, having({ password: 'sekret' }))
  test(opens, family, having({ password: 'ключ'.repeat(10) }))
  test(opens, family, having({ ttlSecurity: 1 }))
  test(opens, family, having({ password: 'sekret', ttlSecurity: 3, trafficClass: 0 }))
}

const staysShut = test.macro({
  exec: async (
    t,
    family: Family,
    ours: string | undefined,
    theirs: string | undefined,
    counter: 'unsigned' | 'unexpected' | 'wrong',
  ) => {
    const [near, far] = edges(t)
    const one = (password: string | undefined): SecuredTransport =>
      having(password === undefined ? {} : { password })
    const before = readSignatureCounters()?.[counter] ?? Number.NaN
    far.allow(HERE[family], one(theirs))
    await far.listen(family)
    near.connect(far, family, one(ours))
    await until(() => (readSignatureCounters()?.[counter] ?? 0) > before, `${counter} grows`)
    t.deepEqual(near.events, [])
    t.deepEqual(far.events, [])
  },
  title: (_, family, ours, theirs, counter) =>
    `a connection over ${family} with ${ours ?? 'no password'} does not open ` +
    `where ${theirs ?? 'none'} is expected, and the kernel counts it as ${counter}`,
})

for (const family of FAMILIES) {
  test(staysShut, family, 'right', 'other', 'wrong')
  test(staysShut, family, undefined, 'sekret', 'unsigned')
  test(staysShut, family, 'sekret', undefined, 'unexpected')
}

test('a password that changes at both ends does not end a connection', async t => {
  const [near, far] = edges(t)
  far.allow(HERE.ipv4, having({ password: 'old' }))
  await far.listen('ipv4')
  const connection = near.connect(far, 'ipv4', having({ password: 'old' }))
  await until(() => far.heard('Accepted'), 'it opens')
  const before = readSignatureCounters()?.wrong ?? Number.NaN
  near.allow(HERE.ipv4, having({ password: 'new' }))
  near.connections.send(connection, Buffer.from('hello'))
  await until(() => (readSignatureCounters()?.wrong ?? 0) > before, 'the other end drops it')
  t.is(far.text(), '')
  far.allow(HERE.ipv4, having({ password: 'new' }))
  await until(() => far.text() === 'hello', 'it is sent again')
  near.allow(HERE.ipv4, having({}))
  far.allow(HERE.ipv4, having({}))
  near.connections.send(connection, Buffer.from(', unsigned'))
  await until(() => far.text() === 'hello, unsigned', 'a password that went is not asked for')
  t.deepEqual([...near.lines, ...far.lines], [])
  t.false(near.events.some(({ type }) => type === 'Closed'))
})

test('passwords of a port that is open change for those who connect next', async t => {
  const [near, far] = edges(t)
  await far.listen('ipv4')
  const attempt = async (theirs: string | undefined, ours: string | undefined): Promise<void> => {
    far.allow(HERE.ipv4, having(theirs === undefined ? {} : { password: theirs }))
    const at = near.events.length
    const connection = near.connect(
      far,
      'ipv4',
      having(ours === undefined ? {} : { password: ours }),
    )
    await until(() => near.events[at], 'something happens')
    t.deepEqual(near.events[at], { type: 'Connected', connection, local: HERE.ipv4 })
  }
  await attempt(undefined, undefined)
  await attempt('one', 'one')
  await attempt('two', 'two')
  await attempt(undefined, undefined)
  t.deepEqual(far.lines, [])
})

test('a range has one password, and an address in it may have its own or be elsewhere', async t => {
  const [near, far] = edges(t)
  far.allowAll(
    new AllowedPeers([
      { remote: prefix('127.0.1.0/24'), transport: having({ password: 'range' }) },
      { remote: prefix('127.0.1.7/32'), transport: having({ password: 'host' }) },
    ]),
  )
  await far.listen('ipv4')
  const cases = [
    ['127.0.1.1', 'range'],
    ['127.0.1.7', 'host'],
    ['127.0.2.1', undefined],
  ] as const
  for (const [from, password] of cases) {
    const transport = having(password === undefined ? {} : { password })
    const connection = near.connect(far, 'ipv4', transport, address(from))
    await until(
      () => near.events.some(event => 'connection' in event && event.connection === connection),
      `${from} is heard of`,
    )
    t.is(near.events.at(-1)?.type, 'Connected')
  }
})

test('an IPv6 range has a password too', async t => {
  const [near, far] = edges(t)
  far.allow('::/64', having({ password: 'range' }))
  await far.listen('ipv6')
  near.connect(far, 'ipv6', having({ password: 'range' }))
  await until(() => far.heard('Accepted'), 'it opens')
  t.deepEqual(far.lines, [])
})

test('who connected before the peer had a password here is not let in by it', async t => {
  const [, far] = edges(t)
  await far.listen('ipv4')
  const fd = handleOf(far.server!)
  const client = spawn('bash', ['-c', `exec 3<>/dev/tcp/127.0.0.1/${far.port}; cat <&3`])
  const ended = new Promise(resolve => client.once('exit', resolve))
  // nothing is accepted while we look
  const still = new Int32Array(new SharedArrayBuffer(4))
  for (let times = 0; times < 2_000 && waiting(fd) === 0; times++) Atomics.wait(still, 0, 0, 5)
  t.is(waiting(fd), 1)
  far.allow(HERE.ipv4, having({ password: 'sekret' }))
  await ended
  t.deepEqual(far.events, [])
  const [near] = edges(t)
  near.connect(far, 'ipv4', having({ password: 'sekret' }))
  await until(() => far.heard('Accepted'), 'one with the password is')
})

const hops = test.macro({
  exec: async (t, family: Family) => {
    const { level, ttl, min, trafficClass } =
      family === 'ipv4'
        ? { level: 0, ttl: 2, min: 21, trafficClass: 1 }
        : { level: 41, ttl: 16, min: 73, trafficClass: 67 }
    const [near, far] = edges(t)
    far.allow(HERE[family], having({ ttlSecurity: 2 }))
    await far.listen(family)
    const accepted: number[] = []
    far.server!.prependListener('connection', socket => accepted.push(handleOf(socket)))
    near.connect(far, family, having({ ttlSecurity: 2 }))
    await until(() => far.heard('Accepted'), 'it opens')
    const read = (option: number): number => socketOption(accepted[0]!, level, option)
    t.is(read(ttl), 255)
    t.is(read(min), 254)
    t.is(read(trafficClass), 0xc0)
    // the listener's 255 is not for peers that may be far away
    far.allow(HERE[family], having({ ttl: 7 }))
    near.connect(far, family, TRANSPORT_DEFAULT)
    const seen = await until(() => accepted[1], 'another one opens')
    await until(
      () => far.events.filter(({ type }) => type === 'Accepted').length === 2,
      'it is taken',
    )
    t.is(socketOption(seen, level, ttl), 7)
    t.is(socketOption(seen, level, min), 0)
  },
  title: (_, family) => `an accepted ${family} connection has the hops of its own peer`,
})
test(hops, 'ipv4')
test(hops, 'ipv6')

test('from a peer that is farther away than allowed nothing is heard', async t => {
  const [near, far] = edges(t)
  far.allow(HERE.ipv4, having({ ttlSecurity: 1 }))
  await far.listen('ipv4')
  const connection = near.connect(far, 'ipv4', TRANSPORT_DEFAULT)
  await until(() => far.heard('Accepted'), 'the handshake is the listener’s')
  const before = counted('TCPMinTTLDrop')
  near.connections.send(connection, Buffer.from('from afar'))
  await until(() => counted('TCPMinTTLDrop') > before, 'it is dropped')
  t.is(far.text(), '')
})

test('a link that is not there is named, and a password that is too long is our own fault', async t => {
  const [near, far] = edges(t)
  await far.listen('ipv4')
  near.connect(far, 'ipv4', having({ interface: 'nowhere0' }))
  const event = await until(() => near.heard('Failed'), 'it fails')
  t.is(event.type === 'Failed' && event.why, 'there is no such interface on this node')
  near.connect(far, 'ipv4', having({ password: 'x'.repeat(81) }))
  const failed = await until(
    () => near.events.filter(({ type }) => type === 'Failed')[1],
    'it fails too',
  )
  t.regex(failed.type === 'Failed' ? failed.why : '', /a password fits the kernel/)
})

test('a runtime that tells no descriptors never leads to a session without its password', async t => {
  const poor = { ...RUNTIME_WHOLE, ownSockets: false, descriptors: false }
  const [near, far] = edges(t, { runtime: poor })
  await far.listen('ipv4')
  for (const fields of [{ password: 'sekret' }, { ttlSecurity: 1 }, { interface: 'lo' }])
    near.connect(far, 'ipv4', having(fields))
  await until(() => near.events.length === 3, 'all three are answered')
  for (const event of near.events) t.regex(event.type === 'Failed' ? event.why : '', /Node\.js/)
  t.is(far.events.length, 0)
  // a peer that needs none of it is served
  near.connect(far, 'ipv4', TRANSPORT_DEFAULT, address('127.0.0.5'))
  await until(() => near.heard('Connected'), 'it opens')
  const accepted = await until(() => far.heard('Accepted'), 'it is accepted')
  t.is(accepted.type === 'Accepted' && accepted.remote, address('127.0.0.5'))
  // and one that needs it is not let in, whatever it sends
  far.connections.allow(
    new AllowedPeers([{ remote: prefix('127.0.0.6/32'), transport: having({ ttlSecurity: 1 }) }]),
  )
  near.connect(far, 'ipv4', TRANSPORT_DEFAULT, address('127.0.0.6'))
  await until(() => far.lines.includes('TCP_OPTION_REFUSED'), 'it is told')
  t.is(far.events.filter(({ type }) => type === 'Accepted').length, 1)
})
