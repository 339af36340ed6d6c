/** Transcripts of a speaker with one scripted peer: written, read, replayed, bounded. */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { type Millis, millis, Prng, seconds } from '../../../src/core/base/index.ts'
import { address, prefix } from '../../../src/core/net/index.ts'
import type { ConnectionId } from '../../../src/core/session/index.ts'
import { Speaker, type SpeakerEvent } from '../../../src/core/speaker/index.ts'
import { encodeKeepalive, encodeOpen, FAMILY_SPECS } from '../../../src/core/wire/index.ts'
import {
  encodeLine,
  openTranscript,
  Recorder,
  readLine,
  replay,
} from '../../../src/shell/transcript/index.ts'
import { asn, Bench, LOCAL, LOCAL_AS, updateOf } from '../speaker/bench.ts'

const PEER = address('192.0.2.1')
const PASSWORD = 'tangerine'
const ROUTE = prefix('198.51.100.0/24')

/** A message of type 9, of which there is none. */
const NONSENSE = Uint8Array.of(...new Uint8Array(16).fill(255), 0, 19, 9)

/** What a peer does that comes, announces, withdraws, says nonsense and is gone. */
function events(): readonly SpeakerEvent[] {
  const connection = 1 as ConnectionId
  const received = (bytes: Uint8Array): SpeakerEvent => ({ type: 'Received', connection, bytes })
  const { afi, safi } = FAMILY_SPECS.ipv4
  const open = encodeOpen({
    type: 'OPEN',
    version: 4,
    asn: 65001,
    holdSeconds: 90,
    routerId: 0x0a000001,
    capabilities: [
      { type: 'multiprotocol', afi, safi },
      { type: 'four-octet-as', asn: asn(65001) },
    ],
  })
  const attributes = {
    origin: 0,
    asPath: [{ type: 'sequence', asns: [65001] }],
    nextHop: PEER,
  } as const
  return [
    { type: 'FibUp', preserved: false },
    { type: 'FibCredit', routes: 1000 },
    { type: 'Configure', config },
    { type: 'Accepted', connection, remote: PEER, local: LOCAL },
    received(open),
    received(encodeKeepalive()),
    received(updateOf(attributes, [ROUTE])),
    received(updateOf(undefined, [ROUTE])),
    received(NONSENSE),
    { type: 'Stop', text: 'over' },
  ]
}

const config = {
  routerId: 0x0afffffe,
  localAs: LOCAL_AS,
  multipathMax: 1,
  peers: [
    {
      name: 'peer',
      address: PEER,
      port: 179,
      peerAs: asn(65001),
      localAs: LOCAL_AS,
      password: PASSWORD,
      passive: false,
      hold: seconds(90),
      connectRetry: seconds(5),
      families: ['ipv4'],
      routeReflectorClient: false,
      nextHop: 'auto',
      export: 'all',
    },
  ],
  originated: [prefix('10.99.1.0/24')],
  watched: [prefix('0.0.0.0/0')],
  watchedMax: 10,
} as const

/** Runs a speaker through all of it, and returns its transcript. */
function recorded(): string[] {
  const lines: string[] = []
  const head = { seed: 7, fibPatience: millis(0) }
  const recorder = new Recorder(head, line => lines.push(line))
  const speaker = new Speaker(recorder.output(new Bench()), { chance: new Prng(7) })
  const engine = recorder.engine(speaker)
  let now: Millis = millis(1000.25)
  for (const event of events()) {
    now = millis(now + 1.5)
    engine.handle(event, now)
    while (engine.work(10, now));
    engine.snapshot(now)
  }
  return lines
}

/** Words that transcripts begin effects with. */
const effects = (lines: readonly string[]): ReadonlySet<unknown> =>
  new Set(
    lines.map(readLine).flatMap(line => {
      if (!('out' in line)) return []
      return [line.out[0]]
    }),
  )

test('a replay does what the recorded speaker did, line for line', t => {
  const lines = recorded()
  t.true(lines.length > 50)
  for (const effect of [
    'send',
    'close',
    'note',
    'fib-begin',
    'fib-group',
    'fib-route',
    'fib-withdraw',
  ])
    t.true(effects(lines).has(effect), effect)
  t.true(lines.some(line => line.includes('"tables"') && line.includes(ROUTE)))
  t.deepEqual(replay(lines), lines)
})

test('a replay of anything else is not the same', t => {
  const lines = recorded()
  let differed = 0
  for (const [at, line] of lines.entries()) {
    const read = readLine(line)
    if (!('event' in read) || read.event.type !== 'Received') continue
    const bytes = read.event.bytes.slice()
    const last = bytes.length - 1
    bytes[last] = (bytes[last] ?? 0) ^ 1
    const changed = lines.with(at, encodeLine({ ...read, event: { ...read.event, bytes } }))
    t.notDeepEqual(replay(changed), changed, line)
    differed++
  }
  t.is(differed, 5)
})

test('no password is written', t => {
  const lines = recorded()
  t.true(lines.some(line => line.includes('"password"')))
  t.false(lines.join('').includes(PASSWORD))
})

test('what is not a transcript is refused', t => {
  t.throws(() => replay([]), { message: /begins with the seed/ })
  t.throws(() => replay(['{"at":1,"work":1}']), { message: /begins with the seed/ })
})

test('octets and infinities are read as they were written', t => {
  const line = {
    at: millis(0.1),
    out: ['send', 3, Uint8Array.of(0, 255), Number.POSITIVE_INFINITY],
  }
  const read: object = readLine(encodeLine(line))
  t.deepEqual(read, line)
})

test('a file holds no more than its limit, says so, and is nobody else’s to read', t => {
  const folder = mkdtempSync(join(tmpdir(), 'martlet-transcript-'))
  const path = join(folder, 'transcript')
  try {
    const file = openTranscript(path, 100)
    for (let at = 0; at < 50; at++) file.write(encodeLine({ at, work: 1000 }))
    file.close()
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
    t.deepEqual(lines, [
      '{"at":0,"work":1000}',
      '{"at":1,"work":1000}',
      '{"at":2,"work":1000}',
      '{"at":3,"work":1000}',
      '{"cut":true}',
    ])
    t.is(statSync(path).mode & 0o777, 0o600)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
