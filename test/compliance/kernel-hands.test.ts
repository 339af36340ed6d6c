/**
 * What others do to a kernel half and to its routes, on the simulated kernel and on the real one: it is killed
 * between any two messages, hands change routes of ours, an operator takes all out.
 */
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { Flush, type FlushResult } from '../../src/core/dataplane/index.ts'
import { address, prefix } from '../../src/core/net/index.ts'
import { CONFIG, hopsOf } from '../support/dataplane-world.ts'
import { type Rig, realRig, simulatedRig } from '../support/kernel-rig.ts'
import { LiveDataplane } from '../support/live-dataplane.ts'
import { until } from '../support/until.ts'

const { table, protocol, metric } = CONFIG

const GROUPS = [
  hopsOf('10.9.0.2'),
  hopsOf('10.9.0.2', '10.8.0.2'),
  hopsOf('10.8.0.3'),
  hopsOf('2001:db8:9::2'),
]

/** Two states with routes that stay, change, come and go, of both families. */
const FROM = {
  ...{ '10.200.1.0/24': 1, '10.200.2.0/24': 2, '10.200.0.0/16': 3, '10.200.4.0/24': 1 },
  ...{ 'fd00:1::/64': 4, 'fd00:2::/64': 4 },
}
const TO = {
  ...{ '10.200.1.0/24': 3, '10.200.2.0/24': 1, '10.200.0.0/16': 3, '10.200.3.0/24': 2 },
  ...{ 'fd00:2::/64': 4, 'fd00:3::/64': 4 },
}

/** Of either state: all four groups, and their hops. */
const OBJECTS = 8

const STRANGER = { prefix: '203.0.113.0/24', to: 'blackhole', protocol: 99, metric }

const oursIn = (rig: Rig): string[] =>
  rig
    .routes(table)
    .filter(route => route.protocol === protocol)
    .map(({ prefix: text, to }) => `${text} ${to.replace(/via (\S+)[^,]*/g, '$1')}`)
    .sort()

const expected = (routes: Readonly<Record<string, number>>): string[] =>
  Object.entries(routes)
    .map(
      ([text, id]) =>
        `${text} ${(GROUPS[id - 1] ?? [])
          .map(({ address }) => address)
          .sort()
          .join(', ')}`,
    )
    .sort()

function prepare(make: () => Rig): Rig {
  const rig = make()
  addLink(rig, 'a')
  addLink(rig, 'b')
  rig.act('add', table, STRANGER)
  return rig
}

function addLink(rig: Rig, link: 'a' | 'b'): void {
  rig.addLink(link)
  if (link === 'b') rig.addAddress('b', '10.8.0.1/24')
  else for (const network of ['10.9.0.1/24', '2001:db8:9::1/64']) rig.addAddress('a', network)
}

/** Has a new life make the kernel what `routes` says; answers how many messages that took. */
async function converge(
  rig: Rig,
  routes: Readonly<Record<string, number>>,
  nexthopObjects: boolean,
): Promise<number> {
  const life = new LiveDataplane(rig, { nexthopObjects })
  life.speak(GROUPS, routes)
  const wanted = Object.keys(routes).length
  const done = (): boolean => life.atRest && life.snapshot().installed === wanted
  await until(done, 'all is as wanted')
  const objects = nexthopObjects ? OBJECTS : 0
  await until(async () => (await flush(rig, true)).objects === objects, 'no object is left over')
  life.close()
  return life.sent
}

/** What may happen to a node, beside what is wanted of it. */
type Step =
  | { readonly kind: 'want'; readonly state: number }
  | { readonly kind: 'delete' | 'spoil'; readonly at: number }
  | { readonly kind: 'flap' | 'remake'; readonly link: 'a' | 'b' }
  | { readonly kind: 'flush' }
  | { readonly kind: 'kill'; readonly messages: number }

const LINKS = fc.constantFrom('a' as const, 'b' as const)

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof<fc.Arbitrary<Step>[]>(
    fc.record({ kind: fc.constant('want'), state: fc.nat(2) }),
    fc.record({ kind: fc.constantFrom('delete', 'spoil'), at: fc.nat(9) }),
    fc.record({ kind: fc.constantFrom('flap', 'remake'), link: LINKS }),
    fc.record({ kind: fc.constant('flush') }),
    fc.record({ kind: fc.constant('kill'), messages: fc.nat(8) }),
  ),
  { minLength: 3, maxLength: 8 },
)

/** A node to which things happen faster than it can do anything about them. */
class Story {
  readonly #rig: Rig
  readonly #objects: boolean
  #life: LiveDataplane
  #wanted: Readonly<Record<string, number>> = FROM

  constructor(rig: Rig, nexthopObjects: boolean) {
    this.#rig = rig
    this.#objects = nexthopObjects
    this.#life = this.#begin()
  }

  /** The smallest buffer: some notifications are lost whenever many come. */
  #begin(messages = Number.POSITIVE_INFINITY): LiveDataplane {
    const options = { nexthopObjects: this.#objects, notificationOctetsMax: 1, messages }
    const life = new LiveDataplane(this.#rig, options)
    life.speak(GROUPS, this.#wanted)
    return life
  }

  async act(step: Step): Promise<void> {
    const rig = this.#rig
    const ours = rig.routes(table).filter(route => route.protocol === protocol)
    switch (step.kind) {
      case 'want':
        this.#wanted = [FROM, TO, {}][step.state] ?? {}
        this.#life.speak(GROUPS, this.#wanted)
        return
      case 'delete':
      case 'spoil': {
        const victim = ours[step.at]
        const to = step.kind === 'spoil' ? 'blackhole' : (victim?.to ?? '')
        if (victim) rig.act(step.kind === 'spoil' ? 'replace' : 'delete', table, { ...victim, to })
        return
      }
      case 'flap':
        rig.setLink(step.link, false)
        rig.setLink(step.link, true)
        if (step.link === 'a') rig.addAddress('a', '2001:db8:9::1/64')
        return
      case 'remake':
        rig.deleteLink(step.link)
        addLink(rig, step.link)
        return
      case 'flush':
        rig.flush(table, protocol)
        return
      case 'kill': {
        this.#life.close()
        const mortal = this.#begin(step.messages)
        await until(() => mortal.dead || mortal.atRest, 'it is dead, or has nothing to do')
        mortal.close()
        this.#life = this.#begin()
        return
      }
      default:
        step satisfies never
    }
  }

  /** Nothing happens any more: all is as it should be, soon, and stays so. */
  async end(): Promise<void> {
    const wanted = expected(this.#wanted).join()
    const life = this.#life
    const done = (): boolean => life.atRest && oursIn(this.#rig).join() === wanted
    await until(done, `${wanted} instead of what is there`, { withinMs: 60_000 })
    life.close()
  }
}

function flush(rig: Rig, dry: boolean): Promise<FlushResult> {
  return new Promise(resolve => {
    const output = rig.open({ table, protocol, deliver: event => work.handle(event) })
    const done = (result: FlushResult): void => {
      output.close()
      resolve(result)
    }
    const work = new Flush({ output, protocol, dry, done })
    work.start()
  })
}

const MODES = [
  ['plain routes', false],
  ['nexthop objects', true],
] as const

function suite(name: string, make: () => Rig): void {
  const rule = (title: string, run: (t: ExecutionContext, rig: Rig) => Promise<void>): void =>
    test.serial(`${name}: ${title}`, async t => {
      const rig = prepare(make)
      await run(t, rig)
      t.is(
        rig.routes(table).filter(route => route.protocol === 99).length,
        1,
        'the stranger’s stays',
      )
      rig.close()
    })

  for (const [mode, objects] of MODES)
    rule(
      `killed between any two messages, the next one ends where it should; ${mode}`,
      async (t, rig) => {
        await converge(rig, FROM, objects)
        const messages = await converge(rig, TO, objects)
        t.true(messages >= 6, `${messages} messages from one state to the other`)
        for (let at = 0; at <= messages; at++) {
          await converge(rig, FROM, objects)
          const mortal = new LiveDataplane(rig, { nexthopObjects: objects, messages: at })
          mortal.speak(GROUPS, TO)
          await until(() => mortal.dead || mortal.atRest, `it is dead after ${at} messages`)
          mortal.close()
          // what reached the kernel is done before anybody looks
          await converge(rig, TO, objects)
          t.deepEqual(oursIn(rig), expected(TO), `killed after ${at} messages`)
        }
      },
    )

  for (const [mode, objects] of MODES)
    rule(
      `whatever happens to it, in any order, it ends where it should; ${mode}`,
      async (t, rig) => {
        const ran = await fc.check(
          fc.asyncProperty(steps, async some => {
            const story = new Story(rig, objects)
            for (const step of some) await story.act(step)
            await story.end()
          }),
          { numRuns: 12, endOnFailure: true },
        )
        t.false(ran.failed, fc.defaultReportMessage(ran))
      },
    )

  for (const [mode, objects] of MODES)
    rule(`a flush takes all that is ours and nothing else; ${mode}`, async (t, rig) => {
      await converge(rig, FROM, objects)
      rig.act('add', table, { prefix: '192.0.2.0/24', to: 'blackhole', protocol, metric: 77 })
      rig.nexthop('add', '77', 'via', '10.9.0.9', 'dev', 'a', 'protocol', '99')
      const routes = Object.keys(FROM).length + 1
      const counted = await flush(rig, true)
      t.like(counted, { routes, tunnels: 0, left: 0 })
      t.is(counted.objects > 0, objects)
      t.is(oursIn(rig).length, routes, 'a dry run touches nothing')
      t.deepEqual(await flush(rig, false), counted)
      t.deepEqual(oursIn(rig), [])
      t.deepEqual(await flush(rig, false), { routes: 0, objects: 0, tunnels: 0, left: 0 })
      t.true(rig.nexthop('replace', '77', 'via', '10.9.0.9', 'dev', 'a', 'protocol', '99'))
    })

  rule('a call of the kernel is over before anything is told of it', async (t, rig) => {
    const heard: string[] = []
    const output = rig.open({ table, protocol, deliver: ({ type }) => heard.push(type) })
    t.teardown(() => output.close())
    output.dump(1)
    output.inspect(1)
    output.lookUp([address('10.9.0.2')])
    t.deepEqual(heard, [])
    for (const type of ['Dumped', 'Inspected', 'Found'])
      await until(() => heard.includes(type), `${type} is told`)
  })

  rule('what a rule yields stays as the other hand made it, the rest is back', async (t, rig) => {
    const audit = [{ prefix: prefix('10.200.1.0/24'), action: 'yield' as const }]
    const life = new LiveDataplane(rig, { audit })
    t.teardown(() => life.close())
    life.speak(GROUPS, FROM)
    await until(() => life.snapshot().installed === 6, 'all are installed')
    for (const text of ['10.200.1.0/24', '10.200.4.0/24'])
      t.true(rig.act('delete', table, { prefix: text, to: 'via 10.9.0.2', protocol, metric }))
    await until(() => life.snapshot().repaired === 1, 'the other one is back')
    await until(() => life.snapshot().yielded === 1, 'and the loss of the first was heard')
    const { '10.200.1.0/24': _, ...rest } = FROM
    t.deepEqual(oursIn(rig), expected(rest))
    const repaired = life.notes.filter(note => note.code === 'ROUTE_REPAIRED')
    t.is(repaired.length, 1)
    t.true(
      repaired.every(note => note.by !== 0),
      'and it is known by which port',
    )
  })

  rule(
    'at routesMax the table is frozen and told, and thaws when something goes',
    async (t, rig) => {
      const life = new LiveDataplane(rig, { routesMax: 4 })
      t.teardown(() => life.close())
      life.speak(GROUPS, FROM)
      await until(() => life.snapshot().installed === 4 && life.atRest, 'four are in')
      t.is(life.snapshot().rejected, 2)
      t.is(oursIn(rig).length, 4)
      t.is(life.notes.filter(note => note.code === 'ROUTES_FULL').length, 1)
      t.regex(life.snapshot().hazards.join(), /^kernel\.routesMax of this node, 4, are installed/)
      const { '10.200.1.0/24': _, '10.200.2.0/24': __, ...fewer } = FROM
      life.speak(GROUPS, fewer)
      const done = expected(fewer).join()
      await until(() => oursIn(rig).join() === done, 'the others are in')
      t.is(life.snapshot().rejected, 0)
      t.deepEqual(life.snapshot().hazards, [])
    },
  )

  rule('notifications that were lost cost a dump, whatever happened meanwhile', async (t, rig) => {
    const life = new LiveDataplane(rig, { notificationOctetsMax: 1, resync: CONFIG.stale })
    t.teardown(() => life.close())
    const many = Object.fromEntries(
      Array.from({ length: 400 }, (_, at) => [`20.${at >> 8}.${at & 255}.0/24`, 1]),
    )
    life.speak(GROUPS, many)
    await until(() => life.snapshot().installed === 400, 'all are installed')
    rig.flush(table, protocol)
    await until(() => life.notes.some(note => note.code === 'NOTIFICATIONS_LOST'), 'it is noticed')
    await until(() => life.snapshot().installed === 400 && life.atRest, 'all are back')
    await until(() => oursIn(rig).length === 400, 'in the kernel too')
    t.pass()
  })
}

suite('simulated', simulatedRig)
suite('real', realRig)
