import { readdirSync, readFileSync } from 'node:fs'
import test from 'ava'
import { Prng } from '../../src/core/base/index.ts'
import {
  decodeCapabilities,
  decodeNotification,
  decodeRouteRefresh,
  describeCapability,
  describeNotification,
} from '../../src/core/wire/index.ts'
import { EXTERNAL, judge } from '../vectors/codec.ts'
import { bytesOf, hexOf, loadVectors } from '../vectors/vectors.ts'

/**
 * Mutates messages for as long as MARTLET_FUZZ_SECONDS says (2), and looks for one without a
 * verdict.
 *
 * The seeds are the vectors and corpus/*.hex, a message a file. What it finds is printed as hex: it
 * becomes a file of the corpus, and a vector. MARTLET_FUZZ_SEED repeats a run.
 */

const SECONDS = Number(process.env.MARTLET_FUZZ_SECONDS ?? 2)
const SEED = Number(process.env.MARTLET_FUZZ_SEED ?? Date.now() % 0x7fffffff)

const CORPUS = readdirSync(new URL('corpus/', import.meta.url))
  .filter(name => name.endsWith('.hex'))
  .map(name => bytesOf(readFileSync(new URL(`corpus/${name}`, import.meta.url), 'utf8').trim()))
const SEEDS = [
  ...loadVectors(['open.vec', 'small.vec', 'update.vec', 'captures.vec', 'faults.vec']).map(
    ({ raw }) => raw,
  ),
  ...CORPUS,
]

test('the corpus is found, and each of it has a verdict', t => {
  t.is(CORPUS.length, 6)
  for (const bytes of CORPUS) t.notThrows(() => examine(bytes), hexOf(bytes))
})

test('no mutation of a message is without a verdict', t => {
  const chance = new Prng(SEED)
  const end = performance.now() + SECONDS * 1000
  let runs = 0
  do {
    for (let turn = 0; turn < 500; turn++, runs++) {
      const bytes = mutate(SEEDS[chance.below(SEEDS.length)]!, chance)
      try {
        examine(bytes)
      } catch (error) {
        return t.fail(`seed ${SEED}: ${hexOf(bytes)}: ${error}`)
      }
    }
  } while (performance.now() < end)
  t.log(`${runs} messages, seed ${SEED}`)
  return t.true(runs > 0)
})

/** Every door that a peer's bytes come in by. */
function examine(bytes: Uint8Array): void {
  for (const fourOctetAs of [true, false])
    for (const ebgp of [true, false]) {
      const verdict = judge(bytes, { ...EXTERNAL, fourOctetAs, ebgp })
      if (typeof verdict === 'object' && 'remedy' in verdict)
        describeNotification(verdict.notification)
    }
  decodeRouteRefresh(bytes.subarray(19), true)
  decodeCapabilities(bytes.subarray(19)).map(describeCapability)
  const notified = decodeNotification(bytes.subarray(19))
  if (!('remedy' in notified)) describeNotification(notified)
}

function mutate(seed: Uint8Array, chance: Prng): Uint8Array {
  let bytes: Uint8Array = seed.slice()
  for (let turn = chance.below(6); turn >= 0; turn--) {
    const at = 18 + chance.below(Math.max(1, bytes.length - 18))
    const kind = chance.below(5)
    if (kind === 0) bytes[at] = chance.below(256)
    else if (kind === 1) bytes[at]! ^= 1 << chance.below(8)
    else if (kind === 2) bytes = bytes.slice(0, Math.max(19, at))
    else if (kind === 3) bytes = splice(bytes, at, chance)
    else bytes[at] = [0, 1, 0x7f, 0x80, 0xff][chance.below(5)]!
  }
  const length = Math.min(4096, bytes.length)
  bytes[16] = length >>> 8
  bytes[17] = length
  return bytes
}

/** Part of another seed in the middle of this one. */
function splice(bytes: Uint8Array, at: number, chance: Prng): Uint8Array {
  const donor = SEEDS[chance.below(SEEDS.length)]!
  const start = 19 + chance.below(Math.max(1, donor.length - 19))
  const part = donor.subarray(start, start + chance.below(40))
  return Uint8Array.from([...bytes.subarray(0, at), ...part, ...bytes.subarray(at)])
}
