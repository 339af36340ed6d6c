/**
 * Where packets for a service may go, as the router of the rack hears it: its endpoint moves from one
 * node to another, goes, and comes back; a node is taken out; and no node's kernel has a route of it.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import type { EndpointSlice } from '../../src/core/intent/index.ts'
import { Lab } from '../../src/shell/lab/index.ts'
import { service, slice } from '../support/services.ts'
import { FIXTURES, labsLeftOut, packagesMissing, tellLogs, until } from './support/lab.ts'
import { AgentNode, SOON } from './support/survival.ts'

const TOPOLOGY = `${FIXTURES}services.clab.yml`

const leftOut =
  labsLeftOut() ?? (packagesMissing(TOPOLOGY, { SCENE: '/nowhere' }).join(' ') || undefined)
if (leftOut !== undefined) test.skip(`Left out: ${leftOut}`, t => t.pass())

const RANGES = ['10.96.0.0/12', '203.0.113.0/24']
const ADDRESSES = ['10.96.0.10/32', '203.0.113.5/32']
const EXCLUSION = 'node.kubernetes.io/exclude-from-external-load-balancers'

const apiVersion = 'projectcalico.org/v3'
const nodeText = (name: string, at: string, labels: Readonly<Record<string, string>> = {}) =>
  JSON.stringify({
    apiVersion,
    kind: 'Node',
    metadata: { name, labels },
    spec: { bgp: { ipv4Address: `${at}/24` } },
  })

const RESOURCES = [
  nodeText('left', '10.88.0.1'),
  nodeText('right', '10.88.0.2'),
  JSON.stringify({
    apiVersion,
    kind: 'BGPConfiguration',
    metadata: { name: 'default' },
    spec: {
      // in a mesh each node would pass on what it heard from the others, as Calico's do
      nodeToNodeMeshEnabled: false,
      serviceClusterIPs: [{ cidr: '10.96.0.0/12' }],
      serviceLoadBalancerIPs: [{ cidr: '203.0.113.0/24' }],
    },
  }),
  JSON.stringify({
    apiVersion,
    kind: 'IPPool',
    metadata: { name: 'pods' },
    spec: { cidr: '10.244.0.0/16' },
  }),
  JSON.stringify({
    apiVersion,
    kind: 'BGPPeer',
    metadata: { name: 'tor' },
    spec: { peerIP: '10.88.0.9', asNumber: 65010 },
  }),
]

const TOR = `router id 10.88.0.9;
protocol device {}
${[
  ['left', '10.88.0.1'],
  ['right', '10.88.0.2'],
]
  .map(
    ([name, at]) => `protocol bgp ${name} {
  local 10.88.0.9 as 65010; neighbor ${at} as 64512; connect delay time 1;
  ipv4 { import all; export none; };
}`,
  )
  .join('\n')}
`

const START = `until ip link show dev eth1 >/dev/null 2>&1; do sleep 0.1; done
ip link set eth1 up
ip address add 10.88.0.9/24 dev eth1
mkdir -p /run/bird
exec bird -f -c /etc/router/tor.conf -s /run/bird/bird.ctl
`

interface Scene {
  readonly lab: Lab
  readonly folder: string
}

let scene: Scene | undefined

/** A list, as kubectl prints it. */
const listText = (slices: readonly EndpointSlice[]): string => {
  const web = service('web', { externalTrafficPolicy: 'Local', ingress: ['203.0.113.5'] })
  return JSON.stringify({ kind: 'List', apiVersion: 'v1', items: [web, ...slices] })
}

const write = (folder: string, path: string, text: string): void => {
  mkdirSync(join(folder, path, '..'), { recursive: true })
  writeFileSync(join(folder, path), text)
}

test.before(async t => {
  if (leftOut !== undefined) return
  t.timeout(180_000)
  const folder = mkdtempSync(join(tmpdir(), 'martlet-services-'))
  for (const node of ['left', 'right'])
    write(
      folder,
      `${node}.yaml`,
      JSON.stringify({ node, store: { directory: '/var/lib/martlet/store' } }),
    )
  for (const [at, text] of RESOURCES.entries()) write(folder, `resources/${at}.yaml`, text)
  write(folder, 'resources/services.json', listText([slice('web', ['left'])]))
  write(folder, 'bird/start.sh', START)
  write(folder, 'bird/tor.conf', TOR)
  const lab = await Lab.up(TOPOLOGY, {
    name: `services-${process.pid}`,
    variables: { SCENE: folder },
  })
  scene = { lab, folder }
})

test.after.always('the lab goes', async () => {
  await scene?.lab.down()
  if (scene !== undefined) rmSync(scene.folder, { recursive: true })
})

/** What the router of the rack has heard from one node. */
async function heard(lab: Lab, node: string): Promise<readonly string[]> {
  const { code, stdout, stderr } = await lab
    .node('tor')
    .exec(['birdc', '-s', '/run/bird/bird.ctl', 'show', 'route', 'all', 'protocol', node])
  if (code !== 0) throw new Error(`${code} ${stderr}`)
  // a prefix that both have announced is named once, above the first of the two
  return [...stdout.matchAll(/^(\d[\d./]+)\s/gm)].map(match => match[1] ?? '').sort()
}

function expecting(lab: Lab, left: readonly string[], right: readonly string[]) {
  return until(
    `left is heard with ${left}, right with ${right}`,
    async () => {
      const found = await Promise.all([heard(lab, 'left'), heard(lab, 'right')])
      if (JSON.stringify(found) === JSON.stringify([left, right])) return true
      throw new Error(JSON.stringify(found))
    },
    SOON,
  )
}

const BOTH = [...ADDRESSES, ...RANGES].sort()

if (leftOut === undefined)
  test('a Local service is announced by the nodes that have its ready endpoints', async t => {
    t.timeout(180_000)
    if (scene === undefined) return t.fail('there is no lab')
    const { lab, folder } = scene
    const endpointsAt = (...nodes: readonly string[]): void =>
      write(folder, 'resources/services.json', listText([slice('web', nodes)]))
    try {
      await expecting(lab, BOTH, RANGES)
      endpointsAt('right')
      await expecting(lab, RANGES, BOTH)
      endpointsAt('!left', '!right')
      await expecting(lab, RANGES, RANGES)
      endpointsAt('left', 'right')
      await expecting(lab, BOTH, BOTH)
      for (const name of ['left', 'right']) {
        const routes = await new AgentNode(lab, name).run('ip', 'route', 'show', 'table', 'all')
        t.notRegex(routes, /203\.0\.113|10\.96/, `${name} has no route of services in its kernel`)
      }
      const drained = nodeText('left', '10.88.0.1', { [EXCLUSION]: 'true' })
      const { code, stderr } = await new AgentNode(lab, 'left').apply(drained)
      t.is(code, 0, stderr)
      await expecting(lab, [], BOTH)
    } catch (error) {
      tellLogs(t, lab)
      throw error
    }
  })
