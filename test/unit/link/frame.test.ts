/** Length-delimited messages, however the stream is cut. */
import test from 'ava'
import fc from 'fast-check'
import { FrameReader, frame } from '../../../src/shell/link/transport/frame.ts'

const LIMIT = 100_000

const bodies = fc.array(
  fc.oneof(
    fc.uint8Array({ maxLength: 5 }),
    fc.uint8Array({ minLength: 120, maxLength: 140 }),
    fc.uint8Array({ minLength: 16_380, maxLength: 16_390 }),
  ),
  { maxLength: 6 },
)

test('messages come out as they went in, wherever the stream is cut', t => {
  fc.assert(
    fc.property(bodies, fc.array(fc.integer({ min: 1, max: 20_000 })), (messages, sizes) => {
      const stream = Buffer.concat(messages.map(frame))
      const reader = new FrameReader(LIMIT)
      const heard: Uint8Array[] = []
      let at = 0
      for (const size of [...sizes, stream.length]) {
        heard.push(...reader.push(Uint8Array.from(stream.subarray(at, at + size))))
        at += size
      }
      t.deepEqual(
        heard.map(body => Buffer.from(body)),
        messages.map(body => Buffer.from(body)),
      )
    }),
  )
})

test('a stream cut at every octet loses nothing', t => {
  const messages = ['', 'a', 'b'.repeat(127), 'c'.repeat(128), 'd'.repeat(300)]
  const stream = Buffer.concat(messages.map(text => frame(Buffer.from(text))))
  for (let cut = 0; cut <= stream.length; cut++) {
    const reader = new FrameReader(LIMIT)
    const heard = [...reader.push(stream.subarray(0, cut)), ...reader.push(stream.subarray(cut))]
    t.deepEqual(
      heard.map(body => Buffer.from(body).toString()),
      messages,
      `cut at ${cut}`,
    )
  }
})

test('a long message that comes octet by octet is joined once', t => {
  const reader = new FrameReader(1 << 20)
  const body = new Uint8Array(200_000).fill(7)
  const stream = frame(body)
  let heard: Uint8Array[] = []
  for (let at = 0; at < stream.length; at++) {
    t.is(heard.length, 0)
    heard = reader.push(stream.subarray(at, at + 1))
  }
  t.deepEqual(heard[0]?.length, body.length)
})

test('the limit itself passes and one octet more is refused before it arrives', t => {
  const reader = new FrameReader(300)
  t.is(reader.push(frame(new Uint8Array(300))).length, 1)
  const head = frame(new Uint8Array(301)).subarray(0, 2)
  t.throws(() => reader.push(head), { code: 'LINK_FRAME' })
})

test('a length of more than five octets is refused', t => {
  const reader = new FrameReader(LIMIT)
  const endless = new Uint8Array(5).fill(0xff)
  t.throws(() => reader.push(endless), { code: 'LINK_FRAME' })
})
