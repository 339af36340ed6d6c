/** Whole clusters for tests: brought up, watched until all reach all, pinged through trouble. */
import type { ExecutionContext } from 'ava'
import { beginReach, type Pair, planReach, readReach } from '../../../src/app/cli/lab/reach.ts'
import {
  Lab,
  type ObservedSession,
  Probes,
  type Roles,
  rolesOf,
  sessionsOf,
} from '../../../src/shell/lab/index.ts'
import { LABS, tellLogs, until } from './lab.ts'

/** What a cluster is made of. */
export interface ClusterOptions {
  /** `hard-way`, `mesh` or `two-racks` */
  readonly lab: string
  readonly router?: string
  readonly store?: string
}

/** A lab in which all reach all. */
export interface Cluster {
  readonly lab: Lab
  readonly roles: Roles
  readonly probes: Probes
  readonly pairs: readonly Pair[]
}

/** Long, because eight labs may share two processors. */
const CONVERGES = { within: 90_000, every: 200 }

/** Brings a lab up, waits until all reach all, and gives it to `use`; ends it, whatever happens. */
export async function withCluster(
  t: ExecutionContext,
  { lab: name, router = 'martlet', store = 'directory' }: ClusterOptions,
  use: (cluster: Cluster) => Promise<void>,
): Promise<void> {
  t.timeout(240_000)
  const lab = await Lab.up(`${LABS}${name}.clab.yml`, {
    name: `${name}-${router}-${store}-${process.pid}`,
    variables: { ROUTER: router, STORE: store },
  })
  try {
    const roles = rolesOf(lab)
    const probes = await Probes.start(lab, [...roles.pods, ...roles.workers])
    const plan = await planReach(lab, roles)
    beginReach(probes, plan)
    const pairs = await until(
      'all reach all',
      async () => {
        const now = await readReach(probes, plan)
        const dead = now.filter(pair => !pair.well).map(({ from, address }) => `${from} ${address}`)
        if (dead.length > 0) throw new Error(dead.slice(0, 5).join(', '))
        return now.length > 0 && now
      },
      CONVERGES,
    )
    await use({ lab, roles, probes, pairs })
    probes.close()
  } catch (error) {
    tellLogs(t, lab)
    throw error
  } finally {
    await lab.down()
  }
}

/** Waits until every session of every node is Established, and returns them. */
export function untilEstablished(lab: Lab): Promise<readonly ObservedSession[]> {
  return until(
    'all sessions are Established',
    async () => {
      const sessions = await sessionsOf(lab)
      const down = sessions.filter(session => session.state !== 'Established')
      if (down.length > 0)
        throw new Error(down.map(({ node, peer }) => `${node} ${peer}`).join(', '))
      return sessions.length > 0 && sessions
    },
    { ...CONVERGES, every: 1000 },
  )
}

/**
 * Sends every 10 ms from `from` to all other pods while `trouble` happens; the longest gap, in
 * probes.
 */
export async function pingThrough(
  { probes, pairs, roles }: Cluster,
  from: string,
  trouble: () => Promise<void>,
): Promise<{ readonly received: number; readonly lostInARow: number; readonly lost: number }> {
  const targets = pairs
    .filter(pair => pair.from === from && roles.pods.includes(pair.to))
    .map(pair => pair.address)
  probes.probe(from, targets, 10)
  await until(
    'pings flow',
    async () => (await probes.report(from)).every(({ received }) => received > 20),
    {
      within: 20_000,
    },
  )
  await trouble()
  const before = await probes.report(from)
  // what is under way now is answered, or counted as lost, once this much more has been sent
  const after = await until(
    'the last probes are old',
    async () => {
      const now = await probes.report(from)
      return now.every((one, index) => one.sent > (before[index]?.sent ?? 0) + 120) && now
    },
    { within: 30_000 },
  )
  return {
    received: Math.min(...after.map(({ received }) => received)),
    lostInARow: Math.max(...after.map(({ lostInARow }) => lostInARow)),
    lost: Math.max(...after.map(({ lost }) => lost)),
  }
}
