/**
 * The port `KernelOutput` of core/dataplane: one suite for the simulated and the real kernel. Each
 * test has a network namespace of its own; they run one after another, because a namespace belongs
 * to a thread.
 */
import test, { type ExecutionContext } from 'ava'
import { BATCH_MAX, type KernelRoute } from '../../src/core/dataplane/index.ts'
import { address } from '../../src/core/net/index.ts'
import {
  BLACKHOLE,
  EEXIST,
  EINVAL,
  ENETUNREACH,
  ENOENT,
  ESRCH,
  type Found,
  isShared,
  type RouteTarget,
  type RouteVerb,
  type TargetHop,
  unicastTarget,
} from '../../src/core/rtnl/index.ts'
import { Client, METRIC, OURS, TABLE, textOf } from '../support/kernel-client.ts'
import { type Rig, realRig, simulatedRig } from '../support/kernel-rig.ts'
import { until } from '../support/until.ts'

const hop = (gateway: string, more: Partial<TargetHop> = {}): TargetHop => ({
  gateway: address(gateway),
  link: 0,
  weight: 1,
  onlink: false,
  ...more,
})

const via = (...gateways: string[]): RouteTarget =>
  unicastTarget(gateways.map(gateway => hop(gateway)))

const gateways = (route: KernelRoute | undefined): (string | undefined)[] =>
  route?.target.hops.map(({ gateway }) => gateway).sort() ?? []

/** A link `a` with both families, and a client that has read it. */
async function prepare(rig: Rig): Promise<{ client: Client; link: number }> {
  rig.addLink('a')
  rig.addAddress('a', '10.9.0.1/24')
  rig.addAddress('a', '2001:db8:9::1/64')
  const client = new Client(rig)
  await client.dump()
  const link = client.links.find(told => told.link.name === 'a')?.link.index ?? 0
  return { client, link }
}

type Case = (t: ExecutionContext, rig: Rig) => Promise<void>

function suite(name: string, make: () => Rig): void {
  const rule = (title: string, run: Case): void =>
    test.serial(`${name}: ${title}`, async t => {
      const rig = make()
      await run(t, rig)
      rig.close()
    })

  rule('a route that was added is in the table and in the next dump', async (t, rig) => {
    const { client, link } = await prepare(rig)
    const refusals = await client.write(
      ['add', '198.51.100.0/24', via('10.9.0.2')],
      ['add', '2001:db8:1::/48', via('2001:db8:9::2')],
      ['add', '0.0.0.0/0', via('10.9.0.2')],
    )
    t.deepEqual(refusals, [])
    const dumped = await client.dump()
    const four = dumped.get('ipv4 c63364/24')
    t.deepEqual(four?.target.hops, [hop('10.9.0.2', { link })])
    t.like(four, { present: true, protocol: OURS, metric: METRIC, tos: 0 })
    const six = dumped.get('ipv6 20010db80001/48')
    t.deepEqual(six?.target.hops, [hop('2001:db8:9::2', { link })])
    t.deepEqual(gateways(dumped.get('ipv4 /0')), ['10.9.0.2'])
    client.close()
  })

  rule('a blackhole is one in both families', async (t, rig) => {
    const { client } = await prepare(rig)
    t.deepEqual(await client.write(['add', '10.200.0.0/24'], ['add', 'fd00:1::/64']), [])
    const dumped = await client.dump()
    t.is(dumped.get('ipv4 0ac800/24')?.target, BLACKHOLE)
    t.is(dumped.get('ipv6 fd00000100000000/64')?.target, BLACKHOLE)
    client.close()
  })

  rule(
    'adding where something is answers EEXIST and changes nothing, whoever has it',
    async (t, rig) => {
      const { client } = await prepare(rig)
      rig.addAddress('a', '10.8.0.1/24')
      for (const [prefix, to] of [
        ['198.51.100.0/24', '10.9.0.3'],
        ['2001:db8:1::/48', '2001:db8:9::3'],
      ] as const)
        rig.act('add', TABLE, { prefix, to: `via ${to}`, protocol: 99, metric: METRIC })
      const before = rig.routes(TABLE)
      const refusals = await client.write(
        ['add', '198.51.100.0/24', via('10.9.0.2')],
        ['add', '2001:db8:1::/48', via('2001:db8:9::2')],
        ['add', '198.51.101.0/24', via('10.9.0.2')],
      )
      t.deepEqual(
        refusals.map(({ at, errno }) => [at, errno]),
        [
          [0, EEXIST],
          [1, EEXIST],
        ],
      )
      t.is(before.length, 2)
      t.deepEqual(
        rig.routes(TABLE).filter(route => route.protocol === 99),
        before,
      )
      client.close()
    },
  )

  rule(
    'replacing takes the place of what is there, and answers ENOENT where nothing is',
    async (t, rig) => {
      const { client } = await prepare(rig)
      await client.write(
        ['add', '198.51.100.0/24', via('10.9.0.2')],
        ['add', '2001:db8:1::/48', via('2001:db8:9::2', '2001:db8:9::3')],
      )
      const refusals = await client.write(
        ['replace', '198.51.100.0/24', via('10.9.0.3', '10.9.0.4')],
        ['replace', '198.51.101.0/24', via('10.9.0.3')],
        ['replace', '2001:db8:1::/48', via('2001:db8:9::4')],
        ['replace', '2001:db8:2::/48', via('2001:db8:9::4')],
      )
      t.deepEqual(
        refusals.map(({ at, errno }) => [at, errno]),
        [
          [1, ENOENT],
          [3, ENOENT],
        ],
      )
      const dumped = await client.dump()
      t.deepEqual(gateways(dumped.get('ipv4 c63364/24')), ['10.9.0.3', '10.9.0.4'])
      t.deepEqual(gateways(dumped.get('ipv6 20010db80001/48')), ['2001:db8:9::4'])
      t.is(rig.routes(TABLE).length, 2)
      client.close()
    },
  )

  rule('a route and a blackhole replace one another', async (t, rig) => {
    const { client } = await prepare(rig)
    const both = ['198.51.100.0/24', '2001:db8:1::/48'] as const
    await client.write(['add', both[0]], ['add', both[1]])
    const to = [via('10.9.0.2'), via('2001:db8:9::2')] as const
    t.deepEqual(await client.write(['replace', both[0], to[0]], ['replace', both[1], to[1]]), [])
    t.deepEqual(
      rig.routes(TABLE).map(route => route.to),
      ['via 10.9.0.2 dev a', 'via 2001:db8:9::2 dev a'],
    )
    t.deepEqual(await client.write(['replace', both[0]], ['replace', both[1]]), [])
    t.deepEqual(
      rig.routes(TABLE).map(route => route.to),
      ['blackhole', 'blackhole'],
    )
    client.close()
  })

  rule('deleting takes ours and nobody else’s', async (t, rig) => {
    const { client } = await prepare(rig)
    await client.write(['add', '198.51.100.0/24', via('10.9.0.2')])
    for (const [prefix, to] of [
      ['198.51.101.0/24', '10.9.0.3'],
      ['2001:db8:1::/48', '2001:db8:9::3'],
    ] as const)
      rig.act('add', TABLE, { prefix, to: `via ${to}`, protocol: 99, metric: METRIC })
    const refusals = await client.write(
      ['delete', '198.51.100.0/24'],
      ['delete', '198.51.101.0/24'],
      ['delete', '2001:db8:1::/48'],
      ['delete', '198.51.102.0/24'],
    )
    t.deepEqual(
      refusals.map(({ at, errno }) => [at, errno]),
      [
        [1, ESRCH],
        [2, ESRCH],
        [3, ESRCH],
      ],
    )
    t.deepEqual(
      rig.routes(TABLE).map(route => route.prefix),
      ['198.51.101.0/24', '2001:db8:1::/48'],
    )
    client.close()
  })

  rule('several next hops keep their weights', async (t, rig) => {
    const { client, link } = await prepare(rig)
    const four = unicastTarget([hop('10.9.0.2'), hop('10.9.0.3', { weight: 3 })])
    const six = unicastTarget([hop('2001:db8:9::2', { weight: 2 }), hop('2001:db8:9::3')])
    const changes = await client.write(
      ['add', '198.51.100.0/24', four],
      ['add', '2001:db8:1::/48', six],
    )
    t.deepEqual(changes, [])
    const dumped = await client.dump()
    t.deepEqual(
      dumped.get('ipv4 c63364/24')?.target.key,
      `via 10.9.0.2 dev ${link} weight 1, via 10.9.0.3 dev ${link} weight 3`,
    )
    t.deepEqual(
      dumped.get('ipv6 20010db80001/48')?.target.key,
      `via 2001:db8:9::2 dev ${link} weight 2, via 2001:db8:9::3 dev ${link} weight 1`,
    )
    client.close()
  })

  rule('a link-local next hop goes through the link that it names', async (t, rig) => {
    const { client, link } = await prepare(rig)
    const target = unicastTarget([hop('fe80::2', { link })])
    t.deepEqual(await client.write(['add', '2001:db8:1::/48', target]), [])
    t.deepEqual((await client.dump()).get('ipv6 20010db80001/48')?.target.key, target.key)
    client.close()
  })

  rule('an IPv4 route goes through IPv6 neighbours. RFC 8950', async (t, rig) => {
    const { client, link } = await prepare(rig)
    const ways = [
      [hop('2001:db8:9::2')],
      [hop('fe80::2', { link })],
      [hop('2001:db8:9::2'), hop('fe80::2', { link, weight: 3 })],
      [hop('10.9.0.2'), hop('2001:db8:9::2')],
      [hop('10.9.0.2')],
    ].map(hops => unicastTarget(hops))
    for (const [at, target] of ways.entries()) {
      const verb = at === 0 ? 'add' : 'replace'
      t.deepEqual(await client.write([verb, '198.51.100.0/24', target]), [])
      const found = unicastTarget(target.hops.map(each => ({ ...each, link })))
      const dumped = (await client.dump()).get('ipv4 c63364/24')
      t.deepEqual(dumped?.target.key, found.key)
      // the same as somebody reads it who is not us
      t.is(
        rig.routes(TABLE)[0]?.to,
        found.key.replaceAll(`dev ${link}`, 'dev a').replaceAll(' weight 1', ''),
      )
    }
    t.deepEqual(await client.write(['delete', '198.51.100.0/24']), [])
    client.close()
  })

  rule(
    'a next hop that nothing reaches is refused, and does not stop the others',
    async (t, rig) => {
      const { client } = await prepare(rig)
      const refusals = await client.write(
        ['add', '198.51.100.0/24', via('192.0.2.1')],
        ['add', '198.51.101.0/24', via('10.9.0.2')],
        ['add', '2001:db8:1::/48', via('2001:db8:8::1')],
        ['add', '2001:db8:2::/48', unicastTarget([hop('fe80::2', { link: 999 })])],
        ['add', '2001:db8:3::/48', via('2001:db8:9::2')],
        ['add', '198.51.102.0/24', via('2001:db8:8::1')],
      )
      t.deepEqual(
        refusals.map(({ at }) => at),
        [0, 2, 3, 5],
      )
      t.true(refusals.every(({ errno }) => isShared(errno)))
      t.is(rig.routes(TABLE).length, 2)
      client.close()
    },
  )

  rule('a full batch is answered once, with the places of what was refused', async (t, rig) => {
    const { client } = await prepare(rig)
    const changes: [RouteVerb, string, RouteTarget][] = []
    for (let at = 0; at < BATCH_MAX; at++) {
      const target = at % 2 === 0 ? via('192.0.2.1') : via('10.9.0.2')
      changes.push(['add', `20.${at >> 8}.${at & 255}.0/24`, target])
    }
    const refusals = await client.write(...changes)
    t.is(refusals.length, BATCH_MAX / 2)
    t.true(refusals.every(({ at }, index) => at === 2 * index))
    t.is(rig.routes(TABLE).length, BATCH_MAX / 2)
    client.close()
  })

  rule(
    'where a packet would go is what the kernel says: link, gateway or why not',
    async (t, rig) => {
      const { client, link } = await prepare(rig)
      const stranger = { protocol: 99, metric: 50 }
      for (const [prefix, to] of [
        ['198.51.100.0/24', 'via 10.9.0.3'],
        ['198.51.100.128/25', 'blackhole'],
        ['2001:db8:1::/48', 'via 2001:db8:9::3'],
      ] as const)
        rig.act('add', TABLE, { ...stranger, prefix, to })
      await client.write(['add', '203.0.113.0/24', via('10.9.0.2', '10.9.0.4')])
      const near = { errno: 0, local: false, metric: 0, hops: [{ link, weight: 1, onlink: false }] }
      const far = { errno: 0, local: false, protocol: 99, metric: 50 }
      const [connected, own, static4, dropped, ours, none, near6, static6, none6] =
        await client.lookUp(
          ...['10.9.0.2', '10.9.0.1', '198.51.100.1', '198.51.100.129', '203.0.113.1'],
          ...['192.0.2.1', '2001:db8:9::2', '2001:db8:1::1', '2001:db8:2::1'],
        )
      t.like(connected, near)
      t.is(own?.local, true)
      t.like(static4, { ...far, hops: [hop('10.9.0.3', { link })] })
      t.is(dropped?.errno, EINVAL)
      t.like(ours, { errno: 0, protocol: OURS, metric: METRIC })
      t.deepEqual(ours?.hops.map(({ gateway }) => gateway).sort(), ['10.9.0.2', '10.9.0.4'])
      t.is(none?.errno, ENETUNREACH)
      t.like(near6, { ...near, metric: 256 })
      t.like(static6, { ...far, hops: [hop('2001:db8:9::3', { link })] })
      t.is(none6?.errno, ENETUNREACH)
      client.close()
    },
  )

  rule('a default route leads everywhere, and a link that goes down nowhere', async (t, rig) => {
    const { client, link } = await prepare(rig)
    rig.addLink('b')
    rig.addAddress('b', '10.8.0.1/24')
    const stranger = { protocol: 99, metric: 50 }
    rig.act('add', TABLE, { ...stranger, prefix: '0.0.0.0/0', to: 'via 10.9.0.3' })
    const [far, near] = await client.lookUp('192.0.2.1', '10.8.0.2')
    t.deepEqual(far?.hops, [hop('10.9.0.3', { link })])
    t.is(near?.hops[0]?.gateway, undefined)
    rig.setLink('b', false)
    t.deepEqual((await client.lookUp('10.8.0.2'))[0]?.hops, [hop('10.9.0.3', { link })])
    rig.setLink('a', false)
    t.deepEqual(
      (await client.lookUp('192.0.2.1')).map(({ errno }) => errno),
      [ENETUNREACH],
    )
    client.close()
  })

  rule('a dump and the word of a change say where a stranger’s route leads', async (t, rig) => {
    const { client, link } = await prepare(rig)
    const stranger = { protocol: 99, metric: 50 }
    rig.act('add', TABLE, { ...stranger, prefix: '198.51.100.0/24', to: 'via 10.9.0.3' })
    const leads = new Map<string, Found>()
    client.onRoute = route => void leads.set(`${route.dump} ${textOf(route)}`, route.leads())
    await client.dump()
    t.like(leads.get('2 ipv4 c63364/24'), { errno: 0, hops: [hop('10.9.0.3', { link })] })
    t.like(leads.get('2 ipv4 0a0900/24'), { metric: 0, hops: [{ link, weight: 1, onlink: false }] })
    rig.addLink('b')
    rig.addAddress('b', '10.8.0.1/24')
    await until(() => leads.has('0 ipv4 0a0800/24'), 'a network that is connected is told')
    t.is(leads.get('0 ipv4 0a0800/24')?.hops[0]?.gateway, undefined)
    client.close()
  })

  rule('what others do is told, what we do is not', async (t, rig) => {
    const { client } = await prepare(rig)
    await client.write(
      ['add', '198.51.100.0/24', via('10.9.0.2')],
      ['add', '2001:db8:1::/48', via('2001:db8:9::2')],
    )
    const stranger = { protocol: OURS, metric: METRIC }
    rig.act('delete', TABLE, { ...stranger, prefix: '198.51.100.0/24', to: '' })
    rig.act('delete', TABLE, { ...stranger, prefix: '2001:db8:1::/48', to: '' })
    rig.act('add', TABLE, { ...stranger, prefix: '198.51.101.0/24', to: 'via 10.9.0.2' })
    rig.act('replace', TABLE, { ...stranger, prefix: '198.51.101.0/24', to: 'via 10.9.0.3' })
    const heard = (): KernelRoute[] =>
      client.routes.filter(route => route.dump === 0 && route.protocol === OURS)
    await until(() => heard().length >= 4, 'four changes are told')
    t.deepEqual(
      heard().map(route => [textOf(route), route.present, route.replaced, gateways(route)]),
      [
        ['ipv4 c63364/24', false, false, ['10.9.0.2']],
        ['ipv6 20010db80001/48', false, false, ['2001:db8:9::2']],
        ['ipv4 c63365/24', true, false, ['10.9.0.2']],
        ['ipv4 c63365/24', true, true, ['10.9.0.3']],
      ],
    )
    t.true(heard().every(route => route.by !== 0))
    client.close()
  })

  rule('links are told as they come, go, and come back under another index', async (t, rig) => {
    const { client, link } = await prepare(rig)
    const last = (name: string): Client['links'][number] | undefined =>
      client.links.filter(told => told.dump === 0 && told.link.name === name).at(-1)
    rig.setLink('a', false)
    await until(() => last('a')?.link.up === false, 'the link is down')
    rig.setLink('a', true)
    await until(() => last('a')?.link.carrier === true, 'the link is up')
    rig.deleteLink('a')
    await until(() => last('a')?.link.present === false, 'the link has gone')
    rig.addLink('a')
    await until(() => last('a')?.link.up === true, 'the link is back')
    t.not(last('a')?.link.index, link)
    client.close()
  })

  rule('a link that goes down takes its routes, a dump does not have them', async (t, rig) => {
    const { client } = await prepare(rig)
    await client.write(
      ['add', '198.51.100.0/24', via('10.9.0.2')],
      ['add', '2001:db8:1::/48', via('2001:db8:9::2')],
      ['add', '10.200.0.0/24'],
    )
    rig.setLink('a', false)
    const told = await until(
      () => client.routes.find(route => route.dump === 0 && !route.present && route.by === 0),
      'the kernel tells of the IPv6 route',
    )
    t.is(told.family, 'ipv6')
    const dumped = await client.dump()
    t.deepEqual([...dumped.values()].filter(route => route.protocol === OURS).map(textOf), [
      'ipv4 0ac800/24',
    ])
    client.close()
  })

  rule('a table above 255 is a table', async (t, rig) => {
    const { client } = await prepare(rig)
    const other = new Client(rig, 1000)
    t.deepEqual(await other.write(['add', '198.51.100.0/24', via('10.9.0.2')]), [])
    t.is(rig.routes(1000).length, 1)
    t.is(rig.routes(TABLE).length, 0)
    t.true((await other.dump()).has('ipv4 c63364/24'))
    t.false((await client.dump()).has('ipv4 c63364/24'))
    client.close()
    other.close()
  })

  rule('a table that nobody has used is empty', async (t, rig) => {
    const client = new Client(rig, 1001)
    t.is((await client.dump()).size, 0)
    client.close()
  })
}

suite('simulated', simulatedRig)
suite('real', realRig)
