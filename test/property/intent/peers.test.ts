/** Sessions depend on the resources that there are, not on their order, nor on those before. */
import test from 'ava'
import fc from 'fast-check'
import { seconds } from '../../../src/core/base/index.ts'
import type { BgpPeerSpec } from '../../../src/core/calico/index.ts'
import { desired, type Secrets, type Snapshot } from '../../../src/core/intent/index.ts'
import {
  configuration,
  facts,
  labelled,
  node,
  peer,
  snapshot,
  workload,
} from '../../support/cluster.ts'
import { Bench } from '../../unit/speaker/bench.ts'

const NODES = ['n1', 'n2', 'n3', 'n4']
const OWN = facts('n3')
/** `none` is not there */
const secrets: Secrets = {
  read: ({ name }) => (name === 'none' ? { missing: 'is not there' } : { text: name }),
}

const maybe = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined })
const passwordOf = fc
  .constantFrom('one', 'two', 'none')
  .map(name => ({ secretKeyRef: { name, key: 'password' } }))
const selector = fc.constantFrom('all()', 'has(rr)', '!has(rr)', "rack == 'a'", 'rack in', 'has(x)')
const port = fc.constantFrom('', ':179', ':1790')

/** `odd` once in so many times. */
const rarely = <Odd, Usual>(times: number, odd: fc.Arbitrary<Odd>, usual: fc.Arbitrary<Usual>) =>
  fc.oneof({ arbitrary: odd, weight: 1 }, { arbitrary: usual, weight: times - 1 })
const nobody = fc.constant(undefined)
/** Of a node, or by mistake of another one. */
const own4 = (at: number) => rarely(6, fc.constant('10.0.0.4/24'), fc.constant(`10.0.0.${at}/24`))

const nodeOf = (name: string, at: number) =>
  fc
    .record({
      ipv4Address: rarely(5, fc.constant(undefined), own4(at)),
      ipv6Address: maybe(fc.constant(`fd00::${at}`)),
      asNumber: maybe(fc.constantFrom(64512, 65001)),
      routeReflectorClusterID: rarely(3, fc.constantFrom('1.0.0.1', '2.0.0.1'), nobody),
      labels: fc.constantFrom({}, { rr: 'true' }, { rack: 'a' }),
    })
    .map(({ labels, ...bgp }) => labelled(labels, node(name, bgp)))

const peerSpec: fc.Arbitrary<BgpPeerSpec> = fc
  .record({
    at: fc.constantFrom('node', 'nodeSelector', 'all'),
    to: fc.constantFrom('peerIP', 'peerSelector', 'localWorkloadSelector'),
    name: fc.constantFrom(...NODES),
    selectors: fc.tuple(selector, selector),
    address: fc
      .tuple(fc.integer({ min: 1, max: 6 }), port)
      .map(([last, at]) => `10.0.0.${last}${at}`),
    asNumber: maybe(fc.constantFrom(64512, 65001)),
    localASNumber: maybe(fc.constantFrom(64512, 65009)),
    password: maybe(passwordOf),
    ttlSecurity: maybe(fc.integer({ min: 1, max: 2 })),
    sourceAddress: maybe(fc.constantFrom('None' as const, 'UseNodeIP' as const)),
    reversePeering: maybe(fc.constantFrom('Auto' as const, 'Manual' as const)),
    keepaliveTime: maybe(fc.constant('10s')),
  })
  .map(({ at, to, name, selectors: [here, there], address, ...rest }) => ({
    ...rest,
    ...(at === 'node' && { node: name }),
    ...(at === 'nodeSelector' && { nodeSelector: here }),
    ...(to === 'peerIP' && { peerIP: address }),
    ...(to === 'peerSelector' && { peerSelector: there }),
    ...(to === 'localWorkloadSelector' && { localWorkloadSelector: there }),
  }))

const cluster: fc.Arbitrary<Snapshot> = fc
  .record({
    nodes: fc.tuple(...NODES.map((name, at) => nodeOf(name, at + 1))),
    present: fc.subarray(NODES, { minLength: 2 }),
    specs: fc.array(peerSpec, { maxLength: 6 }),
    mesh: rarely(3, fc.constant(false), fc.constant(true)),
    meshPassword: maybe(passwordOf),
    listenPort: maybe(fc.constant(1790)),
    ownPort: maybe(fc.constant(2000)),
  })
  .map(({ nodes, present, specs, mesh, meshPassword, listenPort, ownPort }) =>
    snapshot({
      nodes: nodes.filter(({ metadata: { name } }) => name === 'n3' || present.includes(name)),
      bgpPeers: specs.map((spec, at) => peer(`p${at}`, spec)),
      bgpConfigurations: [
        configuration({
          nodeToNodeMeshEnabled: mesh,
          ...(mesh && { nodeMeshPassword: meshPassword }),
          listenPort,
        }),
        configuration({ listenPort: ownPort }, 'node.n2'),
      ],
      workloadEndpoints: [
        workload('vm', 'n3', { rr: 'true' }, ['10.0.0.6/32', 'fd00::6/128']),
        workload('other', 'n2', {}, ['10.0.0.5/32']),
      ],
    }),
  )

const shuffledSnapshot = (all: Snapshot): fc.Arbitrary<Snapshot> => {
  const shuffled = <Item>(items: readonly Item[]): fc.Arbitrary<Item[]> =>
    fc.shuffledSubarray([...items], { minLength: items.length })
  return fc
    .tuple(
      shuffled(all.nodes),
      shuffled(all.bgpPeers),
      shuffled(all.bgpConfigurations),
      shuffled(all.workloadEndpoints),
    )
    .map(([nodes, bgpPeers, bgpConfigurations, workloadEndpoints]) => ({
      ...all,
      nodes,
      bgpPeers,
      bgpConfigurations,
      workloadEndpoints,
    }))
}

/** Sessions of all kinds must have been among what was made up, or the properties say nothing. */
const seen = new Set<string>()

test('what is wanted depends on the set of resources, not on their order', t => {
  fc.assert(
    fc.property(
      cluster.chain(all => fc.tuple(fc.constant(all), shuffledSnapshot(all))),
      ([all, shuffled]) => {
        const wanted = desired(all, OWN, secrets)
        t.deepEqual(desired(shuffled, OWN, secrets), wanted)
        for (const { config, withheld, reverse } of wanted.sessions) {
          seen.add(/^(Mesh|Global|Node|Local_Workload)_/.exec(config.name)?.[0] ?? config.name)
          if (withheld !== undefined) seen.add('withheld')
          if (reverse) seen.add('reverse')
        }
      },
    ),
    { numRuns: 300 },
  )
  t.deepEqual([...seen].toSorted(), [
    'Global_',
    'Local_Workload_',
    'Mesh_',
    'Node_',
    'reverse',
    'withheld',
  ])
})

test('names and endpoints of sessions are unique, and no node is its own peer', t => {
  fc.assert(
    fc.property(cluster, all => {
      const { sessions, speaker } = desired(all, OWN, secrets)
      const names = sessions.map(({ config }) => config.name)
      t.is(new Set(names).size, names.length)
      const ends = sessions.map(({ config: { address, port } }) => `${address} ${port}`)
      t.is(new Set(ends).size, ends.length)
      const own = all.nodes.find(({ metadata }) => metadata.name === 'n3')?.spec.bgp
      for (const { config } of sessions)
        t.false([own?.ipv4Address?.split('/')[0], own?.ipv6Address].includes(config.address))
      // the kernel signs by address
      const passwords = new Map(speaker?.peers.map(({ address, password }) => [address, password]))
      for (const each of speaker?.peers ?? []) t.is(each.password, passwords.get(each.address))
    }),
  )
})

test('two nodes never wait for one another', t => {
  let passives = 0
  fc.assert(
    fc.property(cluster, all => {
      const waiting = new Set<string>()
      for (const from of all.nodes) {
        const { spec, metadata } = from
        const local = [spec.bgp?.ipv4Address?.split('/')[0], spec.bgp?.ipv6Address]
        const { speaker } = desired(all, facts(metadata.name, { routerId: 1 }), secrets)
        for (const { address, passive, name } of speaker?.peers ?? []) {
          if (!passive || name.startsWith('Local_Workload')) continue
          const mine = local.find(each => each?.includes(':') === address.includes(':')) ?? ''
          t.false(waiting.has(`${address} ${mine}`), `${mine} and ${address}`)
          waiting.add(`${mine} ${address}`)
          passives++
        }
      }
    }),
  )
  t.true(passives > 20)
})

test('who has a session with a node is that node’s peer too, unless somebody wants otherwise', t => {
  let pairs = 0
  const alike = cluster.map(all => ({
    ...all,
    // what makes the ends differ: AS numbers, ports and addresses of nobody, and Manual
    nodes: all.nodes.map(({ spec: { bgp }, ...rest }, at) => {
      const ipv4Address = bgp?.ipv4Address && `10.0.0.${at + 1}/24`
      return { ...rest, spec: { bgp: { ...bgp, ipv4Address, asNumber: undefined } } }
    }),
    bgpPeers: all.bgpPeers.map(({ spec, ...rest }) => ({
      ...rest,
      spec: {
        ...spec,
        ...(spec.peerIP && { peerIP: spec.peerIP.replace(/:.*/, '') }),
        asNumber: undefined,
        localASNumber: undefined,
        password: undefined,
        reversePeering: 'Auto' as const,
      },
    })),
    bgpConfigurations: [configuration({ listenPort: 1790 })],
  }))
  fc.assert(
    fc.property(alike, all => {
      const ends = new Set<string>()
      for (const { metadata, spec } of all.nodes) {
        const { speaker } = desired(all, facts(metadata.name, { routerId: 1 }), secrets)
        const own = [spec.bgp?.ipv4Address?.split('/')[0], spec.bgp?.ipv6Address]
        for (const { address, name } of speaker?.peers ?? [])
          if (!name.startsWith('Local_Workload'))
            ends.add(`${own[address.includes(':') ? 1 : 0]} ${address}`)
      }
      const nodes = new Set(
        all.nodes.flatMap(({ spec: { bgp } }) => [
          bgp?.ipv4Address?.split('/')[0],
          bgp?.ipv6Address,
        ]),
      )
      for (const end of ends) {
        const [from, to] = end.split(' ')
        if (!nodes.has(to)) continue
        pairs++
        t.true(ends.has(`${to} ${from}`), end)
      }
    }),
  )
  t.true(pairs > 50)
})

/** What a speaker does that was told each of these in turn: its sessions, and whom it connects to. */
function behaviour(all: readonly Snapshot[]) {
  const bench = new Bench()
  for (const each of all) {
    const { speaker } = desired(each, OWN, secrets)
    // as the controller does: who is not to speak has no peers
    if (speaker === undefined) bench.configure({ peers: [] })
    else bench.deliver({ type: 'Configure', config: speaker })
    bench.settle()
    bench.pass(seconds(2))
  }
  bench.endpoints.length = 0
  for (let step = 0; step < 60; step++) {
    for (const connection of bench.connects.splice(0))
      bench.deliver({ type: 'Failed', connection, why: 'nobody is there' })
    bench.pass(seconds(5))
  }
  const sessions = bench.speaker
    .snapshot(bench.now)
    .sessions.map(({ name, address, port, peerAs, localAs }) => [
      name,
      address,
      port,
      peerAs,
      localAs,
    ])
  const connects = new Set(bench.endpoints.map(endpoint => JSON.stringify(endpoint)))
  return { sessions: sessions.toSorted(), connects: [...connects].toSorted() }
}

test('sessions after one set of resources and another are those of the other alone', t => {
  let connected = 0
  fc.assert(
    fc.property(cluster, cluster, (before, after) => {
      const alone = behaviour([after])
      t.deepEqual(behaviour([before, after]), alone)
      connected += alone.connects.length
    }),
    { numRuns: 150 },
  )
  t.true(connected > 60)
})
