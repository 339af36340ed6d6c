/** Answers to CalicoNodeStatus: when, over what, and what is left as it was. */
import test from 'ava'
import { NodeStatuses } from '../../../src/app/controller/node-statuses.ts'
import { millis } from '../../../src/core/base/index.ts'
import type { Entry, Precondition } from '../../../src/core/intent/index.ts'
import { decodeResource } from '../../../src/shell/config/index.ts'
import { SILENT } from '../../../src/shell/log/index.ts'
import { birdFacts, birdSurroundings } from '../../support/bird-facts.ts'
import { until } from '../../support/until.ts'
import { MemoryStore } from '../cli/world.ts'

const KEY = '/calico/resources/v3/projectcalico.org/caliconodestatuses/mine'

/** One question in a store that notes how it is written. */
class Scene {
  readonly store = new MemoryStore()
  readonly preconditions: (Precondition | undefined)[] = []
  readonly statuses = new NodeStatuses(this.store, SILENT)

  constructor(spec: object) {
    const metadata = { name: 'mine', uid: 'b0', creationTimestamp: '2026-11-20T09:00:00Z' }
    const kind = { kind: 'CalicoNodeStatus', apiVersion: 'projectcalico.org/v3' }
    this.store.seed(KEY, { ...kind, metadata, spec: { node: 'a', classes: ['BGP'], ...spec } })
    const put = this.store.put.bind(this.store)
    this.store.put = (key, value, precondition) => {
      this.preconditions.push(precondition)
      return put(key, value, precondition)
    }
  }

  get value(): { status?: { lastUpdated?: string }; metadata: object } {
    return JSON.parse(this.store.entries.get(KEY)?.value ?? '')
  }

  round(now: number, entries: ReadonlyMap<string, Entry> = this.store.entries): void {
    const { resource } = decodeResource(this.value)
    if (resource?.kind !== 'CalicoNodeStatus') throw new Error('it is one')
    const surroundings = { ...birdSurroundings, now: millis(now) }
    this.statuses.answer([resource], new Map(entries), birdFacts, surroundings)
  }

  async updated(at: string): Promise<void> {
    await until(() => this.value.status?.lastUpdated === at, `it is answered at ${at}`)
  }
}

test('it is answered at once and every period, over the revision that was read', async t => {
  const scene = new Scene({ updatePeriodSeconds: 10 })
  const { status: _, ...rest } = scene.value
  scene.round(1_000_000)
  await scene.updated('2026-11-20T10:00:00Z')
  scene.round(1_009_999)
  t.is(scene.preconditions.length, 1)
  scene.round(1_010_000)
  await scene.updated('2026-11-20T10:00:10Z')
  t.deepEqual(scene.preconditions, [{ revision: 1 }, { revision: 2 }])
  const { status, ...others } = scene.value
  t.deepEqual(others, rest)
  t.deepEqual(Object.keys(status ?? {}), ['lastUpdated', 'bgp'])
})

test('a period of 0, or none, is not answered', t => {
  for (const spec of [{ updatePeriodSeconds: 0 }, {}]) {
    const scene = new Scene(spec)
    scene.round(1_000_000)
    t.is(scene.preconditions.length, 0)
  }
})

test('where somebody else was faster, what he wrote stays, and is answered next', async t => {
  const scene = new Scene({ updatePeriodSeconds: 10 })
  const seen = new Map(scene.store.entries)
  scene.store.seed(KEY, { ...scene.value, metadata: { name: 'mine', labels: { by: 'them' } } })
  scene.round(1_000_000, seen)
  await until(() => scene.preconditions.length === 1, 'it is tried')
  t.is(scene.value.status, undefined)
  await until(() => {
    scene.round(1_000_500)
    return scene.value.status !== undefined
  }, 'the next round answers')
  t.deepEqual(scene.value.metadata, { name: 'mine', labels: { by: 'them' } })
})

test('a store that fails is not asked again before the next period', async t => {
  const scene = new Scene({ updatePeriodSeconds: 10 })
  let asked = 0
  scene.store.put = () => {
    asked += 1
    return Promise.reject(new Error('too large'))
  }
  scene.round(1_000_000)
  await Promise.resolve()
  await Promise.resolve()
  scene.round(1_005_000)
  t.is(asked, 1)
  scene.round(1_010_000)
  t.is(asked, 2)
})
