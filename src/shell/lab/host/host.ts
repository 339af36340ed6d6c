/**
 * Realises a topology inside a sandbox, in containerlab's order: namespaces and main program first,
 * then the links, then the commands of `exec`. So an agent meets interfaces and addresses that come
 * after it.
 *
 * Departs from containerlab: a command of `exec` that fails fails the lab; writes into bound
 * folders stay in the lab.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { LabError } from '../error.ts'
import { inNode, LAB_DIRECTORY, LAB_EXEC, type LabRecord, type NodeRecord } from '../record.ts'
import type { Stage } from '../topology/definition.ts'
import type { Bind, Healthcheck, Link, Node, Topology } from '../topology/topology.ts'
import {
  connectManagement,
  type Management,
  makeBridge,
  makeLink,
  type Place,
  planManagement,
} from './network.ts'
import { LinuxNode, type NodeWorld } from './node.ts'
import { must, run } from './run.ts'

/** Where the agent is on this machine, and by which Node.js it runs. */
export interface Agent {
  readonly home: string
  /** below home: `dist/main.js`, or `src/main.ts` where nothing was built */
  readonly main: string
  readonly nodeBinary: string
}

/** What the host tells about its progress. */
export type HostEvent =
  | { readonly type: 'step'; readonly text: string }
  | {
      readonly type: 'ended'
      readonly node: string
      readonly how: string
      /** the last lines that it said */
      readonly said: readonly string[]
    }
  | { readonly type: 'ready' }
  | { readonly type: 'failed'; readonly code: LabError['code']; readonly text: string }
  | { readonly type: 'done'; readonly id: number; readonly error?: string }

/** Until a health check first succeeded it is asked this often; Docker's start interval is 5 s. */
const HEALTH_START_MS = 200

/** One lab, in the sandbox that it was started in. */
export class Host {
  readonly #topology: Topology
  readonly #name: string
  readonly #say: (event: HostEvent) => void
  readonly #management: Management
  readonly #linux = new Map<string, LinuxNode>()
  readonly #stages = new Map<string, Map<Stage, PromiseWithResolvers<void>>>()
  readonly #started = new Date().toISOString()
  #ready = false

  constructor(topology: Topology, name: string, agent: Agent, say: (event: HostEvent) => void) {
    this.#topology = topology
    this.#name = name
    this.#say = say
    this.#management = planManagement(topology)
    const world: NodeWorld = {
      agentHome: agent.home,
      agentMain: agent.main,
      nodeBinary: agent.nodeBinary,
      hosts: this.#hosts(),
      addresses: this.#management.addresses,
      changed: () => this.#write(),
      ended: (node, how) => {
        this.#reached(node, 'exit')
        say({ type: 'ended', node, how, said: lastLines(node) })
      },
    }
    const shared = shareBinds(topology.nodes)
    for (const node of topology.nodes) {
      if (node.kind !== 'linux') continue
      const binds = node.binds.map(bind => shared.get(bind) ?? bind)
      this.#linux.set(node.name, new LinuxNode({ ...node, binds }, world))
    }
  }

  #hosts(): readonly string[] {
    return this.#topology.nodes.flatMap(({ name, hostname, aliases }) => {
      const address = this.#management.addresses.get(name)
      if (address === undefined) return []
      return [`${address} ${[...new Set([hostname, name, ...aliases])].join(' ')}`]
    })
  }

  /** Brings everything up; rejects with the first fault. */
  async up(): Promise<void> {
    const { nodes, links, management } = this.#topology
    this.#write()
    if (this.#management.addresses.size > 0) {
      await makeBridge(management.bridge)
      const gateway = `${this.#management.gateway}/${this.#management.bits}`
      await must('management', ['ip', 'address', 'add', gateway, 'dev', management.bridge])
    }
    const linked = new Map(links.map(link => [link, this.#link(link)]))
    await Promise.all([
      ...linked.values(),
      ...nodes.map((node, index) => this.#bring(node, index, linked)),
    ])
    this.#ready = true
    this.#write()
    this.#writeEntry()
    this.#say({ type: 'ready' })
  }

  async #bring(node: Node, index: number, linked: ReadonlyMap<Link, Promise<void>>): Promise<void> {
    await Promise.all(node.waitFor.map(wait => this.#stage(wait.node, wait.stage).promise))
    if (node.startupDelayMs > 0) await pause(node.startupDelayMs)
    await this.#create(node)
    this.#reached(node.name, 'create')
    const linux = this.#linux.get(node.name)
    if (linux !== undefined && node.network === 'management') {
      const { bridge } = this.#topology.management
      await connectManagement({ node, pid: linux.pid, index, bridge }, this.#management)
    }
    const own = [...linked].filter(([link]) => link.ends.some(end => end.node === node.name))
    await Promise.all(own.map(([, made]) => made))
    this.#reached(node.name, 'create-links')
    await this.#configure(node)
    this.#reached(node.name, 'configure')
    if (linux !== undefined && node.healthcheck !== undefined)
      void this.#watch(linux, node.healthcheck)
  }

  async #create(node: Node): Promise<void> {
    const container = typeof node.network === 'object' ? node.network.container : undefined
    if (container !== undefined) await this.#stage(container, 'create').promise
    if (node.kind === 'bridge') {
      const [name = node.name] = node.name.split('|')
      await makeBridge(name, container === undefined ? undefined : this.#linux.get(container)?.pid)
    }
    const linux = this.#linux.get(node.name)
    if (linux === undefined) return
    await linux.create(container === undefined ? undefined : this.#linux.get(container)?.pid)
    linux.start()
    this.#say({ type: 'step', text: `${node.name} runs ${linux.record().program}` })
  }

  async #link(link: Link): Promise<void> {
    const names = link.ends.map(end => end.node)
    const real = names.filter(name => name !== 'host' && name !== 'mgmt-net')
    await Promise.all(real.map(name => this.#stage(name, 'create').promise))
    await makeLink(link, name => this.#place(name))
  }

  #place(name: string): Place {
    if (name === 'mgmt-net') return { pid: undefined, bridge: this.#topology.management.bridge }
    const node = this.#topology.nodes.find(each => each.name === name)
    if (node?.kind === 'bridge') {
      const container = typeof node.network === 'object' ? node.network.container : undefined
      const pid = container === undefined ? undefined : this.#linux.get(container)?.pid
      return { pid, bridge: name.split('|')[0] ?? name }
    }
    return { pid: this.#linux.get(name)?.pid }
  }

  async #configure(node: Node): Promise<void> {
    for (const command of node.exec) {
      const linux = this.#linux.get(node.name)
      const result = await (linux === undefined ? run(command) : linux.run(command))
      if (result.code === 0) continue
      const said = result.stderr.trim() || result.stdout.trim() || 'it said nothing'
      throw new LabError(
        'LAB_FAILED',
        `${node.name}: exec "${command.join(' ')}" ended with ${result.code}: ${said}`,
      )
    }
  }

  async #watch(node: LinuxNode, check: Healthcheck): Promise<void> {
    const begun = performance.now()
    for (let failures = 0; ; ) {
      const { code } = await node.run(check.command, check.timeoutMs)
      if (code === 0) break
      const settled = performance.now() - begun > check.startMs
      if (settled && ++failures === check.retries) {
        const text = `${node.node.name} is not healthy: "${check.command.join(' ')}" fails`
        this.#say({ type: 'step', text })
      }
      await pause(settled ? Math.min(check.intervalMs, 1000) : HEALTH_START_MS)
    }
    this.#reached(node.node.name, 'healthy')
  }

  #stage(node: string, stage: Stage): PromiseWithResolvers<void> {
    const stages = this.#stages.get(node) ?? new Map<Stage, PromiseWithResolvers<void>>()
    this.#stages.set(node, stages)
    const found = stages.get(stage) ?? Promise.withResolvers<void>()
    stages.set(stage, found)
    return found
  }

  #reached(node: string, stage: Stage): void {
    this.#stage(node, stage).resolve()
  }

  /** Ends the main program of a node, or starts it again. */
  async order(action: 'stop' | 'start', node: string, signal: string): Promise<void> {
    const linux = this.#linux.get(node)
    if (linux === undefined) throw new LabError('LAB_UNKNOWN', `no program runs in "${node}"`)
    if (action === 'start') linux.start()
    else await linux.stop(signal)
  }

  /** A program for commands in the sandbox: `$LAB_EXEC NODE COMMAND…`. */
  #writeEntry(): void {
    const quote = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`
    const cases = [...this.#linux].map(
      ([name, node]) =>
        `${quote(name)}) exec ${inNode(node.record(), []).map(quote).join(' ')} "$@" ;;`,
    )
    const unknown = '*) echo "no node $node in this lab" >&2; exit 3 ;;'
    const lines = ['#!/bin/sh', 'node=$1; shift', 'case $node in', ...cases, unknown, 'esac', '']
    writeFileSync(LAB_EXEC, lines.join('\n'), { mode: 0o755 })
  }

  #write(): void {
    const nodes = this.#topology.nodes.map((node): NodeRecord => {
      const linux = this.#linux.get(node.name)
      return linux === undefined ? plainRecord(node) : linux.record()
    })
    const record: LabRecord = {
      name: this.#name,
      file: this.#topology.file,
      started: this.#started,
      ready: this.#ready,
      nodes,
      links: this.#topology.links.map(link => link.ends.map(end => `${end.node}:${end.interface}`)),
    }
    const file = `${LAB_DIRECTORY}/lab.json`
    writeFileSync(`${file}.new`, `${JSON.stringify(record, undefined, 2)}\n`)
    renameSync(`${file}.new`, file)
  }
}

function lastLines(node: string): readonly string[] {
  const file = `${LAB_DIRECTORY}/log/${node}.log`
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').slice(-6) : []
}

function plainRecord(node: Node): NodeRecord {
  const { name, kind, group, image } = node
  const none = { environment: {}, privileges: [], program: '', state: 'none', restarts: 0 } as const
  return { name, kind, group, image, ...none }
}

/**
 * Gives every writable bind a copy of its own in the lab, shared by all nodes that bind the same
 * source: what the nodes write there they all see, and this machine does not. The copies of folders
 * are overlays.
 */
function shareBinds(nodes: readonly Node[]): ReadonlyMap<Bind, Bind> {
  const result = new Map<Bind, Bind>()
  const copies = new Map<string, string>()
  for (const node of nodes) {
    for (const bind of node.binds) {
      if (!existsSync(bind.source)) {
        throw new LabError('LAB_TOPOLOGY', `${node.name}: bind ${bind.source} does not exist`)
      }
      if (bind.readOnly) continue
      const copy = copies.get(bind.source) ?? copyOf(bind.source, copies.size)
      copies.set(bind.source, copy)
      result.set(bind, { ...bind, source: copy })
    }
  }
  return result
}

function copyOf(source: string, index: number): string {
  const directory = `${LAB_DIRECTORY}/shared/${index}`
  mkdirSync(directory, { recursive: true })
  if (!statSync(source).isDirectory()) {
    copyFileSync(source, `${directory}/file`)
    return `${directory}/file`
  }
  return `${directory}/files`
}

/** The folders behind writable binds, mounted; call before any node is made. */
export async function mountShared(topology: Topology): Promise<void> {
  const sources = topology.nodes.flatMap(node => node.binds.filter(bind => !bind.readOnly))
  const distinct = [...new Set(sources.map(bind => bind.source))]
  for (const [index, source] of distinct.entries()) {
    if (!existsSync(source) || !statSync(source).isDirectory()) continue
    const directory = `${LAB_DIRECTORY}/shared/${index}`
    for (const name of ['files', 'upper', 'work'])
      mkdirSync(`${directory}/${name}`, { recursive: true })
    const layers = `lowerdir=${source},upperdir=${directory}/upper,workdir=${directory}/work`
    const mounted = await run([
      'mount',
      '-t',
      'overlay',
      'overlay',
      '-o',
      layers,
      `${directory}/files`,
    ])
    // where the kernel refuses the overlay, a copy does as well
    if (mounted.code !== 0)
      await must(`copy of ${source}`, ['cp', '-a', `${source}/.`, `${directory}/files`])
  }
}
