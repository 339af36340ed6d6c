/**
 * A peer that says one thing a session: `node vector-peer.ts ANNOUNCED SPEAKER…` opens a session with each speaker for
 * each UPDATE of test/vectors, from an address that is that one's alone, and tells in one line of JSON which speaker
 * ended which session.
 *
 * ANNOUNCED, in hex as NLRI has it, is what each speaker says of its own, at first and when it is to say all again.
 */
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { toAsn } from '../../../src/core/net/index.ts'
import {
  encodeKeepalive,
  encodeOpen,
  encodeRouteRefresh,
  Framer,
  MESSAGE_TYPES,
} from '../../../src/core/wire/index.ts'
import { loadVectors, type Vector } from '../../vectors/vectors.ts'

/** External peers are of this AS, which the paths of the vectors begin with; internal ones of the speakers'. */
export const EXTERNAL_AS = 65002
/** The AS of the speakers. */
export const SPEAKER_AS = 65000
/** Where external peers and internal ones are, a third of an address; a host is the number of its vector. */
export const PLACES = { external: '10.91.1', internal: '10.91.2' } as const

/** What a speaker made of an UPDATE: `survives`, or how it ended the session. */
export type Judgement = string

/** Sessions at a time, whoever with. */
const AT_ONCE = 24
/** What takes longer is no answer. */
const PATIENCE_MS = 30_000
/** The least that there is: so its KEEPALIVEs come every second. */
const HOLD_SECONDS = 3
/** An UPDATE was taken by who has answered so often what was asked after it, */
const ANSWERS = 2
/** or, since OpenBGPD does not say again what it has said, has gone on for so many KEEPALIVEs. */
const BEATS = 4

/** The UPDATEs of the vectors that a session of IPv4 next hops may have. */
export function updates(): readonly Vector[] {
  const folder = new URL('../../vectors/', import.meta.url)
  const files = readdirSync(folder).filter(name => name.endsWith('.vec'))
  return loadVectors(files.toSorted()).filter(
    vector => vector.raw[18] === MESSAGE_TYPES.UPDATE && sessionOf(vector).extendedNextHop !== true,
  )
}

/** The session that a vector is for. */
function sessionOf({ json, fault }: Vector) {
  const session = json !== undefined && 'session' in json ? json.session : fault?.session
  return session ?? { fourOctetAs: true, ebgp: true }
}

/** A connection from an address of ours; tried until the speaker listens. */
async function connected(speaker: string, localAddress: string): Promise<Socket | undefined> {
  const until = performance.now() + PATIENCE_MS
  while (performance.now() < until) {
    const socket = connect({ host: speaker, port: 179, localAddress })
    const isOpen = await once(socket, 'connect').then(
      () => true,
      () => false,
    )
    if (isOpen) return socket
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  return undefined
}

/** Opens a session, says the vector, and hears what becomes of it. */
async function judged(
  speaker: string,
  vector: Vector,
  at: number,
  announced: Buffer,
): Promise<Judgement> {
  const { fourOctetAs, ebgp } = sessionOf(vector)
  const local = `${ebgp ? PLACES.external : PLACES.internal}.${at + 1}`
  const socket = await connected(speaker, local)
  if (socket === undefined) return 'no session: nobody listens'
  const ask = encodeRouteRefresh({ type: 'ROUTE-REFRESH', afi: 1, safi: 1, subtype: 0 })
  // how often its own route came, at first and as an answer; and its KEEPALIVEs since the vector
  let answers = -1
  let beats = 0
  const framer = new Framer()
  socket.write(openOf(local, ebgp ? EXTERNAL_AS : SPEAKER_AS, fourOctetAs))
  return new Promise(resolve => {
    const end = (judgement: Judgement): void => {
      clearTimeout(timer)
      clearInterval(pulse)
      socket.destroy()
      resolve(answers < 0 ? `no session: ${judgement}` : judgement)
    }
    const timer = setTimeout(() => end('no answer'), PATIENCE_MS)
    const pulse = setInterval(() => socket.write(encodeKeepalive()), (HOLD_SECONDS * 1000) / 3)
    socket.on('error', () => {})
    socket.on('close', () => end('closed'))
    socket.on('data', bytes =>
      framer.push(bytes, (type, body) => {
        if (type === MESSAGE_TYPES.OPEN) socket.write(encodeKeepalive())
        if (type === MESSAGE_TYPES.NOTIFICATION) end(`NOTIFICATION ${body[0]}/${body[1]}`)
        if (type === MESSAGE_TYPES.KEEPALIVE && answers >= 0) beats++
        if (type === MESSAGE_TYPES.UPDATE && Buffer.from(body).includes(announced)) {
          answers++
          socket.write(answers === 0 ? Buffer.concat([vector.raw, ask]) : ask)
        }
        if (answers >= ANSWERS || beats >= BEATS) end('survives')
        return true
      }),
    )
  })
}

const openOf = (local: string, asNumber: number, fourOctetAs: boolean): Uint8Array => {
  const asn = toAsn(asNumber)!
  const routerId = local.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
  return encodeOpen({
    type: 'OPEN',
    version: 4,
    asn,
    holdSeconds: HOLD_SECONDS,
    routerId,
    capabilities: [
      { type: 'multiprotocol', afi: 1, safi: 1 },
      { type: 'multiprotocol', afi: 2, safi: 1 },
      { type: 'route-refresh' },
      ...(fourOctetAs ? [{ type: 'four-octet-as' as const, asn }] : []),
    ],
  })
}

/** All of them, so many at a time. */
async function all(announced: Buffer, speakers: readonly string[]): Promise<object> {
  const vectors = updates()
  const found = new Map(speakers.map(speaker => [speaker, Array<Judgement>(vectors.length)]))
  const waiting = vectors.flatMap((vector, at) =>
    speakers.map(speaker => ({ vector, at, speaker })),
  )
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { speaker, vector, at } = next
      found.get(speaker)![at] = await judged(speaker, vector, at, announced)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return Object.fromEntries(found)
}

if (import.meta.main) {
  const [announced = '', ...speakers] = process.argv.slice(2)
  process.stdout.write(`${JSON.stringify(await all(Buffer.from(announced, 'hex'), speakers))}\n`)
}
