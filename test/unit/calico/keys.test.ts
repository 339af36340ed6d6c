/** Calico's keys and values: what libcalico-go writes, read and written the same way. */
import test from 'ava'
import fc from 'fast-check'
import {
  affinityKey,
  asNumberOf,
  escapeName,
  isConfirmed,
  isResourceName,
  KINDS,
  kindNamed,
  parseAffinityKey,
  parseDuration,
  parseNodeAddress,
  parsePeerEndpoint,
  parseResourceKey,
  resourceKey,
  unescapeName,
} from '../../../src/core/calico/index.ts'
import { formatPrefix, prefix } from '../../../src/core/net/index.ts'

const node = kindNamed('Node')!
const ROOT = '/calico/resources/v3/projectcalico.org/'

test('a cluster resource lies at plural and name', t => {
  t.is(resourceKey({ kind: node, name: 'kube-master' }), `${ROOT}nodes/kube-master`)
  const peer = parseResourceKey(`${ROOT}bgppeers/tor-rack1`)
  t.is(peer?.kind.kind, 'BGPPeer')
  t.is(peer?.name, 'tor-rack1')
  t.is(
    resourceKey({ kind: kindNamed('BGPConfiguration')!, name: 'node.kube-master' }),
    `${ROOT}bgpconfigurations/node.kube-master`,
  )
})

test('a namespaced resource has its namespace between', t => {
  const key = `${ROOT}workloadendpoints/default/kube--node--1-k8s-web--0-eth0`
  const found = parseResourceKey(key)
  t.is(found?.namespace, 'default')
  t.is(found && resourceKey(found), key)
})

for (const [title, key] of [
  ['of an unknown plural', `${ROOT}gulls/a`],
  ['of another root', '/calico/resources/v1/projectcalico.org/nodes/a'],
  ['without a name', `${ROOT}nodes/`],
  ['with a name too many', `${ROOT}nodes/a/b`],
  ['of a namespaced kind without namespace', `${ROOT}networkpolicies/a`],
] as const)
  test(`a key ${title} is no resource`, t => t.is(parseResourceKey(key), undefined))

test('kinds and plurals are each unique', t => {
  t.is(new Set(KINDS.map(kind => kind.kind)).size, KINDS.length)
  t.is(new Set(KINDS.map(kind => kind.plural)).size, KINDS.length)
  t.is(KINDS.length, 24)
})

test('every resource key can be undone', t => {
  const name = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?$/)
  fc.assert(
    fc.property(fc.constantFrom(...KINDS), name, name, (kind, name, namespace) => {
      const resource = kind.namespaced ? { kind, name, namespace } : { kind, name }
      t.deepEqual(parseResourceKey(resourceKey(resource)), resource)
    }),
  )
})

test('a block affinity has dashes for the slash and keeps colons', t => {
  t.is(
    affinityKey('kube-master', prefix('192.168.221.192/26')),
    '/calico/ipam/v2/host/kube-master/ipv4/block/192.168.221.192-26',
  )
  t.is(
    affinityKey('kube-master', prefix('fd00::/122')),
    '/calico/ipam/v2/host/kube-master/ipv6/block/fd00::-122',
  )
})

test('every affinity key can be undone, whatever the node is called', t => {
  const bytes = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
  )
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), bytes, fc.nat(128), (node, octets, length) => {
      const block = formatPrefix(octets, Math.min(length, octets.length * 8))
      t.deepEqual(parseAffinityKey(affinityKey(node, block)), { node, block })
    }),
  )
})

for (const key of [
  '/calico/ipam/v2/host/kube-master',
  '/calico/ipam/v2/host/kube-master/ipv4/block/192.168.221.193-26',
  '/calico/ipam/v2/host/kube-master/ipv6/block/192.168.221.192-26',
  '/calico/ipam/v2/host/kube-master/ipv4/block/192.168.221.192',
  '/calico/ipam/v2/handle/192.168.221.192-26',
])
  test(`${key} is no affinity`, t => t.is(parseAffinityKey(key), undefined))

test('names are escaped as libcalico-go does: percent first, slash undone first', t => {
  t.is(escapeName('a/b%2f'), 'a%2fb%252f')
  t.is(unescapeName('a%2fb%252f'), 'a/b%2f')
  fc.assert(fc.property(fc.string(), name => t.is(unescapeName(escapeName(name)), name)))
})

test('resource names are DNS-1123 subdomains', t => {
  for (const name of ['a', 'kube-master', 'node.worker-0', '0a.b']) t.true(isResourceName(name))
  for (const name of ['', 'A', 'a_b', '-a', 'a-', 'a..b', 'a/b', 'x'.repeat(254)])
    t.false(isResourceName(name), name)
})

test('confirmed and stateless affinities count, all others do not', t => {
  const affinity = { node: 'a', cidr: '10.0.0.0/26' }
  t.true(isConfirmed(affinity))
  t.true(isConfirmed({ ...affinity, state: '' }))
  t.true(isConfirmed({ ...affinity, state: 'confirmed', deleted: false }))
  t.false(isConfirmed({ ...affinity, state: 'confirmed', deleted: true }))
  t.false(isConfirmed({ ...affinity, state: 'pending' }))
  t.false(isConfirmed({ ...affinity, state: 'pendingDeletion' }))
})

const endpoints: readonly (readonly [string, object | undefined])[] = [
  ['10.0.0.1', { address: '10.0.0.1' }],
  ['10.0.0.1:179', { address: '10.0.0.1', port: 179 }],
  ['FD00::1', { address: 'fd00::1' }],
  ['[fd00::1]:1790', { address: 'fd00::1', port: 1790 }],
  ['10.0.0.1:0', undefined],
  ['10.0.0.1:65536', undefined],
  ['10.0.0.1:', undefined],
  ['10.0.0:179', undefined],
  ['[10.0.0.1]:179', undefined],
  ['[fd00::1]', undefined],
  ['fd00::1%eth0', undefined],
  ['tor1', undefined],
  ['', undefined],
]
for (const [text, expected] of endpoints)
  test(`peerIP "${text}" is ${JSON.stringify(expected) ?? 'no endpoint'}`, t =>
    t.deepEqual(parsePeerEndpoint(text) as object | undefined, expected))

test('AS numbers are numbers, text or asdot', t => {
  t.is(asNumberOf(64512), 64512 as never)
  t.is(asNumberOf('64512'), 64512 as never)
  t.is(asNumberOf('1.10'), 65546 as never)
  for (const value of [0, -1, 1.1, 4294967295, '0', '65536.1', '1.65536', 'AS1', true, null])
    t.is(asNumberOf(value), undefined, String(value))
})

const durations: readonly (readonly [string, number | undefined])[] = [
  ['90s', 90_000],
  ['1h30m', 5_400_000],
  ['1m30.5s', 90_500],
  ['250ms', 250],
  ['1500us', 1.5],
  ['0s', 0],
  ['2m500ms', 120_500],
  ['90', undefined],
  ['', undefined],
  ['s', undefined],
  ['1d', undefined],
  ['-1s', undefined],
  ['1s ', undefined],
]
for (const [text, expected] of durations)
  test(`the duration "${text}" is ${expected ?? 'none'}`, t =>
    t.is(parseDuration(text) as number | undefined, expected))

test('a node address may have the length of its network', t => {
  t.is(parseNodeAddress('10.192.0.2/16'), '10.192.0.2' as never)
  t.is(parseNodeAddress('fe0a::2'), 'fe0a::2' as never)
  t.is(parseNodeAddress('10.192.0.2/33'), undefined)
})
