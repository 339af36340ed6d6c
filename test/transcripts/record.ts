/**
 * Records the transcripts of this folder anew: one agent opposite each of BIRD, FRR, GoBGP and
 * OpenBGPD in a lab of their own, as root. What is recorded is what the speaker did, right or wrong:
 * look at the difference before it is committed.
 *
 *   node test/transcripts/record.ts
 */
import { rmSync, writeFileSync } from 'node:fs'
import process from 'node:process'
import { FAMILIES } from '../../src/core/net/index.ts'
import { BIRD } from '../labs/interop/support/bird.ts'
import { HUB, hub } from '../labs/interop/support/external-cast.ts'
import { FRR } from '../labs/interop/support/frr.ts'
import { GOBGP } from '../labs/interop/support/gobgp.ts'
import { OPENBGPD } from '../labs/interop/support/openbgpd.ts'
import type { Program } from '../labs/interop/support/program.ts'
import type { Router } from '../labs/interop/support/router.ts'
import { bothOf, SOON } from '../labs/interop/support/rows.ts'
import { Scene, type SessionDescription } from '../labs/interop/support/scene.ts'
import { until } from '../support/until.ts'
import { pathOf, TITLES, type Title } from './transcripts.ts'

const SESSIONS: Readonly<Record<Title, SessionDescription>> = {
  plain: { title: 'plain', transport: 'ipv4', families: FAMILIES },
  rich: {
    title: 'rich',
    transport: 'ipv6',
    families: FAMILIES,
    holdSeconds: 30,
    asked: {
      addPath: { receive: true, send: 'all' },
      role: 'provider',
      extendedMessages: true,
      longLivedSeconds: 600,
      limits: { received: { most: 100, action: 'warn' } },
    },
    theirs: { addPath: true, role: 'customer', extendedMessages: true, restart: true },
  },
}

const ATTRIBUTES = {
  med: 50,
  origin: 'EGP',
  communities: ['65000:1'],
  largeCommunities: ['4200000000:1:2'],
  routeTargets: ['65000:7'],
} as const

/** Rows of prefixes, two prefixes each. */
const ROWS = [1, 2, 3, 4, 5, 6, 7, 8]

/** A session from its first octet to its last: tables, refresh, withdrawals, refusal, goodbye. */
async function perform(scene: Scene, router: Router): Promise<void> {
  const agent = hub(scene)
  const address = scene.meetingAddress(router)
  await agent.established(address)
  const routes = ROWS.flatMap(row => bothOf(router, row))
  await router.announce(routes.map(route => ({ ...route, attributes: ATTRIBUTES })))
  await carries(scene, routes.length)
  await scene.originate('hub', [...HUB.podCidrs, '10.97.1.0/24'])
  await has(router, '10.97.1.0/24')
  await scene.originate('hub', HUB.podCidrs)
  if (router.place.program.cannot['ask for a route refresh'] === undefined) await router.refresh()
  await agent.run('martlet', 'refresh', address)
  await router.withdraw(bothOf(router, 1).map(({ prefix }) => prefix))
  await carries(scene, routes.length - 2)
  if (router.place.program.cannot['restart and keep its routes'] === undefined) {
    await router.kill()
    await agent.untilSession(address, 'is down', ({ state }) => state !== 'Established')
    await router.revive(bothOf(router, 2).map(({ prefix }) => prefix))
    await agent.established(address)
    await carries(scene, routes.length - 4)
  }
  await router.shutDown('a transcript ends')
  await agent.untilSession(address, 'is down', ({ state }) => state !== 'Established')
  await router.bringUp()
  await agent.established(address)
  await scene.summon({ wrongAs: true })
  await agent.untilSession(address, 'is refused', ({ lastError }) => lastError?.code === 2)
  await scene.summon()
  // some wait for long after that
  await router.reset()
  await agent.established(address)
  await scene.lab.stop('hub', 'TERM')
}

/** Waits until the kernel has so many routes of both families. */
async function carries(scene: Scene, count: number): Promise<void> {
  await until(
    async () => {
      const said = await hub(scene).run(
        'sh',
        '-c',
        'ip route show proto 77; ip -6 route show proto 77',
      )
      return said.split(' via ').length - 1 === count
    },
    `${count} routes`,
    SOON,
  )
}

async function has(router: Router, prefix: string): Promise<void> {
  await until(async () => (await router.route(prefix)) !== undefined, `it has ${prefix}`, SOON)
}

async function record(program: Program, title: Title): Promise<void> {
  const place = {
    program,
    node: 'router',
    asn: 4_200_000_011,
    routerId: '10.80.0.11',
    addresses: { ipv4: '10.80.0.11', ipv6: 'fd80::11' },
    number: 11,
  }
  const cast = { topology: 'transcript', agents: [HUB], routers: [place] }
  const scene = await Scene.open(cast, SESSIONS[title])
  try {
    const [router] = scene.routers
    if (router === undefined) throw new Error('no router')
    await perform(scene, router)
    const said = await hub(scene).run('cat', '/var/tmp/transcript.jsonl')
    writeFileSync(pathOf(program.name, title), said)
    process.stdout.write(`${program.name} ${title}: ${said.length} octets\n`)
  } catch (error) {
    for (const node of ['hub', 'router'])
      process.stdout.write(`${node}: ${scene.lab.node(node).log().slice(-2000)}\n`)
    throw error
  } finally {
    await scene.close()
  }
}

for (const program of [BIRD, FRR, GOBGP, OPENBGPD])
  for (const title of TITLES) {
    rmSync(pathOf(program.name, title), { force: true })
    await record(program, title)
  }
