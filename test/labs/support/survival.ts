/** What labs that end processes, cut links and break stores have in common. */
import { type ChildProcess, spawn } from 'node:child_process'
import type { ExecutionContext } from 'ava'
import type { SessionDocument } from '../../../src/core/intent/index.ts'
import { type AgentClient, type AgentState, connectApi } from '../../../src/shell/api/index.ts'
import { type Lab, Probes } from '../../../src/shell/lab/index.ts'
import { socketPaths } from '../../../src/shell/link/index.ts'
import { routesIn, routesOf } from './kernel-routes.ts'
import { until } from './lab.ts'

/** How long anything may take that takes a second on a machine with nothing else to do. */
export const SOON = { within: 60_000, every: 50 } as const

/** A line of an agent's log. */
export interface Line {
  /** ISO 8601 */
  readonly time?: string
  readonly level?: string
  readonly code?: string
  readonly process?: string
  readonly child?: string
  readonly childPid?: number
  readonly peer?: string
  readonly text?: string
}

/** The processes that a supervisor starts. */
export type ChildName = 'speaker' | 'controller' | 'dataplane'

/** One node of a lab that runs the agent: what it says, and what its kernel says. */
export class AgentNode {
  readonly name: string
  readonly #lab: Lab

  constructor(lab: Lab, name: string) {
    this.#lab = lab
    this.name = name
  }

  /** Runs a command in the node and returns what it printed; rejects when it failed. */
  async run(...command: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.#lab.node(this.name).exec(command)
    if (code !== 0) throw new Error(`${this.name}: ${command.join(' ')}: ${code} ${stderr}`)
    return stdout
  }

  /** Applies resources by the command line, as an operator does. */
  apply(resources: string): Promise<{ code: number | null; stdout: string; stderr: string }> {
    return this.#lab.node(this.name).exec(['martlet', 'apply', '-f', '-'], { input: resources })
  }

  /** The lines of the log, those before `from` left out. */
  lines(from = 0): readonly Line[] {
    return this.#lab
      .node(this.name)
      .log()
      .split('\n')
      .slice(0, -1)
      .slice(from)
      .map(line => (line.startsWith('{') ? JSON.parse(line) : { text: line }))
  }

  /** How many lines the log has: the mark that `lines` begins at. */
  mark(): number {
    return this.#lab.node(this.name).log().split('\n').length - 1
  }

  /** Waits for a line with `code` behind `from`, and returns it. */
  said(code: string, from: number): Promise<Line> {
    return until(
      `${this.name} says ${code}`,
      () => this.lines(from).find(line => line.code === code),
      SOON,
    )
  }

  /** The agent's API, over its own socket; rejects while nobody listens. */
  async api(): Promise<AgentClient> {
    const { pid } = this.#lab.node(this.name).record()
    const root = `/proc/${this.#lab.pid}/root/proc/${pid}/root`
    const client = await connectApi(socketPaths(`${root}/run/martlet`).api)
    if (client === undefined) throw new Error(`the agent of ${this.name} does not answer`)
    return client
  }

  /** What the agent answers. */
  async state(): Promise<AgentState> {
    return await (await this.api()).state()
  }

  /** The session with the peer at `address`; undefined where there is none. */
  async session(address: string): Promise<SessionDocument | undefined> {
    const sessions = await (await this.api()).sessions()
    return sessions.find(({ peerAddress }) => peerAddress === address)
  }

  /** Waits until the session with `address` is what `holds` asks for, and returns it. */
  untilSession(
    address: string,
    what: string,
    holds: (session: SessionDocument) => boolean,
  ): Promise<SessionDocument> {
    return until(
      `${this.name}’s session with ${address} ${what}`,
      async () => {
        const session = await this.session(address)
        if (session !== undefined && holds(session)) return session
        throw new Error(JSON.stringify(session))
      },
      SOON,
    )
  }

  /** Waits until the session with `address` is Established, and returns it. */
  established(address: string): Promise<SessionDocument> {
    return this.untilSession(address, 'is Established', ({ state }) => state === 'Established')
  }

  /** The agent's IPv4 routes in the kernel, a line each. */
  async routes(): Promise<string> {
    return routesIn(await this.run(...routesOf('-4', 'proto', '77')))
  }

  /** Waits until the kernel has a route of the agent's to `prefix`; returns when that was. */
  async carries(prefix: string): Promise<number> {
    await until(
      `${this.name} has a route to ${prefix}`,
      async () => (await this.routes()).includes(`${prefix} `),
      SOON,
    )
    return performance.now()
  }

  /** Waits until it has none; returns when that was. */
  async carriesNot(prefix: string): Promise<number> {
    await until(
      `${this.name} has no route to ${prefix}`,
      async () => !(await this.routes()).includes(`${prefix} `),
      SOON,
    )
    return performance.now()
  }

  /** Sends a signal to the node's main program: the supervisor, or another router. */
  async signalMain(signal: string): Promise<void> {
    await this.run('sh', '-c', `kill -${signal} "$(cat /.lab/main.pid)"`)
  }

  /** The process that runs as `name` now, as its supervisor said. */
  child(name: ChildName): number {
    const started = this.lines().filter(
      line => line.code === 'CHILD_STARTED' && line.child === name,
    )
    return Number(started.at(-1)?.childPid)
  }

  /** Sends a signal to one of the agent's processes. */
  async signal(name: ChildName, signal: string): Promise<void> {
    await this.run('kill', `-${signal}`, String(this.child(name)))
  }

  /** Kills one of the agent's processes, and waits until another is in its place. */
  async murder(name: ChildName): Promise<void> {
    const before = this.child(name)
    await this.run('kill', '-KILL', String(before))
    await until(`another ${name} of ${this.name}`, () => this.child(name) !== before, SOON)
  }

  /** TCP connections in ESTABLISHED whose one end is `port`, as `ss` prints them, with `peer`. */
  async connections(peer: string, port = 179): Promise<readonly string[]> {
    const filter = `dst ${peer} and ( sport = :${port} or dport = :${port} )`
    const out = await this.run('ss', '-Htn', 'state', 'established', filter)
    return out.split('\n').filter(line => line.trim() !== '')
  }
}

/** Nobody else's: what it says of this is that it is awake. */
const MARKER = '203.0.113.203'

/** What the kernel of a node says of its routes, a line each, from `watchRoutes` on. */
export interface RouteWatch {
  /** Ends it, once all that happened before is told; returns every line. */
  end(): Promise<readonly string[]>
}

/** Begins to listen to the kernel; resolves when it does. */
export async function watchRoutes(lab: Lab, node: string): Promise<RouteWatch> {
  const [program = '', ...rest] = lab.node(node).enter(['ip', '-o', 'monitor', 'route'])
  const child: ChildProcess = spawn(program, rest, { stdio: ['ignore', 'pipe', 'ignore'] })
  let seen = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    seen += text
  })
  // a route of our own making comes through when all before it has
  const flush = async (): Promise<void> => {
    const from = seen.length
    const change = async (verb: string): Promise<void> => {
      await lab.node(node).exec(['ip', 'route', verb, MARKER, 'dev', 'lo', 'proto', '200'])
    }
    const heard = async (): Promise<boolean> => {
      await change('add')
      await change('del')
      return seen.includes(MARKER, from)
    }
    await until(`the monitor of ${node} hears`, heard, SOON)
  }
  await flush()
  return {
    end: async () => {
      await flush()
      child.kill()
      return seen.split('\n').filter(line => line !== '' && !line.includes(MARKER))
    },
  }
}

/** What came of pings between two pods. */
export interface PingCount {
  readonly from: string
  readonly target: string
  readonly sent: number
  readonly received: number
  readonly lost: number
}

/** Pings every 10 ms from each node of `asks` to its addresses, until told to count. */
export class Pings {
  readonly #probes: Probes
  readonly #asks: ReadonlyMap<string, readonly string[]>

  private constructor(probes: Probes, asks: ReadonlyMap<string, readonly string[]>) {
    this.#probes = probes
    this.#asks = asks
  }

  /** Starts the answering end in all `nodes`, and pings where `asks` says once all are reached. */
  static async start(
    lab: Lab,
    nodes: readonly string[],
    asks: ReadonlyMap<string, readonly string[]>,
  ): Promise<Pings> {
    const probes = await Probes.start(lab, nodes)
    const pings = new Pings(probes, asks)
    for (const [from, targets] of asks) probes.probe(from, targets, 100)
    await until(
      'all that are pinged are reached',
      async () => (await pings.#counts()).every(({ received }) => received > 0),
      SOON,
    )
    return pings
  }

  /** Begins to count anew, at 10 ms. */
  async begin(): Promise<void> {
    for (const [from, targets] of this.#asks) this.#probes.probe(from, targets, 10)
    await until(
      'pings flow',
      async () => (await this.#counts()).every(({ received }) => received > 20),
      SOON,
    )
  }

  /** What happened since `begin`, once all pings of before are answered or a second old. */
  async count(t: ExecutionContext, during: string): Promise<readonly PingCount[]> {
    const before = await this.#counts()
    const after = await until(
      'the last pings are old',
      async () => {
        const now = await this.#counts()
        return now.every((one, at) => one.sent > (before[at]?.sent ?? 0) + 120) && now
      },
      SOON,
    )
    for (const { from, target, sent, lost } of after)
      t.log(`${during}: ${from} to ${target}: ${sent} sent, ${lost} lost`)
    return after
  }

  async #counts(): Promise<readonly PingCount[]> {
    const counts: PingCount[] = []
    for (const from of this.#asks.keys())
      for (const { target, sent, received, lost } of await this.#probes.report(from))
        counts.push({ from, target, sent, received, lost })
    return counts
  }

  close(): void {
    this.#probes.close()
  }
}

/** A BGPPeer as text. */
export const peerResource = (
  name: string,
  spec: { node?: string; peerIP: string; asNumber: number; nextHopMode?: string },
): string =>
  `${JSON.stringify({
    apiVersion: 'projectcalico.org/v3',
    kind: 'BGPPeer',
    metadata: { name },
    spec,
  })}\n---\n`
