import { readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import test from 'ava'
import { LabError, loadTopology, parseTopology } from '../../../src/shell/lab/index.ts'

/** Topology files: what is understood, what is refused and how, and how layers are merged. */

const LABS = new URL('../../../config/labs/', import.meta.url).pathname

const parse = (text: string, variables: Record<string, string> = {}) =>
  parseTopology(text, '/labs/x.clab.yml', variables)

const nodes = (text: string) => parse(`topology:\n  nodes:\n${text}`)

const node = (text: string) => {
  const [first] = nodes(text).nodes
  if (first === undefined) throw new Error('no node')
  return first
}

const refused = test.macro({
  exec: (t, text: string, ...expected: string[]) => {
    const error = t.throws(() => parse(text), { instanceOf: LabError, code: 'LAB_TOPOLOGY' })
    for (const words of expected) t.true(error?.message.includes(words), error?.message)
  },
  title: title => title ?? 'untitled',
})

const A = 'topology: {nodes: {a: {image: debian'

test(
  'A key outside the subset is refused by name, with file, line, path and remedy',
  refused,
  'name: x\ntopology:\n  nodes:\n    a:\n      image: debian\n      startup-config: a.cfg\n',
  '/labs/x.clab.yml:6: topology.nodes.a.startup-config:',
  'outside the subset',
  'bind the file instead',
)
test(
  'A key that nobody knows is refused with the keys that there are',
  refused,
  `${A}, imagee: debian}}}`,
  'topology.nodes.a.imagee: "imagee" is not a key here',
  'write one of aliases, binds',
)
test('A key at the top is refused too', refused, 'nmae: x', ': nmae: "nmae" is not a key here')
test('A vendor kind is refused', refused, 'topology: {nodes: {a: {kind: ceos}}}', '"ceos"', 'linux')
test(
  'A link type that is not realised is refused',
  refused,
  `${A}}}, links: [{type: macvlan, endpoint: {node: a, interface: eth1}}]}`,
  'topology.links.0.type: link type "macvlan"',
)
test('All problems are told at once', refused, `${A}, x: 1, y: 2}}}`, 'a.x:', 'a.y:')
test('A node without an image is refused', refused, 'topology: {nodes: {a: {}}}', 'has no image')
test('An unknown group is refused', refused, `${A}, group: g}}}`, 'no group "g"')
test(
  'A link to nowhere is refused',
  refused,
  `${A}}}, links: [{endpoints: ["a:eth1", "b:eth1"]}]}`,
  'topology.links.0: there is no node "b"',
)
test(
  'An interface cannot end two links',
  refused,
  `${A}}, b: {image: debian}}, links: [{endpoints: ["a:x", "b:x"]}, {endpoints: ["a:x", "b:y"]}]}`,
  'a:x is the end of another link already',
)
test(
  'The management interface cannot end a link',
  refused,
  `${A}}, b: {image: debian}}, links: [{endpoints: ["a:eth0", "b:eth1"]}]}`,
  'a:eth0 is the management interface',
)
test(
  'An interface name of sixteen characters is refused',
  refused,
  `${A}}, b: {image: debian}}, links: [{endpoints: ["a:abcdefghijklmnop", "b:eth1"]}]}`,
  '1 to 15 characters',
)
test(
  'Nodes that wait for each other are refused',
  refused,
  `topology: {nodes: {
    a: {image: debian, stages: {create: {wait-for: [{node: b, stage: healthy}]}}},
    b: {image: debian, network-mode: "container:a"}}}`,
  'waits for itself',
)
test(
  'An exec line with an open quote is refused',
  refused,
  `${A}, exec: ["sh -c 'x"]}}}`,
  'not closed',
)
test('A bind without a destination is refused', refused, `${A}, binds: [x]}}}`, '"x" is not source')
test('YAML that does not parse is refused with its line', refused, 'name: x\nname: y', 'yml:2:')

test('Scalars of a node are before those of its group, kind and defaults', t => {
  const { image, user, hostname, restart } =
    parse(`
topology:
  defaults: { image: debian, user: a, hostname: a, restart-policy: "no" }
  kinds: { linux: { image: alpine, user: b, hostname: b } }
  groups: { g: { image: ubuntu, user: c } }
  nodes: { n: { group: g, image: busybox } }`).nodes[0] ?? t.fail()
  t.deepEqual(
    { image, user, hostname, restart },
    {
      image: 'busybox',
      user: 'c',
      hostname: 'b',
      restart: 'no',
    },
  )
})

test('Maps merge by key, binds by destination, exec is concatenated without repeats', t => {
  const merged = parse(`
topology:
  defaults: { image: debian, env: { A: 1, B: 1 }, exec: [one, two], binds: ["a:/x", "b:/y:ro"] }
  kinds: { linux: { sysctls: { net.ipv4.ip_forward: 1 }, exec: [three, one] } }
  groups: { g: { env: { B: 2 }, binds: ["c:/x"] } }
  nodes: { n: { group: g, env: { C: 3 }, exec: [four], sysctls: { net.ipv4.ip_forward: 0 } } }`)
  const [n] = merged.nodes
  t.deepEqual(n?.env, { A: '1', B: '2', C: '3' })
  t.deepEqual(n?.sysctls, { 'net.ipv4.ip_forward': '0' })
  t.deepEqual(n?.exec, [['one'], ['two'], ['three'], ['four']])
  t.deepEqual(n?.binds, [
    { source: '/labs/c', destination: '/x', readOnly: false },
    { source: '/labs/b', destination: '/y', readOnly: true },
  ])
})

test('Binds are relative to the file, or to the home folder', t => {
  const { binds } = node('    a: {image: debian, binds: ["x/y:/a", "/z:/b", "~/h:/c"]}')
  t.deepEqual(
    binds.map(bind => bind.source),
    ['/labs/x/y', '/z', `${homedir()}/h`],
  )
})

test('Magic words become the names and folders of the node', t => {
  const { binds, env } = node(
    '    a1: {image: debian, binds: ["__clabNodeName__.conf:/c"], env: {D: __clabNodeDir__}}',
  )
  t.is(binds[0]?.source, '/labs/a1.conf')
  t.is(env.D, '/labs/clab-x/a1')
})

test('What has no effect here is noticed, not refused', t => {
  const { notices } = nodes('    a: {image: debian, labels: {x: y}, ports: ["80:80"]}')
  t.deepEqual(notices, [
    '/labs/x.clab.yml:3: topology.nodes.a.labels: has no effect in this lab',
    '/labs/x.clab.yml:3: topology.nodes.a.ports: has no effect in this lab',
  ])
})

test('A health check is in milliseconds, in both of its spellings', t => {
  const read = (check: string) => node(`    a: {image: debian, healthcheck: ${check}}`).healthcheck
  t.deepEqual(read('{test: [CMD, a, b], interval: 2, timeout: 1, retries: 5, start-period: 3}'), {
    command: ['a', 'b'],
    startMs: 3000,
    intervalMs: 2000,
    timeoutMs: 1000,
    retries: 5,
  })
  t.deepEqual(read('{test: [CMD-SHELL, "a | b"]}')?.command, ['sh', '-c', 'a | b'])
})

test('Links have an MTU of 9500, and addresses from either way to write them', t => {
  const { links } = parse(`
topology:
  nodes: { a: { image: debian }, b: { image: debian } }
  links:
    - endpoints: ["a:eth1", "b:eth1"]
      ipv4: [10.0.0.1/31, 10.0.0.0/31]
      ipv6: ["", "fd00::1/64"]
    - type: veth
      mtu: 1500
      endpoints:
        - { node: a, interface: ge-0/0/1, ipv4: 10.1.0.1/24 }
        - { node: host, interface: up }
    - { type: host, endpoint: { node: a, interface: eth3 }, host-interface: a3 }
    - { type: dummy, endpoint: { node: a, interface: lo1, ipv4: 10.9.9.9/32 } }`)
  t.deepEqual(
    links.map(link => [
      link.mtu,
      ...link.ends.map(end => [end.node, end.interface, ...end.addresses]),
    ]),
    [
      [9500, ['a', 'eth1', '10.0.0.1/31'], ['b', 'eth1', '10.0.0.0/31', 'fd00::1/64']],
      [1500, ['a', 'ge-0-0-1', '10.1.0.1/24'], ['host', 'up']],
      [9500, ['a', 'eth3'], ['host', 'a3']],
      [9500, ['a', 'lo1', '10.9.9.9/32']],
    ],
  )
})

const files = readdirSync(LABS).filter(file => file.endsWith('.clab.yml'))

test('The three labs are there', t => {
  t.deepEqual(files, ['hard-way.clab.yml', 'mesh.clab.yml', 'two-racks.clab.yml'])
})

for (const file of files) {
  for (const ROUTER of ['martlet', 'bird', 'frr', 'gobgp']) {
    for (const STORE of ['directory', 'etcd']) {
      test(`${file} with ${ROUTER} and ${STORE} parses without a notice`, t => {
        const topology = loadTopology(LABS + file, { ROUTER, STORE })
        t.deepEqual(topology.notices, [])
        t.is(topology.name, file.replace('.clab.yml', ''))
        t.is(topology.nodes.filter(each => each.name.startsWith('worker-')).length, 3)
      })
    }
  }
}
