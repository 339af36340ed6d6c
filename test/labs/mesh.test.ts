import test from 'ava'
import { routesOf } from '../../src/shell/lab/index.ts'
import { LABS, labsLeftOut, packagesMissing } from './support/lab.ts'
import { untilEstablished, withCluster } from './support/reach.ts'

/** Calico's node-to-node mesh: no router, each worker peers with each. */

const leftOut = labsLeftOut()
if (leftOut !== undefined) test.skip(`Left out: ${leftOut}`, t => t.pass())

for (const store of ['directory', 'etcd']) {
  const title = `All reach all in a mesh with ${store} as the store`
  const missing = leftOut ?? packagesMissing(`${LABS}mesh.clab.yml`, { STORE: store }).join(' ')
  if (missing !== '') {
    test.skip(`${title} (left out: ${missing})`, t => t.fail())
    continue
  }
  test.serial(title, t =>
    withCluster(t, { lab: 'mesh', store }, async ({ lab, pairs }) => {
      t.is(pairs.length, 2 * (6 * 8 + 3 * 6))
      const sessions = await untilEstablished(lab)
      t.is(sessions.length, 3 * 2 * 2)
      const routes = await routesOf(lab)
      t.is(routes.length, 3 * 6)
      t.is(routes.filter(route => route.nextHops[0] === 'blackhole').length, 3 * 2)
    }),
  )
}
