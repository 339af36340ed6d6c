import {
  ACCEPT_ROOT,
  type AgentMode,
  type BirdSurroundings,
  type BirdView,
  birdView,
  type Desired,
  desired,
  linksOf,
  NO_SECRETS,
  type Problem,
  type Secrets,
  type StatusFacts,
  type Store,
} from '../core/intent/index.ts'
import type { Family } from '../core/net/index.ts'
import { makeApi } from '../shell/api/index.ts'
import { interfacesHere } from '../shell/bird/index.ts'
import { now, wallOffset } from '../shell/clock/index.ts'
import { type NodeConfiguration, watchedRoots } from '../shell/config/index.ts'
import { hostInterfaces } from '../shell/host/index.ts'
import { DataplaneLink, listen, SpeakerLink, socketPaths } from '../shell/link/index.ts'
import type { Log } from '../shell/log/index.ts'
import { SecretFiles } from '../shell/secrets/index.ts'
import { openStore } from '../shell/store/index.ts'
import { SignatureWatch } from '../shell/tcp/index.ts'
import { answersOf } from './controller/answers.ts'
import { openBirdSockets } from './controller/bird-sockets.ts'
import { InForce } from './controller/in-force.ts'
import { Membership } from './controller/membership.ts'
import { NodeStatuses } from './controller/node-statuses.ts'
import { PublishedPodCidrs, Reporter } from './controller/reporter.ts'
import { Services, serviceSourceOf } from './controller/services.ts'
import { TunnelAddresses } from './controller/tunnel-addresses.ts'
import type { Running } from './process.ts'

/**
 * The controller's process: from the store to both halves, and from both halves to the store and to
 * operators.
 *
 * Nothing is told to anybody before the store's first complete snapshot: in-sync is sacred. After
 * it, the whole of what should be is told whenever it changes and whenever a half appears; while
 * the store is lost, what it last said stays.
 */

/** What the controller is started with. */
export interface ControllerOptions {
  readonly configuration: NodeConfiguration
  readonly version: string
  readonly log: Log
  /** tells the supervisor, where there is one, at which ports the speaker is to listen */
  allowPorts?(ports: readonly number[]): void
}

/** Between two rounds of asking both halves: the bound of all writing, too. */
const ROUND_MS = 1_000

/** Between two rounds that events asked for: what happens shows at once, a storm of it does not. */
const ROUND_MIN_MS = 250

/** Several changes of the store that come together are one. */
const GATHER_MS = 20

/** Starts it. Rejects when the store cannot be opened at all, or another controller runs. */
export async function startController(options: ControllerOptions): Promise<Running> {
  const { configuration, log } = options
  const paths = socketPaths(configuration.runDirectory)
  const store = openStore(configuration.store)
  const controller = new Controller(options, store)
  const api = makeApi(answersOf(controller))
  const listener = await listen(paths.api, socket => api.accept(socket))
  const { birdSocket } = configuration
  const bird =
    birdSocket === undefined
      ? undefined
      : await openBirdSockets(birdSocket, family => controller.bird(family), log)
  const round = setInterval(() => {
    controller.lookAtSecrets()
    controller.round()
  }, ROUND_MS)
  log.info('CONTROLLER_STARTED', `the controller of ${configuration.node} runs`, {
    store: configuration.store.kind,
  })
  return {
    close: async () => {
      clearInterval(round)
      api.close()
      await listener.close()
      await bird?.close()
      await controller.close()
      await store.close()
    },
  }
}

/** What this node should do and does, kept current. */
export class Controller {
  readonly #options: ControllerOptions
  readonly #inForce: InForce
  /** absent: there are none, or they are in the store */
  readonly #secrets: SecretFiles | undefined
  readonly #reporter: Reporter
  readonly #podCidrs: PublishedPodCidrs
  readonly #membership: Membership
  readonly #tunnels: TunnelAddresses
  readonly #nodeStatuses: NodeStatuses
  readonly #services: Services
  readonly #speaker: SpeakerLink
  readonly #dataplane: DataplaneLink
  readonly #watch: { close(): void }
  readonly #signatures = new SignatureWatch()
  readonly #startedAt = now()
  readonly #epochOffset = wallOffset()
  #desired: Desired | undefined
  /** which of this machine's links have the node's addresses */
  #links: ReturnType<typeof linksOf> = {}
  /** when the speaker was last told something new */
  #configuredAt = now()
  #gather: NodeJS.Timeout | undefined
  #facts: StatusFacts
  #round: NodeJS.Timeout | undefined
  #roundAt = Number.NEGATIVE_INFINITY
  #closed = false
  /** what was logged of the store's problems */
  #known = new Set<string>()

  constructor(options: ControllerOptions, store: Store) {
    this.#options = options
    const { configuration, log } = options
    const paths = socketPaths(configuration.runDirectory)
    const { secrets } = configuration
    if (secrets !== undefined && 'directory' in secrets)
      this.#secrets = new SecretFiles(secrets.directory)
    this.#inForce = new InForce(configuration, log, this.#epochOffset, change =>
      change === 'snapshot' ? this.#decide() : this.round(),
    )
    this.#reporter = new Reporter(store, configuration.state.leaseSeconds, log)
    this.#podCidrs = new PublishedPodCidrs(store, configuration.facts, log)
    this.#membership = new Membership(configuration, store, log, () => this.#decideSoon())
    this.#tunnels = new TunnelAddresses(configuration, store, log, () => this.#decideSoon())
    this.#nodeStatuses = new NodeStatuses(store, log)
    this.#services = new Services({
      ...serviceSourceOf(configuration, this.#inForce),
      configuration,
      log,
      epochOffset: this.#epochOffset,
      changed: () => this.#decideSoon(),
    })
    this.#speaker = new SpeakerLink({
      path: paths.speaker,
      log,
      up: () => this.#tellSpeaker(),
      down: () => this.round(),
    })
    this.#dataplane = new DataplaneLink({
      path: paths.dataplane,
      log,
      up: () => this.#tellDataplane(),
      down: () => this.round(),
    })
    this.#facts = this.#factsNow()
    this.#watch = store.watch([...watchedRoots(configuration), ACCEPT_ROOT], event =>
      this.#inForce.heard(event),
    )
  }

  /** What this node is and holds, as of the last round. */
  get facts(): StatusFacts {
    return this.#facts
  }

  /** The speaker's link, for questions about one prefix. */
  get speaker(): SpeakerLink {
    return this.#speaker
  }

  /** The dataplane's link, for the same. */
  get dataplane(): DataplaneLink {
    return this.#dataplane
  }

  /** This node as one of BIRD's two daemons would be, as of the last round. */
  bird(family: Family): BirdView {
    return birdView(this.#facts, family, this.#surroundings())
  }

  /** Asks both halves and reports, soon: at most one round at a time, and not one after another. */
  round(): void {
    if (this.#round !== undefined || this.#closed) return
    const wait = Math.max(0, this.#roundAt + ROUND_MIN_MS - now())
    this.#round = setTimeout(() => {
      this.#roundAt = now()
      this.#ask().finally(() => {
        this.#round = undefined
      })
    }, wait)
  }

  /** Decides anew when a secret that a session needs has changed: it was put there, or rotated. */
  lookAtSecrets(): void {
    if (this.#desired !== undefined && this.#secrets?.changed() === true) this.#decideSoon()
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#gather)
    clearTimeout(this.#round)
    this.#watch.close()
    this.#inForce.close()
    this.#membership.close()
    this.#services.close()
    this.#speaker.close()
    this.#dataplane.close()
    await this.#reporter.close()
  }

  #decideSoon(): void {
    if (!this.#closed) this.#gather ??= setTimeout(() => this.#decide(), GATHER_MS)
  }

  #decide(): void {
    this.#gather = undefined
    const before = this.#desired
    const { snapshot, problems: unreadable, entries } = this.#inForce
    if (snapshot === undefined || !this.#membership.isReady || !this.#services.isReady) return
    const problems = [...unreadable, ...snapshot.problems]
    const { facts } = this.#options.configuration
    this.#membership.keep({ snapshot, entries })
    this.#tunnels.keep({ snapshot, entries })
    this.#links = linksOf(snapshot, facts.node, hostInterfaces())
    const made = desired(
      ...([{ ...snapshot, problems }, facts, this.#secretsNow(), this.#services.objects] as const),
      this.#links,
    )
    const next = this.#tunnels.applied(this.#membership.applied(made))
    this.#desired = next
    this.#logProblems(next.problems)
    // before the speaker hears of them, and asks for them
    if (differ(before?.listen, next.listen))
      this.#options.allowPorts?.(next.listen.map(({ port }) => port))
    if (differ(before?.speaker, next.speaker) || differ(before?.listen, next.listen)) {
      this.#configuredAt = now()
      this.#tellSpeaker()
    }
    if (differ(before?.dataplane, next.dataplane)) this.#tellDataplane()
    this.round()
  }

  #secretsNow(): Secrets {
    if (this.#secrets !== undefined) return this.#secrets.now()
    return this.#options.configuration.secrets === undefined ? NO_SECRETS : this.#inForce.secrets
  }

  #tellSpeaker(): void {
    const wanted = this.#desired
    if (wanted === undefined) return
    const { speaker, listen } = wanted
    this.#speaker.configure({ listen, ...(speaker !== undefined && { speaker }) })
  }

  #tellDataplane(): void {
    if (this.#desired !== undefined) this.#dataplane.intend(this.#desired.dataplane)
  }

  async #ask(): Promise<void> {
    const [speaker, dataplane] = await Promise.allSettled([
      this.#speaker.snapshot(),
      this.#dataplane.snapshot(),
    ])
    if (this.#closed) return
    this.#facts = {
      ...this.#factsNow(),
      ...(speaker.status === 'fulfilled' && { speaker: speaker.value }),
      ...(dataplane.status === 'fulfilled' && { dataplane: dataplane.value }),
    }
    this.#reporter.report(this.#facts)
    const { entries, snapshot } = this.#inForce
    if (snapshot === undefined) return
    this.#membership.keep({ snapshot, entries })
    this.#tunnels.keep({ snapshot, entries })
    if (differ(this.#links, linksOf(snapshot, this.#options.configuration.node, hostInterfaces())))
      this.#decideSoon()
    if (entries === undefined) return
    this.#podCidrs.keep(entries)
    const asked = snapshot.calicoNodeStatuses
    if (asked.length > 0)
      this.#nodeStatuses.answer(asked, entries, this.#facts, this.#surroundings())
  }

  #surroundings(): BirdSurroundings {
    return { now: now(), configuredAt: this.#configuredAt, interfaces: interfacesHere() }
  }

  #factsNow(): StatusFacts {
    const { configuration, version } = this.#options
    const { lost, since, held, revision, savedAt } = this.#inForce.standing
    return {
      node: configuration.node,
      version,
      mode: this.#mode(),
      startedAt: this.#startedAt,
      processes: {
        speaker: this.#speaker.isUp ? 'up' : 'down',
        dataplane: this.#dataplane.isUp ? 'up' : 'down',
      },
      store: {
        kind: configuration.store.kind,
        state: lost === undefined ? 'fresh' : 'lost',
        since,
        ...(lost !== undefined && { why: lost }),
        ...(revision !== undefined && { revision }),
        ...(savedAt !== undefined && { savedAt }),
      },
      ...(held !== undefined && { held }),
      ...(this.#desired !== undefined && { desired: this.#desired }),
      signatures: this.#signatures.look(now()),
      epochOffset: this.#epochOffset,
    }
  }

  #mode(): AgentMode {
    const { lost, held } = this.#inForce.standing
    if (held !== undefined) return held.what === 'hold' ? 'held' : 'paused'
    if (this.#desired === undefined) return 'starting'
    if (lost !== undefined) return 'stale'
    return this.#desired.speaker === undefined ? 'idle' : 'running'
  }

  /** Each problem is a line when it appears and when it is gone. */
  #logProblems(problems: readonly Problem[]): void {
    const { log } = this.#options
    const known = new Set<string>()
    for (const { object, field, reason } of problems) {
      const text = `${object}${field === '' ? '' : ` ${field}`}: ${reason}`
      known.add(text)
      if (!this.#known.has(text)) log.warn('PROBLEM', text, { object, field })
    }
    for (const text of this.#known)
      if (!known.has(text)) log.info('PROBLEM_SOLVED', `solved: ${text}`)
    this.#known = known
  }
}

/** Lists in what is desired are in canonical order, so that equal text is equal meaning. */
const differ = (left: unknown, right: unknown): boolean =>
  JSON.stringify(left) !== JSON.stringify(right)
