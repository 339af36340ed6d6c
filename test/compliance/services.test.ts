/**
 * The port `ServiceSource` of core/intent: one suite for Kubernetes' API and for files in a
 * directory. What the API alone can do wrong is in test/unit/kubernetes.
 */
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { stringify } from 'yaml'
import type { ServiceEvent, ServiceObjects, ServiceSource } from '../../src/core/intent/index.ts'
import { KubernetesServices, StoredServices } from '../../src/shell/kubernetes/index.ts'
import { openStore } from '../../src/shell/store/index.ts'
import { KubernetesApi, type Written } from '../support/kubernetes-api.ts'
import { service, slice } from '../support/services.ts'
import { until as untilFound } from '../support/until.ts'

/** A machine with much else to do is slow. */
const until = <Found>(look: () => Found, what: string) =>
  untilFound(look, what, { withinMs: 40_000 })

/** Where objects are, and how they are taken away from whoever follows them. */
interface Medium {
  readonly source: ServiceSource
  put(object: Written): void
  remove(object: Written): void
  lose(): Promise<void> | void
  restore(): Promise<void> | void
}

async function kubernetes(t: ExecutionContext): Promise<Medium> {
  const api = await KubernetesApi.start()
  t.teardown(() => api.close())
  const times = { answerMs: 15_000, pauseMs: 10, pauseMaxMs: 100 }
  return {
    source: new KubernetesServices({ kubeconfig: api.kubeconfig() }, times),
    put: object => api.put(object),
    remove: object => api.remove(object),
    lose: () => api.lose(),
    restore: () => api.restore(),
  }
}

/** One file an object, but for the first service: it is in a list, as kubectl prints one. */
function files(t: ExecutionContext): Medium {
  const root = mkdtempSync(join(tmpdir(), 'martlet-services-'))
  const here = join(root, 'here')
  mkdirSync(here)
  const store = openStore({ kind: 'directory', path: here }, { deadlineMs: 15_000 })
  t.teardown(async () => {
    await store.close()
    rmSync(root, { recursive: true })
  })
  let outside = here
  const pathOf = ({ kind, metadata }: Written): string =>
    join(outside, `${kind}-${metadata.namespace}-${metadata.name}.yaml`)
  return {
    source: new StoredServices(store),
    put: object => {
      const whole = { kind: 'List', apiVersion: 'v1', items: [object], metadata: {} }
      writeFileSync(pathOf(object), stringify(object.kind === 'Service' ? whole : object))
    },
    remove: object => rmSync(pathOf(object)),
    lose: () => {
      outside = join(root, 'away')
      renameSync(here, outside)
    },
    restore: () => {
      renameSync(outside, here)
      outside = here
    },
  }
}

const MEDIA = { kubernetes, files }

/** What was said. */
class Heard {
  readonly events: ServiceEvent[] = []
  closed = false

  get last(): ServiceObjects | undefined {
    const found = this.events.findLast(event => event.type === 'objects')
    return found?.type === 'objects' ? found.objects : undefined
  }

  get names(): readonly string[] {
    const { services = [], slices = [] } = this.last ?? {}
    return [...services, ...slices].map(({ metadata }) => metadata.name).toSorted()
  }

  count(type: ServiceEvent['type']): number {
    return this.events.filter(event => event.type === type).length
  }
}

let cases = 0

function onEach(
  title: string,
  body: (
    t: ExecutionContext,
    medium: Medium,
    follow: () => Heard & { close(): void },
  ) => Promise<void>,
): void {
  for (const [name, make] of Object.entries(MEDIA)) {
    cases += 1
    test(`${name}: ${title}`, async t => {
      t.timeout(60_000)
      const medium = await make(t)
      await body(t, medium, () => {
        const heard = new Heard()
        const watch = medium.source.watch(event => heard.events.push(event))
        t.teardown(() => watch.close())
        return Object.assign(heard, { close: () => watch.close() })
      })
    })
  }
}

const web = service('web', { externalTrafficPolicy: 'Local', ingress: ['203.0.113.5'] })
const api = service('api', { clusterIP: '10.96.0.11' }, 'kube-system')
const webAtA = slice('web', ['a', '!b'])

const becomes = (heard: Heard, names: readonly string[]): Promise<unknown> =>
  until(() => isDeepStrictEqual(heard.names, names), `${names} are known`)

onEach('what is there comes whole, with the fields that routes need', async (t, medium, follow) => {
  for (const object of [web, api, webAtA]) medium.put(object)
  const heard = follow()
  await until(() => heard.last, 'they come')
  t.deepEqual(heard.names, ['api', 'web', 'web-ipv4'])
  const found = heard.last?.services.find(({ metadata }) => metadata.name === 'web')
  t.is(found?.spec.externalTrafficPolicy, 'Local')
  t.deepEqual(found?.spec.clusterIPs, ['10.96.0.10'])
  t.deepEqual(found?.spec.ipFamilies, ['IPv4'])
  t.deepEqual(found?.status?.loadBalancer?.ingress, [{ ip: '203.0.113.5' }])
  t.deepEqual(heard.last?.slices[0]?.endpoints, webAtA.endpoints)
  t.deepEqual(heard.last?.slices[0]?.metadata.labels, { 'kubernetes.io/service-name': 'web' })
  t.deepEqual(heard.last?.problems, [])
})

onEach('where there is nothing, that is said', async (t, _, follow) => {
  const heard = follow()
  await until(() => heard.last, 'it is said')
  t.deepEqual(heard.last, { services: [], slices: [], problems: [] })
})

onEach('what comes, changes and goes is followed', async (t, medium, follow) => {
  medium.put(web)
  const heard = follow()
  await becomes(heard, ['web'])
  medium.put(webAtA)
  await becomes(heard, ['web', 'web-ipv4'])
  medium.put(slice('web', ['b']))
  await until(() => heard.last?.slices[0]?.endpoints[0]?.nodeName === 'b', 'the endpoint moved')
  medium.put(api)
  await becomes(heard, ['api', 'web', 'web-ipv4'])
  medium.remove(web)
  await becomes(heard, ['api', 'web-ipv4'])
  t.is(heard.count('lost'), 0)
})

onEach('an object that cannot be read harms itself alone', async (t, medium, follow) => {
  medium.put(web)
  const bad = { ...api, spec: { ...api.spec, externalIPs: 'all of them' } }
  medium.put(bad)
  const heard = follow()
  await until(() => heard.last?.problems.length === 1, 'it is told')
  t.deepEqual(heard.names, ['web'])
  t.is(heard.last?.problems[0]?.field, 'spec.externalIPs')
  medium.put(api)
  await becomes(heard, ['api', 'web'])
  t.deepEqual(heard.last?.problems, [])
})

onEach('names with other letters than ASCII’s come whole', async (t, medium, follow) => {
  const heard = follow()
  await until(() => heard.last, 'it answers')
  medium.put({
    ...webAtA,
    metadata: { ...webAtA.metadata, labels: { team: 'Schönfließ' } },
  } as Written)
  await becomes(heard, ['web-ipv4'])
  t.deepEqual(heard.last?.slices[0]?.metadata.labels, { team: 'Schönfließ' })
})

onEach('an outage is told once; then everything comes whole', async (t, medium, follow) => {
  medium.put(web)
  medium.put(api)
  const heard = follow()
  await becomes(heard, ['api', 'web'])
  await medium.lose()
  await until(() => heard.count('lost') > 0, 'the outage is told')
  t.deepEqual(heard.names, ['api', 'web'], 'what was known is not taken back')
  const before = heard.events.length
  medium.remove(api)
  medium.put(webAtA)
  await medium.restore()
  await becomes(heard, ['web', 'web-ipv4'])
  t.is(heard.count('lost'), 1)
  t.true(heard.events.length > before)
})

onEach(
  'where nobody answers from the start, that is told, and retried',
  async (t, medium, follow) => {
    medium.put(web)
    await medium.lose()
    const heard = follow()
    await until(() => heard.count('lost') === 1, 'it is told')
    t.is(heard.last, undefined)
    await medium.restore()
    await becomes(heard, ['web'])
  },
)

onEach('after close, nothing is said', async (t, medium, follow) => {
  medium.put(web)
  const heard = follow()
  await becomes(heard, ['web'])
  heard.close()
  const other = follow()
  const before = heard.events.length
  medium.put(api)
  await becomes(other, ['api', 'web'])
  t.is(heard.events.length, before)
})

test('the suite ran on both', t => {
  t.is(cases, 16)
})
