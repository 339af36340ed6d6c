import test from 'ava'
import { LABS, labsLeftOut, packagesMissing, until } from './support/lab.ts'
import {
  type Cluster,
  type ClusterOptions,
  pingThrough,
  untilEstablished,
  withCluster,
} from './support/reach.ts'

/**
 * RFC 4724 with real routers at the other end: a BGP process is killed while pods ping through its
 * node every 10 ms, there and back, and not one ping is lost.
 */

const leftOut = labsLeftOut()
if (leftOut !== undefined) test.skip(`Left out: ${leftOut}`, t => t.pass())

/** What is killed, and how one knows that another is in its place. */
type Kill = (cluster: Cluster) => Promise<void>

/** Kills the speaker of a node that runs Martlet. */
const speakerOf =
  (name: string): Kill =>
  async ({ lab }) => {
    const node = lab.node(name)
    const find = async (): Promise<string> => {
      const { stdout } = await node.exec(['pgrep', '-f', '^[^ ]*node .* speaker$'])
      return stdout.trim()
    }
    const pid = await until('the speaker runs', find, { within: 30_000 })
    await node.exec(['kill', '-9', pid])
    const another = async (): Promise<boolean> => ![pid, ''].includes(await find())
    await until('another speaker runs', another, { within: 30_000 })
  }

/** Kills the program of a node; the lab starts it again. */
const programOf =
  (name: string): Kill =>
  async ({ lab }) => {
    const node = lab.node(name)
    await node.exec(['sh', '-c', 'kill -9 "$(cat /.lab/main.pid)"'])
    await until('it is back', () => node.record().restarts === 1, { within: 10_000 })
  }

/** What our speakers say of themselves: every session has heard all, and nothing is stale. */
async function untilComplete({ lab, roles }: Cluster): Promise<void> {
  const agents = roles.speakers.filter(({ program }) => program === 'martlet')
  await until(
    'every session is complete',
    async () => {
      for (const { name } of agents) {
        const { stdout } = await lab.node(name).exec(['martlet', 'peers', '-o', 'json'])
        for (const { prefixes, staleUntil } of JSON.parse(stdout))
          for (const { stale, endOfRib } of prefixes)
            if (!endOfRib || stale > 0 || staleUntil !== undefined) return false
      }
      return agents.length > 0
    },
    { within: 60_000, every: 500 },
  )
}

const costsNothing = test.macro(async (t, options: ClusterOptions, from: string, kill: Kill) => {
  await withCluster(t, options, async cluster => {
    await untilEstablished(cluster.lab)
    await untilComplete(cluster)
    const { received, lost } = await pingThrough(cluster, from, async () => {
      await kill(cluster)
      await untilEstablished(cluster.lab)
      await untilComplete(cluster)
    })
    t.true(received > 100)
    t.is(lost, 0)
  })
})

function lab(title: string, options: ClusterOptions, from: string, kill: Kill): void {
  const variables = { ROUTER: options.router ?? 'martlet', STORE: 'directory' }
  const missing = leftOut ?? packagesMissing(`${LABS}${options.lab}.clab.yml`, variables).join(' ')
  if (missing === '') test.serial(title, costsNothing, options, from, kill)
  else test.skip(`${title} (left out: ${missing})`, t => t.fail())
}

for (const router of ['martlet', 'bird', 'frr', 'gobgp'])
  lab(
    `A speaker that is killed costs no packet where ${router} reflects`,
    { lab: 'hard-way', router },
    'pod-0a',
    speakerOf('worker-0'),
  )
lab(
  'A speaker that is killed costs no packet in a mesh',
  { lab: 'mesh' },
  'pod-0a',
  speakerOf('worker-0'),
)
lab(
  'A reflector whose speaker is killed costs no packet',
  { lab: 'hard-way' },
  'pod-1a',
  speakerOf('tor'),
)
lab(
  'A reflector that runs BIRD and is killed costs no packet',
  { lab: 'hard-way', router: 'bird' },
  'pod-1a',
  programOf('tor'),
)
for (const router of ['martlet', 'gobgp'])
  lab(
    `A speaker in another AS that is killed costs no packet at routers that run ${router}`,
    { lab: 'two-racks', router },
    'pod-0',
    speakerOf('worker-0'),
  )
lab(
  'A router between two ASes whose speaker is killed costs no packet',
  { lab: 'two-racks' },
  'pod-0',
  speakerOf('tor-1a'),
)
