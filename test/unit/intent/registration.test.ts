/** What a node's own object is to say, and whose an address is. */
import test from 'ava'
import { API_VERSION, type NodeResource } from '../../../src/core/calico/index.ts'
import { type RegistrationFacts, registrationOf } from '../../../src/core/intent/index.ts'
import { address, toAsn } from '../../../src/core/net/index.ts'

const BIRTH = { uid: '3f6c', time: '2026-11-20T10:00:00Z' }
const DETECT = {
  type: 'detect',
  method: { type: 'first-found' },
  text: 'first-found',
} as const
const FACTS: RegistrationFacts = { ipv4: DETECT, ipv6: { type: 'none' }, labels: {} }
const DETECTED = { ipv4: { address: address('10.0.0.1'), length: 24 } }

const node = (name: string, ipv4Address: string, born = '2026-11-19T00:00:00Z'): NodeResource => ({
  kind: 'Node',
  apiVersion: API_VERSION,
  metadata: { name, uid: name, creationTimestamp: born },
  spec: { bgp: { ipv4Address } },
})

/** The Node that is to be written; undefined where nothing is. */
function written(
  stored: object | string | undefined,
  facts: Partial<RegistrationFacts> = {},
  nodes: readonly NodeResource[] = [],
  detected: Parameters<typeof registrationOf>[0]['detected'] = DETECTED,
) {
  const text = typeof stored === 'object' ? JSON.stringify(stored) : stored
  const result = registrationOf(
    {
      node: 'worker-0',
      facts: { ...FACTS, ...facts },
      detected,
      ...(text !== undefined && { stored: text }),
      nodes,
    },
    BIRTH,
  )
  return { ...result, object: result.value === undefined ? undefined : JSON.parse(result.value) }
}

test('a Node that is not there is made, with what calicoctl needs to change it', t => {
  const { value } = written(undefined, { asNumber: toAsn(64_512)!, labels: { rack: 'r1' } })
  t.is(
    value,
    '{"kind":"Node","apiVersion":"projectcalico.org/v3","metadata":{"name":"worker-0","uid":"3f6c",' +
      '"creationTimestamp":"2026-11-20T10:00:00Z","labels":{"rack":"r1"}},' +
      '"spec":{"bgp":{"asNumber":64512,"ipv4Address":"10.0.0.1/24"},' +
      '"addresses":[{"address":"10.0.0.1/24","type":"CalicoNodeIP"}]},"status":{}}',
  )
})

test('a Node that is as it should be is not written, in whatever order its fields are', t => {
  const { object } = written(undefined)
  t.is(written(object).value, undefined)
  const { kind, apiVersion, metadata, spec, status } = object
  t.is(written({ apiVersion, kind, status, spec, metadata }).value, undefined)
})

test('what is not this node’s to say stays: labels, tunnels, addresses, fields nobody knows', t => {
  const { object } = written(
    {
      ...node('worker-0', '10.0.0.9/24'),
      metadata: {
        name: 'worker-0',
        uid: 'a',
        creationTimestamp: 'b',
        labels: { rack: 'r1', zone: 'z' },
      },
      spec: {
        bgp: { ipv4Address: '10.0.0.9/24', asNumber: 65_000, ipv4IPIPTunnelAddr: '10.200.0.1' },
        addresses: [
          { address: '10.0.0.9/24', type: 'CalicoNodeIP' },
          { address: '192.0.2.1', type: 'InternalIP' },
        ],
        futureField: [1],
      },
      status: { podCIDRs: ['10.244.0.0/24'] },
    },
    { labels: { rack: 'r2' } },
  )
  t.deepEqual(object.metadata, {
    name: 'worker-0',
    uid: 'a',
    creationTimestamp: 'b',
    labels: { rack: 'r2', zone: 'z' },
  })
  t.deepEqual(object.spec, {
    bgp: { ipv4Address: '10.0.0.1/24', asNumber: 65_000, ipv4IPIPTunnelAddr: '10.200.0.1' },
    addresses: [
      { address: '10.0.0.1/24', type: 'CalicoNodeIP' },
      { address: '192.0.2.1', type: 'InternalIP' },
    ],
    futureField: [1],
  })
  t.deepEqual(object.status, { podCIDRs: ['10.244.0.0/24'] })
})

test('a Node without uid and time, which nobody could change, gets them', t => {
  const { object } = written(undefined)
  const { uid: _uid, creationTimestamp: _time, ...metadata } = object.metadata
  t.deepEqual(written({ ...object, metadata }).object.metadata, object.metadata)
})

test('an address that is given has the length that an interface has it with, else as it is given', t => {
  const given = (text: string) => written(undefined, { ipv4: { type: 'given', address: text } })
  t.is(given('10.0.0.1').object.spec.bgp.ipv4Address, '10.0.0.1/24')
  t.is(given('10.0.0.7/16').object.spec.bgp.ipv4Address, '10.0.0.7/16')
})

test('a family that is none leaves the Node', t => {
  const both = { ipv4: DETECTED.ipv4, ipv6: { address: address('fd00::1'), length: 64 } }
  const { object } = written(undefined, { ipv6: DETECT }, [], both)
  t.is(object.spec.bgp.ipv6Address, 'fd00::1/64')
  const later = written(object, {}, [], both).object
  t.deepEqual(later.spec.bgp, { ipv4Address: '10.0.0.1/24' })
  t.deepEqual(later.spec.addresses, [{ address: '10.0.0.1/24', type: 'CalicoNodeIP' }])
})

test('an address that is not found for a while stays, and is missed', t => {
  const { object } = written(undefined)
  const { value, refused, problems } = written(object, {}, [], {})
  t.is(value, undefined)
  t.false(refused)
  t.regex(problems[0]?.reason ?? '', /no ipv4 address .* by "first-found"; 10\.0\.0\.1\/24 stays/)
  t.is(written(undefined, {}, [], {}).value, undefined)
})

test('a Node that is no object is left to whoever broke it', t => {
  t.deepEqual(written('{"kind":'), { refused: false, problems: [], object: undefined })
})

test('an address that another node holds is refused, however it is written', t => {
  for (const text of ['10.0.0.1', '10.0.0.1/24', '10.0.0.1/32']) {
    const { value, refused, problems } = written(undefined, {}, [node('worker-1', text)])
    t.is(value, undefined)
    t.true(refused)
    t.regex(
      problems[0]?.reason ?? '',
      /10\.0\.0\.1 is held by node worker-1, so that worker-0 has no/,
    )
  }
  t.false(written(undefined, {}, [node('worker-1', '10.0.0.2/24')]).refused)
})

test('of two Nodes that have one address already, the older one keeps it', t => {
  const [older, younger] = ['2026-11-18T00:00:00Z', '2026-11-20T00:00:00Z']
  const own = node('worker-0', '10.0.0.1/24')
  const asked = (born: string) => written(own, {}, [own, node('worker-1', '10.0.0.1/24', born)])
  t.true(asked(older).refused)
  t.false(asked(younger).refused)
  t.regex(
    asked(younger).problems[0]?.reason ?? '',
    /claimed by node worker-1 too, which is younger/,
  )
  // as old: the lower name, so that both decide alike
  t.false(asked('2026-11-19T00:00:00Z').refused)
})
