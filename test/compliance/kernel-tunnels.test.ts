/**
 * Tunnels as the kernel half keeps them, on the simulated and on the real kernel: whatever was there, and whatever
 * somebody does by hand, ends as the node's intent wants it. Each test has a network namespace of its own.
 */
import { execFileSync } from 'node:child_process'
import test, { type ExecutionContext } from 'ava'
import { millis, Prng } from '../../src/core/base/index.ts'
import {
  Dataplane,
  type DataplaneEvent,
  type DataplaneNote,
  type DevicesSeen,
  type KernelEvent,
  type Tunnel,
} from '../../src/core/dataplane/index.ts'
import { planTunnels } from '../../src/core/dataplane/tunnels/plan.ts'
import { address } from '../../src/core/net/index.ts'
import type { Device, DeviceChange } from '../../src/core/rtnl/index.ts'
import { Loop } from '../../src/shell/clock/index.ts'
import { CONFIG } from '../support/dataplane-world.ts'
import { type Rig, realRig, simulatedRig } from '../support/kernel-rig.ts'
import { until } from '../support/until.ts'

const MAC = '66:3d:01:02:03:04'
const NAME = 'vxlan.calico'

const end = (node: number) => ({
  address: address(`10.200.${node}.1`),
  mac: `66:00:00:00:00:0${node}`,
  node: address(`10.9.0.${node}`),
})

const VXLAN: Tunnel = {
  kind: 'vxlan',
  name: NAME,
  local: address('10.9.0.1'),
  address: address('10.200.1.1'),
  vxlan: { mac: MAC, vni: 4096, port: 4789 },
  ends: [end(2), end(3)],
}

const SIX: Tunnel = {
  kind: 'vxlan',
  name: 'vxlan-v6.calico',
  local: address('2001:db8:9::1'),
  address: address('fd44:1::1'),
  vxlan: { mac: '66:3d:01:02:03:05', vni: 4096, port: 4789 },
  ends: [
    { address: address('fd44:2::1'), mac: '66:00:00:00:00:12', node: address('2001:db8:9::2') },
  ],
}

/** Another hand, that sees and does by the same port. */
class Hand {
  readonly #kernel: ReturnType<Rig['open']>
  readonly #answers = new Map<number, Extract<KernelEvent, { type: 'Inspected' | 'Configured' }>>()
  #number = 0

  constructor(rig: Rig) {
    this.#kernel = rig.open({
      table: CONFIG.table,
      protocol: 99,
      deliver: event => {
        if (event.type === 'Inspected' || event.type === 'Configured')
          this.#answers.set(event.number, event)
      },
    })
  }

  async see(): Promise<DevicesSeen> {
    const number = ++this.#number
    this.#kernel.inspect(number)
    const answer = await until(() => this.#answers.get(number), 'the kernel is read')
    if (answer.type !== 'Inspected' || answer.seen === undefined)
      throw new Error('nothing was seen')
    return answer.seen
  }

  /** Errnos of the changes that were refused. */
  async do(...changes: readonly DeviceChange[]): Promise<number[]> {
    const number = ++this.#number
    this.#kernel.configure(number, changes)
    const answer = await until(() => this.#answers.get(number), 'the kernel is changed')
    return answer.type === 'Configured' ? answer.refusals.map(({ errno }) => errno) : []
  }

  async link(name: string): Promise<Device | undefined> {
    return (await this.see()).links.find(link => link.name === name)
  }

  close(): void {
    this.#kernel.close()
  }
}

/** A kernel half on the rig, and a hand beside it. */
class World {
  readonly hand: Hand
  readonly notes: DataplaneNote[] = []
  readonly #engine: Dataplane
  readonly #kernel: ReturnType<Rig['open']>
  readonly #loop: Loop<DataplaneEvent>

  constructor(rig: Rig) {
    this.hand = new Hand(rig)
    this.#kernel = rig.open({
      table: CONFIG.table,
      protocol: CONFIG.protocol,
      deliver: event => loop.deliver(event),
      note: note => this.notes.push(note),
    })
    this.#engine = new Dataplane({ ...CONFIG, stale: millis(60_000) }, this.#kernel, {
      chance: new Prng(1),
    })
    const loop = new Loop<DataplaneEvent>(this.#engine)
    this.#loop = loop
    loop.deliver({ type: 'Tick' })
  }

  /** Wants these tunnels; undefined: none of its business. */
  intend(tunnels: readonly Tunnel[] | undefined): void {
    const routes = { routes: [], watched: [], watchedMax: 0 }
    this.#loop.deliver({ type: 'Intent', intent: { ...routes, ...(tunnels && { tunnels }) } })
  }

  /** Waits until nothing is left to be done for these. */
  async settled(...tunnels: readonly Tunnel[]): Promise<DevicesSeen> {
    return await until(
      async () => {
        const seen = await this.hand.see()
        const { changes, faults } = planTunnels(tunnels, seen)
        return changes.length + faults.size === 0 ? seen : undefined
      },
      `${tunnels.map(({ name }) => name).join(', ')} as wanted`,
    )
  }

  close(): void {
    this.#loop.close()
    this.#kernel.close()
    this.hand.close()
  }
}

function prepare(rig: Rig): World {
  rig.addLink('a')
  rig.addAddress('a', '10.9.0.1/24')
  rig.addAddress('a', '2001:db8:9::1/64')
  return new World(rig)
}

const indexOf = (seen: DevicesSeen, name: string): number =>
  seen.links.find(link => link.name === name)?.index ?? 0

function suite(name: string, make: () => Rig): void {
  const rule = (
    title: string,
    run: (t: ExecutionContext, world: World, rig: Rig) => Promise<void>,
  ): void =>
    test.serial(`${name}: ${title}`, async t => {
      const rig = make()
      const world = prepare(rig)
      await run(t, world, rig)
      world.close()
      rig.close()
    })

  rule(
    'a tunnel is a link with one address, and two entries for each other end',
    async (t, world) => {
      world.intend([VXLAN])
      const seen = await world.settled(VXLAN)
      const link = seen.links.find(one => one.name === NAME)
      t.like(link, { up: true, mtu: 1450, alias: 'martlet', mac: MAC, kind: 'vxlan' })
      t.deepEqual(link?.vxlan, {
        ...{ vni: 4096, port: 4789, local: address('10.9.0.1') },
        ...{ parent: indexOf(seen, 'a'), learning: false },
      })
      const index = link?.index ?? 0
      const four = seen.addresses.filter(one => one.index === index && !one.address.includes(':'))
      t.deepEqual(
        four.map(one => `${one.address}/${one.length}`),
        ['10.200.1.1/32'],
      )
      const entries = seen.neighbours.filter(one => one.link === index)
      t.deepEqual(entries.map(one => `${one.table} ${one.address} ${one.mac}`).sort(), [
        'forwarding 10.9.0.2 66:00:00:00:00:02',
        'forwarding 10.9.0.3 66:00:00:00:00:03',
        'neighbours 10.200.2.1 66:00:00:00:00:02',
        'neighbours 10.200.3.1 66:00:00:00:00:03',
      ])
    },
  )

  rule(
    'both families have a link of their own, with room for their own headers',
    async (t, world) => {
      world.intend([SIX, VXLAN])
      const seen = await world.settled(SIX, VXLAN)
      const six = seen.links.find(one => one.name === SIX.name)
      t.is(six?.mtu, 1430)
      const own = seen.addresses.filter(
        one => one.index === six?.index && !one.address.startsWith('fe80'),
      )
      t.deepEqual(
        own.map(one => `${one.address}/${one.length}`),
        ['fd44:1::1/128'],
      )
      // the kernel's own address of the link is nobody's business
      const [link, near] = [six?.index ?? 0, address('fe80::77')]
      t.deepEqual(
        await world.hand.do({ type: 'address', verb: 'add', link, address: near, length: 64 }),
        [],
      )
      await world.hand.do({ type: 'set', link, mtu: 1300 })
      const after = await world.settled(SIX, VXLAN)
      t.true(after.addresses.some(one => one.index === link && one.address === near))
    },
  )

  rule('a link that somebody deletes is back, with all that it had', async (t, world) => {
    world.intend([VXLAN])
    const before = indexOf(await world.settled(VXLAN), NAME)
    t.deepEqual(await world.hand.do({ type: 'remove', link: before }), [])
    const after = indexOf(await world.settled(VXLAN), NAME)
    t.not(after, before)
  })

  rule(
    'what somebody changes of a link, its address and its neighbours is as it was',
    async (t, world) => {
      world.intend([VXLAN])
      const seen = await world.settled(VXLAN)
      const link = indexOf(seen, NAME)
      const [, entry] = seen.neighbours.filter(
        one => one.link === link && one.table === 'forwarding',
      )
      if (entry === undefined) throw new Error('there are no entries')
      const acts: readonly DeviceChange[] = [
        { type: 'set', link, mtu: 1300 },
        { type: 'set', link, up: false },
        { type: 'set', link, alias: 'mine' },
        { type: 'address', verb: 'delete', link, address: VXLAN.address, length: 32 },
        { type: 'address', verb: 'add', link, address: address('10.201.0.1'), length: 24 },
        { type: 'neighbour', verb: 'delete', neighbour: entry },
        { type: 'neighbour', verb: 'set', neighbour: { ...entry, address: address('10.9.0.9') } },
        { type: 'neighbour', verb: 'set', neighbour: { ...entry, mac: '66:00:00:00:00:99' } },
        {
          type: 'neighbour',
          verb: 'delete',
          neighbour: { table: 'neighbours', link, address: address('10.200.2.1'), mac: end(2).mac },
        },
        {
          type: 'neighbour',
          verb: 'set',
          neighbour: { table: 'neighbours', link, address: address('10.200.2.1'), mac: end(3).mac },
        },
      ]
      for (const act of acts) {
        t.deepEqual(await world.hand.do(act), [], JSON.stringify(act))
        t.is(indexOf(await world.settled(VXLAN), NAME), link, 'it is the same link')
      }
    },
  )

  rule('the MTU follows that of the link below, unless one is configured', async (t, world) => {
    world.intend([VXLAN])
    const parent = indexOf(await world.settled(VXLAN), 'a')
    t.deepEqual(await world.hand.do({ type: 'set', link: parent, mtu: 1400 }), [])
    await until(
      async () => ((await world.hand.link(NAME))?.mtu === 1350 ? true : undefined),
      'the MTU has followed',
    )
    world.intend([{ ...VXLAN, mtu: 1234 }])
    await until(
      async () => ((await world.hand.link(NAME))?.mtu === 1234 ? true : undefined),
      'the MTU is as said',
    )
  })

  rule('a link that is made otherwise is made again', async (t, world) => {
    world.intend([VXLAN])
    const before = indexOf(await world.settled(VXLAN), NAME)
    for (const other of [
      { ...VXLAN, vxlan: { mac: MAC, vni: 4097, port: 4789 } },
      { ...VXLAN, vxlan: { mac: MAC, vni: 4097, port: 8472 } },
      { ...VXLAN, vxlan: { mac: '66:3d:01:02:03:99', vni: 4097, port: 8472 } },
    ]) {
      world.intend([other])
      t.not(indexOf(await world.settled(other), NAME), before)
    }
  })

  rule('a link of somebody else with this name is ours from here on', async (t, world) => {
    const { parent } = { parent: indexOf(await world.hand.see(), 'a') }
    const vxlan = { vni: 7, port: 4789, local: address('10.9.0.1'), parent, learning: true }
    t.deepEqual(
      await world.hand.do({ type: 'create', name: NAME, kind: 'vxlan', mtu: 1400, vxlan }),
      [],
    )
    world.intend([VXLAN])
    t.is((await world.settled(VXLAN)).links.find(link => link.name === NAME)?.vxlan?.vni, 4096)
  })

  rule(
    'a tunnel that nobody wants goes; one that is not ours, or not our business, stays',
    async (t, world) => {
      const parent = indexOf(await world.hand.see(), 'a')
      const vxlan = { vni: 7, port: 4789, local: address('10.9.0.1'), parent, learning: true }
      await world.hand.do({ type: 'create', name: 'other', kind: 'vxlan', mtu: 1400, vxlan })
      world.intend([VXLAN])
      await world.settled(VXLAN)
      world.intend(undefined)
      await world.settled(VXLAN)
      world.intend([])
      const seen = await world.settled()
      t.is(indexOf(seen, NAME), 0)
      t.not(indexOf(seen, 'other'), 0)
    },
  )

  rule('ends that come, move and go are as the intent says', async (t, world) => {
    for (const ends of [
      [end(2)],
      [end(2), end(3), end(4)],
      [{ ...end(3), node: address('10.9.0.77') }],
      [],
    ]) {
      const tunnel = { ...VXLAN, ends }
      world.intend([tunnel])
      const seen = await world.settled(tunnel)
      const link = indexOf(seen, NAME)
      t.is(seen.neighbours.filter(one => one.link === link).length, 2 * ends.length)
    }
  })

  rule('a network that another link has is refused by name, until it is free', async (t, world) => {
    const parent = indexOf(await world.hand.see(), 'a')
    const vxlan = { vni: 4096, port: 4789, local: address('10.9.0.1'), parent, learning: true }
    await world.hand.do({ type: 'create', name: 'other', kind: 'vxlan', mtu: 1400, vxlan })
    world.intend([VXLAN])
    const refused = await until(
      () => world.notes.find(note => note.code === 'TUNNEL_REFUSED'),
      'it is refused',
    )
    t.like(refused, { name: NAME })
    await world.hand.do({ type: 'remove', link: indexOf(await world.hand.see(), 'other') })
    await world.settled(VXLAN)
    t.truthy(
      await until(() => world.notes.find(note => note.code === 'TUNNEL_BACK'), 'it is there'),
    )
  })

  rule('an address that this node gets later makes its tunnel then', async (t, world, rig) => {
    const later = { ...VXLAN, local: address('10.9.7.1') }
    world.intend([later])
    await until(
      async () => (planTunnels([later], await world.hand.see()).faults.size > 0 ? true : undefined),
      'it waits',
    )
    rig.addAddress('a', '10.9.7.1/24')
    t.not(indexOf(await world.settled(later), NAME), 0)
  })

  rule('from any state to any state', async (t, world) => {
    const chance = new Prng(7)
    const states: readonly (readonly Tunnel[])[] = [
      ...[
        [],
        [VXLAN],
        [SIX],
        [SIX, VXLAN],
        [{ ...VXLAN, ends: [end(4)] }],
        [{ ...VXLAN, mtu: 1400 }],
      ],
      [{ ...VXLAN, vxlan: { mac: MAC, vni: 9, port: 4789 } }],
      [{ ...VXLAN, address: address('10.200.1.9') }],
    ]
    for (let round = 0; round < 40; round++) {
      const wanted = states[chance.below(states.length)] ?? []
      world.intend(wanted)
      if (chance.below(3) > 0) continue
      const seen = await world.settled(...wanted)
      const some = seen.links.filter(link => link.kind === 'vxlan')
      for (const { index } of some)
        if (chance.below(2) === 0) await world.hand.do({ type: 'remove', link: index })
      await world.settled(...wanted)
    }
    world.intend([VXLAN])
    t.not(indexOf(await world.settled(VXLAN), NAME), 0)
  })
}

suite('simulated', simulatedRig)
if (process.getuid?.() === 0) suite('real', realRig)
else test.skip('real: needs root', () => {})

test.serial('real: a link that somebody renames leaves its place to another', async t => {
  if (process.getuid?.() !== 0) {
    t.pass('needs root')
    return
  }
  const rig = realRig()
  const world = prepare(rig)
  world.intend([VXLAN])
  await world.settled(VXLAN)
  execFileSync('ip', ['link', 'set', 'dev', NAME, 'name', 'elsewhere'])
  const seen = await world.settled(VXLAN)
  t.not(indexOf(seen, NAME), 0)
  t.is(indexOf(seen, 'elsewhere'), 0)
  world.close()
  rig.close()
})

test.serial(
  'real: of neighbours those are told that somebody wrote, and not those that the kernel learned',
  async t => {
    if (process.getuid?.() !== 0) {
      t.pass('needs root')
      return
    }
    const rig = realRig()
    rig.addLink('a')
    rig.addAddress('a', '10.9.0.1/24')
    let told = 0
    const kernel = rig.open({
      ...{ table: CONFIG.table, protocol: 99 },
      deliver: event => {
        if (event.type === 'Neighbour') told++
      },
    })
    const neigh = (...words: readonly string[]): Buffer =>
      execFileSync('ip', ['neigh', ...words, 'dev', 'a'])
    for (let round = 0; round < 20; round++)
      neigh('replace', '10.9.0.9', 'lladdr', `02:00:00:00:00:${10 + round}`, 'nud', 'reachable')
    neigh('replace', '10.9.0.8', 'lladdr', '02:00:00:00:00:08', 'nud', 'permanent')
    await until(() => told > 0, 'one is told')
    t.is(told, 1)
    neigh('del', '10.9.0.8')
    await until(() => told > 1, 'and that it is gone')
    kernel.close()
    rig.close()
  },
)

const IPIP: Tunnel = {
  ...{ kind: 'ipip', name: 'tunl0', local: address('10.9.0.1') },
  ...{ address: address('10.200.1.3'), ends: [] },
}

test.serial(
  'simulated: IPIP is a link with an address; the kernel keeps it when nobody wants it',
  async t => {
    const rig = simulatedRig()
    const world = prepare(rig)
    world.intend([IPIP])
    const link = (await world.settled(IPIP)).links.find(one => one.name === 'tunl0')
    t.like(link, { up: true, mtu: 1480, kind: 'ipip' })
    world.intend([])
    const seen = await world.settled()
    t.like(
      seen.links.find(one => one.name === 'tunl0'),
      { up: false, alias: '' },
    )
    t.false(seen.addresses.some(one => one.index === link?.index))
    world.close()
  },
)

test.serial('real: a kernel without IPIP says so, and other tunnels are made', async t => {
  if (process.getuid?.() !== 0) {
    t.pass('needs root')
    return
  }
  const rig = realRig()
  const world = prepare(rig)
  if (!(await world.hand.do({ type: 'create', name: 'tunl0', kind: 'ipip' })).includes(95)) {
    t.log('skipped: this kernel has IPIP')
    t.pass()
  } else {
    world.intend([IPIP, VXLAN])
    await until(
      () => world.notes.find(note => note.code === 'TUNNEL_REFUSED' && note.name === 'tunl0'),
      'it is said',
    )
    t.not(indexOf(await world.settled(VXLAN), NAME), 0)
  }
  world.close()
  rig.close()
})
