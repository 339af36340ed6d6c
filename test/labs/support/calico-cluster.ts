/**
 * Clusters as Calico's etcd describes them, for labs: members that run Martlet or a BIRD like Calico's, each with
 * a pod; an etcd, the desk of an operator, and routers that belong to nobody of them.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Plan } from '../../../src/core/intent/index.ts'
import { Lab } from '../../../src/shell/lab/index.ts'
import { until } from './lab.ts'
import { AgentNode, SOON } from './survival.ts'

/** One node of a cluster. */
export interface Member {
  readonly name: string
  /** its IPv4 address in a /24 */
  readonly address: string
  /** the bridge that it is plugged into */
  readonly wire?: string
  /** where what is not on the wire goes; absent: nowhere */
  readonly gateway?: string
  /** of its pod, which is called `pod-NAME`; absent: `plug` says it */
  readonly pod?: string
  /** the configuration of its BIRD; absent: it runs Martlet. Of the others, `take` makes one that does */
  readonly bird?: string
  /** what its martlet.yaml says beyond its name and its store */
  readonly settings?: object
}

/** A BIRD of somebody else. */
export interface Router {
  readonly name: string
  readonly bird: string
  readonly ports: readonly { readonly wire: string; readonly address: string }[]
}

/** All of a lab. */
export interface ClusterPlan {
  readonly name: string
  readonly members: readonly Member[]
  readonly routers?: readonly Router[]
  /** applied before any agent starts */
  readonly resources: readonly object[]
  /** what else is in etcd, as Calico writes it */
  readonly keys?: Readonly<Record<string, string>>
}

const apiVersion = 'projectcalico.org/v3'

/** A resource as `martlet apply` takes it. */
export const calico = (
  kind: string,
  name: string,
  spec: object,
  labels: Readonly<Record<string, string>> = {},
) => ({ apiVersion, kind, metadata: { name, labels }, spec })

/** The key and the value of a confirmed block, as Calico's IPAM writes them. */
export const affinityKey = (node: string, block: string): string =>
  `/calico/ipam/v2/host/${node}/ipv4/block/${block.replace('/', '-')}`
/** What Calico writes there. */
export const CONFIRMED = '{"state":"confirmed","deleted":false}'

const ETCD = '172.20.20.10'
const STORE = { etcd: { endpoints: [`http://${ETCD}:2379`] } }

const BIRD_START = `
until ip link show dev eth1 >/dev/null 2>&1; do sleep 0.1; done
mkdir -p /run/bird
# -R: peers are told that this is a restart
exec bird -R -f -c /etc/router/$1.conf -s /run/bird/bird.ctl
`

const POD_GATEWAY = '169.254.1.1'

const POD = (address: string): readonly string[] => [
  `ip address add ${address}/32 dev eth0`,
  `ip route add ${POD_GATEWAY} dev eth0`,
  `ip route add default via ${POD_GATEWAY}`,
]

/** As Felix does; the node answers for the gateway, which Felix has the kernel do by proxy ARP. */
const WORKLOAD = (address: string): readonly string[] => [
  `ip address add ${POD_GATEWAY}/32 dev cali0 scope link`,
  `ip route add ${address}/32 dev cali0 scope link metric 1024`,
]

/** The topology; its files are in `folder`. */
function topologyOf({ name, members, routers = [] }: ClusterPlan, folder: string): object {
  const wires = new Set([
    ...members.map(({ wire = 'wire' }) => wire),
    ...routers.flatMap(({ ports }) => ports.map(({ wire }) => wire)),
  ])
  const bird = (router: string) => ({
    image: 'martlet:latest',
    entrypoint: 'sh',
    cmd: `/etc/router/start.sh ${router}`,
    binds: [`${folder}/bird:/etc/router`],
  })
  const agent = (config: string) => ({
    image: 'martlet:latest',
    binds: [`${folder}/${config}.yaml:/etc/martlet/martlet.yaml:ro`],
    stages: { create: { 'wait-for': [{ node: 'operator', stage: 'configure' }] } },
  })
  const sysctls = { 'net.ipv4.ip_forward': 1 }
  const nodes: Record<string, object> = {
    store: {
      image: 'quay.io/coreos/etcd:v3.5.21',
      'mgmt-ipv4': ETCD,
      env: {
        ETCD_LISTEN_CLIENT_URLS: 'http://0.0.0.0:2379',
        ETCD_ADVERTISE_CLIENT_URLS: `http://${ETCD}:2379`,
        ETCD_DATA_DIR: '/var/lib/etcd/lab',
      },
      healthcheck: {
        test: ['CMD', 'etcdctl', 'endpoint', 'health'],
        interval: 1,
        'start-period': 30,
      },
    },
    operator: {
      ...agent('operator'),
      binds: [
        `${folder}/resources:/srv/resources`,
        `${folder}/operator.yaml:/etc/martlet/martlet.yaml:ro`,
      ],
      entrypoint: 'sleep',
      cmd: 'infinity',
      exec: ['martlet apply -f /srv/resources'],
      stages: { create: { 'wait-for': [{ node: 'store', stage: 'healthy' }] } },
    },
  }
  for (const wire of wires) nodes[wire] = { kind: 'bridge' }
  for (const { name: member, address, gateway, pod, bird: text } of members) {
    nodes[member] = {
      ...agent(member),
      ...(text !== undefined && {
        ...bird(member),
        binds: [...agent(member).binds, ...bird(member).binds],
      }),
      sysctls,
      exec: [
        `ip address add ${address}/24 dev eth1`,
        ...(gateway === undefined ? [] : [`ip route replace default via ${gateway} dev eth1`]),
        ...(pod === undefined ? [] : WORKLOAD(pod)),
      ],
    }
    nodes[`pod-${member}`] = {
      group: 'pod',
      image: 'debian',
      'network-mode': 'none',
      ...(pod !== undefined && { exec: POD(pod) }),
    }
  }
  for (const { name: router, ports } of routers)
    nodes[router] = {
      ...bird(router),
      'network-mode': 'none',
      sysctls,
      exec: ports.map(({ address }, at) => `ip address add ${address}/24 dev eth${at + 1}`),
    }
  const links = [
    ...members.flatMap(({ name: member, wire = 'wire' }) => [
      [`${wire}:${member}`, `${member}:eth1`],
      [`${member}:cali0`, `pod-${member}:eth0`],
    ]),
    ...routers.flatMap(({ name: router, ports }) =>
      ports.map(({ wire }, at) => [`${wire}:${router}-${at}`, `${router}:eth${at + 1}`]),
    ),
  ]
  return {
    name,
    topology: {
      defaults: { kind: 'linux' },
      groups: { pod: {} },
      nodes,
      links: links.map(endpoints => ({ endpoints })),
    },
  }
}

/** A cluster in a lab. */
export class CalicoCluster {
  readonly lab: Lab
  readonly plan: ClusterPlan
  readonly #folder: string

  private constructor(lab: Lab, plan: ClusterPlan, folder: string) {
    this.lab = lab
    this.plan = plan
    this.#folder = folder
  }

  /** Brings it up; what the plan says is in etcd before the first agent starts. */
  static async open(plan: ClusterPlan): Promise<CalicoCluster> {
    const folder = mkdtempSync(join(tmpdir(), `martlet-${plan.name}-`))
    const write = (path: string, text: string): void => {
      mkdirSync(join(folder, path, '..'), { recursive: true })
      writeFileSync(join(folder, path), text)
    }
    const keys = Object.entries(plan.keys ?? {})
    for (const [at, resource] of plan.resources.entries())
      write(`resources/${at}.yaml`, JSON.stringify(resource))
    write('operator.yaml', JSON.stringify({ node: 'operator', store: STORE }))
    write('bird/start.sh', BIRD_START)
    for (const { name, bird, settings } of plan.members) {
      write(`${name}.yaml`, JSON.stringify({ node: name, store: STORE, ...settings }))
      if (bird !== undefined) write(`bird/${name}.conf`, bird)
    }
    for (const { name, bird } of plan.routers ?? []) write(`bird/${name}.conf`, bird)
    write('cluster.clab.yml', JSON.stringify(topologyOf(plan, folder)))
    try {
      const name = `${plan.name}-${process.pid}`
      const lab = await Lab.up(join(folder, 'cluster.clab.yml'), { name })
      const cluster = new CalicoCluster(lab, plan, folder)
      for (const [key, value] of keys) await cluster.put(key, value)
      return cluster
    } catch (error) {
      rmSync(folder, { recursive: true })
      throw error
    }
  }

  /** A member that runs Martlet. */
  agent(name: string): AgentNode {
    return new AgentNode(this.lab, name)
  }

  /** Runs a command in a node and returns what it printed; rejects where it failed. */
  run(node: string, ...command: readonly string[]): Promise<string> {
    return new AgentNode(this.lab, node).run(...command)
  }

  /** Applies resources from the operator's desk. */
  async apply(...resources: readonly object[]): Promise<void> {
    const text = resources.map(resource => JSON.stringify(resource)).join('\n---\n')
    const { code, stderr } = await new AgentNode(this.lab, 'operator').apply(text)
    if (code !== 0) throw new Error(stderr)
  }

  /** Writes a key as nobody's tool does. */
  async put(key: string, value: string): Promise<void> {
    await this.run('store', 'etcdctl', 'put', key, value)
  }

  /** Keys under `prefix`. */
  async keys(prefix: string): Promise<readonly string[]> {
    const found = await this.run('store', 'etcdctl', 'get', '--prefix', '--keys-only', prefix)
    return found.split('\n').filter(line => line !== '')
  }

  /** Ends a member's BIRD as a machine does that loses it, and runs Martlet in its place. */
  async take(member: string): Promise<void> {
    await this.lab.stop(member, 'KILL')
    await this.run(member, 'sh', '-c', 'setsid martlet run >/run/martlet.log 2>&1 &')
  }

  /** Gives a member's pod an address, where the plan says none. */
  async plug(member: string, address: string): Promise<void> {
    for (const line of POD(address)) await this.run(`pod-${member}`, ...line.split(' '))
    for (const line of WORKLOAD(address)) await this.run(member, ...line.split(' '))
  }

  /** What a member of this store would do, by `martlet plan`. */
  async planned(node: string): Promise<Plan> {
    return JSON.parse(await this.run('operator', 'martlet', 'plan', '--node', node, '-o', 'json'))
  }

  /** What a router says when it is asked by birdc. */
  birdc(router: string, ...words: readonly string[]): Promise<string> {
    return this.run(router, 'birdc', '-s', '/run/bird/bird.ctl', ...words)
  }

  /** The kernel's routes of a node, by prefix: `via ADDRESS`, sorted, or another word for it. */
  async kernel(node: string): Promise<ReadonlyMap<string, string>> {
    const routes: readonly IpRoute[] = JSON.parse(await this.run(node, 'ip', '-json', 'route'))
    return new Map(
      routes.map(({ dst, gateway, nexthops, type, dev }) => {
        const ways = nexthops?.map(hop => hop.gateway ?? '').toSorted() ?? [gateway]
        const by = ways[0] === undefined ? (type ?? `dev ${dev}`) : `via ${ways.join(' and ')}`
        return [dst, by]
      }),
    )
  }

  /** Waits until `members` have a route to each of `blocks` but their own. */
  async carried(blocks: ReadonlyMap<string, string>, members = [...blocks.keys()]): Promise<void> {
    for (const member of members)
      await until(
        `${member} has a route to every block`,
        async () => {
          const routes = await this.kernel(member)
          const without = [...blocks].filter(([, block]) => !routes.has(block))
          if (without.length > 0) throw new Error(without.join(', '))
          return true
        },
        SOON,
      )
  }

  /** Ends it, and removes its files. */
  async close(): Promise<void> {
    await this.lab.down()
    rmSync(this.#folder, { recursive: true })
  }
}

interface IpRoute {
  readonly dst: string
  readonly gateway?: string
  readonly dev?: string
  readonly type?: string
  readonly nexthops?: readonly { readonly gateway?: string }[]
}
