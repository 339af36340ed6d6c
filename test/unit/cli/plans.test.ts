/**
 * Whole plans beside the resources that they are of, to be read by eye: a folder of `plans` is a cluster
 * (resources.yaml; what else is in its store is in keys.json), and has what `martlet plan` prints for
 * its nodes, for people (.txt) and for programs (.json). With MARTLET_GOLDEN=write in the environment
 * those are written instead of compared; the difference is to be read as code is.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { kindNamed, resourceKey } from '../../../src/core/calico/index.ts'
import { parseResources } from '../../../src/shell/config/index.ts'
import { MemoryStore, run } from './world.ts'

const PLANS = join(import.meta.dirname, 'plans')
const WRITES = process.env.MARTLET_GOLDEN === 'write'

/** Each cluster, and the nodes of which there are plans. */
const CLUSTERS = {
  mesh: ['worker-0', 'worker-2'],
  mistakes: ['worker-0'],
  reflectors: ['reflector-0', 'reflector-1', 'worker-1'],
} as const

function storeOf(cluster: string): MemoryStore {
  const store = new MemoryStore()
  const file = join(PLANS, cluster, 'resources.yaml')
  const { resources, problems } = parseResources(readFileSync(file, 'utf8'), file)
  if (problems.length > 0) throw new Error(JSON.stringify(problems))
  for (const { resource } of resources) {
    const kind = kindNamed(resource.kind)
    if (kind !== undefined)
      store.seed(resourceKey({ kind, name: resource.metadata.name }), resource)
  }
  const keys: unknown = JSON.parse(readFileSync(join(PLANS, cluster, 'keys.json'), 'utf8'))
  for (const [key, value] of Object.entries(Object(keys))) store.seed(key, value)
  return store
}

const printedFor = async (cluster: string, node: string, format: string): Promise<string> => {
  const words = ['plan', '--node', node, ...(format === 'json' ? ['-o', 'json'] : [])]
  const storeIn = '{directory: /store}, secrets: {store: true}'
  const { printed, code, remarks } = await run(words, { store: storeOf(cluster), storeIn })
  if (code !== 0) throw new Error(remarks)
  return `${printed}\n`
}

for (const [cluster, nodes] of Object.entries(CLUSTERS))
  for (const node of nodes)
    for (const format of ['txt', 'json'])
      test(`plans/${cluster}: ${node}.${format} is what its resources mean`, async t => {
        const file = join(PLANS, cluster, `${node}.${format}`)
        const printed = await printedFor(cluster, node, format)
        t.false(printed.includes('not to be seen'), 'a password')
        if (WRITES) writeFileSync(file, printed)
        t.is(printed, readFileSync(file, 'utf8'))
      })

test('docs/plan.md names each key of a plan and of its sessions, and no others', t => {
  const text = readFileSync(join(import.meta.dirname, '../../../docs/plan.md'), 'utf8')
  const [ofPlan = '', ofSession = ''] = text
    .slice(text.indexOf('## Keys'))
    .split('Of each session:')
  const named = (part: string): string[] =>
    part.split('\n').flatMap(line => {
      const first = line.startsWith('|') ? (line.split('|')[1] ?? '') : ''
      return [...first.matchAll(/`(\w+)`/g)].flatMap(([, name]) => name ?? [])
    })
  const plan: unknown = JSON.parse(
    readFileSync(join(PLANS, 'reflectors', 'reflector-1.json'), 'utf8'),
  )
  t.deepEqual(named(ofPlan).toSorted(), Object.keys(Object(plan)).toSorted())
  const [session] = Object(plan).sessions
  t.deepEqual(named(ofSession).toSorted(), Object.keys(session).toSorted())
})

test('every plan that is there is compared', t => {
  for (const [cluster, nodes] of Object.entries(CLUSTERS)) {
    const expected = nodes.flatMap(node => [`${node}.json`, `${node}.txt`])
    const found = readdirSync(join(PLANS, cluster))
    t.deepEqual(found.toSorted(), ['keys.json', ...expected, 'resources.yaml'].toSorted())
  }
  t.deepEqual(readdirSync(PLANS).toSorted(), Object.keys(CLUSTERS).toSorted())
})
