/**
 * The links between the processes, over real unix sockets: whatever one side says, the other side
 * hears, in order and unchanged, wherever the stream is split, and a fault ends a connection and
 * nothing else.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import type {
  DataplaneSnapshot,
  KernelRouteSnapshot,
  RouteEvent,
} from '../../src/core/dataplane/index.ts'
import type { Epoch, GroupId, NextHopAnswer } from '../../src/core/fib/index.ts'
import { address, prefix, prefixParts } from '../../src/core/net/index.ts'
import type { SpeakerSnapshot } from '../../src/core/speaker/index.ts'
import {
  CREDIT_ROUTES_MAX,
  DataplaneLink,
  type Listener,
  listen,
  RoutesLink,
  type SpeakerCommand,
  SpeakerLink,
  serveDataplane,
  serveRoutes,
  serveSpeaker,
  socketPaths,
} from '../../src/shell/link/index.ts'
import { SILENT } from '../../src/shell/log/index.ts'
import {
  dataplaneIntent,
  dataplaneSnapshot,
  kernelRoute,
} from '../support/dataplane-arbitraries.ts'
import {
  fibCalls,
  nextHopAnswers,
  speakerCommand,
  speakerSnapshot,
} from '../support/link-arbitraries.ts'
import { until } from '../support/until.ts'

function runDirectory(t: ExecutionContext): ReturnType<typeof socketPaths> {
  const directory = mkdtempSync(join(tmpdir(), 'martlet-link-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  return socketPaths(directory)
}

/** A speaker's server that answers with whatever the test sets. */
class SpeakerSide {
  commands: SpeakerCommand[] = []
  snapshot: SpeakerSnapshot | undefined
  snapshotsAsked = 0
  listener: Listener | undefined

  async listen(path: string): Promise<this> {
    this.listener = await serveSpeaker({
      path,
      log: SILENT,
      configure: command => this.commands.push(command),
      snapshot: () => {
        this.snapshotsAsked++
        if (this.snapshot === undefined) throw new Error('the test set no snapshot')
        return this.snapshot
      },
      lookup: target => [{ prefix: prefix(target), paths: [] }],
      refresh: peer => (peer === 'a' ? undefined : 'there is no such peer'),
    })
    return this
  }
}

async function speakerLink(t: ExecutionContext): Promise<{ side: SpeakerSide; link: SpeakerLink }> {
  const path = runDirectory(t).speaker
  const side = await new SpeakerSide().listen(path)
  const link = new SpeakerLink({ path, log: SILENT, up() {}, down() {} })
  t.teardown(async () => {
    link.close()
    await side.listener?.close()
  })
  await until(() => link.isUp, 'the link is up')
  return { side, link }
}

test('every command of the controller reaches the speaker unchanged', async t => {
  const { side, link } = await speakerLink(t)
  await fc.assert(
    fc.asyncProperty(speakerCommand, async command => {
      side.commands = []
      link.configure(command)
      await until(() => side.commands.length === 1, 'the command arrived')
      t.deepEqual(side.commands[0], command)
    }),
    { numRuns: 100 },
  )
})

test('every snapshot of the speaker reaches the controller unchanged', async t => {
  const { side, link } = await speakerLink(t)
  let version = 0
  await fc.assert(
    fc.asyncProperty(speakerSnapshot, async snapshot => {
      side.snapshot = { ...snapshot, version: ++version }
      t.deepEqual(await link.snapshot(), side.snapshot)
    }),
    { numRuns: 100 },
  )
})

test('a snapshot that has not changed is not sent again', async t => {
  const { side, link } = await speakerLink(t)
  const [snapshot] = fc.sample(speakerSnapshot, { numRuns: 1, seed: 7 })
  side.snapshot = { ...snapshot!, version: 3 }
  const first = await link.snapshot()
  side.snapshot = { ...snapshot!, version: 3, routesTotal: 77 }
  t.is(await link.snapshot(), first, 'the version says that nothing changed')
  side.snapshot = { ...side.snapshot, version: 4 }
  t.is((await link.snapshot()).routesTotal, 77)
})

test('a new speaker is asked for all although its version is that of the old', async t => {
  const path = runDirectory(t).speaker
  const [snapshot] = fc.sample(speakerSnapshot, { numRuns: 1, seed: 7 })
  const old = await new SpeakerSide().listen(path)
  const link = new SpeakerLink({ path, log: SILENT, up() {}, down() {} })
  await until(() => link.isUp, 'the link is up')
  old.snapshot = { ...snapshot!, version: 3 }
  await link.snapshot()
  await old.listener?.close()
  await until(() => !link.isUp, 'the link is down')
  await t.throwsAsync(link.snapshot(), { code: 'LINK_CLOSED' })
  const next = await new SpeakerSide().listen(path)
  next.snapshot = { ...snapshot!, version: 3, routesTotal: 78 }
  await until(() => link.isUp, 'the link is up again')
  t.is((await link.snapshot()).routesTotal, 78)
  link.close()
  await next.listener?.close()
})

test('replies come to the requests that they belong to', async t => {
  const { side, link } = await speakerLink(t)
  const [snapshot] = fc.sample(speakerSnapshot, { numRuns: 1, seed: 9 })
  side.snapshot = snapshot
  const targets = ['10.0.0.0/8', '10.1.0.0/16', '2001:db8::/32', '0.0.0.0/0']
  const answers = await Promise.all([
    ...targets.map(target => link.lookup(target)),
    link.snapshot(),
  ])
  for (const [at, target] of targets.entries())
    t.deepEqual(answers[at], [{ prefix: prefix(target), paths: [] }])
  t.deepEqual(answers.at(-1), snapshot)
})

test('a peer is asked to say all again, or it is said why not', async t => {
  const { link } = await speakerLink(t)
  t.is(await link.refresh('a'), undefined)
  t.is(await link.refresh('b'), 'there is no such peer')
})

test('intents, snapshots and lookups cross the link of the dataplane unchanged', async t => {
  const path = runDirectory(t).dataplane
  const intents: unknown[] = []
  const asked: unknown[] = []
  const some = fc.array(kernelRoute, { maxLength: 4 })
  let answers: readonly KernelRouteSnapshot[] = []
  let snapshot: DataplaneSnapshot | undefined
  let version = 0
  const listener = await serveDataplane({
    path,
    log: SILENT,
    intend: intent => intents.push(intent),
    snapshot: () => snapshot!,
    lookup: prefixes => {
      asked.push(prefixes)
      return answers
    },
  })
  const link = new DataplaneLink({ path, log: SILENT, up() {}, down() {} })
  await until(() => link.isUp, 'the link is up')
  await fc.assert(
    fc.asyncProperty(dataplaneIntent, dataplaneSnapshot, some, async (intent, next, found) => {
      snapshot = { ...next, version: ++version }
      link.intend(intent)
      t.deepEqual(await link.snapshot(), snapshot)
      t.deepEqual(intents.at(-1), intent)
      t.is(await link.snapshot(), await link.snapshot())
      answers = found
      const prefixes = found.map(route => route.prefix)
      t.deepEqual(await link.lookup(prefixes), found)
      t.deepEqual(asked.at(-1), prefixes)
    }),
    { numRuns: 100 },
  )
  link.close()
  await listener.close()
})

/** Stands between two ends and hands octets on in pieces of any size. */
async function splitter(t: ExecutionContext, from: string, to: string): Promise<void> {
  let size = 1
  const pass = (source: Socket, sink: Socket): void => {
    source.on('data', bytes => {
      for (let at = 0; at < bytes.length; size = (size * 7) % 23) {
        sink.write(bytes.subarray(at, at + size))
        at += size
      }
    })
    source.on('close', () => sink.destroy())
    source.on('error', () => sink.destroy())
  }
  const listener = await listen(from, near => {
    const far = connect(to)
    far.setNoDelay(true)
    pass(near, far)
    pass(far, near)
  })
  t.teardown(() => listener.close())
}

/** One route as the dataplane hears it: `10.0.0.0/8 via 3`. */
function told(events: readonly RouteEvent[]): string[] {
  return events.flatMap(event => {
    switch (event.type) {
      case 'Begin':
      case 'InSync':
        return [`${event.type} ${event.epoch}`]
      case 'Group':
        return [`Group ${event.id} ${JSON.stringify(event.hops)} ${event.metric}`]
      case 'DropGroup':
        return [`DropGroup ${event.id}`]
      case 'Routes':
        return split(event.nlri).map(
          (nlri, at) => `Route ${event.family} ${nlri} ${event.groups[at]}`,
        )
      case 'Withdraws':
        return split(event.nlri).map(nlri => `Withdraw ${event.family} ${nlri}`)
      case 'Track':
      case 'Untrack':
        return [`${event.type} ${event.hop.address} ${event.hop.interface ?? ''}`]
      case 'SpeakerUp':
      case 'SpeakerDown':
        return []
      default:
        return event satisfies never
    }
  })
}

function split(nlri: Uint8Array): string[] {
  const found: string[] = []
  for (let at = 0; at < nlri.length; ) {
    const octets = 1 + ((nlri[at]! + 7) >> 3)
    found.push(Buffer.from(nlri.subarray(at, at + octets)).toString('hex'))
    at += octets
  }
  return found
}

async function routesLink(t: ExecutionContext, options: { split?: boolean } = {}) {
  const paths = runDirectory(t)
  const path = paths.routes
  if (options.split) await splitter(t, paths.dataplane, path)
  const events: RouteEvent[] = []
  const listener = await serveRoutes({
    path,
    log: SILENT,
    preserved: () => false,
    deliver: event => events.push(event),
  })
  const heard: string[] = []
  const answers: NextHopAnswer[] = []
  let credit = 0
  const link = new RoutesLink({
    path: options.split ? paths.dataplane : path,
    log: SILENT,
    up: preserved => {
      heard.push(preserved ? 'up, preserved' : 'up')
      credit = 0
    },
    down: () => heard.push('down'),
    credit: routes => {
      credit += routes
    },
    resolved: some => answers.push(...some),
  })
  t.teardown(async () => {
    link.close()
    await listener.close()
  })
  await until(() => credit > 0, 'the first credit')
  return { events, listener, link, heard, answers, credit: () => credit, path }
}

const inOrder = test.macro(async (t, split: boolean) => {
  const { events, link } = await routesLink(t, { split })
  let epoch = 0
  await fc.assert(
    fc.asyncProperty(fibCalls, async calls => {
      events.length = 0
      const wanted: string[] = []
      for (const call of calls) wanted.push(call(link))
      const end = ++epoch as Epoch
      link.inSync(end)
      await until(() => events.some(event => event.type === 'InSync'), 'the end arrived')
      t.deepEqual(told(events), [...wanted, `InSync ${end}`])
    }),
    { numRuns: 200 },
  )
})

test('whatever the speaker writes, the dataplane hears it in that order', inOrder, false)
test('the order and the octets survive any splitting of the stream', inOrder, true)

function route(link: RoutesLink, text: string, id: number): void {
  const { family, bytes, length } = prefixParts(prefix(text))
  link.route(family, bytes, 0, length, id as GroupId)
}

test('whatever the dataplane says of next hops, the speaker hears it unchanged', async t => {
  const { answers, listener } = await routesLink(t)
  await fc.assert(
    fc.asyncProperty(nextHopAnswers, async said => {
      answers.length = 0
      listener.resolved(said)
      await until(() => answers.length === said.length, 'the answers arrived')
      t.deepEqual(answers, said)
    }),
    { numRuns: 100 },
  )
  const [one] = fc.sample(nextHopAnswers, { numRuns: 1, seed: 3 })
  answers.length = 0
  listener.resolved(Array.from({ length: 2_500 }, () => one![0]!))
  await until(() => answers.length === 2_500, 'more than one message holds arrived')
})

test('a batch has at most 1,024 routes and its length is checked', async t => {
  const { events, link } = await routesLink(t)
  for (let at = 0; at < 2_500; at++) route(link, `10.${at >> 8}.${at & 255}.0/24`, 1)
  link.inSync(1 as Epoch)
  await until(() => events.at(-1)?.type === 'InSync', 'all arrived')
  const sizes = events.map(event => (event.type === 'Routes' ? event.groups.length : event.type))
  t.deepEqual(sizes, ['SpeakerUp', 1024, 1024, 452, 'InSync'])
})

test('credit is given back as routes are taken', async t => {
  const { link, credit } = await routesLink(t)
  t.is(credit(), CREDIT_ROUTES_MAX)
  const first = CREDIT_ROUTES_MAX / 2
  for (let at = 0; at < first; at++) route(link, '10.0.0.0/8', at)
  await until(() => credit() === CREDIT_ROUTES_MAX + first, 'half came back')
  for (let at = 0; at < CREDIT_ROUTES_MAX; at++) route(link, '10.0.0.0/8', at)
  await until(() => credit() === 2 * CREDIT_ROUTES_MAX + first, 'all came back')
  t.pass()
})

test('a dataplane that comes back is asked anew, and writes meanwhile are not sent', async t => {
  const { listener, link, heard, path } = await routesLink(t)
  await listener.close()
  await until(() => heard.includes('down'), 'the speaker hears that it is gone')
  route(link, '10.9.0.0/16', 9)
  const events: RouteEvent[] = []
  const next = await serveRoutes({
    path,
    log: SILENT,
    preserved: () => true,
    deliver: event => events.push(event),
  })
  await until(() => heard.join(' ') === 'up down up, preserved', 'the new one says what it kept')
  link.begin(2 as Epoch)
  await until(() => events.some(event => event.type === 'Begin'), 'the new epoch arrived')
  t.deepEqual(
    events.map(event => event.type),
    ['SpeakerUp', 'Begin'],
  )
  link.close()
  await until(() => events.at(-1)?.type === 'SpeakerDown', 'the dataplane hears the end')
  await next.close()
})

test('a second speaker takes the place of the first', async t => {
  const { events, path, heard } = await routesLink(t)
  const second = new RoutesLink({
    path,
    log: SILENT,
    up() {},
    down() {},
    credit() {},
    resolved() {},
  })
  await until(() => heard.includes('down'), 'the first is told')
  second.close()
  await until(() => events.filter(event => event.type === 'SpeakerDown').length >= 2, 'both went')
  t.deepEqual(
    events.slice(0, 3).map(event => event.type),
    ['SpeakerUp', 'SpeakerDown', 'SpeakerUp'],
  )
})

test('the socket is for its owner and group only', async t => {
  const { path } = await routesLink(t)
  t.is(statSync(path).mode & 0o777, 0o660)
})

test('a second listener is refused and a socket file without a listener is replaced', async t => {
  const path = runDirectory(t).speaker
  const first = await new SpeakerSide().listen(path)
  await t.throwsAsync(new SpeakerSide().listen(path), { message: /listens there already/ })
  await first.listener?.close()
  const again = await new SpeakerSide().listen(path)
  await again.listener?.close()
  t.pass()
})

/** A stranger that writes raw octets to a socket and tells whether it was hung up on. */
async function stranger(path: string): Promise<{ socket: Socket; gone: () => boolean }> {
  const socket = connect(path)
  let gone = false
  socket.on('error', () => {})
  socket.on('close', () => {
    gone = true
  })
  socket.resume()
  await new Promise<void>(resolve => socket.once('connect', () => resolve()))
  return { socket, gone: () => gone }
}

/**
 * Octets that are wrong on any link; `0a 04 08 01 12 00` is a Hello of version 1 without a role.
 */
const BAD: Readonly<Record<string, string>> = {
  'what is not protobuf': '05ffffffffff',
  'an empty message': '00',
  'a message of another link': '03fa0100',
  'a length beyond the limit': 'ffffff7f',
  'a length without end': 'ffffffffffffff',
  'a Hello of another version': '0c0a0a086312066d617274696e',
  'a Hello of another role': '0c0a0a080112066d617274696e',
}

for (const [what, octets] of Object.entries(BAD))
  test(`${what} ends the connection and not the listener`, async t => {
    const path = runDirectory(t).speaker
    const side = await new SpeakerSide().listen(path)
    const { socket, gone } = await stranger(path)
    socket.write(Buffer.from(octets, 'hex'))
    await until(gone, 'the stranger was hung up on')
    const good = new SpeakerLink({ path, log: SILENT, up() {}, down() {} })
    await until(() => good.isUp, 'another one is served')
    good.close()
    await side.listener?.close()
    t.pass()
  })

test('a partial message of a speaker that dies changes nothing', async t => {
  const { events, path, link } = await routesLink(t)
  const before = events.length
  const { socket } = await stranger(path)
  socket.end(Buffer.from('ff010a', 'hex'))
  await new Promise(resolve => socket.once('close', resolve))
  link.inSync(5 as Epoch)
  await until(() => events.length > before, 'the speaker that lives is heard')
  t.deepEqual(told(events), ['InSync 5'])
})

test('a next hop keeps its interface and its weight, a group its metric', async t => {
  const { events, link } = await routesLink(t)
  const hops = [
    { address: address('10.0.0.1'), weight: 1 },
    { address: address('fe80::1'), interface: 'eth0', weight: 255 },
  ]
  link.group(4 as GroupId, hops, 2_147_483_547)
  await until(() => events.some(event => event.type === 'Group'), 'the group arrived')
  t.deepEqual(events.at(-1), { type: 'Group', id: 4 as GroupId, hops, metric: 2_147_483_547 })
})
