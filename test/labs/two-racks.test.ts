import test from 'ava'
import { routesOf } from '../../src/shell/lab/index.ts'
import { LABS, labsLeftOut, packagesMissing, until } from './support/lab.ts'
import { pingThrough, untilEstablished, withCluster } from './support/reach.ts'

/**
 * Two racks, each with its own AS and two routers: every route to another pod has two next hops.
 */

const leftOut = labsLeftOut()
if (leftOut !== undefined) test.skip(`Left out: ${leftOut}`, t => t.pass())

for (const router of ['martlet', 'bird', 'frr', 'gobgp']) {
  const title = `All reach all over two equal paths with ${router} as the routers`
  const missing =
    leftOut ?? packagesMissing(`${LABS}two-racks.clab.yml`, { ROUTER: router }).join(' ')
  if (missing !== '') {
    test.skip(`${title} (left out: ${missing})`, t => t.fail())
    continue
  }
  test.serial(title, t =>
    withCluster(t, { lab: 'two-racks', router }, async ({ lab, pairs }) => {
      // three pods ask two pods and three workers with two links, three workers ask three pods
      t.is(pairs.length, 2 * (3 * (2 + 3 * 2) + 3 * 3))
      await untilEstablished(lab)
      const hops = await until(
        'every worker has two next hops to every other pod network',
        async () => {
          const routes = (await routesOf(lab)).filter(({ prefix }) => /^10\.200\./.test(prefix))
          const far = routes.filter(({ nextHops }) => nextHops[0] !== 'blackhole')
          return far.length === 6 && far.every(({ nextHops }) => nextHops.length === 2) && far
        },
        { within: 30_000 },
      )
      const first = hops.find(
        route => route.node === 'worker-0' && route.prefix === '10.200.2.0/24',
      )
      t.deepEqual(first?.nextHops, ['via 10.240.11.2 dev eth1', 'via 10.240.12.2 dev eth2'])
    }),
  )
}

const trouble = leftOut === undefined ? test.serial : test.serial.skip

trouble('A link that is cut is left, and used again when it is back', t =>
  withCluster(t, { lab: 'two-racks' }, async cluster => {
    const worker = cluster.lab.node('worker-0')
    const hops = async (): Promise<readonly string[]> => {
      const routes = await routesOf(cluster.lab)
      const found = routes.find(r => r.node === 'worker-0' && r.prefix === '10.200.2.0/24')
      return found?.nextHops ?? []
    }
    const { received } = await pingThrough(cluster, 'pod-0', async () => {
      await worker.exec(['ip', 'link', 'set', 'eth1', 'down'])
      await until(
        'one next hop is left',
        async () => (await hops()).join() === 'via 10.240.12.2 dev eth2',
        { within: 120_000 },
      )
      await worker.exec(['ip', 'link', 'set', 'eth1', 'up'])
      // the kernel forgets IPv6 addresses of a link that goes down, as an operator knows
      await worker.exec(['ip', 'address', 'add', 'fd00:10:240:11::3/127', 'dev', 'eth1'])
      await until('both are back', async () => (await hops()).length === 2, { within: 60_000 })
    })
    t.true(received > 100)
    await untilEstablished(cluster.lab)
  }),
)
