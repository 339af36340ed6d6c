/**
 * The load generator and sink: a process, namespace and core of its own. It is told what to
 * do by its parent, one order at a time, and answers with what it measured.
 *
 * Octets are made when sessions are, before any clock starts. A clock runs from the first write to the last UPDATE that
 * a receiver needed.
 */
import { type Address, type Family, familyOf } from '../../../../src/core/net/index.ts'
import { readMrt } from './mrt.ts'
import { BenchSession } from './session.ts'
import {
  type Announcer,
  announcements,
  change,
  MARKERS,
  makeTable,
  PLACES,
  slice,
  type Table,
  withdrawals,
} from './traffic.ts'

/** Who speaks, and what they have to say. */
export interface Cast {
  readonly family: Family
  /** the daemon's addresses and port */
  readonly remotes: Readonly<Record<Family, Address>>
  readonly port: number
  /** addresses of the peers: senders first, then receivers, then quiet ones */
  readonly locals: readonly Address[]
  readonly asns: readonly number[]
  readonly daemonAs: number
  readonly senders: number
  readonly receivers: number
  /** prefixes in all; each sender has its share of them, or all of them */
  readonly prefixes: number
  readonly shared: boolean
  /** the path of each further sender is longer */
  readonly ranked: boolean
  readonly holdSeconds: number
  /** an MRT file in place of prefixes that are made up */
  readonly mrt?: string
}

/** What can be asked of the generator. */
export type Order =
  | { readonly do: 'cast'; readonly cast: Cast }
  | {
      readonly do: 'connect'
      readonly from: number
      readonly to: number
      readonly withinMs: number
    }
  | {
      readonly do: 'announce' | 'withdraw' | 'refresh'
      readonly variant?: number
      /** the last session, which is not up yet, connects meanwhile */
      readonly late?: boolean
      readonly withinMs: number
    }
  /** the whole table comes and goes, again and again, as fast as a receiver has it */
  | { readonly do: 'flap'; readonly times: number; readonly withinMs: number }
  /**
   * every peer announces its own prefix, at once or each as soon as its session is up, and everybody has all of them;
   * in a mesh the last has all, and the others the last one's
   */
  | {
      readonly do: 'everyone'
      readonly connects: boolean
      readonly mesh: boolean
      readonly withinMs: number
    }
  | { readonly do: 'changes'; readonly times: number }
  | { readonly do: 'vanish'; readonly withinMs: number }
  | { readonly do: 'listen' | 'heard' }
  | { readonly do: 'end' }

/** What came of an order. Times in ms. */
export interface Answer {
  readonly ms: number
  /** when it began, CLOCK_MONOTONIC */
  readonly from?: number
  /** share of that time that the generator's thread was busy, 0 to 1 */
  readonly busy: number
  /** messages that the daemon sent */
  readonly messages: number
  readonly octetsIn: number
  readonly octetsOut: number
  /** announcements that receivers had, each time they had them */
  readonly announced: number
  /** latencies of single changes, or lateness of keepalives, sorted */
  readonly samples?: readonly number[]
  readonly lost?: number
  /** until the session that came late was Established */
  readonly lateMs?: number
  /** prefixes in the table, where a file says */
  readonly prefixes?: number
}

/** So long must nothing come before what came last was the last. */
const QUIET_MS = 1_000
const POLL_MS = 20
const CONNECTS_AT_ONCE = 8

class Generator {
  #cast: Cast | undefined
  #sessions: BenchSession[] = []
  #table: Table = makeTable(0)
  #streams: { announce: Uint8Array; withdraw: Uint8Array }[] = []
  #variant = 0
  /** by session: when its last KEEPALIVE came */
  readonly #heard = new Map<BenchSession, number>()
  #gaps: number[] = []

  async obey(order: Order): Promise<Answer> {
    switch (order.do) {
      case 'cast':
        await this.#prepare(order.cast)
        return { ...NOTHING, prefixes: this.#table.numbers.length }
      case 'connect':
        return this.#measured(() => this.#connect(order.from, order.to, order.withinMs))
      case 'announce':
        if (order.variant !== undefined && order.variant !== this.#variant)
          this.#encode(order.variant)
        return order.late === true
          ? this.#announceAndConnect(order.withinMs)
          : this.#converge(order.withinMs, this.#complete(true), () => this.#say('announce'))
      case 'flap':
        return this.#measured(() => this.#flap(order.times, order.withinMs))
      case 'withdraw':
        return this.#converge(order.withinMs, this.#complete(false), () => this.#say('withdraw'))
      case 'refresh':
        for (const session of this.#receivers) session.forget()
        return this.#converge(order.withinMs, this.#complete(true), () => {
          for (const session of this.#receivers) session.refresh()
        })
      case 'everyone':
        return this.#everyone(order.connects, order.mesh, order.withinMs)
      case 'changes':
        return this.#changes(order.times)
      case 'vanish':
        return this.#converge(
          order.withinMs,
          () => true,
          () => this.#sessions[0]?.close(),
        )
      case 'listen':
        return this.#measured(() => this.#listen())
      case 'heard':
        return this.#lateness()
      case 'end':
        for (const session of this.#sessions) session.close()
        return NOTHING
      default:
        return order satisfies never
    }
  }

  #made(): Cast {
    if (this.#cast === undefined) throw new Error('there is no cast yet')
    return this.#cast
  }

  get #senders(): BenchSession[] {
    return this.#sessions.slice(0, this.#made().senders)
  }

  get #receivers(): BenchSession[] {
    const { senders, receivers } = this.#made()
    return this.#sessions.slice(senders, senders + receivers)
  }

  async #prepare(given: Cast): Promise<void> {
    this.#table = given.mrt === undefined ? makeTable(given.prefixes) : await readMrt(given.mrt)
    const cast = { ...given, prefixes: this.#table.numbers.length }
    this.#cast = cast
    const { locals, asns, remotes, port, holdSeconds, senders, receivers } = cast
    this.#sessions = locals.map((local, index) => {
      // who only sends, and who has one prefix, is sent markers at most, or is not looked at
      const large = index >= senders && index < senders + receivers && cast.prefixes > 0
      const places = large ? { first: 0, count: PLACES } : MARKERS
      const routerId = 0x0a630000 + 256 + index
      const asn = asns[index] ?? 0
      const family = familyOf(local)
      const remote = remotes[family]
      return new BenchSession(index, {
        local,
        remote,
        port,
        asn,
        routerId,
        family,
        holdSeconds,
        listens: index >= senders,
        places,
      })
    })
    this.#encode(0)
  }

  #encode(variant: number): void {
    this.#variant = variant
    const { senders, shared, ranked, prefixes } = this.#made()
    this.#streams = Array.from({ length: senders }, (_, index) => {
      const by = this.#announcer(index)
      const share = Math.ceil(prefixes / senders)
      const table = shared
        ? this.#table
        : slice(this.#table, index * share, Math.min(prefixes, (index + 1) * share))
      // of the same prefixes each sender tells another path, or the same made longer
      const own = shared && !ranked
      const announce = announcements(table, by, own ? variant * 100 + index : variant)
      return { announce, withdraw: withdrawals(table, by) }
    })
  }

  #announcer(index: number): Announcer {
    const { locals, asns, family, daemonAs, ranked } = this.#made()
    const [nextHop, asn] = [locals[index], asns[index]]
    if (nextHop === undefined || asn === undefined) throw new Error(`there is no peer ${index}`)
    const internal = asn === daemonAs
    return { index, asn, nextHop, family, internal, longer: ranked ? index : 0 }
  }

  async #connect(from: number, to: number, withinMs: number): Promise<void> {
    const deadline = performance.now() + withinMs
    // a few at a time: a listener's queue may be short, and a SYN that finds it full waits for seconds
    for (let at = from; at < to; at += CONNECTS_AT_ONCE) {
      const some = this.#sessions.slice(at, Math.min(to, at + CONNECTS_AT_ONCE))
      await Promise.all(some.map(session => session.connect(deadline)))
    }
  }

  #say(what: 'announce' | 'withdraw'): void {
    for (const [index, session] of this.#senders.entries()) {
      const stream = this.#streams[index]
      if (stream !== undefined) session.send(stream[what])
    }
  }

  /** Whether each receiver has every prefix, and has seen the end of each sender's table; or none. */
  #complete(there: boolean): () => boolean {
    const { prefixes, senders } = this.#made()
    const wanted = there ? prefixes + senders : 0
    const receivers = this.#receivers
    return () => receivers.every(session => session.prefixes === wanted)
  }

  async #announceAndConnect(withinMs: number): Promise<Answer> {
    const late = this.#sessions.at(-1)
    if (late === undefined) throw new Error('there is nobody to come late')
    const said = this.#converge(withinMs, this.#complete(true), () => this.#say('announce'))
    const start = performance.now()
    await late.connect(start + withinMs)
    const lateMs = performance.now() - start
    return { ...(await said), lateMs }
  }

  async #flap(times: number, withinMs: number): Promise<void> {
    const deadline = performance.now() + withinMs
    for (let flap = 0; flap < times; flap++)
      for (const there of [true, false]) {
        const done = this.#complete(there)
        this.#say(there ? 'announce' : 'withdraw')
        while (!done()) {
          if (performance.now() > deadline) throw new Error(`not there after ${withinMs} ms`)
          await new Promise(resolve => setImmediate(resolve))
        }
      }
  }

  /** Does `act`, and waits until `done`, and nothing has come for a while. */
  async #converge(withinMs: number, done: () => boolean, act: () => void): Promise<Answer> {
    const receivers = this.#receivers
    const before = this.#counts(receivers)
    const idle = performance.eventLoopUtilization()
    const from = Number(process.hrtime.bigint()) / 1e6
    const start = performance.now()
    let busy = 0
    act()
    for (;;) {
      await new Promise(resolve => setTimeout(resolve, POLL_MS))
      const now = performance.now()
      const last = Math.max(...receivers.map(session => session.lastUpdate), start)
      if (now - last < POLL_MS * 2) busy = performance.eventLoopUtilization(idle).utilization
      const flowing = this.#senders.some(session => session.unsent > 0)
      if (!flowing && now - last > QUIET_MS && done()) {
        const after = this.#counts(receivers)
        return {
          ms: last - start,
          from,
          busy,
          messages: after.messages - before.messages,
          octetsIn: after.octets - before.octets,
          octetsOut: this.#streams.reduce((sum, { announce }) => sum + announce.length, 0),
          announced: after.announced - before.announced,
        }
      }
      if (now - start > withinMs) {
        const has = receivers.map(session => session.prefixes).join(' ')
        throw new Error(`not there after ${withinMs} ms: receivers have ${has} prefixes`)
      }
    }
  }

  #counts(of: readonly BenchSession[]): { octets: number; announced: number; messages: number } {
    let [octets, announced, messages] = [0, 0, 0]
    for (const session of of) {
      octets += session.octets
      announced += session.announced
      messages += session.messages
    }
    return { octets, announced, messages }
  }

  async #everyone(connects: boolean, mesh: boolean, withinMs: number): Promise<Answer> {
    const sessions = this.#sessions
    const own = sessions.map((_, index) => announcements(makeTable(0), this.#announcer(index)))
    const last = sessions.length - 1
    const wanted = ({ index }: BenchSession): number => (mesh && index < last ? 1 : last)
    const speak = (session: BenchSession): void => {
      const stream = own[session.index]
      if (stream !== undefined) session.send(stream)
    }
    const before = this.#counts(sessions)
    const idle = performance.eventLoopUtilization()
    const start = performance.now()
    if (connects) {
      for (const session of sessions) session.listener = { established: speak }
      const deadline = start + withinMs
      void Promise.all(sessions.map(session => session.connect(deadline)))
    } else for (const session of sessions) speak(session)
    for (;;) {
      await new Promise(resolve => setTimeout(resolve, POLL_MS))
      const now = performance.now()
      // a daemon may send a client's own prefix back: that is its affair
      const waiting = sessions.filter(session => session.prefixes < wanted(session))
      if (waiting.length === 0) {
        const after = this.#counts(sessions)
        const busy = performance.eventLoopUtilization(idle).utilization
        const end = sessions.reduce((latest, one) => Math.max(latest, one.lastUpdate), start)
        const octetsOut = own.reduce((sum, { length }) => sum + length, 0)
        return {
          ms: end - start,
          busy,
          messages: after.messages - before.messages,
          octetsIn: after.octets - before.octets,
          octetsOut,
          announced: after.announced - before.announced,
        }
      }
      if (now - start > withinMs) {
        const least = Math.min(...waiting.map(({ prefixes }) => prefixes))
        throw new Error(
          `not there after ${withinMs} ms: ${waiting.length} wait, with ${least} prefixes at least`,
        )
      }
    }
  }

  /** One prefix after the other gets new attributes, and each time a receiver is waited for. */
  async #changes(times: number): Promise<Answer> {
    const [receiver] = this.#receivers
    const [sender] = this.#senders
    if (receiver === undefined || sender === undefined)
      throw new Error('nobody to change or to see')
    const samples: number[] = []
    const numbers = this.#table.numbers.filter((_, at) => this.#table.lengths[at] === 24)
    for (let time = 0; time < times; time++) {
      const number = numbers[(time * 7_919) % numbers.length] ?? 0
      const message = change(number, this.#announcer(0), time)
      samples.push(
        await new Promise<number>(resolve => {
          const start = performance.now()
          receiver.listener = { updated: () => resolve(performance.now() - start) }
          sender.send(message)
        }),
      )
      await new Promise(resolve => setTimeout(resolve, 1))
    }
    receiver.listener = {}
    samples.sort((a, b) => a - b)
    return { ...NOTHING, samples }
  }

  /** From now on the times between KEEPALIVEs are kept, of those who only listen. */
  #listen(): void {
    const { senders, receivers } = this.#made()
    this.#gaps = []
    for (const session of this.#sessions.slice(senders + receivers))
      session.listener = {
        keepalive: (from, at) => {
          const last = this.#heard.get(from)
          if (last !== undefined) this.#gaps.push(at - last)
          this.#heard.set(from, at)
        },
      }
  }

  /** By how much KEEPALIVEs came later than a third of the hold time after the last one. */
  #lateness(): Answer {
    const { holdSeconds, senders, receivers } = this.#made()
    const due = (holdSeconds * 1_000) / 3
    const samples = this.#gaps.map(gap => Math.max(0, gap - due)).sort((a, b) => a - b)
    const quiet = this.#sessions.slice(senders + receivers)
    const lost = quiet.filter(({ established }) => !established).length
    return { ...NOTHING, samples, lost }
  }

  async #measured(act: () => void | Promise<void>): Promise<Answer> {
    const idle = performance.eventLoopUtilization()
    const start = performance.now()
    await act()
    const busy = performance.eventLoopUtilization(idle).utilization
    return { ...NOTHING, ms: performance.now() - start, busy }
  }
}

const NOTHING: Answer = { ms: 0, busy: 0, messages: 0, octetsIn: 0, octetsOut: 0, announced: 0 }

const generator = new Generator()
process.on('uncaughtException', error => {
  if (process.connected) process.send?.({ error: error.message }, () => process.exit(1))
})
// nobody is left to ask
process.on('disconnect', () => process.exit(0))
process.on('message', (order: Order) => {
  generator.obey(order).then(
    answer => process.send?.({ answer }),
    error => process.send?.({ error: error instanceof Error ? error.message : String(error) }),
  )
})
