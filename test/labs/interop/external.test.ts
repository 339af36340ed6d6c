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
import { CAST, HUB, HUB_AS, hub, POD_FAMILIES, passed } from './support/external-cast.ts'
import { type Chapter, matrix, type Row } from './support/matrix.ts'
import * as relays from './support/relays.ts'
import type { Router } from './support/router.ts'
import { bothOf, carries, holds, prefixOf, SOON, sees, seesNot } from './support/rows.ts'
import type { SessionDescription } from './support/scene.ts'

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
    // the kernel may have it for a moment, as a route that nobody wants
    const paths = async (prefix: string): Promise<number[]> =>
      (await api.routes(prefix)).map(({ pathsTotal }) => pathsTotal)
    for (const prefix of gone) t.false((await paths(prefix)).some(Boolean), prefix)
    for (const { prefix } of stays)
      await Promise.all(
        scene.others(router).map(other => sees(t, other, prefix, { asPath: passed(router) })),
      )
    const kernel = (): Promise<string> => hub(scene).run('sh', '-c', 'ip route; ip -6 route')
    await until(
      async () => {
        const has = await kernel()
        return gone.every(prefix => !has.includes(`${prefix} `))
      },
      `the kernel has lost ${gone.join(' ')}`,
      SOON,
    )
    for (const prefix of gone)
      await until(
        async () => (await api.routes(prefix)).length === 0,
        `the agent knows nothing of ${prefix}`,
        SOON,
      )
    const carried = await kernel()
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
      relays.paths,
      relays.communities,
      relays.med,
      relays.incomplete,
      relays.kept,
      relays.asSet,
      relays.aggregator,
      relays.unknown,
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
    rows: [opens, bothFamilies, origin, relays.communities, withdrawn, refresh, told, removed],
  },
  {
    session: {
      ...over('ipv4'),
      title: 'eBGP with two-octet AS numbers',
      twoOctetAs: true,
      needs: ['do without four-octet AS numbers'],
    },
    rows: [opens, bothFamilies, relays.communities, relays.reconstructed, withdrawn],
  },
]

matrix(test, CAST, CHAPTERS)
