import test from 'ava'
import {
  encodeKeepalive,
  encodeNotification,
  encodeRouteRefresh,
  type Fault,
  Framer,
  notification,
} from '../../../src/core/wire/index.ts'

/** The framer: any split of the stream, and what ends it. RFC 4271 §4.1, §6.1 */

const STREAM = Uint8Array.from([
  ...encodeKeepalive(),
  ...encodeNotification(notification(6, 2, Uint8Array.of(1, 2, 3))),
  ...encodeKeepalive(),
  ...encodeRouteRefresh({ type: 'ROUTE-REFRESH', afi: 1, subtype: 0, safi: 1 }),
])
const WHOLE = ['4:', '3:6,2,1,2,3', '4:', '5:0,1,0,1']

function collect(framer: Framer, chunks: readonly Uint8Array[]) {
  const seen: string[] = []
  let fault: Fault | undefined
  for (const chunk of chunks)
    fault ??= framer.push(chunk, (type, body) => {
      seen.push(`${type}:${body}`)
      return true
    })
  return { seen, fault }
}

test('messages come out whole for every size of chunk', t => {
  for (let size = 1; size <= STREAM.length; size++) {
    const chunks: Uint8Array[] = []
    for (let at = 0; at < STREAM.length; at += size) chunks.push(STREAM.subarray(at, at + size))
    t.deepEqual(collect(new Framer(), chunks), { seen: WHOLE, fault: undefined }, `${size}`)
  }
})

test('messages come out whole for every split in two', t => {
  for (let at = 0; at <= STREAM.length; at++)
    t.deepEqual(
      collect(new Framer(), [STREAM.subarray(0, at), STREAM.subarray(at)]).seen,
      WHOLE,
      `split at ${at}`,
    )
})

test('a chunk may be overwritten after the call', t => {
  const framer = new Framer()
  const chunk = STREAM.slice(0, 30)
  collect(framer, [chunk])
  chunk.fill(0)
  t.deepEqual(collect(framer, [STREAM.subarray(30)]).seen, WHOLE.slice(1))
})

test('nothing is decoded after a fault, whatever follows', t => {
  const framer = new Framer()
  const bad = encodeKeepalive()
  bad[3] = 0
  const first = collect(framer, [Uint8Array.from([...encodeKeepalive(), ...bad])])
  t.deepEqual(first.seen, ['4:'])
  t.like(first.fault?.notification, { code: 1, subcode: 1 })
  t.deepEqual(collect(framer, [STREAM]), { seen: [], fault: undefined })
})

test('nothing is decoded after the sink said that the connection is gone', t => {
  for (const size of [5, STREAM.length]) {
    const framer = new Framer()
    let calls = 0
    for (let at = 0; at < STREAM.length; at += size)
      framer.push(STREAM.subarray(at, at + size), () => {
        calls++
        return false
      })
    t.is(calls, 1)
  }
})

test('a fault of the header is seen as soon as the header is there', t => {
  const header = encodeKeepalive()
  header[18] = 9
  t.like(collect(new Framer(), [header.subarray(0, 10), header.subarray(10)]).fault?.notification, {
    code: 1,
    subcode: 3,
  })
})

test('RFC 8654 §4: a longer message is taken once that was agreed', t => {
  const long = encodeKeepalive()
  const message = new Uint8Array(5000).fill(0)
  message.set(long)
  message[16] = 5000 >>> 8
  message[17] = 5000 & 255
  message[18] = 2
  t.like(collect(new Framer(), [message]).fault?.notification, { code: 1, subcode: 2 })
  const framer = new Framer()
  collect(framer, [message.subarray(0, 10)])
  framer.messageMax = 65535
  const { seen } = collect(framer, [message.subarray(10, 4500), message.subarray(4500)])
  t.is(seen.length, 1)
})
