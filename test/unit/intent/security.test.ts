/** Passwords and hop limits of sessions: what is asked for is had, or there is no session. */
import test from 'ava'
import { millis } from '../../../src/core/base/index.ts'
import {
  type Desired,
  desired,
  type Secret,
  type Secrets,
  type StatusFacts,
  sessionDocuments,
  stateDocuments,
  storedSecrets,
} from '../../../src/core/intent/index.ts'
import { type Asn, address } from '../../../src/core/net/index.ts'
import type { State } from '../../../src/core/session/index.ts'
import type { SessionSnapshot } from '../../../src/core/speaker/index.ts'
import { configuration, facts, node, peer, snapshot } from '../../support/cluster.ts'

const nodes = [
  node('worker-0', '10.240.0.20/24', ['10.200.0.0/24']),
  node('worker-1', '10.240.0.21/24', ['10.200.1.0/24']),
]
const noMesh = configuration({ nodeToNodeMeshEnabled: false })
const TOR = { peerIP: '10.240.0.1', asNumber: 65000 }

const reference = (name: string, key = 'password') => ({
  password: { secretKeyRef: { name, key } },
})

/** Secrets whose only key is `password`. */
function secretsOf(held: Readonly<Record<string, string>>): Secrets {
  return {
    read: ({ name, key }): Secret => {
      const text = key === 'password' ? held[name] : undefined
      return text === undefined ? { missing: `${name}/${key} is not there` } : { text }
    },
  }
}

const passwords = (found: Desired): Record<string, string | undefined> =>
  Object.fromEntries(found.speaker?.peers.map(({ name, password }) => [name, password]) ?? [])
const problems = (found: Desired): string[] =>
  found.problems.map(
    ({ object, field, reason }) => `${object.split('/').pop()} ${field}: ${reason}`,
  )

test('the secret that a peer names is its password', t => {
  const bgpPeers = [peer('tor', { ...TOR, ...reference('bgp') })]
  const store = snapshot({ nodes, bgpConfigurations: [noMesh], bgpPeers })
  const found = desired(store, facts('worker-0'), secretsOf({ bgp: 'sekret' }))
  t.deepEqual(passwords(found), { Global_10_240_0_1: 'sekret' })
  t.deepEqual(found.problems, [])
})

for (const [what, held, reason] of [
  ['is not there', {}, 'bgp/password is not there; no session is made of this peer'],
  ['is empty', { bgp: '' }, 'the key password of the secret bgp is empty; no session is made of'],
  ['is too long', { bgp: 'é'.repeat(41) }, 'has 82 octets, of which TCP MD5 takes 80'],
] as const)
  test(`a peer whose secret ${what} has no session, and why is told`, t => {
    const bgpPeers = [peer('tor', { ...TOR, ...reference('bgp') })]
    const store = snapshot({ nodes, bgpConfigurations: [noMesh], bgpPeers })
    const found = desired(store, facts('worker-0'), secretsOf(held))
    t.deepEqual(passwords(found), {})
    t.is(found.problems.length, 1)
    t.true(problems(found)[0]?.includes(reason), problems(found)[0])
    t.is(found.problems[0]?.field, 'spec.password')
  })

test('a password of 80 octets is taken', t => {
  const bgpPeers = [peer('tor', { ...TOR, ...reference('bgp') })]
  const store = snapshot({ nodes, bgpConfigurations: [noMesh], bgpPeers })
  const found = desired(store, facts('worker-0'), secretsOf({ bgp: 'é'.repeat(40) }))
  t.is(passwords(found).Global_10_240_0_1?.length, 40)
})

test('a password without a reference is no session, not a session without', t => {
  const bgpPeers = [peer('tor', { ...TOR, password: {} })]
  const store = snapshot({ nodes, bgpConfigurations: [noMesh], bgpPeers })
  const found = desired(store, facts('worker-0'), secretsOf({}))
  t.deepEqual(passwords(found), {})
  t.regex(problems(found)[0]!, /names no secret; write secretKeyRef/)
})

test('a node without secrets says where to say where they are', t => {
  const bgpPeers = [peer('tor', { ...TOR, ...reference('bgp') })]
  const store = snapshot({ nodes, bgpConfigurations: [noMesh], bgpPeers })
  t.regex(problems(desired(store, facts('worker-0')))[0]!, /write "secrets: \{directory: PATH\}"/)
})

test('neither the mesh nor another peer gives a session to whom its password is missing', t => {
  const bgpPeers = [
    peer('a', { peerIP: '10.240.0.21', ...reference('lost') }),
    peer('b', { peerIP: '10.240.0.21:1179', node: 'worker-0' }),
  ]
  const found = desired(snapshot({ nodes, bgpPeers }), facts('worker-0'), secretsOf({}))
  t.deepEqual(passwords(found), {})
  t.deepEqual(problems(found).length, 2)
  const there = desired(
    snapshot({ nodes, bgpPeers: bgpPeers.slice(0, 1) }),
    facts('worker-0'),
    secretsOf({ lost: 'found' }),
  )
  t.deepEqual(passwords(there), { Global_10_240_0_21: 'found' })
})

test('the mesh has one password, or no sessions', t => {
  const mesh = configuration({ nodeMeshPassword: reference('mesh').password })
  const store = snapshot({ nodes, bgpConfigurations: [mesh] })
  const found = desired(store, facts('worker-0'), secretsOf({ mesh: 'sekret' }))
  t.deepEqual(passwords(found), { Mesh_10_240_0_21: 'sekret' })
  const without = desired(store, facts('worker-0'), secretsOf({}))
  t.deepEqual(passwords(without), {})
  t.deepEqual(problems(without), [
    'default spec.nodeMeshPassword: mesh/password is not there; the mesh has no sessions',
  ])
})

test('two peers of one address have one password: the kernel looks at addresses', t => {
  const bgpPeers = [
    peer('a', { ...TOR, ...reference('one') }),
    peer('b', { ...TOR, peerIP: '10.240.0.1:1179', ...reference('two') }),
    peer('c', { ...TOR, peerIP: '10.240.0.1:2179', ...reference('one') }),
    peer('d', { ...TOR, peerIP: '10.240.0.1:3179' }),
  ]
  const store = snapshot({ nodes, bgpConfigurations: [noMesh], bgpPeers })
  const found = desired(store, facts('worker-0'), secretsOf({ one: '1', two: '2' }))
  t.deepEqual(passwords(found), { Global_10_240_0_1: '1', Global_10_240_0_1_port_2179: '1' })
  t.deepEqual(
    found.problems.map(({ object, field }) => `${object.split('/').pop()} ${field}`),
    ['b spec.password', 'd spec.password'],
  )
})

test('hops of a peer are its transport, and 0 is none', t => {
  const hops = (ttlSecurity: number): unknown => {
    const bgpPeers = [peer('tor', { ...TOR, ttlSecurity })]
    const store = snapshot({ nodes, bgpConfigurations: [noMesh], bgpPeers })
    const found = desired(store, facts('worker-0'))
    t.deepEqual(found.problems, [])
    return found.speaker?.peers[0]?.transport
  }
  t.is(hops(0), undefined)
  t.deepEqual(hops(3), { ttl: 64, trafficClass: 0xc0, ttlSecurity: 3 })
})

test('the source is the node’s address, unless the peer says None', t => {
  const source = (spec: object): unknown => {
    const bgpPeers = [peer('tor', { ...TOR, ...spec })]
    const store = snapshot({ nodes, bgpConfigurations: [noMesh], bgpPeers })
    return desired(store, facts('worker-0')).speaker?.peers[0]?.localAddress
  }
  t.is(source({}), address('10.240.0.20'))
  t.is(source({ sourceAddress: 'UseNodeIP' }), address('10.240.0.20'))
  t.is(source({ sourceAddress: 'None' }), undefined)
})

const session = (name: string, state: State): SessionSnapshot => ({
  name,
  address: address('10.240.0.1'),
  port: 179,
  peerAs: 65000 as Asn,
  localAs: 64512 as Asn,
  state,
  since: millis(0),
  counters: {
    messagesIn: 0,
    messagesOut: 0,
    updatesIn: 0,
    updatesOut: 0,
    notificationsIn: 0,
    notificationsOut: 0,
    octetsIn: 0,
    octetsOut: 0,
    established: 0,
  },
  prefixes: [],
  limits: [],
  capabilities: { offered: [], received: [] },
  faults: { discarded: 0, withdrawn: 0, reset: 0, recent: [] },
})

test('a session says how it is secured, and what the kernel drops while it is not up', t => {
  const bgpPeers = [
    peer('tor', { ...TOR, ...reference('bgp'), ttlSecurity: 2 }),
    peer('b', { ...TOR, peerIP: '10.240.0.2' }),
  ]
  const store = snapshot({ nodes, bgpConfigurations: [noMesh], bgpPeers })
  const [signed, plain] = ['Global_10_240_0_1', 'Global_10_240_0_2'] as const
  const shown = (state: State, dropped: Partial<NonNullable<StatusFacts['signatures']>>) =>
    sessionDocuments({
      node: 'worker-0',
      version: '0',
      mode: 'running',
      startedAt: millis(0),
      processes: { speaker: 'up', dataplane: 'up' },
      store: { kind: 'directory', state: 'fresh', since: millis(0) },
      desired: desired(store, facts('worker-0'), secretsOf({ bgp: 'sekret' })),
      speaker: {
        version: 1,
        at: millis(0),
        routerId: 1,
        localAs: 64512 as Asn,
        listening: [],
        sessions: [session(signed, state), session(plain, state)],
        tables: [],
        routes: [],
        routesTotal: 0,
      },
      signatures: { unsigned: false, unexpected: false, wrong: false, ...dropped },
      epochOffset: 0,
    }).map(({ authentication, ttlSecurity, hint }) => ({ authentication, ttlSecurity, hint }))
  const secured = { authentication: 'TCP MD5', ttlSecurity: 2 } as const
  const bare = { authentication: undefined, ttlSecurity: undefined } as const
  const dropped = 'in the last minute the kernel dropped TCP segments'
  t.deepEqual(shown('Active', {}), [
    { ...secured, hint: undefined },
    { ...bare, hint: undefined },
  ])
  t.deepEqual(shown('Active', { wrong: true, unsigned: true }), [
    {
      ...secured,
      hint: `${dropped} signed with another password, and others without a signature`,
    },
    { ...bare, hint: undefined },
  ])
  t.deepEqual(shown('Connect', { unexpected: true }), [
    { ...secured, hint: undefined },
    { ...bare, hint: `${dropped} signed, by a peer without a password here` },
  ])
  t.deepEqual(shown('Established', { wrong: true, unexpected: true }), [
    { ...secured, hint: undefined },
    { ...bare, hint: undefined },
  ])
})

test('no document that a node writes has a password in it', t => {
  const bgpPeers = [
    peer('tor', { ...TOR, ...reference('bgp') }),
    peer('tor-2', { ...TOR, peerIP: '10.240.0.1:1179', ...reference('two') }),
    peer('c', { ...TOR, peerIP: '10.240.0.3', ...reference('long') }),
  ]
  const store = snapshot({ nodes, bgpConfigurations: [noMesh], bgpPeers })
  const long = 'hunter2'.repeat(20)
  const held = secretsOf({ bgp: 'hunter2', two: 'hunter2-other', long })
  const found = desired(store, facts('worker-0'), held)
  t.is(passwords(found).Global_10_240_0_1, 'hunter2')
  t.is(found.problems.length, 2)
  const written = stateDocuments({
    node: 'worker-0',
    version: '0',
    mode: 'running',
    startedAt: facts('worker-0').hold,
    processes: { speaker: 'up', dataplane: 'up' },
    store: { kind: 'directory', state: 'fresh', since: facts('worker-0').hold },
    desired: found,
    epochOffset: 0,
  })
  t.true(JSON.stringify([...written]).includes('spec.password'))
  t.false(JSON.stringify([...written]).includes('hunter2'))
})

test('a secret of the store is the value of its key, without the newline of a shell', t => {
  const key = '/martlet/v1/secrets/bgp/password'
  for (const [value, text] of [
    ['sekret', 'sekret'],
    ['sekret\n', 'sekret'],
    [' two words \n\n', ' two words \n'],
    ['', ''],
  ] as const)
    t.deepEqual(
      storedSecrets([{ key, value, revision: 1 }]).read({ name: 'bgp', key: 'password' }),
      {
        text,
      },
    )
  const none = storedSecrets([{ key: `${key}2`, value: 'x', revision: 1 }])
  t.deepEqual(none.read({ name: 'bgp', key: 'password' }), {
    missing: `the key ${key} is not in the store; put the password there`,
  })
})

test('no reference leads to what is not a secret, nor to the key of another', t => {
  const others = [
    '/martlet/v1/last/a',
    '/martlet/v1/secrets/../last/a',
    '/martlet/v1/secrets/a/b/c',
  ]
  const secrets = storedSecrets(others.map(key => ({ key, value: 'stolen', revision: 1 })))
  for (const reference of [
    { name: '..', key: 'last' },
    { name: '../last', key: 'a' },
    { name: 'a', key: 'b/c' },
    { name: 'a/b', key: 'c' },
    { name: '', key: 'a' },
    { name: 'a', key: '' },
  ]) {
    const secret = secrets.read(reference)
    t.true('missing' in secret && / is not (the name|a key) of a secret/.test(secret.missing))
  }
})
