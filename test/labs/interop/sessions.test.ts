/**
 * What is asked of a session beyond its existence, of Martlet and of BIRD, FRR, GoBGP and OpenBGPD:
 * passwords, hops, several paths, roles, long messages, IPv4 over IPv6, limits.
 *
 * The tests depend on one another's order: run the file as a whole.
 */
import test from 'ava'
import { FAMILIES } from '../../../src/core/net/index.ts'
import { parseSignatureCounters } from '../../../src/shell/tcp/signatures.ts'
import { until } from '../../support/until.ts'
import { CAST, HUB, HUB_AS, hub, POD_FAMILIES, passed } from './support/external-cast.ts'
import { type Chapter, matrix, type Row } from './support/matrix.ts'
import type { Announcement } from './support/program.ts'
import type { Router } from './support/router.ts'
import { bothOf, carries, prefixOf, SOON, sees, seesNot } from './support/rows.ts'
import type { Scene } from './support/scene.ts'

const opens: Row = {
  title: router => `${router} and Martlet agree on the session, and exchange routes`,
  cell: async (t, scene, router) => {
    await hub(scene).established(scene.meetingAddress(router))
    await router.announce(bothOf(router, 1))
    await carries(
      t,
      hub(scene),
      router,
      bothOf(router, 1).map(({ prefix }) => prefix),
    )
    for (const [, prefix] of POD_FAMILIES) await sees(t, router, prefix, { asPath: String(HUB_AS) })
  },
}

// ---- TCP MD5, RFC 2385

const PASSWORD = 'tangerine-1'
const SECRET = { password: { secretKeyRef: { name: 'password', key: 'password' } } }

/** What the kernel of the hub has refused for a wrong signature. */
async function refusedSignatures(scene: Scene): Promise<number> {
  const counters = parseSignatureCounters(await hub(scene).run('cat', '/proc/net/netstat'))
  return counters?.wrong ?? 0
}

const differs: Row = {
  title: router => `${router} has another password, and there is no session`,
  prepare: async scene => {
    await scene.secret('password', 'tangerine-2')
    await until(
      async () => (await refusedSignatures(scene)) >= 2 * scene.routers.length,
      'the kernel refuses what is signed otherwise',
      SOON,
    )
  },
  cell: async (t, scene, router) => {
    const session = await hub(scene).session(scene.meetingAddress(router))
    t.is(session?.counters.established, 0)
    t.false((await router.session()).established)
  },
}

const signed: Row = {
  title: router => `${router} and Martlet sign with the same password`,
  prepare: scene => scene.secret('password', PASSWORD),
  cell: async (t, scene, router) => {
    await opens.cell(t, scene, router)
    const session = await hub(scene).session(scene.meetingAddress(router))
    t.is(session?.authentication, 'TCP MD5')
  },
}

// ---- GTSM, RFC 5082

/** What the kernel of the hub has refused for coming from too far. */
async function tooFar(scene: Scene): Promise<number> {
  const said = await hub(scene).run('nstat', '-asz', 'TcpExtTCPMinTTLDrop')
  return Number(/TCPMinTTLDrop\s+(\d+)/.exec(said)?.[1])
}

const far: Row = {
  title: router => `${router} sends as from far away, and there is no session`,
  prepare: async scene => {
    for (const router of scene.routers)
      await hub(scene).untilSession(scene.meetingAddress(router), 'is there', () => true)
    const before = await tooFar(scene)
    await until(
      async () => (await tooFar(scene)) >= before + 2 * scene.routers.length,
      'the kernel refuses what comes from afar',
      SOON,
    )
  },
  cell: async (t, scene, router) => {
    const session = await hub(scene).session(scene.meetingAddress(router))
    t.is(session?.counters.established, 0)
    // its first words may come before the kernel knows how far it may be; nothing after them does
    for (const [, prefix] of POD_FAMILIES) t.is(await router.route(prefix), undefined)
    await carries(t, hub(scene), router, [])
  },
}

// ---- ADD-PATH, RFC 7911

/** Announced by two of them. */
const SHARED: readonly Announcement[] = [{ prefix: '10.200.1.0/24' }, { prefix: 'fd20:1::/64' }]

const sharers = (scene: Scene): readonly Router[] =>
  scene.routers.filter(({ name }) => name === 'BIRD' || name === 'FRR')

const pathsOf = async (router: Router, prefix: string): Promise<string> =>
  (await router.paths(prefix))
    .map(({ asPath }) => asPath)
    .toSorted()
    .join(', ')

/** Waits until `router` has exactly these paths from the hub. */
async function hasPaths(router: Router, prefix: string, paths: readonly string[]): Promise<void> {
  const expected = paths.toSorted().join(', ')
  await until(
    async () => {
      const seen = await pathsOf(router, prefix)
      if (seen !== expected) throw new Error(seen)
      return true
    },
    `${router.name} has of ${prefix} ${expected}`,
    SOON,
  )
}

const several: Row = {
  title: router => `${router} is sent every path that Martlet has from others`,
  needs: ['take several paths'],
  prepare: async scene => {
    for (const router of sharers(scene)) await router.announce(SHARED)
  },
  cell: async (t, scene, router) => {
    const from = sharers(scene).filter(sharer => sharer !== router)
    for (const { prefix } of SHARED)
      await hasPaths(
        router,
        prefix,
        from.map(sharer => passed(sharer)),
      )
    t.pass()
  },
}

const fewer: Row = {
  title: router => `${router} loses the one path that is withdrawn, and keeps the other`,
  needs: ['take several paths'],
  prepare: async scene => {
    const [first] = sharers(scene)
    await first?.withdraw(SHARED.map(({ prefix }) => prefix))
  },
  cell: async (t, scene, router) => {
    const from = sharers(scene).filter((sharer, at) => at > 0 && sharer !== router)
    for (const { prefix } of SHARED)
      await hasPaths(
        router,
        prefix,
        from.map(sharer => passed(sharer)),
      )
    t.pass()
  },
}

const twoPaths: Row = {
  title: router => `${router} sends two paths of a prefix, and Martlet keeps them apart`,
  needs: ['announce two paths of a prefix'],
  cell: async (t, scene, router) => {
    const address = scene.meetingAddress(router)
    const { name } = await hub(scene).established(address)
    const prefix = prefixOf(router, 'ipv4', 2)
    const paths = [['65000:1'], ['65000:2']].map((communities, at) => ({
      prefix,
      second: at === 1,
      attributes: { communities },
    }))
    await router.announce(paths)
    const seen = async (): Promise<readonly string[]> => {
      const [route] = await (await hub(scene).api()).routes(prefix)
      const own = route?.paths?.filter(({ from }) => from === name) ?? []
      return own.flatMap(({ communities }) => communities).toSorted()
    }
    await until(async () => (await seen()).length === 2, 'both are there', SOON)
    t.deepEqual(await seen(), ['65000:1', '65000:2'])
    for (const other of scene.others(router).filter(hasAddPath))
      await until(
        async () => (await other.paths(prefix)).length === 2,
        `${other.name} has both`,
        SOON,
      )
    await router.withdraw([prefix])
    await Promise.all(scene.others(router).map(other => seesNot(other, prefix)))
  },
}

const hasAddPath = ({ place }: Router): boolean =>
  place.program.cannot['take several paths'] === undefined

// ---- roles, RFC 9234

const onlyToCustomer: Row = {
  title: router => `${router} is a customer, and told that routes are for customers only`,
  needs: ['take a role', 'show ONLY_TO_CUSTOMER'],
  cell: async (t, _scene, router) => {
    for (const [, prefix] of POD_FAMILIES) await sees(t, router, prefix, { onlyToCustomer: HUB_AS })
  },
}

const wrongRole: Row = {
  title: router => `${router} and Martlet both say that they are customers: there is no session`,
  needs: ['take a role'],
  prepare: scene => scene.summon({ asked: { role: 'customer' } }),
  cell: async (t, scene, router) => {
    const { lastError } = await hub(scene).untilSession(
      scene.meetingAddress(router),
      'is refused',
      session => session.lastError?.code === 2,
    )
    t.like(lastError, { code: 2, subcode: 11 })
    t.false((await router.session()).established)
  },
}

// ---- extended messages, RFC 8654

/** More than fit a message of 4,096 octets. */
const LARGE = Array.from({ length: 600 }, (_, at) => `4200000000:1:${at}`)
const LONG = '10.200.2.0/24'

const long: Row = {
  title: router => `${router} is sent a route that only a longer message holds, or not at all`,
  prepare: async scene => {
    const [bird] = sharers(scene)
    await bird?.announce([{ prefix: LONG, attributes: { largeCommunities: LARGE } }])
    await hub(scene).carries(LONG)
  },
  cell: async (t, scene, router) => {
    const [bird] = sharers(scene)
    if (router === bird) {
      const [route] = await (await hub(scene).api()).routes(LONG)
      t.is(route?.best.communities.length, LARGE.length)
    } else if (router.place.program.cannot['use longer messages'] === undefined) {
      await until(
        async () => (await router.route(LONG)) !== undefined,
        `${router.name} has it`,
        SOON,
      )
      t.is((await router.route(LONG))?.largeCommunities?.length, LARGE.length)
    } else {
      const { name } = await hub(scene).established(scene.meetingAddress(router))
      const told = hub(scene).lines()
      t.true(told.some(({ code, peer }) => code === 'ROUTE_DOES_NOT_FIT' && peer === name))
      t.is(await router.route(LONG), undefined)
    }
  },
}

// ---- IPv4 over IPv6, RFC 8950

const overIpv6: Row = {
  title: router => `IPv4 routes of ${router} are in the kernel by way of its IPv6 address`,
  needs: ['announce IPv4 by an IPv6 next hop'],
  cell: async (t, scene, router) => {
    const prefix = prefixOf(router, 'ipv4', 1)
    await router.announce([{ prefix, overIpv6: true }])
    await hub(scene).carries(prefix)
    const shown = await hub(scene).run('ip', 'route', 'show', 'proto', '77', prefix)
    t.regex(shown, new RegExp(`via inet6 ${router.place.addresses.ipv6} `))
    for (const other of scene.others(router))
      await sees(t, other, prefix, { asPath: passed(router) })
  },
}

// ---- prefix limits

const MOST = 3

const tooMany: Row = {
  title: router => `${router} says more than Martlet will have, and is told so`,
  cell: async (t, scene, router) => {
    const address = scene.meetingAddress(router)
    const { negotiated } = await hub(scene).established(address)
    const all = Array.from({ length: MOST + 1 }, (_, at) => prefixOf(router, 'ipv4', 1, at))
    await router.announce(all.slice(1).map(prefix => ({ prefix })))
    await carries(t, hub(scene), router, all.slice(1))
    await router.announce([{ prefix: all[0] ?? '' }])
    const { lastError } = await hub(scene).untilSession(
      address,
      'has ended',
      session => session.lastError?.code === 6,
    )
    // RFC 8538 §5.1
    const hard = negotiated?.gracefulRestart?.notification === true
    t.like(lastError, { direction: 'sent', code: 6, subcode: hard ? 9 : 1 })
    await until(
      async () => TOO_MANY.test(await router.notifications()),
      `${router.name} is told why`,
      SOON,
    )
    await router.withdraw(all.slice(0, 2))
    await hub(scene).established(address)
    await carries(t, hub(scene), router, all.slice(2))
  },
}

/** RFC 4486 subcode 1, in the words of each program. */
const TOO_MANY = /max.*prefix|^6\/1/im

const MORE = ['10.97.1.0/24', '10.97.2.0/24', '10.97.3.0/24', '10.97.4.0/24', '10.97.5.0/24']

const toldTooMany: Row = {
  title: router =>
    `Martlet says more than ${router} will have, is told so, and comes back with less`,
  prepare: async scene => {
    for (const router of scene.routers) await hub(scene).established(scene.meetingAddress(router))
    await scene.originate('hub', [...HUB.podCidrs, ...MORE])
    for (const router of scene.routers)
      await hub(scene).untilSession(
        scene.meetingAddress(router),
        'has ended',
        session => session.lastError?.code === 6,
      )
    await scene.originate('hub', HUB.podCidrs)
  },
  cell: async (t, scene, router) => {
    const session = await hub(scene).session(scene.meetingAddress(router))
    t.like(session?.lastError, { direction: 'received', code: 6 })
    // FRR says it inside a Hard Reset
    t.regex(session?.lastError?.text ?? '', /Maximum Number of Prefixes/)
    await router.reset()
    await hub(scene).established(scene.meetingAddress(router))
    for (const [, prefix] of POD_FAMILIES) await sees(t, router, prefix, { asPath: String(HUB_AS) })
  },
}

const over = { transport: 'ipv4', families: FAMILIES } as const

const CHAPTERS: readonly Chapter[] = [
  {
    session: {
      ...over,
      title: 'eBGP with a password',
      ours: SECRET,
      theirs: { password: PASSWORD },
      needs: ['sign with a password'],
    },
    rows: [differs, signed],
  },
  {
    session: {
      ...over,
      // OpenBGPD names its own addresses in both families only where its neighbour may be far
      families: ['ipv4'],
      title: 'eBGP between neighbours one hop away',
      ours: { ttlSecurity: 1 },
      theirs: { ttlSecurity: true },
    },
    rows: [
      {
        ...opens,
        cell: async (t, scene, router) => {
          const session = await hub(scene).established(scene.meetingAddress(router))
          t.is(session.ttlSecurity, 1)
          await router.announce([{ prefix: prefixOf(router, 'ipv4', 1) }])
          await carries(t, hub(scene), router, [prefixOf(router, 'ipv4', 1)])
        },
      },
    ],
  },
  {
    session: {
      ...over,
      title: 'eBGP with a neighbour that may be one hop away, and says that it is far',
      ours: { ttlSecurity: 1 },
    },
    rows: [far],
  },
  {
    session: {
      ...over,
      title: 'eBGP with ADD-PATH, roles and longer messages',
      asked: {
        addPath: { receive: true, send: 'all' },
        role: 'provider',
        extendedMessages: true,
      },
      theirs: { addPath: true, role: 'customer', extendedMessages: true },
    },
    rows: [opens, several, fewer, twoPaths, onlyToCustomer, long, wrongRole],
  },
  {
    session: {
      title: 'eBGP over IPv6 with IPv4 by IPv6 next hops',
      transport: 'ipv6',
      families: FAMILIES,
      asked: { extendedNextHop: true },
      theirs: { extendedNextHop: true },
    },
    rows: [overIpv6],
  },
  {
    session: {
      ...over,
      title: 'eBGP with a limit on what is received',
      asked: { limits: { received: { most: MOST, action: 'restart', restartSeconds: 1 } } },
    },
    rows: [tooMany],
  },
  {
    session: {
      ...over,
      title: 'eBGP with a limit on what is sent to it',
      theirs: { prefixesMax: MOST },
    },
    rows: [toldTooMany],
  },
]

matrix(test, CAST, CHAPTERS)
