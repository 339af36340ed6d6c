/** `martlet check`: every fault with its place, both passes. */
import test from 'ava'
import { stringify } from 'yaml'
import { service, slice } from '../../support/services.ts'
import { MemoryStore, run } from './world.ts'

const node = (name: string, address: string, podCidr: string): string =>
  `apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: ${name}}
spec: {bgp: {ipv4Address: ${address}}}
status: {podCIDRs: [${podCidr}]}
`

const NODES = `${node('worker-0', '10.240.0.20/24', '10.200.0.0/24')}---
${node('worker-1', '10.240.0.21/24', '10.200.1.0/24')}`

test('good files are counted, with exit code 0', async t => {
  const files = { 'martlet.yaml': 'store: {directory: res}\n', 'res/nodes.yaml': NODES }
  const { code, printed } = await run(['check', 'martlet.yaml', 'res'], { files })
  t.is(printed, '2 files, 2 resources: no problem')
  t.is(code, 0)
})

test('every fault of every file has file, line, field and remedy, in order of place', async t => {
  const files = {
    'martlet.yaml': 'node: worker-0\nstor: {directory: res}\nbgp: {holdSeconds: 2}\n',
    'res/nodes.yaml': `${NODES}---
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: tor}
spec: {peerIp: 10.240.0.1, asNumber: 64512}
`,
  }
  const { code, printed } = await run(['check', 'res', 'martlet.yaml'], { files })
  t.is(code, 1)
  const lines = printed.split('\n')
  t.regex(lines[0]!, /^martlet\.yaml:2: stor: .*did you mean "store"\?$/)
  t.regex(lines[1]!, /^martlet\.yaml:3: bgp\.holdSeconds: 2 is not a hold time/)
  t.regex(lines[2]!, /^res\/nodes\.yaml:16: spec\.peerIp: .*did you mean "peerIP"/)
  t.regex(lines[3]!, /^res\/nodes\.yaml:16: spec\.peerIP: is missing/)
  t.is(lines.at(-1), '2 files, 2 resources: 4 problems')
})

const pool = (name: string, cidr: string): string =>
  `apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: ${name}}\nspec:\n  cidr: ${cidr}\n`

const TOGETHER: readonly (readonly [string, string, RegExp])[] = [
  [
    'overlapping pod CIDRs',
    `${NODES}---\n${node('worker-2', '10.240.0.22/24', '10.200.1.128/25')}`,
    /^a\.yaml:13: status\.podCIDRs: 10\.200\.1\.128\/25 of worker-2 overlaps 10\.200\.1\.0\/24/m,
  ],
  [
    'a peer equal to oneself',
    `${NODES}---
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: self}
spec: {node: worker-0, peerIP: 10.240.0.20, asNumber: 64512}
`,
    /^a\.yaml:13: spec\.peerIP: 10\.240\.0\.20 is the address of worker-0 itself/m,
  ],
  [
    'the same resource twice',
    `${NODES}---\n${node('worker-1', '10.240.0.23/24', '10.200.3.0/24')}`,
    /^a\.yaml:13: metadata\.name: "worker-1" is at a\.yaml:7 already/m,
  ],
  [
    'overlapping pools',
    `${NODES}---\n${pool('a', '10.9.0.0/16')}---\n${pool('b', '10.9.8.0/24')}`,
    /^a\.yaml:19: spec\.cidr: overlaps 10\.9\.0\.0\/16 of the pool "a"/m,
  ],
]

test('two of a name in two namespaces are two', async t => {
  const endpoint = (namespace: string): string =>
    'apiVersion: projectcalico.org/v3\nkind: WorkloadEndpoint\n' +
    `metadata: {name: web, namespace: ${namespace}}\nspec: {node: worker-0}\n`
  const files = { 'a.yaml': `${NODES}---\n${endpoint('a')}---\n${endpoint('b')}` }
  const { printed } = await run(['check', 'a.yaml'], { files })
  t.is(printed, '1 file, 4 resources: no problem')
})

const togetherMacro = test.macro({
  exec: async (t, text: string, expected: RegExp) => {
    const { code, printed } = await run(['check', 'a.yaml'], { files: { 'a.yaml': text } })
    t.is(code, 1)
    t.regex(printed, expected)
  },
  title: (what = '') => `resources are checked together: ${what}`,
})
for (const [what, text, expected] of TOGETHER) test(what, togetherMacro, text, expected)

test('a node is looked at with its own configuration where it is among the files', async t => {
  const files = {
    'martlet.yaml': 'node: worker-0\nstore: {directory: .}\npodCIDRs: [10.200.1.0/25]\n',
    'a.yaml': NODES,
  }
  const { code, printed } = await run(['check', 'martlet.yaml', 'a.yaml'], { files })
  t.is(code, 1)
  t.regex(printed, /10\.200\.1\.0\/25/)
})

test('a configuration that names no node is for every node, not for this host', async t => {
  const files = { 'martlet.yaml': 'store: {directory: .}\n', 'a.yaml': NODES }
  const { code, printed } = await run(['check', 'martlet.yaml', 'a.yaml'], { files })
  t.is(printed, '2 files, 2 resources: no problem')
  t.is(code, 0)
})

test('nothing to check is not a success', async t => {
  const empty = await run(['check', 'a.yaml'], { files: { 'a.yaml': '# nothing\n' } })
  t.is(empty.code, 1)
  t.regex(empty.printed, /^a\.yaml: is empty$/m)
  const folder = await run(['check', 'none/'])
  t.is(folder.code, 3)
  t.regex(folder.remarks, /no YAML or JSON file in none\//)
  t.is((await run(['check', 'nowhere.yaml'])).code, 3)
  t.is((await run(['check'])).code, 2)
})

test('programs get the problems as data', async t => {
  const files = { 'a.yaml': NODES.replace('10.240.0.20/24', '10.240.0') }
  const { code, printed } = await run(['check', 'a.yaml', '-o', 'json'], { files })
  t.is(code, 1)
  const checked = JSON.parse(printed)
  t.is(checked.resources, 1)
  t.is(checked.problems[0].object, 'a.yaml:4')
  t.is(checked.problems[0].field, 'spec.bgp.ipv4Address')
})

test('files of services are checked as what they are', async t => {
  const list = { kind: 'List', apiVersion: 'v1', items: [service('web'), slice('web', ['a'])] }
  const good = await run(['check', 'f.yaml'], { files: { 'f.yaml': stringify(list) } })
  t.deepEqual([good.code, good.printed], [0, '1 file, 2 resources: no problem'])
  const bad = stringify({ ...service('web'), spec: { externalIPs: 'all' } })
  const found = await run(['check', 'f.yaml'], { files: { 'f.yaml': bad } })
  t.is(found.code, 1)
  t.regex(found.printed, /^f\.yaml:1: spec\.externalIPs: "all" is not a list/)
})

test('a service is not applied to a store: it says who does that', async t => {
  const files = { 'f.yaml': stringify(service('web')) }
  const found = await run(['apply', '-f', 'f.yaml'], { files, store: new MemoryStore() })
  t.is(found.code, 1)
  t.regex(found.remarks, /f\.yaml:1: a Service is Kubernetes' own; apply it by kubectl, or put its/)
})
