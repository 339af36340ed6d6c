/** Lines of the log: their shape, their rate, and what they never show. */
import test from 'ava'
import { millis } from '../../../src/core/base/index.ts'
import {
  LINES_OF_ALL_PEERS_MAX,
  LINES_PER_CODE_MAX,
  type Log,
  logNote,
  openLog,
} from '../../../src/shell/log/index.ts'

interface Opened {
  readonly log: Log
  readonly lines: () => Record<string, unknown>[]
  readonly clock: { time: number }
}

async function open(): Promise<Opened> {
  const texts: string[] = []
  const clock = { time: 0 }
  const log = await openLog({
    fields: { process: 'speaker' },
    write: line => texts.push(line),
    now: () => clock.time,
  })
  return { log, clock, lines: () => texts.map(text => JSON.parse(text)) }
}

test('a line is one JSON object with its code, its sentence and its fields', async t => {
  const { log, lines } = await open()
  log.child({ half: 'bgp' }).warn('LISTEN_FAILED', 'cannot listen', { port: 179 })
  const [line] = lines()
  t.regex(String(line?.time), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
  delete line?.time
  t.deepEqual(line, {
    level: 'warn',
    process: 'speaker',
    half: 'bgp',
    code: 'LISTEN_FAILED',
    port: 179,
    text: 'cannot listen',
  })
})

test('levels below the one that was asked for are not written', async t => {
  const { log, lines } = await open()
  log.debug('A', 'not this')
  log.info('B', 'but this')
  t.deepEqual(
    lines().map(line => line.code),
    ['B'],
  )
})

test('secrets are not written, at the top and one level down', async t => {
  const { log, lines } = await open()
  log.info('STORE', 'opened', { password: 'hunter2', store: { password: 'hunter2', user: 'me' } })
  t.false(JSON.stringify(lines()).includes('hunter2'))
  t.deepEqual(lines()[0]?.store, { password: '[redacted]', user: 'me' })
})

test('a code that repeats is cut off, counted, and heard again in the next window', async t => {
  const opened = await open()
  const { log, lines } = opened
  for (let times = 0; times < LINES_PER_CODE_MAX + 12; times++) log.info('FLAP', 'again')
  log.info('OTHER', 'not limited by FLAP')
  t.is(lines().length, LINES_PER_CODE_MAX + 1)
  opened.clock.time = 10_001
  log.info('FLAP', 'again')
  t.is(lines().at(-1)?.suppressed, 12)
  log.info('FLAP', 'again')
  t.is(lines().at(-1)?.suppressed, undefined)
})

test('one peer that flaps does not silence another', async t => {
  const { log, lines } = await open()
  for (let times = 0; times < 2 * LINES_OF_ALL_PEERS_MAX; times++)
    log.info('SESSION_UP', 'up', { peer: 'a' })
  log.info('SESSION_UP', 'up', { peer: 'b' })
  t.is(lines().at(-1)?.peer, 'b')
})

test('any number of peers that come and go cannot fill a disk, and what they cost is counted', async t => {
  const { log, lines, clock } = await open()
  const more = 5_000
  for (let each = 0; each < LINES_OF_ALL_PEERS_MAX + more; each++)
    log.info('PEER_ADDED', 'came', { peer: `leaves_${each}` })
  log.info('PEER_REMOVED', 'another code is heard', { peer: 'leaves_1' })
  t.is(lines().length, LINES_OF_ALL_PEERS_MAX + 1)
  clock.time = 10_001
  log.info('PEER_ADDED', 'came', { peer: 'late' })
  t.like(lines().at(-1), { peer: 'late', suppressed: more })
})

test('a session that ends says who ended it and with what', async t => {
  const { log, lines } = await open()
  const at = millis(1)
  const error = { direction: 'received', code: 6, subcode: 2, text: 'going home', at } as const
  logNote(log, { code: 'SESSION_DOWN', peer: 'Mesh_10_0_0_2', error })
  logNote(log, {
    code: 'SESSION_DOWN',
    peer: 'Mesh_10_0_0_3',
    error: { direction: 'local', text: 'the peer closed the connection', at },
  })
  t.deepEqual(
    lines().map(({ code, peer, text }) => ({ code, peer, text })),
    [
      {
        code: 'SESSION_DOWN',
        peer: 'Mesh_10_0_0_2',
        text: 'the peer ended the session: going home (NOTIFICATION 6/2)',
      },
      {
        code: 'SESSION_DOWN',
        peer: 'Mesh_10_0_0_3',
        text: 'the session ended: the peer closed the connection',
      },
    ],
  )
})
