/**
 * Graceful restart (RFC 4724, RFC 8538) of Martlet and of BIRD, FRR, GoBGP and OpenBGPD opposite it:
 * who is killed costs no packet between what is behind one and behind the other; who says goodbye,
 * or is silent for too long, is not waited for.
 *
 * The tests depend on one another's order: run the file as a whole.
 */
import test, { type ExecutionContext } from 'ava'
import type { SessionDocument } from '../../../src/core/intent/index.ts'
import { FAMILIES } from '../../../src/core/net/index.ts'
import { until } from '../../support/until.ts'
import { Pings, watchRoutes } from '../support/survival.ts'
import { CAST, HUB, hub, POD_FAMILIES } from './support/external-cast.ts'
import { type Chapter, matrix, type Row } from './support/matrix.ts'
import type { Router } from './support/router.ts'
import { bothOf, carries, prefixOf, SOON, sees, seesNot } from './support/rows.ts'
import type { Cast, Scene } from './support/scene.ts'

const KEPT: Cast = {
  topology: 'restart',
  agents: CAST.agents,
  routers: CAST.routers.map(place => ({ ...place, forwards: true })),
}

/** Rows of prefixes: one that stays, and one for each restart that is over when it ends. */
const STAYS = 1
const GONE = 2

/** Announced by Martlet until it is killed. */
const FORMER = '10.99.7.0/24'

const prefixesOf = (router: Router, ...rows: readonly number[]): readonly string[] =>
  rows.flatMap(row => bothOf(router, row).map(({ prefix }) => prefix))

const restarts = ({ place }: Router): boolean =>
  place.program.cannot['restart and keep its routes'] === undefined

/** What a router announces once it has been killed, if it can be. */
const left = (router: Router): readonly string[] =>
  restarts(router) ? prefixesOf(router, STAYS) : prefixesOf(router, STAYS, GONE)

/** Addresses behind a router, in prefixes that stay. */
const behind = (router: Router): readonly string[] => [
  prefixOf(router, 'ipv4', STAYS).replace('.0/24', '.1'),
  prefixOf(router, 'ipv6', STAYS).replace('::/64', '::1'),
]

let pings: Pings | undefined

/** Begins to send from the pod to all that is behind routers. */
async function send(scene: Scene): Promise<void> {
  pings ??= await Pings.start(
    scene.lab,
    ['pod', ...scene.routers.map(({ place }) => place.node)],
    new Map([['pod', scene.routers.flatMap(behind)]]),
  )
  await pings.begin()
}

/** Nothing that was sent to what is behind `router` since `send` went without an answer. */
async function lostNothing(t: ExecutionContext, router: Router): Promise<void> {
  const counts = await (pings?.count(t, router.name) ?? [])
  const own = counts.filter(({ target }) => behind(router).includes(target))
  t.is(own.length, 2)
  for (const { target, lost, received } of own) {
    t.true(received > 100, `${target}: ${received} answers`)
    t.is(lost, 0, `${target}, of ${received}`)
  }
}

const isComplete = ({ state, staleUntil, prefixes }: SessionDocument): boolean =>
  state === 'Established' &&
  staleUntil === undefined &&
  prefixes.length === FAMILIES.length &&
  prefixes.every(({ endOfRib, stale }) => endOfRib && stale === 0)

const complete = (scene: Scene, router: Router): Promise<SessionDocument> =>
  hub(scene).untilSession(scene.meetingAddress(router), 'is complete', isComplete)

const agree: Row = {
  title: router => `${router} and Martlet agree to wait for one another`,
  cell: async (t, scene, router) => {
    await router.announce(bothOf(router, STAYS))
    await router.announce(bothOf(router, GONE))
    const { negotiated } = await complete(scene, router)
    t.true(negotiated?.gracefulRestart !== undefined)
    t.deepEqual(negotiated?.gracefulRestart?.families, restarts(router) ? FAMILIES : [])
    await carries(t, hub(scene), router, prefixesOf(router, STAYS, GONE))
    for (const [, prefix] of POD_FAMILIES) await sees(t, router, prefix, {})
  },
}

const killed: Row = {
  title: router => `${router} is killed: its routes stay and carry, until it has said what is left`,
  needs: ['restart and keep its routes'],
  prepare: send,
  cell: async (t, scene, router) => {
    const address = scene.meetingAddress(router)
    const watch = await watchRoutes(scene.lab, 'hub')
    await router.kill()
    await hub(scene).untilSession(address, 'is down', ({ state }) => state !== 'Established')
    const waiting = await hub(scene).session(address)
    t.true(waiting?.staleUntil !== undefined)
    // more than its own two: FRR also says what it heard from us
    for (const { stale } of waiting?.prefixes ?? []) t.true(stale >= 2)
    t.is(waiting?.prefixes.length, FAMILIES.length)
    await carries(t, hub(scene), router, prefixesOf(router, STAYS, GONE))
    await router.revive(prefixesOf(router, GONE))
    const { negotiated } = await complete(scene, router)
    t.true(negotiated?.gracefulRestart?.restarting)
    await carries(t, hub(scene), router, prefixesOf(router, STAYS))
    const changes = await watch.end()
    const touched = (prefix: string): boolean => changes.some(line => line.includes(`${prefix} `))
    t.true(prefixesOf(router, GONE).every(touched))
    t.deepEqual(prefixesOf(router, STAYS).filter(touched), [])
    await lostNothing(t, router)
    // what is there again comes to the others again too
    for (const other of scene.others(router).filter(({ name }) => name === 'OpenBGPD'))
      for (const prefix of prefixesOf(router, STAYS)) await sees(t, other, prefix, {})
    for (const [, prefix] of POD_FAMILIES) await sees(t, router, prefix, {})
  },
}

const speaker: Row = {
  title: router => `Martlet’s speaker is killed, and ${router} goes on sending to its pods`,
  prepare: async scene => {
    await send(scene)
    await hub(scene).murder('speaker')
  },
  cell: async (t, scene, router) => {
    await complete(scene, router)
    await carries(t, hub(scene), router, left(router))
    for (const [, prefix] of POD_FAMILIES) await sees(t, router, prefix, {})
    await lostNothing(t, router)
  },
}

const dead: Row = {
  title: router => `all of Martlet is killed: ${router} keeps what it said, and the kernel too`,
  prepare: async scene => {
    await scene.originate('hub', [...HUB.podCidrs, FORMER])
    for (const router of scene.routers)
      await until(
        async () => (await router.route(FORMER)) !== undefined,
        `${router.name} has it`,
        SOON,
      )
    await send(scene)
    await scene.lab.stop('hub', 'KILL')
  },
  cell: async (t, _scene, router) => {
    await until(
      async () => !(await router.session()).established,
      `${router.name} has noticed`,
      SOON,
    )
    for (const [, prefix] of POD_FAMILIES) await sees(t, router, prefix, {})
    await sees(t, router, FORMER, {})
  },
}

const returned: Row = {
  title: router => `all of Martlet is back: ${router} has lost what it does not say any more`,
  prepare: async scene => {
    await scene.originate('hub', HUB.podCidrs)
    await scene.lab.start('hub')
  },
  cell: async (t, scene, router) => {
    await until(() => complete(scene, router), `${router.name} is back`, SOON)
    await seesNot(router, FORMER)
    for (const [, prefix] of POD_FAMILIES) await sees(t, router, prefix, {})
    await carries(t, hub(scene), router, left(router))
    await lostNothing(t, router)
  },
}

const silent: Row = {
  title: router => `${router} is silent for the hold time, and is not waited for`,
  cell: async (t, scene, router) => {
    const address = scene.meetingAddress(router)
    await router.signal('STOP')
    try {
      const { lastError } = await hub(scene).untilSession(
        address,
        'is down',
        ({ state }) => state !== 'Established',
      )
      t.like(lastError, { direction: 'sent', code: 4 })
      await carries(t, hub(scene), router, [])
    } finally {
      await router.signal('CONT')
    }
    await complete(scene, router)
    await carries(t, hub(scene), router, left(router))
    for (const [, prefix] of POD_FAMILIES) await sees(t, router, prefix, {})
  },
}

const unfinished: Row = {
  title: router => `${router} ends the session with a word that is no goodbye, and is waited for`,
  needs: ['end a session and be waited for'],
  prepare: send,
  cell: async (t, scene, router) => {
    const address = scene.meetingAddress(router)
    const { counters, negotiated } = await complete(scene, router)
    t.true(negotiated?.gracefulRestart?.notification)
    await router.shutDown('back soon')
    const waiting = await hub(scene).untilSession(
      address,
      'is down',
      ({ state }) => state !== 'Established',
    )
    t.true(waiting.staleUntil !== undefined)
    t.is(waiting.counters.notificationsReceived, counters.notificationsReceived + 1)
    await carries(t, hub(scene), router, left(router))
    await lostNothing(t, router)
    // it does not say that it went on forwarding, so they go when it is back, and come again
    await router.bringUp()
    await complete(scene, router)
    await carries(t, hub(scene), router, left(router))
  },
}

const TEXT = 'not coming back'

const goodbye: Row = {
  title: router => `${router} says that it ends the session, and is not waited for`,
  needs: ['say that it does not come back'],
  cell: async (t, scene, router) => {
    await router.shutDown(TEXT)
    const session = await hub(scene).untilSession(
      scene.meetingAddress(router),
      'is down',
      ({ state }) => state !== 'Established',
    )
    t.is(session.staleUntil, undefined)
    await carries(t, hub(scene), router, [])
    await router.bringUp()
    await complete(scene, router)
  },
}

const stopped: Row = {
  title: router => `Martlet is stopped: ${router} is told why, and drops its routes at once`,
  prepare: scene => scene.lab.stop('hub', 'TERM'),
  cell: async (t, _scene, router) => {
    for (const [, prefix] of POD_FAMILIES) await seesNot(router, prefix)
    await until(
      async () => /the agent of this node is stopping/.test(await router.notifications()),
      `${router.name} is told why`,
      SOON,
    )
    t.pass()
  },
}

const CHAPTERS: readonly Chapter[] = [
  {
    session: {
      title: 'eBGP with graceful restart',
      transport: 'ipv4',
      families: FAMILIES,
      holdSeconds: 9,
      theirs: { restart: true },
    },
    rows: [agree, killed, speaker, dead, returned, silent, unfinished, goodbye, stopped],
  },
]

test.after.always('pings end', () => pings?.close())

matrix(test, KEPT, CHAPTERS)
