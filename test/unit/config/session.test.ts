/** What people ask of sessions beyond Calico's fields: written, read, and meant. */
import test from 'ava'
import { type Desired, desired, type Entry, type Secrets } from '../../../src/core/intent/index.ts'
import type { PeerConfig } from '../../../src/core/speaker/index.ts'
import {
  ConfigurationError,
  parseConfig,
  parseResources,
  SnapshotReader,
} from '../../../src/shell/config/index.ts'
import { facts } from '../../support/cluster.ts'

const ROOT = '/calico/resources/v3/projectcalico.org/'
const apiVersion = 'projectcalico.org/v3'

const PLURALS = { Node: 'nodes', BGPPeer: 'bgppeers', BGPConfiguration: 'bgpconfigurations' }

function entry(
  kind: keyof typeof PLURALS,
  name: string,
  spec: object,
  annotation?: string,
  revision = 1,
): Entry {
  const annotations = annotation === undefined ? {} : { 'martlet/session': annotation }
  const value = JSON.stringify({ kind, apiVersion, metadata: { name, annotations }, spec })
  return { key: `${ROOT}${PLURALS[kind]}/${name}`, value, revision }
}

const nodes = ['10.240.0.20/24', '10.240.0.21/24'].map((ipv4Address, at) =>
  entry('Node', `worker-${at}`, { bgp: { ipv4Address, ipv6Address: `fd00::${at + 1}/64` } }),
)
const TOR = { peerIP: '10.240.0.1', asNumber: 65000 }
const tor = (annotation?: string, spec: object = TOR): Entry =>
  entry('BGPPeer', 'tor', spec, annotation)
const common = (annotation?: string, spec: object = { nodeToNodeMeshEnabled: false }): Entry =>
  entry('BGPConfiguration', 'default', spec, annotation)

const meant = (...entries: Entry[]): Desired =>
  desired(new SnapshotReader().read([...nodes, ...entries]), facts('worker-0'))
const peerOf = (found: Desired, name = 'Global_10_240_0_1'): PeerConfig | undefined =>
  found.speaker?.peers.find(peer => peer.name === name)
const said = ({ problems }: Desired): string[] =>
  problems.map(({ object, field, reason }) => `${object.split('/').pop()} ${field} ${reason}`)

const ALL = `
addPath: {receive: true, send: best, most: 4}
extendedMessages: true
extendedNextHop: true
role: customer
roleRequired: true
longLivedSeconds: 3600
required: [role, four-octet-as, role]
delayOpenSeconds: 3
allowOwnAs: 2
refuseAsSets: true
localAs: {prependOnImport: true, showRealAs: true}
overrideAs: true
privateAs: replace
limits:
  received: {most: 1000, action: restart, restartSeconds: 60}
  accepted: {most: 900, warnPercent: 50, action: block}
  announced: {most: 10, action: block}
passive: true
`

test('every key of the annotation has its meaning', t => {
  const found = meant(common(), tor(ALL))
  t.deepEqual(said(found), [])
  const peer = peerOf(found)
  t.deepEqual(peer?.options, {
    addPath: { receive: true, send: true },
    extendedMessages: true,
    extendedNextHop: true,
    role: 'customer',
    roleRequired: true,
    longLived: 3_600_000 as never,
    required: ['four-octet-as', 'role'],
    delayOpen: 3000 as never,
  })
  t.deepEqual(peer?.sendPaths, { which: 'best', most: 4 })
  t.deepEqual(peer?.importRules, { allowOwnAs: 2, refuseAsSets: true, prependLocalAs: true })
  t.deepEqual(peer?.exportRules, {
    showRealAs: true,
    overrideAs: true,
    privateAs: 'replace',
    sharedSubnet: '10.240.0.0/24' as never,
  })
  t.deepEqual(peer?.limits, {
    received: { most: 1000, warnPercent: 80, action: 'restart', restartAfter: 60_000 as never },
    accepted: { most: 900, warnPercent: 50, action: 'block', restartAfter: 300_000 as never },
    announced: { most: 10, warnPercent: 80, action: 'block', restartAfter: 300_000 as never },
  })
  t.true(peer?.passive)
})

test('without a word, a session is as Calico has it', t => {
  const peer = peerOf(meant(common(), tor()))
  t.deepEqual(
    [peer?.options, peer?.sendPaths, peer?.importRules, peer?.limits, peer?.keepalive],
    [undefined, undefined, undefined, undefined, undefined],
  )
  t.deepEqual(peer?.exportRules, { sharedSubnet: '10.240.0.0/24' as never })
})

test('what the BGPConfiguration says is for every session, and a BGPPeer’s keys win', t => {
  const found = meant(
    common('extendedMessages: true\nallowOwnAs: 1', {}),
    tor('allowOwnAs: 3', { ...TOR, numAllowedLocalASNumbers: 2 }),
  )
  t.deepEqual(said(found), [])
  for (const name of ['Mesh_10_240_0_21', 'Mesh_fd00__2', 'Global_10_240_0_1'])
    t.deepEqual(peerOf(found, name)?.options, { extendedMessages: true }, name)
  t.is(peerOf(found, 'Mesh_10_240_0_21')?.importRules?.allowOwnAs, 1)
  t.is(peerOf(found)?.importRules?.allowOwnAs, 3)
})

test('Calico’s own fields mean the same as the keys', t => {
  const fields = { numAllowedLocalASNumbers: 2, keepaliveTime: '7s' }
  const found = meant(common('allowOwnAs: 1'), tor(undefined, { ...TOR, ...fields }))
  t.deepEqual(said(found), [])
  t.is(peerOf(found)?.importRules?.allowOwnAs, 2)
  t.is(peerOf(found)?.keepalive, 7000 as never)
})

test('a keepalive time below a second is one second, and reported', t => {
  const found = meant(common(), tor(undefined, { ...TOR, keepaliveTime: '10ms' }))
  t.is(peerOf(found)?.keepalive, 1000 as never)
  t.deepEqual(said(found), ['tor spec.keepaliveTime 10ms is too short; 1s is used'])
})

test('inside an AS there are no roles and no rules about AS paths', t => {
  const found = meant(common(), tor(ALL, { peerIP: '10.240.0.1' }))
  const peer = peerOf(found)
  t.is(peer?.options?.role, undefined)
  t.is(peer?.options?.roleRequired, undefined)
  t.deepEqual(peer?.options?.required, ['four-octet-as'])
  t.deepEqual(peer?.importRules, { allowOwnAs: 2, refuseAsSets: true })
  t.is(peer?.exportRules, undefined)
})

test('a key that does no harm is left out where it is not understood', t => {
  const found = meant(common(), tor('addPath: yes\nextendedMessages: true\ndelayOpenSeconds: 0'))
  t.deepEqual(peerOf(found)?.options, { extendedMessages: true })
  t.deepEqual(said(found), [
    'tor metadata.annotations.martlet/session addPath: "yes" is not a mapping of fields',
    'tor metadata.annotations.martlet/session delayOpenSeconds: 0 is too small; the least is 1',
  ])
})

/** Annotations without which a session could do harm, and what is said of them. */
for (const [what, annotation, reason] of [
  ['limit', 'limits: {received: {most: many}}', 'limits.received.most: "many" is not a number'],
  ['role', 'role: boss', 'role: "boss" is not one of provider, route-server, '],
  ['requirement', 'required: [roles]', 'required[0]: "roles" is not one of route-refresh, '],
  ['key', 'limit: 7', '"limit" is not a known field; did you mean "limits"?'],
  ['text', 'limits: [', 'is not YAML'],
  ['list', '[limits]', '["limits"] is not a mapping of keys'],
  ['second document', 'role: peer\n---\nrole: customer', 'holds a second document'],
] as const)
  test(`a ${what} that is not understood withholds the session of that peer alone`, t => {
    const found = meant(common(undefined, {}), tor(annotation))
    t.is(peerOf(found), undefined)
    t.true(peerOf(found, 'Mesh_10_240_0_21') !== undefined)
    t.true(
      said(found).some(text => text.includes(reason)),
      said(found).join('\n'),
    )
    t.true(said(found).some(text => text.includes('no session is made until it is corrected')))
  })

test('nobody else makes the session that is withheld', t => {
  const found = meant(common(undefined, {}), tor('role: boss', { peerIP: '10.240.0.21' }))
  t.deepEqual(
    found.speaker?.peers.map(({ name }) => name),
    ['Mesh_fd00__2'],
  )
})

test('an annotation of all sessions that becomes invalid stays as it last was', t => {
  const reader = new SnapshotReader()
  const read = (annotation: string) =>
    desired(
      reader.read([...nodes, common(annotation, { asNumber: 64600 }), tor()]),
      facts('worker-0'),
    )
  t.is(peerOf(read('allowOwnAs: 1'))?.importRules?.allowOwnAs, 1)
  const found = read('limits: none')
  t.is(peerOf(found)?.importRules?.allowOwnAs, 1)
  t.true(said(found).some(text => text.includes('its last valid content')))
  t.is(peerOf(read('allowOwnAs: 2'))?.importRules?.allowOwnAs, 2)
})

test('one that never was valid withholds all sessions, and the rest of the resource counts', t => {
  const found = meant(common('limits: none', { asNumber: 64600 }), tor())
  t.deepEqual(found.speaker?.peers, [])
  t.is(found.speaker?.localAs, 64600 as never)
  t.true(said(found).some(text => text.startsWith('default metadata.annotations.martlet/session')))
})

test('who writes an annotation is told where it is wrong', t => {
  const { resources, problems } = parseResources(
    `apiVersion: ${apiVersion}
kind: BGPPeer
metadata:
  name: tor
  annotations:
    martlet/session: |
      addPath: {most: 3}
      rolle: peer
spec: {peerIP: 10.0.0.1}
`,
    'peers.yaml',
  )
  t.is(resources.length, 0)
  t.deepEqual(
    problems.map(({ object, reason }) => `${object} ${reason}`),
    [
      'peers.yaml:6 addPath.most: 3 has no meaning without "send"',
      'peers.yaml:6 "rolle" is not a known field; did you mean "role"?',
    ],
  )
})

test('an annotation of another BGPConfiguration has no meaning, and says so', t => {
  const { problems } = parseResources(
    `{apiVersion: ${apiVersion}, kind: BGPConfiguration,
      metadata: {name: node.a, annotations: {martlet/session: 'role: peer'}}}`,
    'a.yaml',
  )
  t.deepEqual(
    problems.map(({ reason }) => reason),
    ['has a meaning in the BGPConfiguration named "default" only'],
  )
})

const RANGES = `
store: {directory: /s}
bgp:
  ranges:
    - name: leaves
      prefix: 10.240.0.128/25
      asNumber: '1.10'
      peersMax: 20
      passwordSecret: {name: bgp, key: leaves}
      ttlSecurity: 1
      session: {limits: {received: {most: 100, action: disable}}}
    - {name: hosts, prefix: 'fd00:1::/64', asNumber: 64512, routeReflectorClient: true}
`
const KEYS: Secrets = { read: ({ name, key }) => ({ text: `${name} ${key}` }) }

function ranges(secrets?: Secrets): Desired {
  const { facts } = parseConfig(RANGES, 'martlet.yaml')
  const all = [...nodes, common('extendedMessages: true')]
  return desired(new SnapshotReader().read(all), { ...facts, node: 'worker-0' }, secrets)
}

test('a range of the configuration is a template for who comes from it', t => {
  const found = ranges(KEYS)
  t.deepEqual(said(found), [])
  t.deepEqual(
    found.speaker?.ranges?.map(({ name }) => name),
    ['hosts', 'leaves'],
  )
  const [hosts, leaves] = found.speaker?.ranges ?? []
  t.is(leaves?.prefix, '10.240.0.128/25' as never)
  t.is(leaves?.peersMax, 20)
  t.is(leaves?.template.peerAs, 65546 as never)
  t.is(leaves?.template.localAs, 64512 as never)
  t.is(leaves?.template.password, 'bgp leaves')
  t.is(leaves?.template.transport?.ttlSecurity, 1)
  t.is(leaves?.template.limits?.received?.action, 'disable')
  t.deepEqual(leaves?.template.options, { extendedMessages: true })
  t.deepEqual(leaves?.template.exportRules, { sharedSubnet: '10.240.0.0/24' as never })
  t.deepEqual(leaves?.template.families, ['ipv4'])
  t.false(leaves?.template.routeReflectorClient)
  t.is(hosts?.peersMax, 100)
  t.deepEqual(hosts?.template.families, ['ipv6'])
  t.true(hosts?.template.routeReflectorClient)
  t.is(hosts?.template.exportRules, undefined)
})

test('nobody comes from a range whose password cannot be had', t => {
  const found = ranges({ read: () => ({ missing: 'is not there' }) })
  t.deepEqual(
    found.speaker?.ranges?.map(({ name }) => name),
    ['hosts'],
  )
  t.deepEqual(said(found), [
    'martlet.yaml bgp.ranges leaves passwordSecret is not there; ' +
      'nobody may connect from this range',
  ])
})

/** Ranges that cannot be, and why. */
for (const [what, range, reason] of [
  [
    'name of sessions of resources',
    '{name: Mesh, prefix: 10.0.0.0/8, asNumber: 1}',
    'bgp.ranges[1]',
  ],
  ['name twice', '{name: a, prefix: 10.0.0.0/8, asNumber: 1}', 'that of a range above already'],
  ['prefix twice', '{name: b, prefix: 10.1.0.0/16, asNumber: 1}', 'that of a range above already'],
  ['host bits', '{name: b, prefix: 10.1.0.1/16, asNumber: 1}', 'is not a prefix'],
  ['AS 0', '{name: b, prefix: 10.2.0.0/16, asNumber: 0}', '0 is not an AS number'],
  ['key', '{name: b, prefix: 10.2.0.0/16, asNumber: 1, session: {rol: peer}}', 'mean "role"?'],
] as const)
  test(`a range with a wrong ${what} is refused`, t => {
    const text = `store: {directory: /s}
bgp: {ranges: [{name: a, prefix: 10.1.0.0/16, asNumber: 1}, ${range}]}`
    const error = t.throws(() => parseConfig(text, 'm.yaml'), { instanceOf: ConfigurationError })
    t.true(error?.message.includes(reason), error?.message)
  })

test('a peer outside of the node’s network shares no subnet with it', t => {
  const far = meant(common(), tor(undefined, { ...TOR, peerIP: '10.241.0.1' }))
  t.true(peerOf(far, 'Global_10_241_0_1') !== undefined)
  t.is(peerOf(far, 'Global_10_241_0_1')?.exportRules, undefined)
})
