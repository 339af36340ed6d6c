/** The configuration of a node: defaults, the environment, and errors that say what to do. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { NEVER } from '../../../src/core/base/index.ts'
import { parseQuad, prefix } from '../../../src/core/net/index.ts'
import {
  ConfigurationError,
  loadConfig,
  type NodeConfiguration,
  parseConfig,
} from '../../../src/shell/config/index.ts'

const read = (text: string, environment = {}): NodeConfiguration =>
  parseConfig(text, '/etc/martlet/martlet.yaml', environment)

test('a store is all that must be said; the rest has defaults', t => {
  t.deepEqual(read('node: worker-0\nstore: {directory: store}\n'), {
    source: '/etc/martlet/martlet.yaml',
    node: 'worker-0',
    store: { kind: 'directory', path: '/etc/martlet/store' },
    runDirectory: '/run/martlet',
    stateDirectory: '/var/lib/martlet/.node',
    facts: {
      node: 'worker-0',
      podCidrs: [],
      transit: false,
      hold: 90_000 as never,
      connectRetry: 5000 as never,
      multipathMax: 16,
    },
    kernel: {
      table: 254,
      protocol: 77,
      metric: 1024,
      nexthopObjects: true,
      routesMax: 1_000_000,
      stale: 300_000 as never,
      resync: 90_000 as never,
    },
    log: { level: 'info' },
    state: { leaseSeconds: 10 },
  })
})

test('who has a run directory of his own keeps his memory in it, unless he says where', t => {
  const store = 'store: {directory: store}\n'
  const own = read(`${store}runDirectory: /run/left\n`)
  t.is(own.stateDirectory, '/run/left/state')
  t.is(own.birdSocket, undefined)
  const said = read(`${store}runDirectory: /run/left\nstateDirectory: kept\nbirdSocket: b.ctl\n`)
  t.is(said.stateDirectory, '/etc/martlet/kept')
  t.is(said.birdSocket, '/etc/martlet/b.ctl')
})

test('everything that is said counts, in canonical form', t => {
  const found = read(`
node: tor
store:
  etcd: {endpoints: ['https://10.0.0.1:2379'], username: m, passwordFile: pw, ca: ca.crt}
podCIDRs: [fd00::/64, 10.2.0.0/24, 10.1.0.0/24, 10.2.0.0/24]
transit: true
calico: {felix: beside}
bgp: {routerId: 10.0.0.9, holdSeconds: 0, multipathMax: 1, families: [ipv6, ipv4]}
kernel: {staleSeconds: 0}
`)
  t.deepEqual(found.store, {
    kind: 'etcd',
    endpoints: ['https://10.0.0.1:2379'],
    username: 'm',
    passwordFile: '/etc/martlet/pw',
    ca: '/etc/martlet/ca.crt',
  })
  t.deepEqual(found.facts.podCidrs as readonly string[], [
    '10.1.0.0/24',
    '10.2.0.0/24',
    'fd00::/64',
  ])
  t.true(found.facts.felixBeside)
  t.deepEqual(found.facts.families, ['ipv4', 'ipv6'])
  t.is(found.facts.routerId, parseQuad('10.0.0.9')!)
  t.is(found.facts.hold, 0 as never)
  t.is(found.kernel.stale, NEVER)
})

test('secrets are files, or keys of the store, or nowhere', t => {
  t.is(read(MINIMAL).secrets, undefined)
  t.deepEqual(read(`${MINIMAL}secrets: {directory: s}\n`).secrets, { directory: '/etc/martlet/s' })
  t.deepEqual(read(`${MINIMAL}secrets: {store: true}\n`).secrets, { store: true })
})

test('Calico’s hash of a name as router id is Calico’s', t => {
  const found = read('node: kube-master\nstore: {directory: /s}\nbgp: {routerId: hash}')
  t.is(found.facts.routerId, parseQuad('25.79.212.8')!)
})

test('Calico’s variables count where the file is silent', t => {
  const environment = {
    NODENAME: 'worker-7',
    ETCD_ENDPOINTS: 'https://a:2379, https://b:2379',
    ETCD_CA_CERT_FILE: '/ca',
    ETCD_CERT_FILE: '/crt',
    ETCD_KEY_FILE: '/key',
    ETCD_USERNAME: '',
    CALICO_ROUTER_ID: '1.2.3.4',
  }
  const found = read('', environment)
  t.is(found.node, 'worker-7')
  t.deepEqual(found.store, {
    kind: 'etcd',
    endpoints: ['https://a:2379', 'https://b:2379'],
    ca: '/ca',
    certificate: '/crt',
    key: '/key',
  })
  t.is(found.facts.routerId, parseQuad('1.2.3.4')!)
  const file = read('node: a\nstore: {directory: /s}\nbgp: {routerId: 4.3.2.1}', environment)
  t.is(file.node, 'a')
  t.is(file.store.kind, 'directory')
  t.is(file.facts.routerId, parseQuad('4.3.2.1')!)
})

const MINIMAL = 'store: {directory: /s}\n'

/** One fault each: the text, and what the message must be. */
const faults: readonly (readonly [string, string, string])[] = [
  [
    'a misspelt key',
    `${MINIMAL}kernel:\n  metrik: 7\n`,
    '/etc/martlet/martlet.yaml:3: kernel.metrik: "metrik" is not a known field; ' +
      'did you mean "metric"?',
  ],
  [
    'a key that resembles nothing',
    `${MINIMAL}log: {colour: red}\n`,
    '/etc/martlet/martlet.yaml:2: log.colour: "colour" is not a known field; known are level',
  ],
  [
    'a hold time of two seconds',
    `${MINIMAL}bgp:\n  holdSeconds: 2\n`,
    '/etc/martlet/martlet.yaml:3: bgp.holdSeconds: 2 is not a hold time; RFC 4271 allows ' +
      '0 (none) and 3 to 65535 seconds',
  ],
  [
    'text for a number',
    `${MINIMAL}bgp: {connectRetrySeconds: soon}\n`,
    '/etc/martlet/martlet.yaml:2: bgp.connectRetrySeconds: "soon" is not a number',
  ],
  [
    'a number out of range',
    `${MINIMAL}bgp: {multipathMax: 0}\n`,
    '/etc/martlet/martlet.yaml:2: bgp.multipathMax: 0 is too small; the least is 1',
  ],
  [
    'a prefix with host bits',
    `${MINIMAL}podCIDRs:\n  - 10.0.0.0/24\n  - 10.0.1.1/24\n`,
    '/etc/martlet/martlet.yaml:4: podCIDRs[1]: "10.0.1.1/24" is not a prefix; write the network ' +
      'and its length, as 10.200.0.0/24, host bits zero',
  ],
  [
    'a protocol of FRR',
    `${MINIMAL}kernel: {protocol: 186}\n`,
    '/etc/martlet/martlet.yaml:2: kernel.protocol: 186 cannot be ours; 0 to 4 are the kernel’s ' +
      'and 186 is FRR’s, write another up to 255',
  ],
  [
    'two stores',
    'store: {directory: /s, etcd: {endpoints: ["http://a:1"]}}\n',
    '/etc/martlet/martlet.yaml:1: store: {"directory":"/s","etcd":{"endpoints":["http://a:1"]}} ' +
      'needs exactly one of "directory" and "etcd"',
  ],
  [
    'no store',
    'node: a\n',
    '/etc/martlet/martlet.yaml: store: is missing; write "store: {directory: PATH}" or ' +
      '"store: {etcd: {endpoints: [URL]}}", or set ETCD_ENDPOINTS',
  ],
  [
    'an endpoint without a scheme',
    'store: {etcd: {endpoints: ["10.0.0.1:2379"]}}\n',
    '/etc/martlet/martlet.yaml:1: store.etcd.endpoints[0]: "10.0.0.1:2379" is not an endpoint; ' +
      'write http://HOST:2379 or https://HOST:2379',
  ],
  [
    'a certificate without its key',
    'store: {etcd: {endpoints: ["https://a:1"], certificate: c}}\n',
    '/etc/martlet/martlet.yaml:1: store.etcd.key: is missing; certificate and key go together',
  ],
  [
    'a user without a password',
    'store: {etcd: {endpoints: ["https://a:1"], username: u}}\n',
    '/etc/martlet/martlet.yaml:1: store.etcd.username: "u" needs a password or a passwordFile',
  ],
  [
    'two places of secrets',
    `${MINIMAL}secrets: {directory: s, store: true}\n`,
    '/etc/martlet/martlet.yaml:2: secrets: {"directory":"s","store":true} needs exactly one of ' +
      '"directory" and "store: true"',
  ],
  [
    'a list instead of fields',
    '- node: a\n',
    '/etc/martlet/martlet.yaml:1: [{"node":"a"}] is not a mapping of fields',
  ],
  [
    'a second document',
    `${MINIMAL}---\nnode: a\n`,
    '/etc/martlet/martlet.yaml:3: a second document; a configuration is one',
  ],
  [
    'a key twice',
    'node: a\nnode: b\n',
    '/etc/martlet/martlet.yaml:2: is not YAML: Map keys must be unique',
  ],
]

for (const [title, text, message] of faults)
  test(`${title} is an error with line, field, reason and remedy`, t => {
    const error = t.throws(() => read(text), { instanceOf: ConfigurationError })
    t.is(error?.message, message)
    t.is(error?.code, 'CONFIGURATION_INVALID')
  })

test('there are sixteen faults above', t => t.is(faults.length, 16))

test('every fault of a file is told at once', t => {
  const error = t.throws(() => read('nod: a\nbgp: {holdSeconds: 1, multipathMax: 99}\n'), {
    instanceOf: ConfigurationError,
  })
  t.deepEqual(error?.problems.map(({ field }) => field).toSorted(), [
    'bgp.holdSeconds',
    'bgp.multipathMax',
    'nod',
  ])
})

function file(t: ExecutionContext, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'martlet-config-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'martlet.yaml')
  writeFileSync(path, text)
  return path
}

test('the file is the one that is named, else that of MARTLET_CONFIG', t => {
  const [one, two] = [file(t, `node: one\n${MINIMAL}`), file(t, `node: two\n${MINIMAL}`)]
  t.is(loadConfig(one, { MARTLET_CONFIG: two }).node, 'one')
  t.is(loadConfig(undefined, { MARTLET_CONFIG: two }).node, 'two')
})

test('a file that was named must be there, even where variables would do', t => {
  const environment = { MARTLET_CONFIG: '/nowhere/martlet.yaml', ETCD_ENDPOINTS: 'http://a:1' }
  const error = t.throws(() => loadConfig(undefined, environment), {
    instanceOf: ConfigurationError,
  })
  t.is(error?.code, 'CONFIGURATION_UNREADABLE')
  t.regex(error?.message ?? '', /\/nowhere\/martlet\.yaml: cannot be read/)
})

test('variables obey the rules of the file, and are named in the error', t => {
  const environment = { ETCD_ENDPOINTS: 'a:1', ETCD_CERT_FILE: '/c' }
  const error = t.throws(() => read('', environment), { instanceOf: ConfigurationError })
  t.deepEqual(error?.problems.map(({ object, field }) => `${object} ${field}`).toSorted(), [
    'environment ETCD_ENDPOINTS',
    'environment ETCD_KEY_FILE',
  ])
})

test('nothing that was read from a file is code', t => {
  const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${['b', 'c', 'd', 'e', 'f']
    .map((name, at) => `${name}: &${name} [${`*${'abcde'[at]},`.repeat(9)}]`)
    .join('\n')}\n`
  t.throws(() => read(bomb), { message: /is not usable YAML/ })
  t.throws(() => read('store: !!js/function "x"\n'), { instanceOf: ConfigurationError })
})

test('a node registers itself where it is told to, as it is told', t => {
  const store = 'store: {directory: store}\n'
  t.is(read(store).registration, undefined)
  t.is(read(`${store}registration: {enabled: false}\n`).registration, undefined)
  t.like(read(`${store}registration: {}\n`).registration, {
    ipv4: { type: 'detect', text: 'first-found' },
    ipv6: { type: 'none' },
    labels: {},
    pollMs: 60_000,
  })
  const said = read(`${store}registration:
  ipv4: 10.0.0.1/24
  ipv6: autodetect
  ipv6Method: can-reach=fd00::1
  asNumber: "1.10"
  labels: {topology.kubernetes.io/zone: a}
  pollSeconds: 5
`).registration
  t.like(said, {
    ipv4: { type: 'given', address: '10.0.0.1/24' },
    ipv6: { type: 'detect', method: { type: 'can-reach', destination: 'fd00::1' } },
    labels: { 'topology.kubernetes.io/zone': 'a' },
    pollMs: 5000,
  })
  t.is(said?.asNumber, 65_546 as never)
})

test('Calico’s variables fill in a registration, and ask for one where there is no file', t => {
  const variables = {
    ETCD_ENDPOINTS: 'http://10.0.0.9:2379',
    IP: 'autodetect',
    IP6: 'none',
    IP_AUTODETECTION_METHOD: 'interface=eth.*',
    AS: '64513',
    AUTODETECT_POLL_INTERVAL: '90s',
  }
  const { registration } = parseConfig('', 'environment', variables)
  t.like(registration, { ipv4: { type: 'detect', text: 'interface=eth.*' }, pollMs: 90_000 })
  t.is(registration?.asNumber, 64_513 as never)
  t.is(read('', variables).registration, undefined)
  const file = read('registration: {ipv4: 10.0.0.1}\n', variables).registration
  t.like(file, { ipv4: { type: 'given', address: '10.0.0.1' }, pollMs: 90_000 })
  const wrong = t.throws(() => parseConfig('', 'environment', { ...variables, IP: '10.0.0.300' }), {
    instanceOf: ConfigurationError,
  })
  t.deepEqual(
    wrong.problems.map(({ object, field }) => `${object} ${field}`),
    ['environment IP'],
  )
})

test('blocks and a file for pods are had where they are asked for, and not beside podCIDRs', t => {
  const store = 'store: {directory: store}\n'
  t.is(read(store).claimsBlocks, undefined)
  const asked = read(`${store}ipam: {claim: true}\ncni: {path: net.d/10.conflist, bridge: br0}\n`)
  t.true(asked.claimsBlocks)
  t.deepEqual(asked.cni, {
    path: '/etc/martlet/net.d/10.conflist',
    name: 'martlet',
    bridge: 'br0',
  })
  t.throws(() => read(`${store}ipam: {claim: true}\npodCIDRs: [10.0.0.0/24]\n`), {
    message: /ipam\.claim.*podCIDRs are both given/,
  })
  t.throws(() => read(`${store}registration: {ipv4Method: first}\n`), {
    message: /ipv4Method.*is not a method; write first-found, can-reach=HOST/,
  })
})

test('Kubernetes is asked where the file says so, paths being near it', t => {
  const more = 'kubernetes: {kubeconfig: admin.conf, context: one, node: worker-a}\n'
  const found = read(MINIMAL + more, { KUBECONFIG: '/elsewhere', CALICO_K8S_NODE_REF: 'b' })
  t.deepEqual(found.kubernetes, { kubeconfig: '/etc/martlet/admin.conf', context: 'one' })
  t.is(found.facts.kubernetesNode, 'worker-a')
  t.deepEqual(read(`${MINIMAL}kubernetes: {}\n`).kubernetes, {})
  t.deepEqual(read(`${MINIMAL}kubernetes: {}\n`, { KUBECONFIG: '/one' }).kubernetes, {
    kubeconfig: '/one',
  })
  t.is(read(MINIMAL, { KUBECONFIG: '/one', KUBERNETES_SERVICE_HOST: 'x' }).kubernetes, undefined)
})

test('without a file, KUBECONFIG or being a pod asks Kubernetes, by the name that Calico gives', t => {
  const etcd = { ETCD_ENDPOINTS: 'http://a:1' }
  const found = (more: Record<string, string>) =>
    parseConfig('', 'environment', { ...etcd, ...more })
  t.is(found({}).kubernetes, undefined)
  t.deepEqual(found({ KUBERNETES_SERVICE_HOST: '10.96.0.1' }).kubernetes, {})
  t.deepEqual(found({ KUBECONFIG: '/one' }).kubernetes, { kubeconfig: '/one' })
  t.is(found({ CALICO_K8S_NODE_REF: 'worker-a' }).facts.kubernetesNode, 'worker-a')
})

test('USE_POD_CIDR says that pods have no addresses of IPAM', t => {
  for (const text of ['true', 'True', '1', 't'])
    t.is(read(MINIMAL, { USE_POD_CIDR: text }).facts.usePodCidr, true, text)
  for (const text of ['false', '0', '', undefined])
    t.is(read(MINIMAL, { USE_POD_CIDR: text }).facts.usePodCidr, undefined, text)
})

test('CALICO_ADVERTISE_CLUSTER_IPS is a prefix, whatever its host bits', t => {
  const found = read(MINIMAL, { CALICO_ADVERTISE_CLUSTER_IPS: '10.96.0.1/12' })
  t.is(found.facts.clusterIps, prefix('10.96.0.0/12'))
  t.is(read(MINIMAL, { CALICO_ADVERTISE_CLUSTER_IPS: '' }).facts.clusterIps, undefined)
  const error = t.throws(() => read(MINIMAL, { CALICO_ADVERTISE_CLUSTER_IPS: 'all' }))
  t.is(error?.message, 'environment: CALICO_ADVERTISE_CLUSTER_IPS: "all" is not a prefix')
})

test('what another hand does, and what may be installed, is said by prefix, link and metric', t => {
  const kernel = (text: string) => read(`store: {directory: s}\nkernel: ${text}\n`).kernel
  t.is(kernel('{}').audit, undefined)
  t.is(kernel('{}').allow, undefined)
  const rule = { prefix: '10.200.0.0/16', action: 'alert' }
  t.deepEqual<unknown, unknown>(kernel(`{audit: [${JSON.stringify(rule)}]}`).audit, [rule])
  const allow = { prefixes: ['10.200.0.0/16'], interfaces: ['eth0', 'cali*'], metrics: [1024] }
  t.deepEqual<unknown, unknown>(kernel(`{allow: ${JSON.stringify(allow)}}`).allow, allow)
  t.deepEqual(kernel('{allow: {metrics: [512]}}').allow, { metrics: [512] })
  for (const text of [
    '{audit: [{prefix: 10.200.0.0, action: yield}]}',
    '{audit: [{prefix: 10.200.0.0/16, action: ignore}]}',
    '{allow: {interfaces: [a*b]}}',
    '{allow: {interfaces: []}}',
    '{allow: {prefixes: [10.0.0.1/8]}}',
    '{allow: {metrics: [0]}}',
  ])
    t.throws(() => kernel(text), { instanceOf: ConfigurationError }, text)
})
