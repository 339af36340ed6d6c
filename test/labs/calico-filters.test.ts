/**
 * BGPFilters, pools, communities and LOCAL_PREF against BIRD: the same resources are written for it by
 * hand as Calico's confd writes them, and what an external and an internal peer hear must be equal.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import type { BgpFilterSpec } from '../../src/core/calico/index.ts'
import { Lab } from '../../src/shell/lab/index.ts'
import { FIXTURES, labsLeftOut, packagesMissing, tellLogs, until } from './support/lab.ts'
import { AgentNode } from './support/survival.ts'

const TOPOLOGY = `${FIXTURES}calico-filters.clab.yml`

const leftOut =
  labsLeftOut() ?? (packagesMissing(TOPOLOGY, { SCENE: '/nowhere' }).join(' ') || undefined)
if (leftOut !== undefined) test.skip(`Left out: ${leftOut}`, t => t.pass())

/** What the feeder announces: a prefix, and what is done to its attributes. */
const ROUTES: readonly (readonly [prefix: string, attributes: string])[] = [
  ['77.0.0.0/16', ''],
  ['77.0.4.0/22', 'bgp_community.add((65010,42));'],
  ['77.0.5.0/24', 'bgp_large_community.add((65010,4,2));'],
  ['77.0.5.128/25', 'bgp_path.prepend(65001);'],
  ['77.1.0.0/24', 'bgp_med = 50; bgp_community.add((65010,42)); bgp_community.add((65010,1));'],
  ['78.0.0.0/24', 'bgp_path.prepend(65001); bgp_path.prepend(65002);'],
  ['10.244.1.7/32', ''],
  ['10.244.2.0/26', ''],
  ['10.244.3.9/32', 'bgp_community.add((65010,42));'],
  ['10.250.1.0/26', ''],
]

/** What leaves without any filter: own block, the pool's others. */
const BUILT_IN = ['10.244.1.0/26', '10.244.2.0/26', '10.244.3.9/32']

/** A filter in both languages, and what the external peer hears then. */
interface Case {
  readonly title: string
  readonly spec: BgpFilterSpec
  readonly importing?: string
  readonly exporting?: string
  readonly heard: readonly string[]
}

const accept = { action: 'Accept' } as const
const reject = { action: 'Reject' } as const
const within = { matchOperator: 'In' } as const

const CASES: readonly Case[] = [
  { title: 'no rules', spec: {}, heard: BUILT_IN },
  {
    title: 'export In with prefixLength, NotIn',
    spec: {
      exportV4: [
        { cidr: '77.0.0.0/16', ...within, prefixLength: { min: 17, max: 24 }, ...accept },
        { cidr: '10.244.0.0/16', matchOperator: 'NotIn', ...reject },
      ],
    },
    exporting: `if (net ~ [ 77.0.0.0/16{17,24} ]) then accept;
      if (net !~ 10.244.0.0/16) then reject;`,
    heard: ['77.0.4.0/22', '77.0.5.0/24', ...BUILT_IN],
  },
  {
    title: 'export Equal, NotEqual: what is accepted passes pools and blocks by',
    spec: {
      exportV4: [
        { cidr: '10.250.1.0/26', matchOperator: 'Equal', ...accept },
        { cidr: '10.244.1.7/32', matchOperator: 'Equal', ...accept },
        { cidr: '10.244.1.0/26', matchOperator: 'NotEqual', ...reject },
      ],
    },
    exporting: `if (net = 10.250.1.0/26) then accept; if (net = 10.244.1.7/32) then accept;
      if (net != 10.244.1.0/26) then reject;`,
    heard: ['10.250.1.0/26', '10.244.1.7/32', '10.244.1.0/26'],
  },
  {
    title: 'export by source: RemotePeers',
    spec: { exportV4: [{ source: 'RemotePeers', ...reject }] },
    exporting: 'if (source ~ [ RTS_BGP ]) then reject;',
    heard: ['10.244.1.0/26'],
  },
  {
    title: 'export by interface: the link of the next hop',
    spec: { exportV4: [{ interface: 'et*1', ...reject }] },
    exporting: 'if (defined(ifname) && (ifname ~ "et*1")) then reject;',
    heard: ['10.244.1.0/26'],
  },
  {
    title: 'export by another interface',
    spec: { exportV4: [{ interface: '*.calico', ...reject }] },
    exporting: 'if (defined(ifname) && (ifname ~ "*.calico")) then reject;',
    heard: BUILT_IN,
  },
  {
    title: 'export by standard community, with large ones and priority added',
    spec: {
      exportV4: [
        {
          communities: { values: ['65010:42'] },
          operations: [{ addCommunity: { value: '64512:9:9' } }, { setPriority: { value: 256 } }],
          ...accept,
        },
      ],
    },
    exporting: `if ((65010,42) ~ bgp_community) then {
      bgp_large_community.add((64512,9,9)); bgp_local_pref = 2147483391; accept; }`,
    heard: ['77.0.4.0/22', '77.1.0.0/24', ...BUILT_IN],
  },
  {
    title: 'export by large community, with a standard one added',
    spec: {
      exportV4: [
        {
          communities: { values: ['65010:4:2'] },
          operations: [{ addCommunity: { value: '64512:8' } }],
          ...accept,
        },
      ],
    },
    exporting: `if ((65010,4,2) ~ bgp_large_community) then {
      bgp_community.add((64512,8)); accept; }`,
    heard: ['77.0.5.0/24', ...BUILT_IN],
  },
  {
    title: 'export by the beginning of the path, with numbers in front',
    spec: {
      exportV4: [
        {
          asPathPrefix: [65010, 65001],
          operations: [{ prependASPath: { prefix: [64601, 64602] } }],
          ...accept,
        },
      ],
    },
    exporting: `if (bgp_path ~ [= 65010 65001 * =]) then {
      bgp_path.prepend(64602); bgp_path.prepend(64601); accept; }`,
    heard: ['77.0.5.128/25', ...BUILT_IN],
  },
  {
    title: 'export by type of peer',
    spec: {
      exportV4: [
        { peerType: 'eBGP', cidr: '78.0.0.0/24', matchOperator: 'Equal', ...accept },
        { peerType: 'iBGP', cidr: '77.1.0.0/24', matchOperator: 'Equal', ...accept },
      ],
    },
    exporting: `if (!is_same_as) then { if (net = 78.0.0.0/24) then accept; }
      if (is_same_as) then { if (net = 77.1.0.0/24) then accept; }`,
    heard: ['78.0.0.0/24', ...BUILT_IN],
  },
  {
    title: 'export by priority: own routes, and those that import gave one',
    spec: {
      importV4: [
        {
          cidr: '77.0.4.0/22',
          matchOperator: 'Equal',
          operations: [{ setPriority: { value: 512 } }, { addCommunity: { value: '64512:7' } }],
          ...accept,
        },
      ],
      exportV4: [
        { priority: 512, ...accept },
        { priority: 1024, ...reject },
      ],
    },
    importing: `if (net = 77.0.4.0/22) then {
      bgp_local_pref = 2147483135; bgp_community.add((64512,7)); accept; }`,
    exporting: `if (defined(bgp_local_pref) && (bgp_local_pref = 2147483135)) then accept;
      if (defined(bgp_local_pref) && (bgp_local_pref = 2147482623)) then reject;`,
    heard: ['77.0.4.0/22', '10.244.2.0/26', '10.244.3.9/32'],
  },
  {
    title: 'inside a block of our own, what has the priority of a workload that moves',
    spec: {
      importV4: [
        {
          cidr: '10.244.1.7/32',
          matchOperator: 'Equal',
          operations: [{ setPriority: { value: 512 } }],
          ...accept,
        },
      ],
    },
    importing: 'if (net = 10.244.1.7/32) then { bgp_local_pref = 2147483135; accept; }',
    heard: ['10.244.1.7/32', ...BUILT_IN],
  },
  {
    title: 'import: reject by community and by path; what is rejected is told to nobody',
    spec: {
      importV4: [
        { communities: { values: ['65010:42'] }, ...reject },
        { asPathPrefix: [65010, 65002], ...reject },
      ],
      exportV4: [{ cidr: '77.0.0.0/8', ...within, prefixLength: { max: 24 }, ...accept }],
    },
    importing: `if ((65010,42) ~ bgp_community) then reject;
      if (bgp_path ~ [= 65010 65002 * =]) then reject;`,
    exporting: 'if (net ~ [ 77.0.0.0/8{8,24} ]) then accept;',
    heard: ['77.0.0.0/16', '77.0.5.0/24', '10.244.1.0/26', '10.244.2.0/26'],
  },
]

const session = (name: string, neighbour: string, channel: string): string => `
protocol bgp ${name} {
  local as local_as; neighbor ${neighbour}; multihop;
  connect delay time 1; connect retry time 1; error wait time 1, 2;
  ipv4 { ${channel} };
}`

const birdText = (routerId: string, asn: number, rest: string): string => `
log stderr all;
router id ${routerId};
define local_as = ${asn};
protocol device {}
protocol direct { ipv4; }
${rest}
`

const through = (name: string, neighbour: string, same: boolean): string =>
  session(
    name,
    neighbour,
    `import filter { of_import(${same}); accept; }; export filter { leaves(${same}); };`,
  )

/** The node's BIRD, as Calico's confd writes the resources below; BIRD 2 has other words for some. */
const oracleText = ({ importing = '', exporting = '' }: Partial<Case> = {}): string =>
  birdText(
    '10.87.0.2',
    64512,
    `
protocol static { ipv4; route 10.244.1.0/26 blackhole; }
function of_import(bool is_same_as) { ${importing} }
function of_export(bool is_same_as) { ${exporting} }
function apply_communities() {
  if (net ~ 10.244.0.0/16) then { bgp_community.add((64512,100)); bgp_large_community.add((64512,1,2)); }
}
function calico_aggr() {
  if (net = 10.244.1.0/26) then accept;
  if (net ~ 10.244.1.0/26 && bgp_local_pref > 2147482623) then accept;
  if (net ~ 10.244.1.0/26) then reject;
}
function calico_export_to_bgp_peers(bool is_same_as) {
  if (net ~ 10.250.0.0/16) then reject;
  apply_communities();
  calico_aggr();
  if (net ~ 10.244.0.0/16) then accept;
}
function leaves(bool is_same_as) {
  if (source != RTS_BGP) then bgp_local_pref = 2147482623;
  of_export(is_same_as);
  calico_export_to_bgp_peers(is_same_as);
  reject;
}
${through('feeder', '10.87.0.10 as 65010', false)}
${through('outside', '10.87.0.20 as 65020', false)}
${through('inside', '10.87.0.21 as 64512', true)}
`,
  )

const feederText = birdText(
  '10.87.0.10',
  65010,
  `
protocol static fed { ipv4; ${ROUTES.map(([prefix]) => `route ${prefix} blackhole;`).join(' ')} }
filter says {
  if (proto != "fed") then reject;
  ${ROUTES.map(([prefix, done]) => `if (net = ${prefix}) then { ${done} }`).join('\n  ')}
  accept;
}
${session('agent', '10.87.0.1 as 64512', 'import none; export filter says;')}
${session('oracle', '10.87.0.2 as 64512', 'import none; export filter says;')}
`,
)

const observerText = (routerId: string, asn: number): string =>
  birdText(
    routerId,
    asn,
    ['agent 10.87.0.1', 'oracle 10.87.0.2']
      .map(each => each.split(' '))
      .map(([name = '', address]) =>
        session(name, `${address} as 64512`, 'import all; export none;'),
      )
      .join('\n'),
  )

const startText = `
until ip link show dev eth1 >/dev/null 2>&1; do sleep 0.1; done
ip link set eth1 up
ip address add $2/24 dev eth1
mkdir -p /run/bird
exec bird -f -c /etc/router/$1.conf -s /run/bird/bird.ctl
`

const apiVersion = 'projectcalico.org/v3'
const bgpPeer = (name: string, peerIP: string, asNumber: number) => ({
  apiVersion,
  kind: 'BGPPeer',
  metadata: { name },
  spec: { peerIP, asNumber, filters: ['tried'] },
})

const filterText = (spec: BgpFilterSpec): string =>
  JSON.stringify({ apiVersion, kind: 'BGPFilter', metadata: { name: 'tried' }, spec })

const RESOURCES = [
  {
    apiVersion,
    kind: 'Node',
    metadata: { name: 'agent' },
    spec: { bgp: { ipv4Address: '10.87.0.1/24' } },
    status: { podCIDRs: ['10.244.1.0/26'] },
  },
  {
    apiVersion,
    kind: 'BGPConfiguration',
    metadata: { name: 'default' },
    spec: {
      communities: [{ name: 'pods', value: '64512:100' }],
      prefixAdvertisements: [{ cidr: '10.244.0.0/16', communities: ['pods', '64512:1:2'] }],
    },
  },
  ...[
    { name: 'pods', cidr: '10.244.0.0/16' },
    { name: 'hidden', cidr: '10.250.0.0/16', disableBGPExport: true },
  ].map(({ name, ...spec }) => ({ apiVersion, kind: 'IPPool', metadata: { name }, spec })),
  bgpPeer('feeder', '10.87.0.10', 65010),
  bgpPeer('outside', '10.87.0.20', 65020),
  bgpPeer('inside', '10.87.0.21', 64512),
]

/** What an observer has heard from one router: by prefix the attributes that count. */
async function heard(lab: Lab, observer: string, router: string): Promise<Map<string, string>> {
  const { code, stdout, stderr } = await lab
    .node(observer)
    .exec(['birdc', '-s', '/run/bird/bird.ctl', 'show', 'route', 'all', 'protocol', router])
  if (code !== 0) throw new Error(`${observer}: ${code} ${stderr}`)
  const routes = new Map<string, string>()
  let prefix = ''
  for (const line of stdout.split('\n')) {
    const begins = /^(\d[\d./]+)\s/.exec(line)
    if (begins !== null) {
      prefix = begins[1] ?? ''
      routes.set(prefix, '')
    }
    // MED 0 is what BIRD 1.6 sends where others send none; next hops are another lab's
    const attribute = /^\s*BGP\.(as_path|local_pref|med|community|large_community): (.*)$/.exec(
      line,
    )
    if (attribute === null || attribute[0].endsWith('med: 0')) continue
    const [, name = '', value = ''] = attribute
    // communities are a set
    const parts = name.endsWith('community') ? value.split(/(?<=\)) /).sort() : [value]
    routes.set(prefix, `${routes.get(prefix)}${name} ${parts.join(' ').trim()}; `)
  }
  return routes
}

let scene: { readonly lab: Lab; readonly folder: string } | undefined

test.before(async t => {
  if (leftOut !== undefined) return
  t.timeout(180_000)
  const folder = mkdtempSync(join(tmpdir(), 'martlet-filters-'))
  const write = (path: string, text: string): void => {
    mkdirSync(join(folder, path, '..'), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  write(
    'martlet.yaml',
    JSON.stringify({ node: 'agent', store: { directory: '/var/lib/martlet/store' } }),
  )
  for (const [at, resource] of RESOURCES.entries())
    write(`resources/${at}.yaml`, JSON.stringify(resource))
  write('resources/filter.yaml', filterText({}))
  write('bird/start.sh', startText)
  write('bird/oracle.conf', oracleText())
  write('bird/feeder.conf', feederText)
  write('bird/outside.conf', observerText('10.87.0.20', 65020))
  write('bird/inside.conf', observerText('10.87.0.21', 64512))
  const lab = await Lab.up(TOPOLOGY, {
    name: `filters-${process.pid}`,
    variables: { SCENE: folder },
  })
  scene = { lab, folder }
})

test.after.always('the lab goes', async () => {
  await scene?.lab.down()
  if (scene !== undefined) rmSync(scene.folder, { recursive: true })
})

/** Gives both routers a filter. */
async function tryOut(lab: Lab, folder: string, one: Case): Promise<void> {
  writeFileSync(join(folder, 'bird/oracle.conf'), oracleText(one))
  const { code, stdout } = await lab
    .node('oracle')
    .exec(['birdc', '-s', '/run/bird/bird.ctl', 'configure'])
  if (code !== 0 || !/Reconfigured|Reconfiguration in progress/.test(stdout))
    throw new Error(`${code} ${stdout}`)
  const applied = await new AgentNode(lab, 'agent').apply(filterText(one.spec))
  if (applied.code !== 0) throw new Error(applied.stderr)
}

for (const one of CASES)
  if (leftOut === undefined)
    test.serial(`filters: ${one.title}`, async t => {
      t.timeout(120_000)
      if (scene === undefined) return t.fail('there is no lab')
      const { lab, folder } = scene
      const inOrder = (routes: Map<string, string>) => [...routes].sort()
      try {
        await tryOut(lab, folder, one)
        const expected = await until(
          'BIRD tells what is expected of it',
          async () => {
            const outside = await heard(lab, 'outside', 'oracle')
            return [...outside.keys()].sort().join() === one.heard.toSorted().join() && outside
          },
          { within: 30_000 },
        )
        for (const observer of ['outside', 'inside']) {
          const wanted = observer === 'outside' ? expected : await heard(lab, observer, 'oracle')
          let found = await heard(lab, observer, 'agent')
          await until(
            'both tell the same',
            async () => {
              found = await heard(lab, observer, 'agent')
              return JSON.stringify(inOrder(found)) === JSON.stringify(inOrder(wanted))
            },
            { within: 20_000 },
          ).catch(() => undefined)
          t.deepEqual(inOrder(found), inOrder(wanted), observer)
          t.true(wanted.size >= 1, observer)
        }
      } catch (error) {
        tellLogs(t, lab)
        throw error
      }
    })
