/** One lab of the matrix: agents and routers on a wire, and the store that the agents read. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import type { Family } from '../../../../src/core/net/index.ts'
import { Lab } from '../../../../src/shell/lab/index.ts'
import { until } from '../../../support/until.ts'
import { tellLogs } from '../../support/lab.ts'
import { AgentNode } from '../../support/survival.ts'
import type { Ability, Neighbour, NeighbourOptions } from './program.ts'
import { type Place, Router } from './router.ts'

/** What a chapter asks of its sessions. A session option of a later chapter is a field here. */
export interface SessionDescription {
  /** as titles say it: `eBGP over IPv4` */
  readonly title: string
  readonly transport: Family
  readonly families: readonly Family[]
  /** routers that can do without four-octet AS numbers do without. RFC 6793 */
  readonly twoOctetAs?: boolean
  /** agents are configured with other AS numbers for the routers than these have */
  readonly wrongAs?: boolean
  /** of both ends; 90 where absent */
  readonly holdSeconds?: number
  /** what the agents call their AS towards the routers; their own where absent */
  readonly localAs?: number
  /** what the routers are told of it */
  readonly theirs?: NeighbourOptions
  /** keys of the annotation `martlet/session` on them */
  readonly asked?: Readonly<Record<string, unknown>>
  /** fields of the agents' BGPPeers */
  readonly ours?: Readonly<Record<string, unknown>>
  /** what a router must be able to do to have such a session */
  readonly needs?: readonly Ability[]
}

/** A node that runs the agent. */
export interface AgentPlace {
  readonly node: string
  readonly asn: number
  readonly addresses: Readonly<Record<Family, string>>
  /** what it announces as its own pods' */
  readonly podCidrs: readonly string[]
  /** it reflects, for this cluster */
  readonly clusterId?: string
  /** routers reflect for it */
  readonly client?: boolean
  /** it passes on what it learns */
  readonly transit?: boolean
}

/** The cast of a lab. */
export interface Cast {
  /** a topology among the fixtures here */
  readonly topology: string
  readonly agents: readonly AgentPlace[]
  readonly routers: readonly Place[]
}

/** Where agents find passwords. */
const SECRETS = '/var/lib/martlet/secrets'

/** Where agents find it, which is not the folder that it began as. */
const STORE = '/var/lib/martlet/store'

const FIXTURES = new URL('../fixtures/', import.meta.url).pathname

const resource = (
  kind: string,
  name: string,
  spec: object,
  status?: object,
  annotations?: Readonly<Record<string, string>>,
): string =>
  JSON.stringify({
    apiVersion: 'projectcalico.org/v3',
    kind,
    metadata: { name, ...(annotations && { annotations }) },
    spec,
    ...(status && { status }),
  })

const nodeResource = (agent: AgentPlace, podCidrs: readonly string[]): string =>
  resource(
    'Node',
    agent.node,
    {
      bgp: {
        asNumber: agent.asn,
        ipv4Address: `${agent.addresses.ipv4}/24`,
        ipv6Address: `${agent.addresses.ipv6}/64`,
        ...(agent.clusterId && { routeReflectorClusterID: agent.clusterId }),
      },
    },
    { podCIDRs: podCidrs },
  )

/** The lab, up, with the sessions of one chapter. */
export class Scene {
  readonly lab: Lab
  readonly cast: Cast
  readonly routers: readonly Router[]
  readonly agents: ReadonlyMap<string, AgentNode>
  readonly #folder: string
  session: SessionDescription

  private constructor(
    lab: Lab,
    fields: Pick<Scene, 'cast' | 'routers' | 'session'>,
    folder: string,
  ) {
    this.lab = lab
    this.cast = fields.cast
    this.routers = fields.routers
    this.session = fields.session
    this.agents = new Map(fields.cast.agents.map(({ node }) => [node, new AgentNode(lab, node)]))
    this.#folder = folder
    for (const router of this.routers) router.join(lab)
  }

  /** Writes everybody's files, and brings the lab up with the sessions that `session` asks for. */
  static async open(cast: Cast, session: SessionDescription): Promise<Scene> {
    const folder = mkdtempSync(join(tmpdir(), `${cast.topology}-`))
    try {
      for (const agent of cast.agents)
        writeFileSync(join(folder, `${agent.node}.yaml`), configurationOf(agent, session))
      const routers = cast.routers.map(
        place => new Router(place, folder, neighboursOf(cast, place, session)),
      )
      const store = join(folder, 'resources')
      mkdirSync(store)
      writeFileSync(join(store, 'cluster.yaml'), documents(clusterResources(cast)))
      writeFileSync(join(store, 'peers.yaml'), documents(peerResources(cast, session)))
      const lab = await Lab.up(`${FIXTURES}${cast.topology}.clab.yml`, {
        name: `${cast.topology}-${process.pid}`,
        variables: { SCENE: folder },
      })
      return new Scene(lab, { cast, routers, session }, folder)
    } catch (error) {
      rmSync(folder, { recursive: true })
      throw error
    }
  }

  /** The agent of a node. */
  agent(node: string): AgentNode {
    const found = this.agents.get(node)
    if (found === undefined) throw new Error(`no agent ${node}`)
    return found
  }

  /** The address at which agents and this router meet. */
  meetingAddress({ place }: Router): string {
    return place.addresses[this.session.transport]
  }

  /** All routers but one. */
  others(router: Router): readonly Router[] {
    return this.routers.filter(one => one !== router)
  }

  /** Other sessions between the same programs, without a route from any of them. */
  async change(session: SessionDescription): Promise<void> {
    await this.dismiss()
    this.session = session
    await Promise.all(
      this.routers.map(router => router.restart(neighboursOf(this.cast, router.place, session))),
    )
    await this.summon()
  }

  /** The agents have no peers; resolves when their kernels have no route from any. */
  async dismiss(): Promise<void> {
    await this.#write('peers', [])
    for (const agent of this.agents.values())
      await until(
        async () => (await (await agent.api()).sessions()).length === 0,
        `${agent.name} has no sessions`,
        { withinMs: 30_000, everyMs: 50, forgiving: true },
      )
  }

  /** The agents have the peers that the chapter is about, or peers that `changes` make different. */
  async summon(changes: Partial<SessionDescription> = {}): Promise<void> {
    await this.#write('peers', peerResources(this.cast, { ...this.session, ...changes }))
  }

  /** An agent announces these as its own. */
  async originate(node: string, podCidrs: readonly string[]): Promise<void> {
    const agents = this.cast.agents.map(agent =>
      agent.node === node ? { ...agent, podCidrs } : agent,
    )
    await this.#write('cluster', clusterResources({ ...this.cast, agents }))
  }

  /** The filter by the name `filter`: what its rules reject, and all else passes. */
  async filter(rejected: Readonly<Record<string, readonly string[]>>): Promise<void> {
    const rules = Object.entries(rejected).map(([field, prefixes]) => [
      field,
      prefixes.map(cidr => ({ action: 'Reject', matchOperator: 'Equal', cidr })),
    ])
    await this.#write('filter', [resource('BGPFilter', 'filter', Object.fromEntries(rules))])
  }

  /** Gives the agents of the lab a password by the name of a secret. */
  async secret(name: string, text: string): Promise<void> {
    const script = `mkdir -p ${SECRETS}/${name} && printf %s '${text}' >${SECRETS}/${name}/password`
    for (const agent of this.agents.values()) await agent.run('sh', '-c', script)
  }

  /** Tells what everybody said last. */
  tell(t: ExecutionContext): void {
    tellLogs(t, this.lab)
  }

  async close(): Promise<void> {
    await this.lab.down()
    rmSync(this.#folder, { recursive: true })
  }

  /** Replaces a file of the store that all agents share, inside the lab and at once. */
  async #write(name: string, resources: readonly string[]): Promise<void> {
    const file = `${STORE}/${name}.yaml`
    const script = `cat >${STORE}/.draft && mv ${STORE}/.draft ${file}`
    const { code, stderr } = await this.lab
      .node(this.cast.agents[0]?.node ?? '')
      .exec(['sh', '-c', script], { input: documents(resources) })
    if (code !== 0) throw new Error(`${file}: ${stderr}`)
  }
}

/** A file of resources, of documents. */
const documents = (resources: readonly string[]): string => resources.join('\n---\n')

const configurationOf = (
  agent: AgentPlace,
  { families, holdSeconds = 90 }: SessionDescription,
): string =>
  JSON.stringify({
    node: agent.node,
    store: { directory: STORE },
    transit: agent.transit === true,
    secrets: { directory: SECRETS },
    bgp: { connectRetrySeconds: 1, families, holdSeconds },
    log: { level: 'debug' },
  })

const clusterResources = ({ agents }: Cast): readonly string[] => [
  resource('BGPConfiguration', 'default', {
    asNumber: agents[0]?.asn,
    nodeToNodeMeshEnabled: false,
  }),
  ...agents.map(agent => nodeResource(agent, agent.podCidrs)),
]

const peerResources = (cast: Cast, session: SessionDescription): readonly string[] =>
  cast.agents.flatMap(agent =>
    cast.routers.map(router =>
      resource(
        'BGPPeer',
        `${agent.node}-${router.node}`,
        {
          node: agent.node,
          peerIP: router.addresses[session.transport],
          asNumber: ownAsnOf(router, session) + (session.wrongAs === true ? 1000 : 0),
          ...(session.localAs && { localASNumber: session.localAs }),
          ...session.ours,
        },
        undefined,
        session.asked && { 'martlet/session': JSON.stringify(session.asked) },
      ),
    ),
  )

const isOld = ({ program }: Place, { twoOctetAs }: SessionDescription): boolean =>
  twoOctetAs === true && program.cannot['do without four-octet AS numbers'] === undefined

/** Two octets are enough for the number of one that speaks no other. */
const ownAsnOf = (router: Place, session: SessionDescription): number =>
  isOld(router, session) ? 64_600 + router.number : router.asn

const neighboursOf = (
  cast: Cast,
  router: Place,
  session: SessionDescription,
): readonly Neighbour[] =>
  cast.agents.map(agent => ({
    name: agent.node,
    address: agent.addresses[session.transport],
    localAddress: router.addresses[session.transport],
    ownAsn: ownAsnOf(router, session),
    ownRouterId: router.routerId,
    // its neighbour's number is what the neighbour's capability says, whatever it offers itself
    asn: session.localAs ?? agent.asn,
    families: session.families,
    fourOctetAs: !isOld(router, session),
    client: agent.client === true,
    options: session.theirs ?? {},
  }))
