/**
 * A table out of an MRT file (TABLE_DUMP_V2, RFC 6396 §4.3, RFC 8050), so that what is measured is what somebody really
 * has. Reads IPv4 unicast entries of the one peer that has most of them; of those, prefixes up to /24, and where a peer
 * has several paths to one, the first. A file that ends in `.gz` is unpacked while it is read.
 */
import { createReadStream } from 'node:fs'
import { createGunzip } from 'node:zlib'
import { Reader } from '../../../../src/core/base/index.ts'
import type { Table } from './traffic.ts'

/** Prefixes with the attributes that a collector's peer told them with: as in the file, AS numbers of four octets. */
export interface Replay extends Required<Table> {
  /** prefixes of that peer that are longer than /24, and not here */
  readonly longer: number
}

/** A record of an MRT file. RFC 6396 §2 */
export interface MrtRecord {
  readonly type: number
  readonly subtype: number
  readonly body: Uint8Array
}

const HEADER_OCTETS = 12
const TABLE_DUMP_V2 = 13
const RIB_IPV4_UNICAST = 2
const RIB_IPV4_UNICAST_ADDPATH = 8
const LENGTH_MAX = 24

/** The records of a file, in order, each valid until the next. Throws when the file ends in the middle of one. */
export async function* recordsOf(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<MrtRecord, void, undefined> {
  let left: Uint8Array = new Uint8Array(0)
  for await (const chunk of chunks) {
    const bytes = left.length === 0 ? chunk : Buffer.concat([left, chunk])
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    let at = 0
    while (bytes.length - at >= HEADER_OCTETS) {
      const end = at + HEADER_OCTETS + view.getUint32(at + 8)
      if (end > bytes.length) break
      const [type, subtype] = [view.getUint16(at + 4), view.getUint16(at + 6)]
      yield { type, subtype, body: bytes.subarray(at + HEADER_OCTETS, end) }
      at = end
    }
    left = bytes.slice(at)
  }
  if (left.length > 0) throw new Error(`the MRT file ends in the middle of a record`)
}

/** The table in a file. Reads it twice. Throws when there is no such table in it. */
export async function readMrt(path: string): Promise<Replay> {
  const open = (): AsyncIterable<Uint8Array> => {
    const file = createReadStream(path, { highWaterMark: 1 << 20 })
    return path.endsWith('.gz') ? file.pipe(createGunzip()) : file
  }
  const peer = await fullest(recordsOf(open()))
  if (peer === undefined)
    throw new Error(`${path} has no IPv4 unicast entries of a TABLE_DUMP_V2 (unpacked, or .gz)`)
  return await tableOf(recordsOf(open()), peer)
}

/** The index of the peer that has the most entries; undefined when there are none. */
export async function fullest(records: AsyncIterable<MrtRecord>): Promise<number | undefined> {
  const counts = new Map<number, number>()
  for await (const record of records)
    for (const { peer } of entriesOf(record)) counts.set(peer, (counts.get(peer) ?? 0) + 1)
  const [most] = [...counts].sort((left, right) => right[1] - left[1])
  return most?.[0]
}

/** All that `peer` told, prefixes of equal attributes together, as a speaker says them. */
export async function tableOf(records: AsyncIterable<MrtRecord>, peer: number): Promise<Replay> {
  const sets = new Map<string, { readonly attributes: Uint8Array; readonly members: number[] }>()
  let [count, longer] = [0, 0]
  for await (const record of records)
    for (const entry of entriesOf(record)) {
      if (entry.peer !== peer) continue
      if (entry.length > LENGTH_MAX) {
        longer++
        continue
      }
      const key = Buffer.from(entry.attributes).toString('latin1')
      let set = sets.get(key)
      if (set === undefined) {
        set = { attributes: entry.attributes.slice(), members: [] }
        sets.set(key, set)
      }
      set.members.push((entry.number << 8) | entry.length)
      count++
    }
  const numbers = new Uint32Array(count)
  const lengths = new Uint8Array(count)
  const starts: number[] = []
  let at = 0
  for (const { members } of sets.values()) {
    starts.push(at)
    for (const member of members) {
      numbers[at] = member >>> 8
      lengths[at++] = member & 255
    }
  }
  const attributes = [...sets.values()].map(set => set.attributes)
  return { numbers, lengths, starts: Uint32Array.from([...starts, count]), attributes, longer }
}

interface Entry {
  readonly number: number
  readonly length: number
  readonly peer: number
  readonly attributes: Uint8Array
}

/**
 *     sequence 4 | prefix length 1 | prefix | entry count 2 | entries: peer 2 | time 4 | length 2 | attributes
 *
 * RFC 6396 §4.3.2, §4.3.4; with a path identifier of four octets behind the time, RFC 8050 §4.1. One entry a peer.
 */
function entriesOf({ type, subtype, body }: MrtRecord): Entry[] {
  const severalPaths = subtype === RIB_IPV4_UNICAST_ADDPATH
  if (type !== TABLE_DUMP_V2 || (subtype !== RIB_IPV4_UNICAST && !severalPaths)) return []
  const reader = new Reader(body)
  reader.u32()
  const length = reader.u8()
  const octets = reader.view((length + 7) >> 3)
  const number = ((octets[0] ?? 0) << 16) | ((octets[1] ?? 0) << 8) | (octets[2] ?? 0)
  const entries = new Map<number, Entry>()
  for (let left = reader.u16(); left > 0 && !reader.overrun; left--) {
    const peer = reader.u16()
    reader.u32()
    if (severalPaths) reader.u32()
    const attributes = reader.view(reader.u16())
    if (!entries.has(peer)) entries.set(peer, { number, length, peer, attributes })
  }
  if (reader.overrun) throw new Error('an entry of the MRT file is longer than its record')
  return [...entries.values()]
}
