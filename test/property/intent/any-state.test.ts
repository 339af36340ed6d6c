/**
 * From any state of the store to any other: what is wanted of a node depends on what the store holds now,
 * not on what it held before, nor on the order of its entries. The objects are those of test/unit/cli/plans.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { kindNamed, resourceKey } from '../../../src/core/calico/index.ts'
import { desired, type Entry, planOf, storedSecrets } from '../../../src/core/intent/index.ts'
import { parseResources, SnapshotReader } from '../../../src/shell/config/index.ts'
import { facts } from '../../support/cluster.ts'

const PLANS = join(import.meta.dirname, '../../unit/cli/plans')
const CLUSTERS = ['mesh', 'reflectors']
const NODE = 'worker-0'

/** All objects of both clusters: of some keys there are two values. */
const ENTRIES: readonly Entry[] = CLUSTERS.flatMap(cluster => {
  const text = readFileSync(join(PLANS, cluster, 'resources.yaml'), 'utf8')
  const resources = parseResources(text, cluster).resources.flatMap(({ resource }) => {
    const kind = kindNamed(resource.kind)
    const { name } = resource.metadata
    return kind === undefined ? [] : [[resourceKey({ kind, name }), resource] as const]
  })
  const keys: unknown = JSON.parse(readFileSync(join(PLANS, cluster, 'keys.json'), 'utf8'))
  return [...resources, ...Object.entries(Object(keys))].map(([key, value], at) => ({
    key,
    value: typeof value === 'string' ? value : JSON.stringify(value),
    revision: at + 1,
  }))
})

/** Some of them, in any order, no key twice. */
const state: fc.Arbitrary<readonly Entry[]> = fc
  .shuffledSubarray([...ENTRIES])
  .map(entries => [...new Map(entries.map(entry => [entry.key, entry])).values()])

/** What a node would do, whose reader has read `states` in turn. */
function wantedAfter(states: readonly (readonly Entry[])[]) {
  const reader = new SnapshotReader([], NODE)
  const snapshots = states.map(entries => reader.read(entries))
  const snapshot = snapshots.at(-1)
  if (snapshot === undefined) throw new Error('no state')
  const wanted = desired(snapshot, facts(NODE), storedSecrets(states.at(-1) ?? []))
  return { wanted, plan: planOf(wanted, { node: NODE }, snapshot) }
}

test('there are objects of every kind that plans are made of', t => {
  t.is(ENTRIES.length, 32)
  for (const plural of ['nodes', 'bgppeers', 'bgpfilters', 'ippools', 'workloadendpoints'])
    t.true(
      ENTRIES.some(({ key }) => key.includes(`/${plural}/`)),
      plural,
    )
})

test('what is wanted depends on what the store holds now alone, whatever it held before', t => {
  let sessions = 0
  let routes = 0
  fc.assert(
    fc.property(fc.array(state, { minLength: 1, maxLength: 4 }), fc.nat(), (before, seed) => {
      const last = before.at(-1) ?? []
      const turned = last.map((_, at) => last[(at + seed) % last.length]!)
      const after = wantedAfter([...before.slice(0, -1), last])
      t.deepEqual(after, wantedAfter([turned]))
      sessions += after.plan.sessions.length
      routes += after.plan.routes.length
    }),
    { numRuns: 150 },
  )
  t.true(sessions > 100, `${sessions} sessions`)
  t.true(routes > 50, `${routes} routes`)
})
