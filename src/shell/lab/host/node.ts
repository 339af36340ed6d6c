/** One node of a lab: its namespaces, its root, its main program and its health. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream, mkdirSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { LabError } from '../error.ts'
import { AGENT_HOME, type Image, imageOf, missingPackages } from '../images.ts'
import { baseEnvironment, inNode, LAB_DIRECTORY, type NodeRecord } from '../record.ts'
import type { Node } from '../topology/topology.ts'
import { type Result, run } from './run.ts'
import { NODE_SCRIPT } from './scripts.ts'

/** What every node of a lab has in common. */
export interface NodeWorld {
  /** the folder that holds the agent: dist or src, and node_modules */
  readonly agentHome: string
  /** the agent's main program below that folder */
  readonly agentMain: string
  readonly nodeBinary: string
  /** lines of /etc/hosts */
  readonly hosts: readonly string[]
  readonly addresses: ReadonlyMap<string, string>
  /** something about this node changed */
  changed(): void
  /** the main program ended by itself */
  ended(node: string, how: string): void
}

/** What Docker leaves a container that is not privileged. */
const DOCKER_CAPABILITIES = [
  'audit_write',
  'chown',
  'dac_override',
  'fowner',
  'fsetid',
  'kill',
  'mknod',
  'net_bind_service',
  'net_raw',
  'setfcap',
  'setgid',
  'setpcap',
  'setuid',
  'sys_chroot',
]

/** Until it is looked again which process a main program is. In milliseconds. */
const PID_AGAIN = 20

/** Before the first restart of a main program, and the longest; Docker's. In milliseconds. */
const RESTART_FIRST = 100
const RESTART_MAX = 10_000
/** A program that ran this long begins again with the first delay. Docker's. */
const RESTART_FORGET = 10_000

/**
 * A node of kind linux. Create it, start it, and it keeps its program running until the sandbox
 * ends.
 */
export class LinuxNode {
  readonly node: Node
  readonly #image: Image
  readonly #world: NodeWorld
  #pid: number | undefined
  #main: ChildProcess | undefined
  #wanted = false
  #begun = 0
  #delay = RESTART_FIRST
  #restarts = 0
  #ended = false

  constructor(node: Node, world: NodeWorld) {
    this.node = node
    this.#image = imageOf(node.image)
    this.#world = world
    const missing = missingPackages(this.#image)
    if (missing.length > 0) {
      throw new LabError(
        'LAB_MISSING',
        `${node.name} runs ${this.#image.program}, which is not installed here: ` +
          `apt-get install ${missing.join(' ')}`,
      )
    }
  }

  /** Of process 1 as the sandbox numbers processes; only after `create`. */
  get pid(): number {
    if (this.#pid === undefined)
      throw new LabError('LAB_FAILED', `${this.node.name} does not exist yet`)
    return this.#pid
  }

  /**
   * Makes the namespaces and the root; `networkOf` is the process whose network this node shares.
   */
  async create(networkOf: number | undefined): Promise<void> {
    const { name, hostname } = this.node
    const root = `${LAB_DIRECTORY}/nodes/${name}`
    mkdirSync(root, { recursive: true })
    const join =
      networkOf === undefined ? [] : ['nsenter', '--target', String(networkOf), '--net', '--']
    const own = this.node.network === 'host' || networkOf !== undefined ? [] : ['--net']
    const namespaces = ['--mount', '--pid', '--uts', '--ipc', '--fork', '--kill-child', ...own]
    const script = ['sh', '-c', NODE_SCRIPT, 'lab-node', root, AGENT_HOME]
    const { nodeBinary, agentMain } = this.#world
    const [program = '', ...rest] = [
      ...join,
      ...['unshare', ...namespaces, ...script, nodeBinary, `${AGENT_HOME}/${agentMain}`, hostname],
    ]
    const child = spawn(program, rest, { stdio: ['pipe', 'pipe', 'pipe'] })
    child.stdin.on('error', () => {})
    child.stdin.end(`${this.#steps().join('\n')}\n`)
    this.#pid = await untilPid(child, name)
  }

  #steps(): readonly string[] {
    const sysctls = Object.entries(this.node.sysctls)
    const own = this.#world.addresses.get(this.node.name)
    const line = ['127.0.0.1 localhost', '::1 localhost ip6-localhost']
    if (own === undefined) line.push(`127.0.1.1 ${this.node.hostname}`)
    const binds = [
      { source: this.#world.agentHome, destination: AGENT_HOME, readOnly: true },
      ...this.node.binds,
    ]
    return [
      ...['/var/tmp', '/var/log', ...this.#image.empty].map(folder => `empty\t${folder}`),
      ...binds.map(
        bind => `${bind.readOnly ? 'bind-ro' : 'bind'}\t${bind.source}\t${bind.destination}`,
      ),
      ...[...line, ...this.#world.hosts].map(text => `hosts\t${text}`),
      ...sysctls.map(([key, value]) => `sysctl\t${sysctlPath(key)}\t${value}`),
    ]
  }

  /** The command of the main program, by Docker's rule: an own entrypoint drops the image's cmd. */
  command(): readonly string[] {
    const { entrypoint, cmd } = this.node
    const arguments_ = cmd ?? (entrypoint === undefined ? this.#image.cmd : [])
    const [program, script, ...rest] = entrypoint ?? this.#image.entrypoint
    // the image has the built program; where it was not built, its source runs as it is
    const built = script === `${AGENT_HOME}/dist/main.js`
    const own = built ? `${AGENT_HOME}/${this.#world.agentMain}` : script
    return [program, own, ...rest, ...arguments_].flatMap(word =>
      word === undefined ? [] : [word],
    )
  }

  /** Starts the main program and keeps it running as the restart policy says. */
  start(): void {
    this.#wanted = true
    this.#ended = false
    if (this.#main === undefined && this.command().length > 0) this.#spawn()
  }

  /** Ends the main program with `signal`; it stays down until `start`. */
  async stop(signal: string): Promise<void> {
    this.#wanted = false
    const main = this.#main
    if (main === undefined) return
    const gone = new Promise<void>(resolve => main.once('exit', () => resolve()))
    const kill = ['sh', '-c', `kill -${signal} "$(cat /.lab/main.pid)"`]
    // one that was started a moment ago has not written yet which process it is
    while ((await this.run(kill)).code !== 0 && this.#main === main) await delay(PID_AGAIN)
    await gone
  }

  #spawn(): void {
    const { name } = this.node
    const log = createWriteStream(`${LAB_DIRECTORY}/log/${name}.log`, { flags: 'a' })
    const line = ['sh', '-c', 'echo $$ > /.lab/main.pid; exec "$@"', name, ...this.#inside()]
    const [program = '', ...rest] = inNode(
      { ...this.record(), environment: baseEnvironment(this.node.hostname), privileges: [] },
      line,
    )
    const main = spawn(program, rest, { stdio: ['ignore', 'pipe', 'pipe'] })
    main.stdout.pipe(log, { end: false })
    main.stderr.pipe(log, { end: false })
    main.on('close', (code, signal) => {
      log.end()
      this.#left(signal === null ? `code ${code}` : signal, code === 0)
    })
    this.#main = main
    this.#begun = performance.now()
    this.#world.changed()
  }

  #inside(): readonly string[] {
    const { environment, privileges } = this.record()
    const variables = Object.entries(environment).map(([key, value]) => `${key}=${value}`)
    return [...privileges, 'env', '-i', ...variables, ...this.command()]
  }

  #left(how: string, well: boolean): void {
    this.#main = undefined
    const again =
      this.#wanted &&
      (this.node.restart === 'always' || (this.node.restart === 'on-failure' && !well))
    this.#ended = !again
    if (this.#wanted) this.#world.ended(this.node.name, how)
    if (again) {
      if (performance.now() - this.#begun > RESTART_FORGET) this.#delay = RESTART_FIRST
      setTimeout(() => {
        if (this.#wanted && this.#main === undefined) this.#spawn()
      }, this.#delay)
      this.#delay = Math.min(this.#delay * 2, RESTART_MAX)
      this.#restarts++
    }
    this.#world.changed()
  }

  /** Runs a command in the node to its end. */
  run(command: readonly string[], timeoutMs?: number): Promise<Result> {
    return run(inNode(this.record(), command), timeoutMs === undefined ? {} : { timeoutMs })
  }

  /** What others need in order to enter this node. */
  record(): NodeRecord {
    const { node } = this
    const address = this.#world.addresses.get(node.name)
    return {
      name: node.name,
      kind: node.kind,
      group: node.group,
      image: node.image,
      program: this.command()[0] === 'sleep' ? 'pause' : this.#image.program,
      ...(this.#pid === undefined ? {} : { pid: this.#pid }),
      environment: { ...baseEnvironment(node.hostname), ...this.#image.env, ...node.env },
      privileges: privilegesOf(node),
      ...(address === undefined ? {} : { managementAddress: address }),
      state: this.#state(),
      restarts: this.#restarts,
    }
  }

  #state(): NodeRecord['state'] {
    if (this.#main !== undefined) return 'running'
    if (this.#ended) return this.#wanted ? 'ended' : 'stopped'
    return 'waiting'
  }
}

/** Waits for the line `pid N` of NODE_SCRIPT; its process stays. */
function untilPid(child: ChildProcess, name: string): Promise<number> {
  let output = ''
  let errors = ''
  return new Promise((resolve, reject) => {
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      errors += chunk
    })
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk
      const found = /^pid (\d+)$/m.exec(output)
      if (found) resolve(Number(found[1]))
    })
    child.on('error', reject)
    child.on('close', () => {
      reject(
        new LabError('LAB_FAILED', `${name} cannot be made: ${errors.trim() || output.trim()}`),
      )
    })
  })
}

/**
 * `net.ipv4.ip_forward`, or with slashes where an interface's name has a dot: sysctl's two
 * spellings.
 */
function sysctlPath(key: string): string {
  return key.includes('/') ? key : key.replaceAll('.', '/')
}

function privilegesOf(node: Node): readonly string[] {
  const words: string[] = []
  if (!node.privileged) {
    const added = node.capAdd.map(name => name.toLowerCase().replace(/^cap_/, ''))
    const kept = [...new Set([...DOCKER_CAPABILITIES, ...added])]
    words.push(`--bounding-set=-all,${kept.map(name => `+${name}`).join(',')}`, '--inh-caps=-all')
  }
  if (node.user !== '' && node.user !== 'root' && node.user !== '0') {
    const [user = '', group = user] = node.user.split(':')
    words.push(`--reuid=${user}`, `--regid=${group}`, '--clear-groups')
  }
  return words.length === 0 ? [] : ['setpriv', ...words]
}
