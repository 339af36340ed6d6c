/** What a pass has to say reaches every member, without what came from it. */
import test from 'ava'
import fc from 'fast-check'
import { type PeerId, peerId } from '../../../src/core/rib/index.ts'
import { Broadcast } from '../../../src/core/rib/out/broadcast.ts'

const MEMBERS = 4
const OCTETS = 8

/** Pieces of octets, one behind the other in buffers that end at any place, each with its origin. */
const passes = fc.array(
  fc.record({
    octets: fc.integer({ min: 1, max: 3 }),
    origin: fc.integer({ min: 0, max: MEMBERS + 1 }),
    anew: fc.boolean(),
  }),
  { maxLength: 24 },
)

test('each member is sent every piece in order, but those it is the origin of', t => {
  fc.assert(
    fc.property(fc.array(passes, { maxLength: 3 }), all => {
      const broadcast = new Broadcast()
      const sent = new Map<PeerId, number[]>()
      const wanted = new Map<PeerId, number[]>()
      const members = Array.from({ length: MEMBERS }, (_, at) => {
        const peer = peerId(at + 1)
        sent.set(peer, [])
        wanted.set(peer, [])
        return { peer, send: (octets: Uint8Array) => void sent.get(peer)?.push(...octets) }
      })
      let value = 0
      for (const pass of all) {
        let buffer = new Uint8Array(OCTETS)
        let used = 0
        for (const { octets, origin, anew } of pass) {
          if (anew || used + octets > OCTETS) {
            buffer = new Uint8Array(OCTETS)
            used = 0
          }
          const piece = buffer.subarray(used, used + octets).map(() => value++ & 0xff)
          buffer.set(piece, used)
          broadcast.add(buffer.subarray(used, used + octets), peerId(origin))
          used += octets
          for (const { peer } of members) if (peer !== origin) wanted.get(peer)?.push(...piece)
        }
        broadcast.send(members)
      }
      t.deepEqual(sent, wanted)
    }),
  )
})

test('members who are the origin of nothing are sent the very same octets, in one view', t => {
  const broadcast = new Broadcast()
  const buffer = new Uint8Array(64)
  for (let at = 0; at < 8; at++) broadcast.add(buffer.subarray(8 * at, 8 * at + 8), peerId(9))
  const views: Uint8Array[] = []
  const send = (octets: Uint8Array): void => void views.push(octets)
  broadcast.send([
    { peer: peerId(1), send },
    { peer: peerId(2), send },
    { peer: peerId(9), send },
  ])
  t.is(views.length, 2)
  t.is(views[0], views[1])
  t.is(views[0]?.length, 64)
})
