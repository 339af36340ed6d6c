import { randomInt } from 'node:crypto'
import type { Server } from 'node:net'
import { Prng, seconds } from '../core/base/index.ts'
import { hostPrefix } from '../core/net/index.ts'
import {
  Speaker,
  type SpeakerConfig,
  type SpeakerEvent,
  type SpeakerOutput,
} from '../core/speaker/index.ts'
import { Loop, now } from '../shell/clock/index.ts'
import { RoutesLink, type SpeakerCommand, serveSpeaker, socketPaths } from '../shell/link/index.ts'
import { type Log, logNote } from '../shell/log/index.ts'
import { returnMemory } from '../shell/posix/index.ts'
import {
  AllowedPeers,
  Connections,
  examineRuntime,
  type ListenAddress,
  Listeners,
  securedTransport,
} from '../shell/tcp/index.ts'
import { openTranscript, type RecordedSpeaker, Recorder } from '../shell/transcript/index.ts'
import type { Running } from './process.ts'
import { warmUp } from './warm-up.ts'

/** The speaker's process: one engine between TCP, the dataplane's socket and the controller's. */

/** What the speaker is started with. */
export interface SpeakerOptions {
  readonly runDirectory: string
  readonly log: Log
  /** opens a listener: by itself, or by the supervisor */
  bind(at: ListenAddress): Promise<Server>
  /** a file for the transcript of this life; absent: none is written */
  readonly record?: string | undefined
}

/** A dataplane that runs answers within milliseconds; sessions can be without one. */
const FIB_PATIENCE = seconds(3)

/** What peers are told when this process is asked to end. RFC 9003 */
const STOP_TEXT = 'the agent of this node is stopping'

/** Starts speaking BGP as the controller says. Rejects when another speaker has the socket. */
export async function startSpeaker(options: SpeakerOptions): Promise<Running> {
  const { log } = options
  const paths = socketPaths(options.runDirectory)
  const deliver = (event: SpeakerEvent): void => loop.deliver(event)
  const runtime = await examineRuntime()
  for (const lost of runtime.missing) log.warn('RUNTIME_LACKS', lost)
  const connections = new Connections(deliver, { log, runtime })
  const fib = new RoutesLink({
    path: paths.routes,
    log,
    up: preserved => deliver({ type: 'FibUp', preserved }),
    down: () => deliver({ type: 'FibDown' }),
    credit: routes => deliver({ type: 'FibCredit', routes }),
    resolved: answers => deliver({ type: 'NextHops', answers }),
  })
  const { speaker, engine } = makeSpeaker(outputOf(connections, fib, log), options.record)
  const loop = new Loop<SpeakerEvent>(engine)
  const listeners = new Listeners({
    log,
    bind: options.bind,
    accepted: socket => connections.accept(socket),
    changed: () => deliver({ type: 'Listening', at: listeners.state }),
  })
  const configurer = new Configurer(deliver, { connections, listeners })
  const server = await serveSpeaker({
    path: paths.speaker,
    log,
    configure: command => configurer.configure(command),
    snapshot: () => engine.snapshot(now()),
    lookup: target => speaker.lookup(target),
    refresh: peer => {
      const why = speaker.whyNoRefresh(peer)
      if (why === undefined) deliver({ type: 'Refresh', peer })
      return why
    },
  })
  let warming = true
  void warmUp(() => new Promise(resolve => setImmediate(() => resolve(warming)))).then(returnMemory)
  return {
    close: async reason => {
      warming = false
      listeners.close()
      // without a word the peers keep our routes, for the agent that comes next: RFC 4724
      if (reason === 'asked') {
        deliver({ type: 'Stop', text: STOP_TEXT })
        await connections.settled()
      }
      loop.close()
      fib.close()
      await server.close()
    },
  }
}

interface Made {
  readonly speaker: Speaker
  /** to be driven instead of it */
  readonly engine: RecordedSpeaker
}

function makeSpeaker(output: SpeakerOutput, record: string | undefined): Made {
  const head = { seed: randomInt(2 ** 32), fibPatience: FIB_PATIENCE }
  const options = { chance: new Prng(head.seed), fibPatience: head.fibPatience }
  if (record === undefined) {
    const speaker = new Speaker(output, options)
    return { speaker, engine: speaker }
  }
  const { write } = openTranscript(record)
  const recorder = new Recorder(head, write)
  const speaker = new Speaker(recorder.output(output), options)
  return { speaker, engine: recorder.engine(speaker) }
}

function outputOf(connections: Connections, fib: RoutesLink, log: Log): SpeakerOutput {
  return {
    connect: (connection, endpoint) => connections.connect(connection, endpoint),
    send: (connection, bytes) => connections.send(connection, bytes),
    close: connection => connections.close(connection),
    pause: connection => connections.pause(connection),
    resume: connection => connections.resume(connection),
    fib,
    note: note => logNote(log, note),
  }
}

interface Sockets {
  readonly connections: Connections
  readonly listeners: Listeners
}

/** Tells the engine, the sockets and the listeners what the controller said. */
class Configurer {
  readonly #deliver: (event: SpeakerEvent) => void
  readonly #sockets: Sockets
  #last: SpeakerConfig | undefined

  constructor(deliver: (event: SpeakerEvent) => void, sockets: Sockets) {
    this.#deliver = deliver
    this.#sockets = sockets
  }

  configure({ speaker, listen }: SpeakerCommand): void {
    if (speaker !== undefined) this.#tell(speaker)
    // this node is not to speak BGP any more: its sessions end and its routes go
    else if (this.#last !== undefined) {
      const { ranges: _ranges, ...last } = this.#last
      this.#tell({ ...last, peers: [], originated: [] })
    }
    const { listeners } = this.#sockets
    listeners.set(listen)
    this.#deliver({ type: 'Listening', at: listeners.state })
  }

  #tell(config: SpeakerConfig): void {
    this.#last = config
    // first: a session may connect at once, and a peer may be faster
    const allowed = new AllowedPeers([
      ...config.peers.map(peer => ({
        remote: hostPrefix(peer.address),
        transport: securedTransport(peer),
      })),
      ...(config.ranges ?? []).map(({ prefix, template }) => ({
        remote: prefix,
        transport: securedTransport(template),
      })),
    ])
    this.#sockets.connections.allow(allowed)
    this.#sockets.listeners.allow(allowed)
    this.#deliver({ type: 'Configure', config })
  }
}
