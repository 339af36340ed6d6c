/**
 * Nexthop objects at the port `KernelOutput` of core/dataplane: one suite for the simulated and the
 * real kernel, as in kernel.test.ts.
 */
import test, { type ExecutionContext } from 'ava'
import type { ObjectChange } from '../../src/core/dataplane/index.ts'
import { address } from '../../src/core/net/index.ts'
import {
  EEXIST,
  EINVAL,
  ENOENT,
  isShared,
  objectTarget,
  type RouteVerb,
  type TargetHop,
  unicastTarget,
} from '../../src/core/rtnl/index.ts'
import { Client, OURS, TABLE } from '../support/kernel-client.ts'
import { type Rig, realRig, simulatedRig } from '../support/kernel-rig.ts'
import { until } from '../support/until.ts'

const FOUR = '198.51.100.0/24'
const SIX = '2001:db8:1::/48'

const hop = (gateway: string, link: number, weight = 1): TargetHop => ({
  ...{ gateway: address(gateway), link, weight, onlink: false },
})

const single = (id: number, gateway: string, link: number): ObjectChange => ({
  ...{ verb: 'add', id, object: { kind: 'hop', hop: hop(gateway, link) } },
})

const group = (verb: RouteVerb, id: number, ...ids: readonly number[]): ObjectChange => ({
  ...{ verb, id, object: { kind: 'group', members: ids.map(one => ({ id: one, weight: 1 })) } },
})

const remove = (id: number): ObjectChange => ({ verb: 'delete', id, object: { kind: 'other' } })

const errnos = (refusals: readonly { at: number; errno: number }[]): (readonly number[])[] =>
  refusals.map(({ at, errno }) => [at, errno])

/** Links `a` and `b`, singles 1 to 4 on them: IPv4 on each, IPv6 on each. */
async function prepare(rig: Rig): Promise<{ client: Client; a: number; b: number }> {
  rig.addLink('a')
  rig.addLink('b')
  rig.addAddress('a', '10.9.0.1/24')
  rig.addAddress('b', '10.8.0.1/24')
  rig.addAddress('a', '2001:db8:9::1/64')
  rig.addAddress('b', '2001:db8:8::1/64')
  const client = new Client(rig)
  await client.dump()
  const indexOf = (name: string): number =>
    client.links.find(told => told.link.name === name)?.link.index ?? 0
  const [a, b] = [indexOf('a'), indexOf('b')]
  const singles = [
    single(1, '10.9.0.2', a),
    single(2, '10.8.0.2', b),
    single(3, '2001:db8:9::2', a),
    single(4, '2001:db8:8::2', b),
  ]
  await client.writeObjects(singles)
  return { client, a, b }
}

const routes = (rig: Rig): string[] => rig.routes(TABLE).map(({ prefix, to }) => `${prefix} ${to}`)

function suite(name: string, make: () => Rig): void {
  const rule = (
    title: string,
    run: (t: ExecutionContext, rig: Rig, ready: Awaited<ReturnType<typeof prepare>>) => void,
  ): void =>
    test.serial(`${name}: ${title}`, async t => {
      const rig = make()
      const ready = await prepare(rig)
      t.teardown(() => {
        ready.client.close()
        rig.close()
      })
      await run(t, rig, ready)
    })

  rule('a route leads where its object leads, and moves with it', async (t, rig, { client }) => {
    const refusals = await client.writeObjects(
      [group('add', 10, 1, 2), group('add', 11, 3, 4)],
      ['add', FOUR, objectTarget(10)],
      ['add', SIX, objectTarget(11)],
    )
    t.deepEqual(refusals, [])
    t.deepEqual(routes(rig), [
      `${FOUR} via 10.8.0.2 dev b, via 10.9.0.2 dev a`,
      `${SIX} via 2001:db8:8::2 dev b, via 2001:db8:9::2 dev a`,
    ])
    const moved = await client.writeObjects([group('replace', 10, 3), group('replace', 11, 4)])
    t.deepEqual(moved, [])
    t.deepEqual(routes(rig), [`${FOUR} via 2001:db8:9::2 dev a`, `${SIX} via 2001:db8:8::2 dev b`])
    const dumped = await client.dump()
    t.is(dumped.get('ipv4 c63364/24')?.target.key, objectTarget(10).key)
    t.is(dumped.get('ipv6 20010db80001/48')?.target.key, objectTarget(11).key)
  })

  rule('a dump tells objects as they were made', async (t, rig, { client, a }) => {
    await client.writeObjects([group('add', 10, 1, 2)])
    t.true(rig.nexthop('add', '900', 'via', '10.9.0.9', 'dev', 'a', 'protocol', '99'))
    await client.dump()
    t.true(client.ends.at(-1)?.objects)
    const told = client.objects.filter(({ dump }) => dump === 2).map(({ message }) => message)
    t.deepEqual(
      told.map(({ id, protocol }) => [id, protocol]),
      [1, 2, 3, 4, 10].map(id => [id, OURS]).concat([[900, 99]]),
    )
    t.deepEqual(told[2]?.object, { kind: 'hop', hop: hop('2001:db8:9::2', a) })
    const members = [1, 2].map(id => ({ id, weight: 1 }))
    t.deepEqual(told[4]?.object, { kind: 'group', members })
  })

  rule('what is there is not made again, what is not is not replaced', async (t, _, { client }) => {
    const group1 = group('add', 10, 1)
    t.deepEqual(await client.writeObjects([group1]), [])
    const refusals = await client.writeObjects([
      group1,
      group('replace', 11, 1),
      group('replace', 10, 99),
      group('replace', 1, 2),
      remove(12),
      group('add', 13),
    ])
    t.deepEqual(errnos(refusals), [
      [0, EEXIST],
      [1, ENOENT],
      [2, EINVAL],
      [3, EINVAL],
      [4, ENOENT],
      [5, EINVAL],
    ])
  })

  rule('a route through an object that is not there is refused', async (t, _, { client, a }) => {
    const unreachable = single(20, '192.0.2.1', a)
    const refusals = await client.writeObjects(
      [unreachable, group('add', 21, 20)],
      ['add', FOUR, objectTarget(21)],
      ['add', SIX, objectTarget(22)],
      ['add', '2001:db8:2::/48', objectTarget(1)],
    )
    t.deepEqual(
      refusals.map(({ at }) => at),
      [0, 1, 2, 3, 4],
    )
    t.true(refusals.every(({ errno }) => isShared(errno)))
  })

  rule(
    'routes with hops of their own and through objects replace one another',
    async (t, rig, { client }) => {
      const many = (...gateways: string[]): ReturnType<typeof unicastTarget> =>
        unicastTarget(gateways.map(gateway => hop(gateway, 0)))
      const ways = [
        [many('10.9.0.3', '10.8.0.3'), many('2001:db8:9::3', '2001:db8:8::3')],
        [objectTarget(10), objectTarget(11)],
        [many('10.9.0.3', '10.8.0.3'), many('2001:db8:9::3', '2001:db8:8::3')],
        [objectTarget(1), objectTarget(3)],
        [many('10.9.0.4'), many('2001:db8:9::4')],
        [objectTarget(10), objectTarget(11)],
      ] as const
      await client.writeObjects([group('add', 10, 1, 2), group('add', 11, 3, 4)])
      for (const [at, [four, six]] of ways.entries()) {
        const verb = at === 0 ? 'add' : 'replace'
        t.deepEqual(await client.write([verb, FOUR, four], [verb, SIX, six]), [])
        const dumped = [...(await client.dump()).values()].filter(one => one.protocol === OURS)
        t.is(dumped.length, 2)
        t.deepEqual(
          dumped.map(({ target }) => target.hops.length || target.key),
          [four, six].map(target => target.hops.length || target.key),
        )
        t.is(rig.routes(TABLE).length, 2)
      }
    },
  )

  rule('a deletion takes the route through our object only', async (t, rig, { client }) => {
    t.true(rig.nexthop('add', '900', 'via', '2001:db8:9::9', 'dev', 'a', 'protocol', '99'))
    await client.writeObjects(
      [group('add', 10, 1), group('add', 11, 3)],
      ['add', FOUR, objectTarget(10)],
      ['add', SIX, objectTarget(11)],
    )
    t.is((await client.write(['delete', FOUR, objectTarget(11)])).length, 1)
    t.is((await client.write(['delete', SIX, objectTarget(900)])).length, 1)
    t.is(rig.routes(TABLE).length, 2)
    t.deepEqual(
      await client.write(['delete', FOUR, objectTarget(10)], ['delete', SIX, objectTarget(11)]),
      [],
    )
    t.is(rig.routes(TABLE).length, 0)
  })

  rule('a link that goes down takes its objects without a word', async (t, rig, { client }) => {
    await client.writeObjects(
      [group('add', 10, 1, 2), group('add', 11, 3, 4), group('add', 12, 1), group('add', 13, 3)],
      ['add', FOUR, objectTarget(10)],
      ['add', SIX, objectTarget(11)],
      ['add', '198.51.101.0/24', objectTarget(12)],
      ['add', '2001:db8:2::/48', objectTarget(13)],
    )
    rig.setLink('a', false)
    t.deepEqual(routes(rig), [`${FOUR} via 10.8.0.2 dev b`, `${SIX} via 2001:db8:8::2 dev b`])
    rig.setLink('a', true)
    await client.dump()
    const told = client.objects.filter(({ dump }) => dump === 2).map(({ message }) => message.id)
    t.deepEqual(told, [2, 4, 10, 11])
    t.deepEqual(
      client.objects.filter(({ dump }) => dump === 0),
      [],
    )
  })

  rule('who deletes an object deletes its routes, and is told of', async (t, rig, { client }) => {
    await client.writeObjects(
      [group('add', 10, 1, 2), group('add', 12, 1)],
      ['add', FOUR, objectTarget(10)],
      ['add', '198.51.101.0/24', objectTarget(12)],
    )
    t.true(rig.nexthop('del', '1'))
    const told = (): typeof client.objects => client.objects.filter(({ dump }) => dump === 0)
    await until(() => told().length >= 3, 'three changes are told')
    t.deepEqual(
      told()
        .map(({ message }) => `${message.id} ${message.present}`)
        .sort(),
      ['1 false', '10 true', '12 false'],
    )
    t.true(told().every(({ by }) => by !== 0))
    t.deepEqual(routes(rig), [`${FOUR} via 10.8.0.2 dev b`])
  })
}

suite('simulated', simulatedRig)
suite('real', realRig)
