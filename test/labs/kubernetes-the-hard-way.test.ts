import { spawn } from 'node:child_process'
import test from 'ava'
import { routesOf } from '../../src/shell/lab/index.ts'
import { LABS, labsLeftOut, packagesMissing, until } from './support/lab.ts'
import { type Cluster, pingThrough, untilEstablished, withCluster } from './support/reach.ts'

/** Three workers and a router that reflects, with each router and each store: pods reach pods. */

const leftOut = labsLeftOut()
if (leftOut !== undefined) test.skip(`Left out: ${leftOut}`, t => t.pass())

const FILE = `${LABS}hard-way.clab.yml`

for (const router of ['martlet', 'bird', 'frr', 'gobgp']) {
  for (const store of ['directory', 'etcd']) {
    const title = `All reach all with ${router} as the router and ${store} as the store`
    const missing = leftOut ?? packagesMissing(FILE, { ROUTER: router, STORE: store }).join(' ')
    if (missing !== '') {
      test.skip(`${title} (left out: ${missing})`, t => t.fail())
      continue
    }
    test.serial(title, t =>
      withCluster(t, { lab: 'hard-way', router, store }, async ({ lab, roles, pairs }) => {
        // six pods ask five pods and three workers, three workers ask six pods, at two addresses
        // each
        t.is(pairs.length, 2 * (6 * 8 + 3 * 6))
        const sessions = await untilEstablished(lab)
        t.is(sessions.length, 12)
        t.true(sessions.every(session => session.peerAs === 64512))
        const routes = await routesOf(lab)
        for (const worker of [0, 1, 2]) {
          const own = routes.filter(route => route.node === `worker-${worker}`)
          t.is(own.length, 6)
          for (const other of [0, 1, 2]) {
            const route = own.find(({ prefix }) => prefix === `10.200.${other}.0/24`)
            // the reflector keeps next hops: from worker to worker, not by way of the router
            const expected = other === worker ? 'blackhole' : `via 10.240.0.2${other} dev eth1`
            t.deepEqual(route?.nextHops, [expected])
          }
        }
        t.is(roles.speakers.find(node => node.name === 'tor')?.program, router)
      }),
    )
  }
}

const trouble = leftOut === undefined ? test.serial : test.serial.skip

/** Kills a process of the agent of worker-0 and waits until another is in its place. */
async function kill({ lab }: Cluster, name: string): Promise<void> {
  const worker = lab.node('worker-0')
  const find = async (): Promise<string> => {
    const { stdout } = await worker.exec(['pgrep', '-f', `^[^ ]*node .* ${name}$`])
    return stdout.trim()
  }
  const pid = await until(`the ${name} runs`, find, { within: 30_000 })
  await worker.exec(['kill', '-9', pid])
  const another = async (): Promise<boolean> => ![pid, ''].includes(await find())
  await until(`another ${name} runs`, another, { within: 30_000 })
  await untilEstablished(lab)
}

trouble('A dataplane that is killed costs no packet', t =>
  withCluster(t, { lab: 'hard-way' }, async cluster => {
    const { received, lost } = await pingThrough(cluster, 'pod-0a', () =>
      kill(cluster, 'dataplane'),
    )
    t.true(received > 100)
    t.is(lost, 0)
  }),
)

trouble('A speaker that is killed takes no route out of the kernel of its node', t =>
  withCluster(t, { lab: 'hard-way' }, async cluster => {
    const [program = '', ...rest] = cluster.lab
      .node('worker-0')
      .enter(['ip', '-oneline', 'monitor', 'route'])
    const monitor = spawn(program, rest, { stdio: ['ignore', 'pipe', 'ignore'] })
    let seen = ''
    monitor.stdout.setEncoding('utf8').on('data', (text: string) => {
      seen += text
    })
    const { received, lost } = await pingThrough(cluster, 'pod-0a', () => kill(cluster, 'speaker'))
    await cluster.lab.node('worker-0').exec(['ip', 'route', 'add', '203.0.113.0/24', 'dev', 'lo'])
    await until('the monitor is awake', () => seen.includes('203.0.113.0/24'), { within: 30_000 })
    monitor.kill()
    t.notRegex(seen, /^Deleted 10\.200\.[12]\.0\/24/m)
    t.true(received > 100)
    // and the others keep their way to its pods: see graceful-restart.test.ts
    t.is(lost, 0)
  }),
)

trouble('A router that is killed comes back, and the pods reach each other again', t =>
  withCluster(t, { lab: 'hard-way', router: 'bird' }, async cluster => {
    const { received, lost } = await pingThrough(cluster, 'pod-1a', async () => {
      await cluster.lab.node('tor').exec(['sh', '-c', 'kill -9 "$(cat /.lab/main.pid)"'])
      await until('it is back', () => cluster.lab.node('tor').record().restarts === 1, {
        within: 10_000,
      })
      await untilEstablished(cluster.lab)
    })
    t.true(received > 100)
    t.log(`${lost} probes lost while the router was away`)
  }),
)

trouble('A Node that is deleted loses its sessions and routes within three seconds', t =>
  withCluster(t, { lab: 'hard-way' }, async ({ lab }) => {
    const begun = performance.now()
    const deleted = await lab.node('operator').exec(['martlet', 'delete', 'node', 'worker-2'])
    t.is(deleted.code, 0, deleted.stderr)
    const gone = performance.now()
    await until(
      'worker-2’s pods are no longer in the kernel of worker-0',
      async () => {
        const { stdout } = await lab.node('worker-0').exec(['ip', 'route', 'show', '10.200.2.0/24'])
        return stdout.trim() === ''
      },
      { within: 15_000, every: 50 },
    )
    const took = performance.now() - gone
    t.log(`gone ${Math.round(took)} ms after the deletion (${Math.round(gone - begun)} ms)`)
    t.true(took < 3000)
  }),
)
