/** What the labs of one cluster have in common: it is up for a file of tests, and its pods ping each other. */
import type { ExecutionContext, TestFn } from 'ava'
import { CalicoCluster, type ClusterPlan } from './calico-cluster.ts'
import { labsLeftOut, tellLogs } from './lab.ts'
import { Pings } from './survival.ts'

/** Declares a test on the cluster; they run in the order in which they are declared. */
export type ClusterTest = (
  title: string,
  body: (t: ExecutionContext, cluster: CalicoCluster) => Promise<void>,
) => void

/** Brings the cluster up for this file, and takes it down after; where labs cannot run, that is the one test. */
export function clusterLab(test: TestFn, plan: ClusterPlan): ClusterTest {
  const leftOut = labsLeftOut()
  if (leftOut !== undefined) {
    test.skip(`Left out: ${leftOut}`, t => t.pass())
    return () => undefined
  }
  let running: CalicoCluster | undefined
  test.before(async t => {
    t.timeout(240_000)
    running = await CalicoCluster.open(plan)
  })
  test.after.always('the lab goes', () => running?.close())
  return (title, body) =>
    test.serial(title, async t => {
      t.timeout(180_000)
      if (running === undefined) return t.fail('there is no lab')
      try {
        await body(t, running)
      } catch (error) {
        tellLogs(t, running.lab)
        throw error
      }
    })
}

/**
 * Every pod pings every other one while something happens; none of the packets may be lost.
 *
 * @param pods  their addresses, by the names of their members
 */
export async function noneLostDuring(
  t: ExecutionContext,
  cluster: CalicoCluster,
  pods: ReadonlyMap<string, string>,
  happens: () => Promise<void> = async () => {},
): Promise<void> {
  const asks = new Map(
    [...pods].map(([member, own]) => [
      `pod-${member}`,
      [...pods.values()].filter(pod => pod !== own),
    ]),
  )
  const pings = await Pings.start(cluster.lab, [...asks.keys()], asks)
  try {
    await pings.begin()
    await happens()
    const counts = await pings.count(t, t.title)
    t.is(counts.length, pods.size * (pods.size - 1))
    for (const { from, target, lost } of counts) t.is(lost, 0, `${from} to ${target}`)
  } finally {
    pings.close()
  }
}

/** Which node has which block, by IPAM's own keys. */
export async function blocksOf(cluster: CalicoCluster): Promise<Map<string, string>> {
  const keys = await cluster.keys('/calico/ipam/v2/host/')
  return new Map(
    keys.map(key => {
      const [, node = '', block = ''] = /host\/([^/]+)\/ipv4\/block\/(.*)$/.exec(key) ?? []
      return [node, block.replace('-', '/')]
    }),
  )
}

/** The eighth address of a block. */
export const podIn = (block: string): string =>
  block.replace(/(\d+)\/26$/, (_, last: string) => String(Number(last) + 7))
