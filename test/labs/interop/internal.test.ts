/**
 * Martlet inside one autonomous system with BIRD, FRR, GoBGP and OpenBGPD: as the reflector of all
 * four (core), and as the client of all four (leaf). RFC 4456. What is asserted is what the routers
 * and the kernels say.
 *
 * The tests depend on one another's order: run the file as a whole.
 */
import test from 'ava'
import { FAMILIES, type Family } from '../../../src/core/net/index.ts'
import { until } from '../../support/until.ts'
import { routesIn, routesOf } from '../support/kernel-routes.ts'
import { BIRD } from './support/bird.ts'
import { FRR } from './support/frr.ts'
import { GOBGP } from './support/gobgp.ts'
import { type Chapter, matrix, type Row } from './support/matrix.ts'
import { OPENBGPD } from './support/openbgpd.ts'
import type { Program } from './support/program.ts'
import type { Place, Router } from './support/router.ts'
import { bothOf, carries, prefixOf, SOON, sees, seesNot } from './support/rows.ts'
import type { AgentPlace, Cast, Scene, SessionDescription } from './support/scene.ts'

/** Calico's: 2^31 - 1 less the metric 1024 of what a node announces of its own. */
const OWN_PREFERENCE = 2_147_482_623

/** More than 65,535. */
const AS = 4_200_000_001

const CORE: AgentPlace = {
  node: 'core',
  asn: AS,
  addresses: { ipv4: '10.81.0.1', ipv6: 'fd81::1' },
  podCidrs: ['10.99.1.0/24', 'fd99:1::/64'],
  clusterId: '10.81.0.250',
}

const LEAF: AgentPlace = {
  node: 'leaf',
  asn: AS,
  addresses: { ipv4: '10.81.0.2', ipv6: 'fd81::2' },
  podCidrs: ['10.99.2.0/24', 'fd99:2::/64'],
  client: true,
}

const placeOf = (program: Program, node: string, number: number): Place => ({
  program,
  node,
  asn: AS,
  routerId: `10.81.0.${number}`,
  addresses: { ipv4: `10.81.0.${number}`, ipv6: `fd81::${number}` },
  number,
})

const CAST: Cast = {
  topology: 'internal',
  agents: [CORE, LEAF],
  routers: [
    placeOf(BIRD, 'bird', 11),
    placeOf(FRR, 'frr', 12),
    placeOf(GOBGP, 'gobgp', 13),
    placeOf(OPENBGPD, 'openbgpd', 14),
  ],
}

const podsOf = ({ podCidrs: [ipv4 = '', ipv6 = ''] }: AgentPlace): Record<Family, string> => ({
  ipv4,
  ipv6,
})

const opens: Row = {
  title: router => `${router} and both Martlets agree on the session`,
  cell: async (t, scene, router) => {
    for (const agent of [CORE, LEAF]) {
      const seen = await until(
        async () => {
          const session = await router.session(router.neighbour(agent.node))
          return session.established && session
        },
        `${router.name} is Established with ${agent.node}`,
        SOON,
      )
      const { peerAsn, peerRouterId, families } = seen
      t.deepEqual(
        { peerAsn, peerRouterId, families },
        { peerAsn: AS, peerRouterId: agent.addresses.ipv4, families: FAMILIES },
      )
      const own = await scene.agent(agent.node).established(scene.meetingAddress(router))
      t.like(own, { type: 'iBGP', peerAsNumber: AS, localAsNumber: AS })
      t.like(own.negotiated, { routerId: router.place.routerId, families: FAMILIES })
    }
  },
}

const INSIDE = {
  med: 77,
  localPref: 222,
  origin: 'EGP',
  communities: ['65000:1'],
  largeCommunities: ['4200000000:1:2'],
  routeTargets: ['65000:7'],
} as const

const REFLECTED = 1

const reflected: Row = {
  title: router => `Martlet reflects the routes of ${router} as they are, and says whose they are`,
  cell: async (t, scene, router) => {
    const routes = bothOf(router, REFLECTED).map(route => ({ ...route, attributes: INSIDE }))
    await router.announce(routes)
    for (const [at, { prefix }] of routes.entries()) {
      const expected = {
        nextHop: router.place.addresses[FAMILIES[at] ?? 'ipv4'],
        asPath: '',
        ...INSIDE,
        originatorId: router.place.routerId,
        clusterList: [CORE.clusterId ?? ''],
      }
      await Promise.all(
        scene.others(router).map(other => sees(t, other, prefix, expected, CORE.node)),
      )
    }
  },
}

const carried: Row = {
  title: router => `the routes of ${router} are in the kernels of the reflector and of its client`,
  cell: async (t, scene, router) => {
    const prefixes = bothOf(router, REFLECTED).map(({ prefix }) => prefix)
    await carries(t, scene.agent('leaf'), router, prefixes)
    await carries(t, scene.agent('core'), router, prefixes)
  },
}

const originates: Row = {
  title: router => `what Martlet originates reaches ${router} with LOCAL_PREF and an empty path`,
  cell: async (t, _scene, router) => {
    for (const agent of [CORE, LEAF])
      for (const family of FAMILIES)
        await sees(
          t,
          router,
          podsOf(agent)[family],
          {
            nextHop: agent.addresses[family],
            asPath: '',
            origin: 'IGP',
            localPref: OWN_PREFERENCE,
            med: undefined,
            originatorId: undefined,
            clusterList: undefined,
          },
          agent.node,
        )
  },
}

const client: Row = {
  title: router => `as a client, Martlet takes from ${router} what it reflects`,
  cell: async (t, scene, router) => {
    const session = await scene.agent('leaf').established(scene.meetingAddress(router))
    for (const family of FAMILIES) {
      const api = await scene.agent('leaf').api()
      const path = await until(
        async () => {
          const [route] = await api.routes(podsOf(CORE)[family])
          return route?.paths?.find(({ from }) => from === session.name)
        },
        `leaf has the pods of core from ${router.name}`,
        SOON,
      )
      t.like(path, { nextHop: CORE.addresses[family], asPath: '', localPref: OWN_PREFERENCE })
    }
    for (const family of FAMILIES) {
      const words = routesOf(family === 'ipv4' ? '-4' : '-6')
      const routes = routesIn(await scene.agent('leaf').run(...words))
      t.true(routes.includes(`${podsOf(CORE)[family]} via ${CORE.addresses[family]} `), routes)
    }
  },
}

/** The router from which `node` has its best path to `prefix`. */
async function sourceOf(scene: Scene, node: string, prefix: string): Promise<Router> {
  const [route] = await (await scene.agent(node).api()).routes(prefix)
  for (const router of scene.routers) {
    const session = await scene.agent(node).session(scene.meetingAddress(router))
    if (session !== undefined && session.name === route?.from) return router
  }
  throw new Error(`${node} has ${prefix} from ${route?.from}`)
}

const twice: Row = {
  title: router => `a route that was reflected to Martlet reaches ${router} with both clusters`,
  cell: async (t, scene, router) => {
    const prefix = podsOf(LEAF).ipv4
    // which of the four core has its best path from is the decision's business, and may change
    // while all of them tell one another; to that one it is not sent back
    const { source, seen } = await until(
      async () => {
        const source = await sourceOf(scene, CORE.node, prefix)
        const seen = await router.route(prefix, router.neighbour(CORE.node))
        const clusters = seen?.clusterList ?? []
        const settled = clusters[1] === source.place.routerId
        return (source === router ? seen === undefined : settled) && { source, seen }
      },
      `${router.name} has from core what it should`,
      SOON,
    )
    const expected = [LEAF.addresses.ipv4, CORE.clusterId, source.place.routerId]
    const shown = seen && [seen.originatorId, ...(seen.clusterList ?? [])]
    t.deepEqual(shown, source === router ? undefined : expected)
  },
}

const looped: Row = {
  title: router => `what ${router} says was reflected here before is not used, with the reason`,
  needs: ['announce what was reflected before'],
  cell: async (t, scene, router) => {
    const own = prefixOf(router, 'ipv4', 5)
    const cluster = prefixOf(router, 'ipv4', 6)
    await router.announce([
      {
        prefix: own,
        attributes: { originatorId: CORE.addresses.ipv4, clusterList: ['192.0.2.1'] },
      },
      {
        prefix: cluster,
        attributes: { originatorId: '192.0.2.2', clusterList: ['192.0.2.1', CORE.clusterId ?? ''] },
      },
    ])
    const core = scene.agent('core')
    for (const [prefix, reason] of [
      [own, /ORIGINATOR_ID is this node/],
      [cluster, /our cluster is in CLUSTER_LIST/],
    ] as const) {
      await until(
        async () => reason.test(await core.run('martlet', 'routes', prefix)),
        `core says why it does not use ${prefix}`,
        SOON,
      )
      for (const other of scene.others(router)) await seesNot(other, prefix, CORE.node)
    }
    const carried = await core.routes()
    t.false(carried.includes(`${own} `) || carried.includes(`${cluster} `), carried)
    await router.withdraw([own, cluster])
  },
}

const withdrawn: Row = {
  title: router => `what ${router} withdraws is gone everywhere, and no more than that`,
  cell: async (t, scene, router) => {
    const gone = bothOf(router, REFLECTED).map(({ prefix }) => prefix)
    const stays = bothOf(router, 2)
    await router.announce(stays)
    await router.withdraw(gone)
    for (const prefix of gone)
      await Promise.all(scene.others(router).map(other => seesNot(other, prefix, CORE.node)))
    const prefixes = stays.map(({ prefix }) => prefix)
    await carries(t, scene.agent('core'), router, prefixes)
    await carries(t, scene.agent('leaf'), router, prefixes)
    const originatorId = router.place.routerId
    for (const prefix of prefixes)
      await Promise.all(
        scene.others(router).map(other => sees(t, other, prefix, { originatorId }, CORE.node)),
      )
  },
}

const refresh: Row = {
  title: router => `${router} asks its reflector for everything again, and is told it`,
  needs: ['ask for a route refresh'],
  cell: async (t, scene, router) => {
    const before = await scene.agent('core').established(scene.meetingAddress(router))
    const told = await router.updatesReceived()
    await router.refresh()
    await until(
      async () => (await router.updatesReceived()) >= told + FAMILIES.length,
      `${router.name} is told again`,
      SOON,
    )
    const after = await scene.agent('core').established(scene.meetingAddress(router))
    t.is(after.since, before.since, 'the session stayed')
    for (const other of scene.others(router))
      await sees(
        t,
        router,
        prefixOf(other, 'ipv6', 2),
        { originatorId: other.place.routerId, clusterList: [CORE.clusterId ?? ''] },
        CORE.node,
      )
  },
}

const stopped: Row = {
  title: router => `${router} is told that an agent was stopped, and drops its routes`,
  prepare: scene => scene.lab.stop('core', 'TERM'),
  cell: async (t, _scene, router) => {
    const { ipv4, ipv6 } = podsOf(CORE)
    await seesNot(router, ipv4, CORE.node)
    await seesNot(router, ipv6, CORE.node)
    await until(
      async () => ADMINISTRATIVE.test(await router.notifications()),
      `${router.name} is told why`,
      SOON,
    )
    t.pass()
  },
}

/** RFC 4486 subcode 2 in the words of each program. */
const ADMINISTRATIVE = /Administrative shutdown|administratively down|^6\/2/im

const over = (transport: Family): SessionDescription => ({
  title: `iBGP over ${transport === 'ipv4' ? 'IPv4' : 'IPv6'}`,
  transport,
  families: FAMILIES,
})

const CHAPTERS: readonly Chapter[] = [
  {
    session: over('ipv4'),
    rows: [opens, reflected, carried, originates, client, twice, looped, withdrawn, refresh],
  },
  {
    session: over('ipv6'),
    rows: [opens, reflected, carried, originates, client, twice, withdrawn, stopped],
  },
]

matrix(test, CAST, CHAPTERS)
