/** Connections and listeners of the speaker, over loopback. */
import { connect, createServer, type Server, type Socket } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { address, prefix } from '../../../src/core/net/index.ts'
import type { ConnectionId } from '../../../src/core/session/index.ts'
import { type SpeakerEvent, TRANSPORT_DEFAULT } from '../../../src/core/speaker/index.ts'
import { SILENT } from '../../../src/shell/log/index.ts'
import {
  AllowedPeers,
  Connections,
  Listeners,
  listenHere,
  UNSENT_OCTETS_MAX,
} from '../../../src/shell/tcp/index.ts'
import { until } from '../../support/until.ts'

const LOOPBACK = address('127.0.0.1')
const id = (value: number): ConnectionId => value as ConnectionId

/** What a speaker would hear, with a copy of what is valid during the call only. */
class Ear {
  readonly events: SpeakerEvent[] = []
  readonly connections = new Connections(event => {
    this.events.push(
      event.type === 'Received' ? { ...event, bytes: new Uint8Array(event.bytes) } : event,
    )
  })

  types(): string[] {
    return this.events.map(event => event.type)
  }

  received(): string {
    return this.events
      .map(event => (event.type === 'Received' ? Buffer.from(event.bytes).toString() : ''))
      .join('')
  }

  async heard(type: SpeakerEvent['type']): Promise<SpeakerEvent> {
    return await until(() => this.events.find(event => event.type === type), `${type} is heard`)
  }
}

async function peer(t: ExecutionContext): Promise<{ port: number; accepted: Socket[] }> {
  const accepted: Socket[] = []
  const server = createServer({ allowHalfOpen: true }, socket => {
    socket.on('error', () => {})
    accepted.push(socket)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of accepted) socket.destroy()
    server.close()
  })
  return { port: portOf(server), accepted }
}

function portOf(server: Server): number {
  const at = server.address()
  if (at === null || typeof at === 'string') throw new Error('not a TCP server')
  return at.port
}

test('a connection is Connected, carries bytes both ways, and is Closed', async t => {
  const { port, accepted } = await peer(t)
  const ear = new Ear()
  ear.connections.connect(id(2), { address: LOOPBACK, port })
  t.deepEqual(await ear.heard('Connected'), {
    type: 'Connected',
    connection: id(2),
    local: LOOPBACK,
  })
  ear.connections.send(id(2), Buffer.from('hello '))
  ear.connections.send(id(2), Buffer.from('peer'))
  const socket = await until(() => accepted[0], 'the peer accepted')
  let heard = ''
  socket.on('data', bytes => {
    heard += bytes.toString()
    if (heard === 'hello peer') socket.end('good day')
  })
  await ear.heard('Closed')
  t.is(ear.received(), 'good day')
  t.deepEqual(ear.events.at(-1), {
    type: 'Closed',
    connection: id(2),
    why: 'the peer closed the connection',
  })
})

test('a refused connection is Failed with a sentence and is never Closed', async t => {
  const { port } = await peer(t)
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const free = portOf(server)
  await new Promise(resolve => server.close(resolve))
  t.not(free, port)
  const ear = new Ear()
  ear.connections.connect(id(2), { address: LOOPBACK, port: free })
  const event = await ear.heard('Failed')
  t.regex(event.type === 'Failed' ? event.why : '', /refused/)
  t.deepEqual(ear.types(), ['Failed'])
})

test('a source address that is not on this node is named as such', async t => {
  const { port } = await peer(t)
  const ear = new Ear()
  const localAddress = address('203.0.113.77')
  ear.connections.connect(id(2), { address: LOOPBACK, port, localAddress })
  const event = await ear.heard('Failed')
  t.regex(event.type === 'Failed' ? event.why : '', /local address is not on this node/)
})

test('a connection comes from the source address that was asked for', async t => {
  const { port, accepted } = await peer(t)
  const ear = new Ear()
  const localAddress = address('127.0.0.9')
  ear.connections.connect(id(2), { address: LOOPBACK, port, localAddress })
  const socket = await until(() => accepted[0], 'the peer accepted')
  t.is(socket.remoteAddress, '127.0.0.9')
  ear.connections.close(id(2))
})

test('what was sent before a close reaches the peer although it sends meanwhile', async t => {
  const { port, accepted } = await peer(t)
  const ear = new Ear()
  ear.connections.connect(id(2), { address: LOOPBACK, port })
  await ear.heard('Connected')
  const socket = await until(() => accepted[0], 'the peer accepted')
  let heard = ''
  let ended = false
  socket.write('x'.repeat(200_000))
  socket.on('data', bytes => {
    heard += bytes.toString()
  })
  socket.on('end', () => {
    ended = true
    socket.end()
  })
  ear.connections.send(id(2), Buffer.from('cease'))
  ear.connections.close(id(2))
  const before = ear.events.length
  await until(() => ended, 'the peer saw the end')
  await ear.connections.settled()
  t.is(heard, 'cease')
  t.is(ear.events.length, before, 'a connection that was closed says nothing more')
})

test('a connection is Congested while its peer does not read, and Drained after', async t => {
  const { port, accepted } = await peer(t)
  const ear = new Ear()
  ear.connections.connect(id(2), { address: LOOPBACK, port })
  await ear.heard('Connected')
  const socket = await until(() => accepted[0], 'the peer accepted')
  socket.pause()
  const chunk = Buffer.alloc(UNSENT_OCTETS_MAX / 4)
  let sent = 0
  await until(() => {
    sent += chunk.length
    ear.connections.send(id(2), chunk)
    return ear.types().includes('Congested')
  }, 'the connection is congested')
  t.is(ear.types().filter(type => type === 'Congested').length, 1)
  t.true(ear.types().includes('Blocked'), 'it waited before it was too much')
  t.false(ear.types().some(type => type === 'Drained' || type === 'Unblocked'))
  let read = 0
  socket.on('data', bytes => {
    read += bytes.length
  })
  socket.resume()
  await ear.heard('Drained')
  await until(() => read === sent, 'all octets arrived')
  await ear.heard('Unblocked')
  t.is(ear.types().at(-1), 'Unblocked')
})

test('what the kernel takes at once is not Blocked', async t => {
  const { port, accepted } = await peer(t)
  const ear = new Ear()
  ear.connections.connect(id(2), { address: LOOPBACK, port })
  await ear.heard('Connected')
  const socket = await until(() => accepted[0], 'the peer accepted')
  let read = 0
  socket.on('data', bytes => {
    read += bytes.length
  })
  for (let turn = 1; turn <= 20; turn++) {
    ear.connections.send(id(2), Buffer.alloc(500))
    await until(() => read === 500 * turn, 'they arrived')
  }
  t.deepEqual(ear.types(), ['Connected'])
})

test('a paused connection is not read until it is resumed', async t => {
  const { port, accepted } = await peer(t)
  const ear = new Ear()
  ear.connections.connect(id(2), { address: LOOPBACK, port })
  await ear.heard('Connected')
  ear.connections.pause(id(2))
  const socket = await until(() => accepted[0], 'the peer accepted')
  const size = 32 << 20
  let flushed = false
  socket.write(Buffer.alloc(size), () => {
    flushed = true
  })
  // another connection is served meanwhile, so the loop did turn
  ear.connections.connect(id(4), { address: LOOPBACK, port })
  await until(() => ear.types().filter(type => type === 'Connected').length === 2, 'both connect')
  t.false(flushed)
  t.false(ear.types().includes('Received'))
  ear.connections.resume(id(2))
  await until(
    () =>
      ear.events.reduce(
        (sum, event) => sum + (event.type === 'Received' ? event.bytes.length : 0),
        0,
      ) === size,
    'all octets were received',
  )
  t.pass()
})

test('accepted connections have odd numbers, and bytes that came at once are not lost', async t => {
  const ear = new Ear()
  const server = await listenHere({ family: 'ipv4', port: 0 })
  const port = portOf(server)
  const listeners = new Listeners({
    log: SILENT,
    bind: async () => server,
    accepted: socket => ear.connections.accept(socket),
  })
  listeners.set([{ family: 'ipv4', port }])
  const clients = ['one', 'two'].map(text => {
    const client = connect(port, '127.0.0.1')
    client.write(text)
    return client
  })
  await until(() => ear.received().length === 6, 'both were received')
  const accepted = ear.events.filter(event => event.type === 'Accepted')
  t.deepEqual(
    accepted.map(event => event.connection),
    [id(1), id(3)],
  )
  t.is(accepted[0]?.remote, LOOPBACK)
  ear.connections.send(id(1), Buffer.from('back'))
  const back = await until(() => clients.find(client => client.readableLength > 0), 'a reply')
  t.is(back.read().toString(), 'back')
  for (const client of clients) client.destroy()
  listeners.close()
})

test('a port at one address is not there at another, and moves when it is to', async t => {
  const probe = await listenHere({ family: 'ipv4', port: 0 })
  const port = portOf(probe)
  await new Promise(closed => probe.close(closed))
  const accepted: Socket[] = []
  const listeners = new Listeners({
    log: SILENT,
    bind: listenHere,
    accepted: socket => void accepted.push(socket),
  })
  t.teardown(() => {
    listeners.close()
    for (const socket of accepted) socket.destroy()
  })
  const reaches = (host: string): Promise<boolean> =>
    new Promise(resolve => {
      const socket = connect(port, host)
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
      socket.unref()
    })
  const open = () => until(() => listeners.state[0]?.error === undefined, 'it is open')
  listeners.set([{ family: 'ipv4', port, address: address('127.0.0.2') }])
  await until(() => listeners.state.length === 1, 'it was tried')
  await open()
  t.deepEqual([await reaches('127.0.0.1'), await reaches('127.0.0.2')], [false, true])
  listeners.set([{ family: 'ipv4', port }])
  await until(() => listeners.state.length === 1, 'it was tried')
  await open()
  t.deepEqual([await reaches('127.0.0.1'), await reaches('127.0.0.2')], [true, true])
})

test('a port in use is tried again until it is free, and closed when no longer wanted', async t => {
  const blocker = await listenHere({ family: 'ipv6', port: 0 })
  const port = portOf(blocker)
  const lines: string[] = []
  const log = { ...SILENT, error: (_code: string, text: string) => lines.push(text) }
  const accepted: Socket[] = []
  const states: unknown[] = []
  const listeners = new Listeners({
    log,
    bind: listenHere,
    accepted: socket => accepted.push(socket),
    changed: () => states.push(listeners.state),
  })
  listeners.set([{ family: 'ipv6', port }])
  t.deepEqual(listeners.state, [], 'nobody knows yet')
  await until(() => lines.length >= 1, 'the failure is told')
  t.regex(lines[0]!, /address in use.*ss -ltnp/s)
  t.like(states[0], { 0: { family: 'ipv6', port } })
  t.regex(listeners.state[0]?.error ?? '', /address in use/)
  await new Promise(resolve => blocker.close(resolve))
  const client = await until(async () => {
    const socket = connect(port, '::1')
    socket.on('error', () => {})
    const done = await new Promise<boolean>(resolve => {
      socket.once('connect', () => resolve(true))
      socket.once('close', () => resolve(false))
    })
    return done ? socket : undefined
  }, 'the port is open')
  await until(() => accepted[0], 'the connection was accepted')
  t.deepEqual(listeners.state, [{ family: 'ipv6', port }])
  t.deepEqual(states.at(-1), listeners.state)
  listeners.set([])
  t.deepEqual(listeners.state, [])
  client.destroy()
  accepted[0]?.destroy()
  const again = await listenHere({ family: 'ipv6', port })
  t.is(portOf(again), port)
  again.close()
})

test('what was closed is settled also when it ended at the same moment', async t => {
  const { port, accepted } = await peer(t)
  const ear = new Ear()
  for (let times = 0; times < 20; times++) {
    const connection = id(2 + 2 * times)
    ear.connections.connect(connection, { address: LOOPBACK, port })
    const socket = await until(() => accepted[times], 'the peer accepted')
    await until(() => ear.types().filter(type => type === 'Connected').length > times, 'connected')
    socket.resetAndDestroy()
    ear.connections.send(connection, Buffer.from('cease'))
    ear.connections.close(connection)
    await ear.connections.settled()
  }
  t.false(ear.types().includes('Closed'))
})

/** A port whose connections go to `connections`. */
async function listening(t: ExecutionContext, connections: Connections): Promise<number> {
  const server = await listenHere({ family: 'ipv4', port: 0 })
  server.on('connection', socket => connections.accept(socket))
  t.teardown(() => server.close())
  return portOf(server)
}

/** Somebody who connects from an address of the loopback, and whether they are still connected. */
function client(
  t: ExecutionContext,
  port: number,
  from: string,
): { socket: Socket; gone: boolean } {
  // half open: it never closes of its own accord
  const socket = connect({ port, host: '127.0.0.1', localAddress: from, allowHalfOpen: true })
  const one = { socket, gone: false }
  socket.on('error', () => {})
  socket.on('end', () => {
    one.gone = true
  })
  socket.on('close', () => {
    one.gone = true
  })
  socket.resume()
  t.teardown(() => socket.destroy())
  return one
}

test('a connection on which nothing was said is closed without waiting for its end', async t => {
  const events: SpeakerEvent[] = []
  const connections: Connections = new Connections(event => {
    events.push(event)
    if (event.type === 'Accepted') connections.close(event.connection)
  })
  const port = await listening(t, connections)
  const clients = Array.from({ length: 200 }, () => client(t, port, '127.0.0.1'))
  await until(() => clients.every(({ gone }) => gone), 'all are closed')
  await connections.settled()
  t.is(events.length, clients.length, 'each was Accepted, and nothing else')
  t.true(
    clients.every(({ socket }) => !socket.writableEnded),
    'none has closed its own end',
  )
})

test('beyond the limit of connections only those come in who are configured by address', async t => {
  const lines: string[] = []
  const log = { ...SILENT, warn: (code: string) => lines.push(code) }
  const accepted: string[] = []
  const connections = new Connections(
    event => {
      if (event.type === 'Accepted') accepted.push(event.remote)
    },
    { log, connectionsMax: 3 },
  )
  const transport = TRANSPORT_DEFAULT
  connections.allow(
    new AllowedPeers([
      { remote: prefix('127.0.1.0/24'), transport },
      { remote: prefix('127.0.2.2/32'), transport },
    ]),
  )
  const port = await listening(t, connections)
  const crowd = Array.from({ length: 10 }, (_, at) => client(t, port, `127.0.1.${at + 1}`))
  await until(() => crowd.filter(({ gone }) => gone).length === 7, 'seven are closed')
  t.is(accepted.length, 3)
  t.deepEqual(lines, Array(7).fill('CONNECTIONS_FULL'))
  const named = client(t, port, '127.0.2.2')
  await until(() => accepted.includes('127.0.2.2'), 'the one with a name is accepted')
  t.false(named.gone)
})

test('of closed connections that their peers do not end, the oldest is reset for one more', async t => {
  const connections: Connections = new Connections(
    event => {
      if (event.type !== 'Accepted') return
      connections.send(event.connection, Buffer.from('cease'))
      connections.close(event.connection)
    },
    { connectionsMax: 2 },
  )
  const port = await listening(t, connections)
  const clients: Socket[] = []
  const resets = new Set<number>()
  for (let at = 0; at < 5; at++) {
    const { socket } = client(t, port, '127.0.0.1')
    socket.on('error', () => resets.add(at))
    let heard = ''
    socket.on('data', bytes => {
      heard += bytes.toString()
    })
    await until(() => heard === 'cease', 'it was told')
    clients.push(socket)
  }
  await until(() => {
    // one that was reset finds out when it speaks
    for (const socket of clients) if (!socket.destroyed) socket.write('x')
    return resets.size === 3
  }, 'three were reset')
  t.deepEqual([...resets].sort(), [0, 1, 2])
})
