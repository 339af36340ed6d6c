/** Links that are made, their addresses and neighbours: byte for byte what iproute2 asks, and what a kernel tells. */
import { readFileSync } from 'node:fs'
import test from 'ava'
import fc from 'fast-check'
import { type Address, formatAddress } from '../../../src/core/net/index.ts'
import {
  type DeviceChange,
  decodeDevice,
  decodeNeighbour,
  encodeDeviceChange,
  MessageReader,
  NativeWriter,
  parseMac,
  RTM_NEWLINK,
  requestAnswer,
} from '../../../src/core/rtnl/index.ts'

interface Vector<Json> {
  readonly title: string
  readonly raw: Uint8Array
  readonly json: Json
}

function load<Json>(name: string, count: number): Vector<Json>[] {
  const text = readFileSync(new URL(`../../vectors/rtnl/${name}.vec`, import.meta.url), 'utf8')
  const [, ...blocks] = text.trim().split('\n\n')
  const vectors = blocks.map(block => {
    const [title = '', raw = '', json = ''] = block.split('\n')
    const octets = raw.replace(/^raw /, '').split(':')
    return {
      title: title.replace(/^# /, ''),
      raw: Uint8Array.from(octets, octet => Number.parseInt(octet, 16)),
      json: JSON.parse(json.replace(/^json /, '')),
    }
  })
  if (vectors.length !== count) throw new Error(`${name}.vec has ${vectors.length} vectors`)
  return vectors
}

function encode(change: DeviceChange, sequence: number): Uint8Array {
  const to = new NativeWriter(1_024)
  encodeDeviceChange(to, sequence, change)
  requestAnswer(to.buffer, 0)
  return to.bytes().slice()
}

/** What a message says; null where that is nothing for us. */
function read(raw: Uint8Array): unknown {
  const reader = new MessageReader()
  reader.open(raw, raw.length)
  if (!reader.next()) return undefined
  return (reader.type === RTM_NEWLINK ? decodeDevice(reader) : decodeNeighbour(reader)) ?? null
}

for (const { title, raw, json } of load<DeviceChange>('device-requests', 13))
  test(`asked as by: ${title}`, t => {
    const sequence = new DataView(raw.buffer).getUint32(8, true)
    t.deepEqual(encode(json, sequence), raw)
  })

for (const { title, raw, json } of load<unknown>('devices', 10)) {
  test(`read: ${title}`, t => {
    if (title === 'a veth beside it')
      t.like(read(raw), { name: 'p0', kind: 'veth', mtu: 1500, alias: '' })
    else t.deepEqual(read(raw), json)
  })
  test(`read, cut anywhere: ${title}`, t => {
    for (let length = 16; length < raw.length; length++) {
      const cut = raw.slice(0, length)
      new DataView(cut.buffer).setUint32(0, length, true)
      t.notThrows(() => read(cut))
    }
  })
}

const octets = (count: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: count, maxLength: count })
const address: fc.Arbitrary<Address> = fc.oneof(octets(4), octets(16)).map(formatAddress)
const mac = octets(6).map(bytes =>
  [...bytes].map(octet => octet.toString(16).padStart(2, '0')).join(':'),
)

test('a VXLAN link that is asked for is read back as it was asked for', t => {
  fc.assert(
    fc.property(
      address,
      mac,
      fc.nat(0xffffff),
      fc.integer({ min: 1, max: 65535 }),
      fc.boolean(),
      (local, own, vni, port, learning) => {
        const vxlan = { vni, port, local, parent: 7, learning }
        const change = {
          type: 'create',
          name: 'vxlan.calico',
          mtu: 1450,
          kind: 'vxlan',
          mac: own,
          vxlan,
        } as const
        t.deepEqual(read(encode(change, 1)), {
          ...{ index: 0, name: 'vxlan.calico', up: false, mtu: 1450, alias: '' },
          ...{ mac: own, kind: 'vxlan', vxlan },
        })
      },
    ),
  )
})

test('a neighbour that is written is read back as it was written', t => {
  fc.assert(
    fc.property(
      address,
      mac,
      fc.constantFrom('neighbours' as const, 'forwarding' as const),
      (to, own, table) => {
        const neighbour = { table, link: 20, address: to, mac: own }
        t.deepEqual(read(encode({ type: 'neighbour', verb: 'set', neighbour }, 1)), neighbour)
      },
    ),
  )
})

test('an address of a link is read however it is written', t => {
  t.is(parseMac('66-3D-01-02-03-04'), '66:3d:01:02:03:04')
  t.is(parseMac('66:3d:01:02:03'), undefined)
})
