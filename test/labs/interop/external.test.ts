/**
 * Martlet opposite BIRD, FRR, GoBGP and OpenBGPD in other autonomous systems: one Martlet that passes
 * on what it learns, all four routers on its wire. What is asserted is what the routers and the
 * kernel say.
 *
 * The tests depend on one another's order: run the file as a whole.
 */
import test from 'ava'
import { FAMILIES, type Family } from '../../../src/core/net/index.ts'
import { until } from '../../support/until.ts'
import { BIRD } from './support/bird.ts'
import { FRR } from './support/frr.ts'
import { GOBGP } from './support/gobgp.ts'
import { type Chapter, matrix, type Row } from './support/matrix.ts'
import { OPENBGPD } from './support/openbgpd.ts'
import type { Attributes, Program, SeenRoute } from './support/program.ts'
import type { Place, Router } from './support/router.ts'
import { bothOf, carries, holds, prefixOf, SOON, sees, seesNot } from './support/rows.ts'
import type { AgentPlace, Cast, Scene, SessionDescription } from './support/scene.ts'

/** More than 65,535, so that every session needs four octets. RFC 6793 */
const HUB_AS = 4_200_000_001

const HUB: AgentPlace = {
  node: 'hub',
  asn: HUB_AS,
  addresses: { ipv4: '10.80.0.1', ipv6: 'fd80::1' },
  podCidrs: ['10.99.1.0/24', 'fd99:1::/64'],
  transit: true,
}

const placeOf = (program: Program, node: string, number: number): Place => ({
  program,
  node,
  asn: 4_200_000_000 + number,
  routerId: `10.80.0.${number}`,
  addresses: { ipv4: `10.80.0.${number}`, ipv6: `fd80::${number}` },
  number,
})

const CAST: Cast = {
  topology: 'external',
  agents: [HUB],
  routers: [
    placeOf(BIRD, 'bird', 11),
    placeOf(FRR, 'frr', 12),
    placeOf(GOBGP, 'gobgp', 13),
    placeOf(OPENBGPD, 'openbgpd', 14),
  ],
}

const POD_FAMILIES: readonly (readonly [Family, string])[] = [
  ['ipv4', '10.99.1.0/24'],
  ['ipv6', 'fd99:1::/64'],
]

const hub = (scene: Scene) => scene.agent('hub')

/** AS_PATH of what the hub passes on for `router`. */
const passed = (router: Router, behind = ''): string => `${HUB_AS} ${router.asn} ${behind}`.trim()

const opens: Row = {
  title: router => `${router} and Martlet agree on the session`,
  cell: async (t, scene, router) => {
    const session = await until(
      async () => {
        const seen = await router.session()
        return seen.established && seen
      },
      `${router.name} is Established`,
      SOON,
    )
    const { fourOctetAs } = router.neighbour()
    t.deepEqual(session, {
      established: true,
      peerAsn: HUB_AS,
      peerRouterId: HUB.addresses.ipv4,
      families: FAMILIES,
      holdSeconds: 90,
      fourOctetAs,
      routeRefresh: true,
    })
    const own = await hub(scene).established(scene.meetingAddress(router))
    t.like(own, { type: 'eBGP', peerAsNumber: router.asn, localAsNumber: HUB_AS })
    t.like(own.negotiated, {
      routerId: router.place.routerId,
      holdTime: '90s',
      families: FAMILIES,
      fourOctetAs,
      routeRefresh: true,
    })
  },
}

const BOTH = 1

const bothFamilies: Row = {
  title: router => `the routes of ${router} in both families are the kernel’s`,
  cell: async (t, scene, router) => {
    const announced = bothOf(router, BOTH)
    await router.announce(announced)
    await carries(
      t,
      hub(scene),
      router,
      announced.map(({ prefix }) => prefix),
    )
  },
}

const origin: Row = {
  title: router => `what Martlet originates reaches ${router} with what RFC 4271 asks for`,
  cell: async (t, _scene, router) => {
    for (const [family, prefix] of POD_FAMILIES)
      await sees(t, router, prefix, {
        nextHop: HUB.addresses[family],
        asPath: String(HUB_AS),
        origin: 'IGP',
        med: undefined,
        communities: undefined,
        atomicAggregate: false,
        originatorId: undefined,
        clusterList: undefined,
        ...localPrefAs(router),
      })
  },
}

/** RFC 4271 §5.1.5: it "MUST NOT" be sent to external peers. */
const localPrefAs = ({ place }: Router): { readonly localPref?: undefined } =>
  place.program.cannot['show that LOCAL_PREF is absent'] === undefined
    ? { localPref: undefined }
    : {}

/** Announces one route a family, and has every other router see it as `expected`. */
function relay(
  row: number,
  title: (router: string) => string,
  attributes: Attributes,
  expected: (router: Router) => Partial<SeenRoute>,
  needs: Row['needs'] = [],
): Row {
  return {
    title,
    needs,
    cell: async (t, scene, router) => {
      const routes = bothOf(router, row).map(route => ({ ...route, attributes }))
      await router.announce(routes)
      for (const { prefix } of routes)
        await Promise.all(
          scene.others(router).map(other => sees(t, other, prefix, expected(router))),
        )
    },
  }
}

const paths = relay(
  2,
  router => `numbers above 65535 in the path of ${router} reach the others in their order`,
  { asPath: [65001, 4_200_099_999, 65001] },
  router => ({ asPath: passed(router, '65001 4200099999 65001') }),
  ['announce a path of other numbers'],
)

const communities = relay(
  3,
  router => `communities of all three kinds reach the others as ${router} sent them`,
  {
    communities: ['65000:1', '65000:65535'],
    largeCommunities: ['1:2:3', '4200000000:1:2'],
    routeTargets: ['65000:7'],
  },
  router => ({
    asPath: passed(router),
    communities: ['65000:1', '65000:65535'],
    largeCommunities: ['1:2:3', '4200000000:1:2'],
    routeTargets: ['65000:7'],
  }),
)

const med = relay(
  4,
  router => `ORIGIN of ${router} goes to its neighbour’s neighbours, MED does not`,
  { origin: 'EGP', med: 50 },
  router => ({ asPath: passed(router), origin: 'EGP', med: undefined }),
)

const incomplete = relay(
  5,
  router => `a route of ${router} whose origin is not known stays one`,
  { origin: 'incomplete' },
  router => ({ asPath: passed(router), origin: 'incomplete' }),
)
const kept: Row = {
  title: router => `Martlet itself shows MED, ORIGIN and communities of ${router}`,
  cell: async (t, scene, router) => {
    const api = await hub(scene).api()
    const [withMed] = await api.routes(prefixOf(router, 'ipv4', 4))
    t.like(withMed?.best, { med: 50, origin: 'EGP', asPath: String(router.asn) })
    const [tagged] = await api.routes(prefixOf(router, 'ipv6', 3))
    t.deepEqual(tagged?.best.communities, ['65000:1', '65000:65535', '1:2:3', '4200000000:1:2'])
  },
}

const asSet = relay(
  6,
  router => `an AS_SET of ${router} reaches the others as a set`,
  { asPath: [[65011, 65012]] },
  router => ({ asPath: passed(router, '{65011 65012}') }),
  ['announce an AS_SET'],
)

const aggregator = relay(
  7,
  router => `AGGREGATOR and ATOMIC_AGGREGATE of ${router} reach the others`,
  { aggregator: { asn: 100_000, address: '192.0.2.9' }, atomicAggregate: true },
  () => ({ aggregator: '100000 192.0.2.9', atomicAggregate: true }),
  ['announce AGGREGATOR and ATOMIC_AGGREGATE'],
)

const UNKNOWN = { code: 213, value: [1, 2, 3, 250] }

/** RFC 4271 §5: who passes on what it does not know sets the bit. */
const partialAs = ({ place }: Router): { readonly partial?: true } =>
  place.program.cannot['show the Partial bit'] === undefined ? { partial: true } : {}

const unknown: Row = {
  title: router => `an attribute of ${router} that nobody knows is passed on with Partial`,
  needs: ['announce an unknown attribute'],
  cell: async (t, scene, router) => {
    const routes = bothOf(router, 8).map(route => ({ ...route, attributes: { unknown: UNKNOWN } }))
    await router.announce(routes)
    const shows = ({ place }: Router): boolean =>
      place.program.cannot['show unknown attributes'] === undefined
    const others = scene.others(router).filter(shows)
    t.true(others.length > 1)
    for (const { prefix } of routes)
      for (const other of others)
        await sees(t, other, prefix, { unknown: [{ ...UNKNOWN, ...partialAs(other) }] })
  },
}

const withdrawn: Row = {
  title: router =>
    `what ${router} withdraws leaves the kernel and the others, and no more than that`,
  cell: async (t, scene, router) => {
    const gone = bothOf(router, BOTH).map(({ prefix }) => prefix)
    const stays = bothOf(router, 9)
    await router.announce(stays)
    await router.withdraw(gone)
    for (const prefix of gone)
      await Promise.all(scene.others(router).map(other => seesNot(other, prefix)))
    const api = await hub(scene).api()
    for (const prefix of gone) t.deepEqual(await api.routes(prefix), [])
    for (const { prefix } of stays)
      await Promise.all(
        scene.others(router).map(other => sees(t, other, prefix, { asPath: passed(router) })),
      )
    const carried = await hub(scene).run('sh', '-c', 'ip route; ip -6 route')
    for (const prefix of gone) t.false(carried.includes(`${prefix} `), prefix)
    for (const { prefix } of stays) t.true(carried.includes(`${prefix} `), prefix)
  },
}

const refresh: Row = {
  title: router => `${router} asks for everything again, and is told it in the same session`,
  needs: ['ask for a route refresh'],
  cell: async (t, scene, router) => {
    const address = scene.meetingAddress(router)
    const before = await hub(scene).established(address)
    const told = await router.updatesReceived()
    const held = await Promise.all(FAMILIES.map(family => router.received(family)))
    await router.refresh()
    await until(
      async () => (await router.updatesReceived()) >= told + FAMILIES.length,
      `${router.name} is told again`,
      SOON,
    )
    for (const [at, family] of FAMILIES.entries())
      await holds(router, family, held[at]?.length ?? 0)
    const after = await hub(scene).established(address)
    t.is(after.since, before.since, 'the session stayed')
    t.is(after.counters.notificationsSent, before.counters.notificationsSent)
  },
}

const MANY = 1000

/** A thousand prefixes under one /16. */
const manyUnder = (first: string): readonly string[] =>
  Array.from({ length: MANY }, (_, at) => `${first}.${at >> 2}.${(at & 3) * 64}/26`)

const many: Row = {
  title: router => `a thousand routes go to ${router}, and a thousand come from it`,
  prepare: scene => scene.originate('hub', [...HUB.podCidrs, ...manyUnder('10.98')]),
  cell: async (t, scene, router) => {
    const before = await router.received('ipv4')
    const others = new Set(before.filter(prefix => !prefix.startsWith('10.98.')))
    const own = manyUnder(`10.${100 + router.place.number}`)
    await router.announce(own.map(prefix => ({ prefix })))
    await until(
      async () => {
        const held = await router.received('ipv4')
        return held.filter(prefix => prefix.startsWith('10.98.')).length === MANY
      },
      `${router.name} holds a thousand`,
      SOON,
    )
    const carried = async (): Promise<readonly string[]> => {
      const words = ['ip', '-j', 'route', 'show', 'proto', '77', 'via', router.place.addresses.ipv4]
      const routes: readonly { readonly dst: string }[] = JSON.parse(await hub(scene).run(...words))
      return routes.map(({ dst }) => dst).filter(prefix => prefix.endsWith('/26'))
    }
    await until(async () => (await carried()).length === MANY, 'the kernel has them', SOON)
    t.deepEqual((await carried()).toSorted(), own.toSorted())
    await router.withdraw(own)
    await until(async () => (await carried()).length === 0, 'they are gone again', SOON)
    t.true(others.size > 0)
  },
}

const fewer: Row = {
  title: router => `a thousand withdrawals of Martlet reach ${router}`,
  prepare: scene => scene.originate('hub', HUB.podCidrs),
  cell: async (t, _scene, router) => {
    await until(
      async () => !(await router.received('ipv4')).some(prefix => prefix.startsWith('10.98.')),
      `${router.name} holds none of the thousand`,
      SOON,
    )
    for (const [, prefix] of POD_FAMILIES) await sees(t, router, prefix, { asPath: String(HUB_AS) })
  },
}

const TEXT = 'the far side is maintained'

const told: Row = {
  title: router => `Martlet is told why ${router} ends the session, drops its routes, and returns`,
  cell: async (t, scene, router) => {
    const address = scene.meetingAddress(router)
    await hub(scene).established(address)
    const from = hub(scene).mark()
    await router.shutDown(TEXT)
    const line = await until(
      () =>
        hub(scene)
          .lines(from)
          .find(({ code, text }) => code === 'SESSION_DOWN' && text?.includes(TEXT)),
      'the hub says why',
      SOON,
    )
    t.regex(line.text ?? '', /Administrative Shutdown/)
    await carries(t, hub(scene), router, [])
    await router.bringUp()
    await hub(scene).established(address)
    const stays = prefixOf(router, 'ipv6', 9)
    await Promise.all(
      scene.others(router).map(other => sees(t, other, stays, { asPath: passed(router) })),
    )
  },
}

const removed: Row = {
  title: router => `${router} is told that Martlet has it as a peer no longer`,
  prepare: scene => scene.dismiss(),
  cell: async (t, scene, router) => {
    await until(
      async () => DECONFIGURED.test(await router.notifications()),
      `${router.name} is told why`,
      SOON,
    )
    await carries(t, hub(scene), router, [])
  },
}

const refused: Row = {
  title: router => `${router} is told that its AS number is not the one that Martlet has for it`,
  needs: ['show why its OPEN was refused'],
  prepare: scene => scene.summon({ wrongAs: true }),
  cell: async (t, scene, router) => {
    const error = await until(
      async () => {
        const session = await hub(scene).session(scene.meetingAddress(router))
        return session?.lastError?.direction === 'sent' && session.lastError
      },
      'the hub says why',
      SOON,
    )
    t.like(error, { code: 2, subcode: 2 })
    await until(
      async () => BAD_PEER_AS.test(await router.notifications()),
      `${router.name} is told why`,
      SOON,
    )
  },
}

/** RFC 4271 §6.2 in the words of each program. */
const BAD_PEER_AS = /Bad peer AS|AS unacceptable|ASN? mismatch|^2\/2/im

const OLD_PATH = [65001, 4_200_099_999]

const reconstructed: Row = {
  title: router => `${router} has paths and aggregators of four octets whole, over two`,
  prepare: async scene => {
    const [frr] = scene.routers.filter(({ name }) => name === 'FRR')
    if (frr === undefined) throw new Error('no FRR')
    const aggregator = { asn: 100_000, address: '192.0.2.9' }
    await frr.announce(
      bothOf(frr, 10).map(route => ({ ...route, attributes: { asPath: OLD_PATH, aggregator } })),
    )
  },
  cell: async (t, scene, router) => {
    for (const other of scene.others(router).filter(({ name }) => name === 'FRR'))
      for (const { prefix } of bothOf(other, 10))
        await sees(t, router, prefix, {
          asPath: passed(other, OLD_PATH.join(' ')),
          aggregator: '100000 192.0.2.9',
        })
  },
}

/** RFC 4486 subcode 3, in the words of each program. */
const DECONFIGURED = /Peer de-configured|peer unconfigured|^6\/3/im

const over = (transport: Family): SessionDescription => ({
  title: `eBGP over ${transport === 'ipv4' ? 'IPv4' : 'IPv6'}`,
  transport,
  families: FAMILIES,
})

const CHAPTERS: readonly Chapter[] = [
  {
    session: over('ipv4'),
    rows: [
      opens,
      bothFamilies,
      origin,
      paths,
      communities,
      med,
      incomplete,
      kept,
      asSet,
      aggregator,
      unknown,
      withdrawn,
      refresh,
      many,
      fewer,
      told,
      removed,
      refused,
    ],
  },
  {
    session: over('ipv6'),
    rows: [opens, bothFamilies, origin, communities, withdrawn, refresh, told, removed],
  },
  {
    session: {
      ...over('ipv4'),
      title: 'eBGP with two-octet AS numbers',
      twoOctetAs: true,
      needs: ['do without four-octet AS numbers'],
    },
    rows: [opens, bothFamilies, communities, reconstructed, withdrawn],
  },
]

matrix(test, CAST, CHAPTERS)
