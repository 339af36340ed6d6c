/** What a controller goes by of services: what their source said last, before the last start too. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Services, serviceSourceOf } from '../../../src/app/controller/services.ts'
import type { ServiceEvent, ServiceObjects } from '../../../src/core/intent/index.ts'
import { parseConfig } from '../../../src/shell/config/index.ts'
import { KubernetesServices, StoredServices } from '../../../src/shell/kubernetes/index.ts'
import { SILENT } from '../../../src/shell/log/index.ts'
import { SimulatedEtcd, SimulatedStore } from '../../../src/sim/index.ts'
import { objects, service, slice } from '../../support/services.ts'
import { until } from '../../support/until.ts'

const KNOWN = objects([service('web', { ingress: ['203.0.113.5'] })], [slice('web', ['a', '!b'])])

/** One machine, on which a controller is started again and again. */
class Machine {
  readonly #directory = mkdtempSync(join(tmpdir(), 'martlet-kept-'))
  readonly #started: Services[] = []
  changes = 0
  say: (event: ServiceEvent) => void = () => {}

  constructor(t: ExecutionContext) {
    t.teardown(() => {
      for (const services of this.#started) services.close()
      rmSync(this.#directory, { recursive: true })
    })
  }

  start(name: string | undefined = 'kubernetes pod'): Services {
    const services = new Services({
      source: {
        watch: listener => {
          this.say = listener
          return { close: () => undefined }
        },
      },
      name,
      configuration: { node: 'a', stateDirectory: join(this.#directory, 'state') },
      log: SILENT,
      epochOffset: 0,
      changed: () => {
        this.changes += 1
      },
    })
    this.#started.push(services)
    return services
  }
}

const withoutProblems = ({ services, slices }: ServiceObjects) => ({ services, slices })

test('nothing is decided before the source has said something', t => {
  const machine = new Machine(t)
  const services = machine.start()
  t.false(services.isReady)
  machine.say({ type: 'objects', objects: KNOWN })
  t.true(services.isReady)
  t.is(machine.changes, 1)
  t.deepEqual(services.objects, KNOWN)
})

test('a source that is silent is not waited for longer than sessions can wait', async t => {
  const machine = new Machine(t)
  const services = machine.start()
  await until(() => services.isReady, 'it is not waited for')
  t.is(machine.changes, 1)
  t.deepEqual(services.objects, objects([]))
})

test('where nobody answers and nothing was known, there is nothing, and it is said', t => {
  const machine = new Machine(t)
  const services = machine.start()
  machine.say({ type: 'lost', why: '10.96.0.1:443 does not answer' })
  t.true(services.isReady)
  t.deepEqual(withoutProblems(services.objects), { services: [], slices: [] })
  t.is(
    services.objects.problems[0]?.reason,
    'tells nothing of services (10.96.0.1:443 does not answer); none is known until it does',
  )
})

test('an outage keeps what was known, and is a problem until it is over', t => {
  const machine = new Machine(t)
  const services = machine.start()
  machine.say({ type: 'objects', objects: KNOWN })
  machine.say({ type: 'lost', why: 'gone' })
  t.deepEqual(withoutProblems(services.objects), withoutProblems(KNOWN))
  t.is(services.objects.problems.length, 1)
  machine.say({ type: 'objects', objects: objects([]) })
  t.deepEqual(services.objects, objects([]))
  t.is(machine.changes, 3)
})

test('a start during an outage goes by what was known before it', t => {
  const machine = new Machine(t)
  const before = machine.start()
  machine.say({ type: 'objects', objects: KNOWN })
  before.close()
  const after = machine.start()
  t.false(after.isReady)
  machine.say({ type: 'lost', why: 'gone' })
  t.deepEqual(withoutProblems(after.objects), withoutProblems(KNOWN))
  machine.say({ type: 'objects', objects: objects([]) })
  t.deepEqual(after.objects, objects([]), 'a memory is no source')
})

test('what another cluster had means nothing here', t => {
  const machine = new Machine(t)
  const before = machine.start('kubernetes pod')
  machine.say({ type: 'objects', objects: KNOWN })
  before.close()
  const after = machine.start('kubernetes /etc/other')
  machine.say({ type: 'lost', why: 'gone' })
  t.deepEqual(after.objects.services, [])
})

test('services come from Kubernetes where it is configured, else from files, else from nobody', t => {
  const store = new SimulatedStore(new SimulatedEtcd({ now: () => 0, after: () => () => {} }))
  const sourceOf = (text: string) => serviceSourceOf(parseConfig(text, '/etc/martlet.yaml'), store)
  const etcd = 'store: {etcd: {endpoints: ["http://10.0.0.1:2379"]}}'
  t.is(sourceOf(etcd).source, undefined)
  t.true(sourceOf('store: {directory: here}').source instanceof StoredServices)
  const { source, name } = sourceOf(`${etcd}\nkubernetes: {kubeconfig: admin.conf, context: one}`)
  t.true(source instanceof KubernetesServices)
  t.is(name, 'kubernetes /etc/admin.conf one')
  t.true(sourceOf('store: {directory: here}\nkubernetes: {}').source instanceof KubernetesServices)
})
