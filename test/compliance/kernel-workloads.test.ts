/**
 * Routes on links, and links to workloads: one suite for the simulated and the real kernel, at the
 * port `KernelOutput`, and with a dataplane that keeps them while links come and go.
 */
import test, { type ExecutionContext } from 'ava'
import { millis, Prng } from '../../src/core/base/index.ts'
import {
  Dataplane,
  type DataplaneEvent,
  type DataplaneIntent,
  type KernelOutput,
} from '../../src/core/dataplane/index.ts'
import { address, prefix } from '../../src/core/net/index.ts'
import {
  EINVAL,
  ENETDOWN,
  ENODEV,
  type RouteTarget,
  unicastTarget,
} from '../../src/core/rtnl/index.ts'
import { Loop } from '../../src/shell/clock/index.ts'
import { CONFIG } from '../support/dataplane-world.ts'
import { Client, OURS, TABLE } from '../support/kernel-client.ts'
import { type Rig, realRig, simulatedRig } from '../support/kernel-rig.ts'
import { until } from '../support/until.ts'

const FOUR = '10.200.1.7/32'
const SIX = 'fd00:1::7/128'
const MAC = 'ee:ee:ee:ee:ee:ee'

const onLink = (link: number, source?: string): RouteTarget =>
  unicastTarget(
    [{ link, weight: 1, onlink: false }],
    source === undefined ? undefined : address(source),
  )

const byDecree = (link: number, gateway: string): RouteTarget =>
  unicastTarget([{ gateway: address(gateway), link, weight: 1, onlink: true }])

/** A dataplane on a rig. */
class Stage {
  /** codes of what it reported */
  readonly notes: string[] = []
  readonly #loop: Loop<DataplaneEvent>
  readonly #kernel: KernelOutput & { close(): void }

  constructor(rig: Rig, resync: number) {
    this.#kernel = rig.open({
      ...{ table: TABLE, protocol: OURS },
      deliver: event => this.#loop.deliver(event),
      note: note => this.notes.push(JSON.stringify(note)),
    })
    const config = { ...CONFIG, resync: millis(resync) }
    this.#loop = new Loop(new Dataplane(config, this.#kernel, { chance: new Prng(1) }))
    this.#loop.deliver({ type: 'Tick' })
  }

  intend(intent: Partial<DataplaneIntent>): void {
    const whole = { routes: [], watched: [], watchedMax: 0, ...intent }
    this.#loop.deliver({ type: 'Intent', intent: whole })
  }

  close(): void {
    this.#loop.close()
    this.#kernel.close()
  }
}

/** A workload behind `cali1`. */
const WORKLOAD: Partial<DataplaneIntent> = {
  routes: [FOUR, SIX].map(text => ({
    ...{ prefix: prefix(text), metric: 1000, out: { kind: 'device', interface: 'cali1' } },
  })),
  workloads: [{ interface: 'cali1', neighbours: [{ address: address('10.200.1.7'), mac: MAC }] }],
}

const SERVED = { answers: true, neighbours: [`10.200.1.7 ${MAC}`] }

const routesOf = (rig: Rig): string[] =>
  rig.routes(TABLE).map(route => `${route.prefix} ${route.to} ${route.protocol} ${route.metric}`)

const WANTED = [`${FOUR} dev cali1 ${OURS} 1000`, `${SIX} dev cali1 ${OURS} 1000`]

function suite(name: string, make: () => Rig): void {
  const rule = (title: string, run: (t: ExecutionContext, rig: Rig) => Promise<void>): void =>
    test.serial(`${name}: ${title}`, async t => {
      const rig = make()
      rig.addLink('a')
      rig.addAddress('a', '10.9.0.1/24')
      rig.addAddress('a', '2001:db8:9::1/64')
      t.teardown(() => rig.close())
      await run(t, rig)
    })

  rule(
    'routes on a link, by decree and with a source are read as they were written',
    async (t, rig) => {
      rig.addLink('cali1')
      const client = new Client(rig)
      t.teardown(() => client.close())
      await client.dump()
      const indexOf = (link: string): number =>
        client.links.find(told => told.link.name === link)?.link.index ?? 0
      const link = indexOf('cali1')
      const cases = [
        ['10.200.1.7/32', 'ipv4 0ac80107/32', onLink(link, '10.9.0.1')],
        ['10.200.1.8/32', 'ipv4 0ac80108/32', onLink(link)],
        ['10.200.2.0/26', 'ipv4 0ac80200/26', byDecree(link, '172.16.5.5')],
        [SIX, 'ipv6 fd000001000000000000000000000007/128', onLink(link, '2001:db8:9::1')],
        ['fd00:1::8/128', 'ipv6 fd000001000000000000000000000008/128', onLink(link)],
      ] as const
      for (const [text, , target] of cases)
        t.deepEqual(await client.write(['add', text, target]), [])
      const dumped = await client.dump()
      for (const [text, key, target] of cases) t.is(dumped.get(key)?.target.key, target.key, text)
    },
  )

  rule(
    'a link that is not there, or down, and a source that is not ours are refused',
    async (t, rig) => {
      rig.addLink('cali1')
      const client = new Client(rig)
      t.teardown(() => client.close())
      await client.dump()
      const link = client.links.find(told => told.link.name === 'cali1')?.link.index ?? 0
      const refusals = await client.write(
        ['add', FOUR, onLink(link, '192.0.2.1')],
        ['add', FOUR, onLink(999)],
        ['add', SIX, onLink(link, '2001:db8:77::1')],
      )
      t.deepEqual(
        refusals.map(({ errno }) => errno),
        [EINVAL, ENODEV, EINVAL],
      )
      rig.setLink('cali1', false)
      const down = await client.write(['add', FOUR, onLink(link)], ['add', SIX, onLink(link)])
      t.deepEqual(
        down.map(({ errno }) => errno),
        [ENETDOWN, ENETDOWN],
      )
    },
  )

  rule(
    'a workload’s link that comes, goes, and comes again has its routes and settings',
    async (t, rig) => {
      rig.act('add', TABLE, { prefix: '10.200.1.9/32', to: 'dev a', protocol: 99, metric: 1024 })
      const foreign = '10.200.1.9/32 dev a 99 1024'
      // what asks for itself must be enough: no dump comes by itself
      const stage = new Stage(rig, 1e9)
      t.teardown(() => stage.close())
      stage.intend(WORKLOAD)
      const whole = (): boolean =>
        JSON.stringify(routesOf(rig)) === JSON.stringify([...WANTED, foreign].sort()) &&
        JSON.stringify(rig.served('cali1')) === JSON.stringify(SERVED)
      for (const round of ['the first time', 'the second time', 'the third time']) {
        rig.addLink('cali1')
        await until(whole, `all is there ${round}`)
        rig.deleteLink('cali1')
        await until(() => routesOf(rig).join() === foreign, `the routes are gone ${round}`)
      }
      rig.addLink('cali1')
      await until(whole, 'all is there')
      rig.setLink('cali1', false)
      await until(() => routesOf(rig).join() === foreign, 'a link that is down has no routes')
      rig.setLink('cali1', true)
      await until(whole, 'all is back')
      rig.act('delete', TABLE, { prefix: FOUR, to: 'dev cali1', protocol: OURS, metric: 1000 })
      await until(whole, 'what somebody took out is back')
      stage.intend({})
      await until(() => routesOf(rig).join() === foreign, 'the stranger’s is left')
      t.pass()
    },
  )

  rule('a workload that is a peer finds the node at its addresses, for so long', async (t, rig) => {
    const own = ['169.254.0.179/32', 'fd12::1/128']
    const peering = (present: boolean): Partial<DataplaneIntent> => ({
      workloads: ['cali1', 'cali2'].map(name => ({
        ...{ interface: name, neighbours: [] },
        addresses: ['169.254.0.179', 'fd12::1'].map(one => ({ address: address(one), present })),
      })),
    })
    const has = (...wanted: readonly string[]): Promise<boolean> =>
      until(
        () => {
          const found = rig.addresses('cali1').join()
          return found === wanted.toSorted().join()
        },
        `cali1 has ${wanted.join(', ') || 'none'}`,
      )
    for (const link of ['cali1', 'cali2']) rig.addLink(link)
    rig.addAddress('cali1', '10.77.0.1/24')
    const stage = new Stage(rig, 1e9)
    t.teardown(() => stage.close())
    stage.intend(peering(true))
    await has('10.77.0.1/24', ...own)
    await until(() => rig.addresses('cali2').join() === own.join(), 'one address on two links')
    for (const text of own) rig.deleteAddress('cali1', text)
    await has('10.77.0.1/24', ...own)
    rig.setLink('cali1', false)
    rig.setLink('cali1', true)
    await has('10.77.0.1/24', ...own)
    rig.deleteLink('cali1')
    rig.addLink('cali1')
    await has(...own)
    stage.close()
    const next = new Stage(rig, 1e9)
    t.teardown(() => next.close())
    rig.addAddress('cali1', '10.77.0.1/24')
    next.intend(peering(false))
    await has('10.77.0.1/24')
    await until(() => rig.addresses('cali2').length === 0, 'cali2 has none')
    rig.setLink('cali2', false)
    rig.setLink('cali2', true)
    // after it, whatever was asked for cali2
    next.intend(WORKLOAD)
    rig.spoil('cali1')
    await until(() => rig.served('cali1').answers, 'cali1 answers')
    const refused = [...stage.notes, ...next.notes].filter(code => code.includes('_REFUSED'))
    t.deepEqual(refused, [], 'what is there, and what is not, is no mistake')
    t.deepEqual(rig.addresses('a'), ['10.9.0.1/24', '2001:db8:9::1/64'])
  })

  rule('what somebody set otherwise is set right with the next dump', async (t, rig) => {
    rig.addLink('cali1')
    const stage = new Stage(rig, 200)
    t.teardown(() => stage.close())
    stage.intend(WORKLOAD)
    const isServed = (): boolean => rig.served('cali1').answers
    await until(isServed, 'the link answers')
    rig.spoil('cali1')
    await until(isServed, 'the link answers again')
    t.pass()
  })
}

suite('simulated', simulatedRig)
suite('real', realRig)
