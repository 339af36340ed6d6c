/**
 * Two sides that connect at the very same moment, a hundred pairs of them, over the real TCP of
 * this machine: speakers of one process, so that no scheduler takes one side before the other.
 */
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import test from 'ava'
import { Prng, seconds } from '../../src/core/base/index.ts'
import type { FibWriter } from '../../src/core/fib/index.ts'
import { address, toAsn } from '../../src/core/net/index.ts'
import {
  type PeerConfig,
  type SessionSnapshot,
  Speaker,
  type SpeakerEvent,
} from '../../src/core/speaker/index.ts'
import { Loop, now } from '../../src/shell/clock/index.ts'
import { SILENT } from '../../src/shell/log/index.ts'
import { Connections, Listeners } from '../../src/shell/tcp/index.ts'
import { labsLeftOut, until } from './support/lab.ts'

const PAIRS = 100
const PORT = 10_179
const AS = toAsn(64512) ?? fail('an AS number')

function fail(what: string): never {
  throw new Error(`${what} was expected`)
}

const NO_KERNEL: FibWriter = {
  begin: () => {},
  group: () => {},
  dropGroup: () => {},
  route: () => {},
  withdraw: () => {},
  track: () => {},
  untrack: () => {},
  inSync: () => {},
}

/** One side of a pair: a speaker with one peer, which has the same port on another address. */
class Side {
  readonly address: string
  readonly peer: string
  readonly #id: number
  readonly #connections: Connections
  readonly #listeners: Listeners
  readonly #loop: Loop<SpeakerEvent>
  readonly #speaker: Speaker
  listening = false
  accepted = 0

  constructor(own: string, peer: string, id: number) {
    this.address = own
    this.peer = peer
    this.#id = id
    this.#connections = new Connections(event => this.#loop.deliver(event))
    this.#listeners = new Listeners({
      log: SILENT,
      bind: () => this.#bind(),
      accepted: socket => {
        this.accepted++
        this.#connections.accept(socket)
      },
    })
    const { connect, send, close, pause, resume } = bound(this.#connections)
    const output = { connect, send, close, pause, resume, fib: NO_KERNEL, note: () => {} }
    this.#speaker = new Speaker(output, { chance: new Prng(id) })
    this.#loop = new Loop<SpeakerEvent>(this.#speaker)
    this.#listeners.set([{ family: 'ipv4', port: PORT }])
  }

  #bind(): Promise<Server> {
    return new Promise((resolve, reject) => {
      const server = createServer({ pauseOnConnect: true })
      server.once('error', reject)
      server.listen({ host: this.address, port: PORT }, () => {
        this.listening = true
        resolve(server)
      })
    })
  }

  begin(): void {
    const peer: PeerConfig = {
      name: this.peer,
      address: address(this.peer),
      port: PORT,
      peerAs: AS,
      localAs: AS,
      localAddress: address(this.address),
      passive: false,
      hold: seconds(90),
      connectRetry: seconds(120),
      families: ['ipv4'],
      routeReflectorClient: false,
      nextHop: 'auto',
      export: 'originated',
    }
    const config = {
      routerId: this.#id,
      localAs: AS,
      multipathMax: 1,
      peers: [peer],
      originated: [],
      watched: [],
      watchedMax: 0,
    }
    this.#loop.deliver({ type: 'Configure', config })
  }

  session(): SessionSnapshot {
    return this.#speaker.snapshot(now()).sessions[0] ?? fail('a session')
  }

  end(): void {
    this.#listeners.close()
    this.#loop.deliver({ type: 'Stop', text: 'the test is over' })
    this.#loop.close()
  }
}

/** Methods that may be taken from their object. */
const bound = (connections: Connections) => ({
  connect: connections.connect.bind(connections),
  send: connections.send.bind(connections),
  close: connections.close.bind(connections),
  pause: connections.pause.bind(connections),
  resume: connections.resume.bind(connections),
})

/** Ends of connections between two addresses that this kernel has in ESTABLISHED. */
function endsBetween(one: string, other: string): readonly string[] {
  const [left, right] = [hex(one), hex(other)]
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map(line => line.trim().split(/\s+/))
    .filter(([, , , state]) => state === '01')
    .filter(([, from = '', to = '']) =>
      [`${left} ${right}`, `${right} ${left}`].includes(`${from.slice(0, 8)} ${to.slice(0, 8)}`),
    )
    .map(([, from, to]) => `${from} ${to}`)
}

/** An address as /proc/net/tcp writes it: the octets backwards. */
const hex = (text: string): string =>
  text
    .split('.')
    .toReversed()
    .map(octet => Number(octet).toString(16).toUpperCase().padStart(2, '0'))
    .join('')

const leftOut = labsLeftOut()
if (leftOut !== undefined) test.skip(`Left out: ${leftOut}`, t => t.pass())

const lab = leftOut === undefined ? test : test.skip

lab('of a hundred pairs that connect at once, each keeps one connection', async t => {
  const pairs = Array.from({ length: PAIRS }, (_, at) => {
    const [one, other] = [`127.83.${at}.1`, `127.83.${at}.2`]
    // who has the larger identifier decides which connection stays: let it be either
    const [low, high] = at % 2 === 0 ? [1, 2] : [2, 1]
    return [new Side(one, other, low), new Side(other, one, high)] as const
  })
  const sides = pairs.flat()
  t.teardown(() => {
    for (const side of sides) side.end()
  })
  await until('all listen', () => sides.every(({ listening }) => listening), { within: 20_000 })
  for (const side of sides) side.begin()
  const agree = (): boolean =>
    pairs.every(([one, other]) => {
      const states = [one, other].map(side => side.session().state)
      const ends = endsBetween(one.address, other.address)
      if (states.some(state => state !== 'Established') || ends.length !== 2)
        throw new Error(`${one.address} ${states} ${ends}`)
      // one connection has two ends, each the other's mirror
      return ends[0] === ends[1]?.split(' ').toReversed().join(' ')
    })
  await until('each pair has one connection, Established on both sides', agree, { within: 60_000 })
  const collided = pairs.filter(([one, other]) => one.accepted > 0 && other.accepted > 0).length
  t.log(`${collided} of ${PAIRS} pairs had two connections for a while`)
  t.true(collided > PAIRS / 2, `only ${collided} pairs collided`)
  for (const side of sides) t.is(side.session().counters.established, 1, side.address)
})
