/**
 * The load generator and sink: a process, namespace and core of its own. It is told what to
 * do by its parent, one order at a time, and answers with what it measured.
 *
 * Octets are made when sessions are, before any clock starts. A clock runs from the first write to the last UPDATE that
 * a receiver needed.
 */
import { type Address, type Family, familyOf } from '../../../src/core/net/index.ts'
import { BenchSession } from './session.ts'
import {
  type Announcer,
  announcements,
  change,
  makeTable,
  markerOf,
  NUMBERS,
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
  readonly internal: boolean
  readonly senders: number
  readonly receivers: number
  /** prefixes in all; each sender has its share of them, or all of them */
  readonly prefixes: number
  readonly shared: boolean
  readonly holdSeconds: number
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
      readonly withinMs: number
    }
  /** every peer announces its own prefix: at once, or each as soon as its session is up */
  | { readonly do: 'everyone'; readonly connects: boolean; readonly withinMs: number }
  | { readonly do: 'changes'; readonly times: number }
  | { readonly do: 'vanish'; readonly withinMs: number }
  | { readonly do: 'listen' | 'heard' }
  | { readonly do: 'end' }

/** What came of an order. Times in ms. */
export interface Answer {
  readonly ms: number
  /** share of that time that the generator's thread was busy, 0 to 1 */
  readonly busy: number
  readonly octetsIn: number
  readonly octetsOut: number
  /** announcements that receivers had, each time they had them */
  readonly announced: number
  /** latencies of single changes, or lateness of keepalives, sorted */
  readonly samples?: readonly number[]
  readonly lost?: number
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
        return this.#measured(() => this.#prepare(order.cast))
      case 'connect':
        return this.#measured(() => this.#connect(order.from, order.to, order.withinMs))
      case 'announce':
        if (order.variant !== undefined && order.variant !== this.#variant)
          this.#encode(order.variant)
        return this.#converge(order.withinMs, this.#complete(true), () => this.#say('announce'))
      case 'withdraw':
        return this.#converge(order.withinMs, this.#complete(false), () => this.#say('withdraw'))
      case 'refresh':
        for (const session of this.#receivers) session.forget()
        return this.#converge(order.withinMs, this.#complete(true), () => {
          for (const session of this.#receivers) session.refresh()
        })
      case 'everyone':
        return this.#everyone(order.connects, order.withinMs)
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

  #prepare(cast: Cast): void {
    this.#cast = cast
    const { locals, asns, remotes, port, holdSeconds, senders, receivers } = cast
    this.#sessions = locals.map((local, index) => {
      // who only sends, and who has one prefix, is sent markers at most, or is not looked at
      const large = index >= senders && index < senders + receivers && cast.prefixes > 0
      const numbers = large ? { first: 0, count: NUMBERS } : { first: markerOf(0), count: 1 << 14 }
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
        numbers,
      })
    })
    this.#table = makeTable(cast.prefixes)
    this.#encode(0)
  }

  #encode(variant: number): void {
    this.#variant = variant
    const { senders, shared, prefixes } = this.#made()
    this.#streams = Array.from({ length: senders }, (_, index) => {
      const by = this.#announcer(index)
      const share = Math.ceil(prefixes / senders)
      const table = shared
        ? this.#table
        : slice(this.#table, index * share, Math.min(prefixes, (index + 1) * share))
      // of the same prefixes each sender tells another path
      const announce = announcements(table, by, shared ? variant * 100 + index : variant)
      return { announce, withdraw: withdrawals(table, by) }
    })
  }

  #announcer(index: number): Announcer {
    const { locals, asns, family, internal } = this.#made()
    const [nextHop, asn] = [locals[index], asns[index]]
    if (nextHop === undefined || asn === undefined) throw new Error(`there is no peer ${index}`)
    return { index, asn, nextHop, family, internal }
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

  /** Does `act`, and waits until `done`, and nothing has come for a while. */
  async #converge(withinMs: number, done: () => boolean, act: () => void): Promise<Answer> {
    const receivers = this.#receivers
    const before = this.#counts(receivers)
    const idle = performance.eventLoopUtilization()
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
          busy,
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

  #counts(of: readonly BenchSession[]): { octets: number; announced: number } {
    let [octets, announced] = [0, 0]
    for (const session of of) {
      octets += session.octets
      announced += session.announced
    }
    return { octets, announced }
  }

  async #everyone(connects: boolean, withinMs: number): Promise<Answer> {
    const sessions = this.#sessions
    const own = sessions.map((_, index) => announcements(makeTable(0), this.#announcer(index)))
    const wanted = sessions.length - 1
    const speak = (session: BenchSession): void => {
      const stream = own[session.index]
      if (stream !== undefined) session.send(stream)
    }
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
      const done = sessions.every(({ prefixes }) => prefixes >= wanted)
      if (done) {
        const { octets, announced } = this.#counts(sessions)
        const { utilization } = performance.eventLoopUtilization(idle)
        const last = Math.max(...sessions.map(session => session.lastUpdate))
        const octetsOut = own.reduce((sum, { length }) => sum + length, 0)
        return { ms: last - start, busy: utilization, octetsIn: octets, octetsOut, announced }
      }
      if (now - start > withinMs) {
        const least = Math.min(...sessions.map(({ prefixes }) => prefixes))
        throw new Error(`not there after ${withinMs} ms: some have ${least} of ${wanted} prefixes`)
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

const NOTHING: Answer = { ms: 0, busy: 0, octetsIn: 0, octetsOut: 0, announced: 0 }

const generator = new Generator()
process.on('uncaughtException', error => {
  if (process.connected) process.send?.({ error: error.message }, () => process.exit(1))
})
process.on('message', (order: Order) => {
  generator.obey(order).then(
    answer => process.send?.({ answer }),
    error => process.send?.({ error: error instanceof Error ? error.message : String(error) }),
  )
})
