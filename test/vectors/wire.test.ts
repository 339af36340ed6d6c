import test from 'ava'
import {
  type AttributeContext,
  decodeNotification,
  encodeNotification,
} from '../../src/core/wire/index.ts'
import { EXTERNAL, faultJson, fromJson, judge, plain, toJson } from './codec.ts'
import {
  bytesOf,
  type FaultJson,
  hexOf,
  loadVectors,
  type MessageJson,
  type Vector,
} from './vectors.ts'

/** Vectors of BGP: each sound one makes four tests, each faulty one three. */

const SOUND = loadVectors(['open.vec', 'small.vec', 'update.vec', 'captures.vec']).filter(isSound)
const FAULTY = loadVectors(['faults.vec']).filter(hasFault)

test('all vectors are found', t => {
  t.is(SOUND.length, 123)
  t.is(FAULTY.length, 87)
  const titles = [...SOUND, ...FAULTY].map(({ title }) => title)
  t.is(new Set(titles).size, titles.length, 'each has a title of its own')
})

type Sound = Vector & { readonly json: MessageJson }
type Faulty = Vector & { readonly fault: FaultJson }

function isSound(vector: Vector): vector is Sound {
  return vector.json !== undefined
}

function hasFault(vector: Vector): vector is Faulty {
  return vector.fault !== undefined
}

/** The session that a vector is of. */
function contextOf({ json, fault }: Vector): AttributeContext {
  const part = json?.type === 'UPDATE' ? json : fault
  return { ...EXTERNAL, ...part?.session }
}

function withoutSession(part: MessageJson | FaultJson): object {
  if (!('session' in part)) return part
  const { session: _session, ...rest } = part
  return rest
}

const decodes = test.macro((t, vector: Sound) => {
  const verdict = judge(vector.raw, contextOf(vector))
  if (verdict === 'incomplete' || 'remedy' in verdict) return t.fail(JSON.stringify(verdict))
  return t.deepEqual(toJson(verdict), withoutSession(vector.json))
})

const encodes = test.macro((t, vector: Sound) => {
  t.is(hexOf(fromJson(vector.json)), hexOf(vector.canonical))
})

const mirrors = test.macro((t, vector: Sound) => {
  const verdict = judge(vector.canonical, contextOf(vector))
  if (verdict === 'incomplete' || 'remedy' in verdict) return t.fail(JSON.stringify(verdict))
  const again = fromJson({ ...toJson(verdict), session: contextOf(vector) })
  return t.is(hexOf(again), hexOf(vector.canonical))
})

/** A message cut short: as it is, and with a header that says so. */
const survivesCuts = test.macro((t, vector: Vector) => {
  for (let length = 0; length < vector.raw.length; length++) {
    const cut = vector.raw.slice(0, length)
    const verdict = judge(cut, contextOf(vector))
    // a header that is wrong is seen at once; anything else waits for the rest
    if (vector.fault?.code !== 1 || length < 19) t.is(verdict, 'incomplete', `${length} octets`)
    if (length < 19) continue
    cut[16] = length >>> 8
    cut[17] = length
    t.not(judge(cut, contextOf(vector)), 'incomplete', `${length} octets`)
  }
})

const isFaulty = test.macro((t, vector: Faulty) => {
  const verdict = judge(vector.raw, contextOf(vector))
  if (verdict === 'incomplete' || !('remedy' in verdict)) return t.fail(JSON.stringify(verdict))
  t.regex(verdict.why, /^[^\n]+[^.]$/, 'a reason in one line')
  return t.deepEqual(faultJson(verdict), withoutSession(vector.fault))
})

const isAnswerable = test.macro((t, vector: Vector) => {
  const verdict = judge(vector.raw, contextOf(vector))
  if (verdict === 'incomplete' || !('remedy' in verdict)) return t.fail(JSON.stringify(verdict))
  const { notification } = verdict
  const sent = encodeNotification(notification)
  t.true(sent.length <= 4096)
  return t.deepEqual(plain(decodeNotification(sent.subarray(19))), plain(notification))
})

for (const vector of SOUND) {
  test(`decode: ${vector.title}`, decodes, vector)
  test(`encode: ${vector.title}`, encodes, vector)
  test(`mirror: ${vector.title}`, mirrors, vector)
  test(`every prefix: ${vector.title}`, survivesCuts, vector)
}

for (const vector of FAULTY) {
  test(`fault: ${vector.title}`, isFaulty, vector)
  test(`NOTIFICATION: ${vector.title}`, isAnswerable, vector)
  test(`every prefix: ${vector.title}`, survivesCuts, vector)
}

test('hex is read with colons and without', t => {
  t.deepEqual(bytesOf('ff:00:0a'), bytesOf('ff000a'))
})
