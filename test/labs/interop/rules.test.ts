/**
 * What Martlet makes of paths, and lets in and out, as BIRD, FRR, GoBGP and OpenBGPD see it: loops,
 * filters that change while sessions stay, AS numbers that are shown as others; and routes that are
 * kept for long.
 *
 * The tests depend on one another's order: run the file as a whole.
 */
import test from 'ava'
import { FAMILIES } from '../../../src/core/net/index.ts'
import { until } from '../../support/until.ts'
import { CAST, HUB_AS, hub, POD_FAMILIES, passed } from './support/external-cast.ts'
import { type Chapter, matrix, type Row } from './support/matrix.ts'
import type { Router } from './support/router.ts'
import { bothOf, carries, prefixOf, SOON, sees, seesNot } from './support/rows.ts'
import type { Scene } from './support/scene.ts'

const prefixes = (router: Router): readonly string[] =>
  bothOf(router, 1).map(({ prefix }) => prefix)

const opens: Row = {
  title: router => `${router} and Martlet exchange routes`,
  prepare: scene => scene.filter({}),
  cell: async (t, scene, router) => {
    await hub(scene).established(scene.meetingAddress(router))
    await router.announce(bothOf(router, 1))
    await carries(t, hub(scene), router, prefixes(router))
    for (const [, prefix] of POD_FAMILIES) await sees(t, router, prefix, { asPath: String(HUB_AS) })
  },
}

/** That of our own AS number, where paths have it. */
const LOOPED = 2

const loop: Row = {
  title: router =>
    `a path of ${router} with Martlet’s own AS is not used, and shown with the reason`,
  needs: ['announce a path of other numbers'],
  cell: async (t, scene, router) => {
    const prefix = prefixOf(router, 'ipv4', LOOPED)
    await router.announce([{ prefix, attributes: { asPath: [65001, HUB_AS] } }])
    const shown = async (): Promise<string> => hub(scene).run('martlet', 'routes', prefix)
    await until(async () => /our AS is in AS_PATH/.test(await shown()), 'the reason', SOON)
    await carries(t, hub(scene), router, prefixes(router))
    for (const other of scene.others(router)) await seesNot(other, prefix)
  },
}

/** Has `change` happen in the sessions that there are: none may end. */
async function inTheSameSession(
  scene: Scene,
  router: Router,
  change: () => Promise<void>,
): Promise<boolean> {
  const address = scene.meetingAddress(router)
  const before = await hub(scene).established(address)
  await change()
  const after = await hub(scene).established(address)
  return after.since === before.since
}

const importFilter: Row = {
  title: router => `a filter takes a route of ${router} out everywhere`,
  prepare: scene =>
    scene.filter({ importV4: scene.routers.map(router => prefixOf(router, 'ipv4', 1)) }),
  cell: async (t, scene, router) => {
    const [ipv4 = '', ipv6 = ''] = prefixes(router)
    const same = await inTheSameSession(scene, router, async () => {
      await carries(t, hub(scene), router, [ipv6])
      for (const other of scene.others(router)) await seesNot(other, ipv4)
      for (const other of scene.others(router)) await sees(t, other, ipv6, {})
    })
    t.true(same)
  },
}

const importAgain: Row = {
  title: router => `without it the route of ${router} is back, though nobody said it again`,
  prepare: scene => scene.filter({}),
  cell: async (t, scene, router) => {
    await carries(t, hub(scene), router, prefixes(router))
    for (const other of scene.others(router))
      for (const prefix of prefixes(router))
        await sees(t, other, prefix, { asPath: passed(router) })
  },
}

const [[, POD_IPV4] = ['ipv4', ''], [, POD_IPV6] = ['ipv6', '']] = POD_FAMILIES

const exportFilter: Row = {
  title: router => `a filter takes a route of Martlet from ${router}, and no other`,
  prepare: scene => scene.filter({ exportV4: [POD_IPV4] }),
  cell: async (t, scene, router) => {
    const same = await inTheSameSession(scene, router, async () => {
      await seesNot(router, POD_IPV4)
      await sees(t, router, POD_IPV6, { asPath: String(HUB_AS) })
    })
    t.true(same)
  },
}

const exportAgain: Row = {
  title: router => `without it ${router} has the route again`,
  prepare: scene => scene.filter({}),
  cell: async (t, _scene, router) => {
    await sees(t, router, POD_IPV4, { asPath: String(HUB_AS) })
  },
}

const theirPolicy: Row = {
  title: router => `${router} refuses a route, wants it again, and is told it in the same session`,
  needs: ['forget what its policy refuses', 'ask for a route refresh'],
  cell: async (t, scene, router) => {
    const same = await inTheSameSession(scene, router, async () => {
      await router.refuse(POD_IPV4, true)
      await seesNot(router, POD_IPV4)
      await router.refuse(POD_IPV4, false)
      await sees(t, router, POD_IPV4, { asPath: String(HUB_AS) })
    })
    t.true(same)
  },
}

const asks: Row = {
  title: router =>
    `Martlet asks ${router} for everything again, and is told it in the same session`,
  needs: ['say again what has not changed'],
  cell: async (t, scene, router) => {
    const address = scene.meetingAddress(router)
    const same = await inTheSameSession(scene, router, async () => {
      const { counters } = await hub(scene).established(address)
      await hub(scene).run('martlet', 'refresh', address)
      await hub(scene).untilSession(
        address,
        'has said all again',
        session =>
          session.counters.updatesReceived >= counters.updatesReceived + FAMILIES.length &&
          session.prefixes.every(({ stale }) => stale === 0),
      )
      await carries(t, hub(scene), router, prefixes(router))
    })
    t.true(same)
  },
}

/** One that can announce any path, and is not `router`. */
function teller(scene: Scene, router: Router): Router {
  const found = scene
    .others(router)
    .find(({ place }) => place.program.cannot['announce a path of other numbers'] === undefined)
  if (found === undefined) throw new Error('nobody announces paths')
  return found
}

const overridden: Row = {
  title: router => `a path with the AS of ${router} reaches it with Martlet’s there instead`,
  cell: async (t, scene, router) => {
    const source = teller(scene, router)
    const prefix = prefixOf(router, 'ipv4', 3)
    await source.announce([{ prefix, attributes: { asPath: [65001, router.asn, 65001] } }])
    await sees(t, router, prefix, { asPath: passed(source, `65001 ${HUB_AS} 65001`) })
  },
}

const allowed: Row = {
  title: router => `a path of ${router} with Martlet’s own AS is used where that is allowed`,
  needs: ['announce a path of other numbers'],
  cell: async (t, scene, router) => {
    const [once, twice] = [prefixOf(router, 'ipv4', LOOPED), prefixOf(router, 'ipv4', LOOPED, 1)]
    await router.announce([
      { prefix: once, attributes: { asPath: [65001, HUB_AS] } },
      { prefix: twice, attributes: { asPath: [HUB_AS, HUB_AS] } },
    ])
    await hub(scene).carries(once)
    t.false((await hub(scene).routes()).includes(`${twice} `))
  },
}

const privateAs: Row = {
  title: router => `private numbers are gone from the paths that ${router} is sent`,
  cell: async (t, scene, router) => {
    const source = teller(scene, router)
    const prefix = prefixOf(router, 'ipv4', 4)
    // those of the lab are private too
    await source.announce([{ prefix, attributes: { asPath: [65001, 3356, 65002] } }])
    await sees(t, router, prefix, { asPath: `${HUB_AS} 3356` })
  },
}

/** What Martlet calls itself. */
const OTHER_AS = 64_999

const localAs: Row = {
  title: router => `${router} knows Martlet by another AS number, and sees its own behind it`,
  cell: async (t, scene, router) => {
    const own = await hub(scene).established(scene.meetingAddress(router))
    t.is(own.localAsNumber, OTHER_AS)
    const source = teller(scene, router)
    const prefix = prefixOf(router, 'ipv4', 5)
    await source.announce([{ prefix }])
    await sees(t, router, POD_IPV4, { asPath: `${OTHER_AS} ${HUB_AS}` })
    await sees(t, router, prefix, { asPath: `${OTHER_AS} ${HUB_AS} ${OTHER_AS} ${source.asn}` })
  },
}

// ---- long-lived graceful restart, RFC 9494

const LLGR_STALE = '65535:6'

const longLived: Row = {
  title: router => `${router} does not come back in time: its routes stay, as a last resort`,
  needs: ['be kept for long'],
  cell: async (t, scene, router) => {
    const address = scene.meetingAddress(router)
    await hub(scene).established(address)
    await router.announce(bothOf(router, 1))
    await carries(t, hub(scene), router, prefixes(router))
    await hub(scene).untilSession(address, 'is complete', session =>
      session.prefixes.every(({ endOfRib }) => endOfRib),
    )
    await router.kill()
    await hub(scene).untilSession(address, 'is long gone', session =>
      FAMILIES.every(family =>
        session.prefixes.some(each => each.family === family && each.longLivedUntil !== undefined),
      ),
    )
    await carries(t, hub(scene), router, prefixes(router))
    await router.revive([prefixOf(router, 'ipv4', 1)])
    await hub(scene).established(address)
    await carries(t, hub(scene), router, [prefixOf(router, 'ipv6', 1)])
  },
}

const marked: Row = {
  title: router => `${router} is told that a route of another is one of those, or is that other`,
  needs: ['be kept for long'],
  prepare: async scene => {
    const { first, others } = keepers(scene)
    await first.announce(bothOf(first, 2))
    for (const { prefix } of bothOf(first, 2))
      for (const other of others)
        await until(async () => (await other.route(prefix)) !== undefined, 'it is there', SOON)
    await first.kill()
  },
  cell: async (t, scene, router) => {
    const { first, others } = keepers(scene)
    t.true(router === first || others.includes(router))
    for (const { prefix } of router === first ? [] : bothOf(first, 2))
      await sees(t, router, prefix, { asPath: passed(first), communities: [LLGR_STALE] })
  },
}

/** Routers whose routes are kept for long, one of which is killed. */
function keepers(scene: Scene): { readonly first: Router; readonly others: readonly Router[] } {
  const [first, ...others] = scene.routers.filter(
    ({ place }) => place.program.cannot['be kept for long'] === undefined,
  )
  if (first === undefined) throw new Error('nobody’s routes are kept for long')
  return { first, others }
}

const over = { transport: 'ipv4', families: FAMILIES } as const

const CHAPTERS: readonly Chapter[] = [
  {
    session: { ...over, title: 'eBGP with a filter', ours: { filters: ['filter'] } },
    rows: [opens, loop, importFilter, importAgain, exportFilter, exportAgain, theirPolicy, asks],
  },
  {
    session: {
      ...over,
      title: 'eBGP between sites of one AS',
      asked: { overrideAs: true, allowOwnAs: 1 },
    },
    rows: [overridden, allowed],
  },
  {
    session: {
      ...over,
      title: 'eBGP without private AS numbers',
      asked: { privateAs: 'remove' },
    },
    rows: [privateAs],
  },
  {
    session: {
      ...over,
      title: 'eBGP with another local AS',
      localAs: OTHER_AS,
      asked: { localAs: { showRealAs: true, prependOnImport: true } },
    },
    rows: [localAs],
  },
  {
    session: {
      ...over,
      title: 'eBGP with long-lived graceful restart',
      asked: { longLivedSeconds: 600 },
      theirs: { restart: true, restartSeconds: 1, longLived: true },
    },
    rows: [longLived, marked],
  },
]

matrix(test, CAST, CHAPTERS)
