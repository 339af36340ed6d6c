/**
 * What Kubernetes' API alone can do wrong: it forgets, ends watches, breaks off inside a line, and
 * does not know who asks.
 */
import test, { type ExecutionContext } from 'ava'
import type { ServiceEvent, ServiceObjects } from '../../../src/core/intent/index.ts'
import { type ApiTimes, KubernetesServices } from '../../../src/shell/kubernetes/index.ts'
import { KubernetesApi } from '../../support/kubernetes-api.ts'
import { service, slice } from '../../support/services.ts'
import { until as untilFound } from '../../support/until.ts'

/** A machine with much else to do is slow. */
const until = <Found>(look: () => Found, what: string) =>
  untilFound(look, what, { withinMs: 40_000 })

const QUICK: Partial<ApiTimes> = { answerMs: 15_000, pauseMs: 5, pauseMaxMs: 50 }
const named = (name: string) => service(name)

interface Stage {
  readonly api: KubernetesApi
  readonly events: ServiceEvent[]
  last(): ServiceObjects | undefined
  knows(...names: readonly string[]): Promise<unknown>
  lost(): readonly string[]
  asked(what: string): number
}

/** Follows an API with services of these names. */
async function stage(
  t: ExecutionContext,
  { names = ['web'], times = QUICK }: { names?: string[]; times?: Partial<ApiTimes> } = {},
): Promise<Stage> {
  const api = await KubernetesApi.start()
  for (const name of names) api.put(named(name))
  const events: ServiceEvent[] = []
  const source = new KubernetesServices({ kubeconfig: api.kubeconfig() }, times)
  const watch = source.watch(event => events.push(event))
  t.teardown(async () => {
    watch.close()
    await api.close()
  })
  const last = (): ServiceObjects | undefined => {
    const found = events.findLast(event => event.type === 'objects')
    return found?.type === 'objects' ? found.objects : undefined
  }
  return {
    api,
    events,
    last,
    knows: (...all) =>
      until(
        () =>
          last()
            ?.services.map(({ metadata }) => metadata.name)
            .toSorted()
            .join() === all.join(),
        `${all.join()} are known`,
      ),
    lost: () => events.flatMap(event => (event.type === 'lost' ? [event.why] : [])),
    asked: what => api.asked.filter(one => one.startsWith(what)).length,
  }
}

const watched = ({ api }: Stage): Promise<unknown> =>
  until(() => api.watching === 2, 'both kinds are watched')

test('a list of several pages is one answer', async t => {
  const names = ['a', 'b', 'c', 'd', 'e']
  const one = await stage(t, { names })
  await one.knows(...names)
  t.is(one.asked('list Service'), 3)
  t.is(one.last()?.services.length, 5)
})

test('a list that is too old for its next page is begun again', async t => {
  const one = await stage(t, { names: [] })
  await watched(one)
  const { api } = one
  for (const name of ['a', 'b', 'c', 'd', 'e']) api.put(named(name))
  await one.knows('a', 'b', 'c', 'd', 'e')
  let pages = 0
  api.onAsked = what => {
    if (what !== 'list Service') return
    pages += 1
    if (pages === 2) api.compact()
  }
  api.compact()
  api.endWatches()
  await until(() => pages > 3, 'the list is begun again')
  await watched(one)
  await one.knows('a', 'b', 'c', 'd', 'e')
  t.deepEqual(one.lost(), [])
})

test('a watch that the API ends goes on where it was, without a list', async t => {
  const one = await stage(t)
  await watched(one)
  one.api.endWatches()
  one.api.put(named('api'))
  await one.knows('api', 'web')
  t.is(one.asked('list Service'), 1)
  t.deepEqual(one.lost(), [])
})

test('a watch that breaks inside a line goes on before it', async t => {
  const one = await stage(t)
  await watched(one)
  one.api.say('{"type":"ADDED","object":{"metadata":{"name":"half')
  one.api.cut()
  one.api.put(named('api'))
  await one.knows('api', 'web')
  t.is(one.asked('list Service'), 1)
})

test('what the API has forgotten is listed again: what went meanwhile is gone', async t => {
  const one = await stage(t, { names: ['api', 'web'] })
  await watched(one)
  await one.api.lose()
  await until(() => one.lost().length === 1, 'it is told')
  one.api.remove(named('api'))
  one.api.compact()
  await one.api.restore()
  await one.knows('web')
  t.is(one.asked('list Service'), 2)
})

test('a watch that is told by the way that it is too old is listed again', async t => {
  const one = await stage(t)
  await watched(one)
  const status = { kind: 'Status', code: 410, message: 'too old resource version' }
  one.api.say(`${JSON.stringify({ type: 'ERROR', object: status })}\n`)
  await until(() => one.asked('list Service') === 2, 'it is listed again')
  await watched(one)
  t.deepEqual(one.lost(), [])
})

test('with a bookmark, a quiet watch goes on past what the API has forgotten', async t => {
  const one = await stage(t)
  await watched(one)
  one.api.compact()
  one.api.bookmark()
  one.api.put(slice('web', ['a']))
  await until(() => one.last()?.slices.length === 1, 'both watches have heard')
  one.api.endWatches()
  one.api.put(named('api'))
  await one.knows('api', 'web')
  t.is(one.asked('list Service'), 1)
})

test('a refusal is told as the API says it, once, and asked again', async t => {
  const one = await stage(t)
  await watched(one)
  one.api.refusal = { status: 403, message: 'services is forbidden: User "agent" cannot list' }
  one.api.cut()
  await until(() => one.asked('watch Service') > 4, 'it asks again')
  t.deepEqual(one.lost(), ['403 services is forbidden: User "agent" cannot list'])
  one.api.refusal = undefined
  one.api.put(named('api'))
  await one.knows('api', 'web')
})

test('credentials that are replaced are read again', async t => {
  const one = await stage(t)
  await watched(one)
  one.api.token = 'another'
  one.api.cut()
  await until(() => one.lost().length > 0, 'it is refused')
  t.regex(one.lost()[0] ?? '', /^401 /)
  one.api.kubeconfig()
  one.api.put(named('api'))
  await one.knows('api', 'web')
})

test('what is no JSON is an outage of that watch, which is begun again', async t => {
  const one = await stage(t)
  await watched(one)
  one.api.say('<html>\n')
  await until(() => one.asked('watch Service') > 1, 'it is begun again')
  one.api.put(named('api'))
  await one.knows('api', 'web')
  t.is(one.asked('list Service'), 1)
})

test('an API that does not answer in time is not waited for', async t => {
  const one = await stage(t, { times: { ...QUICK, answerMs: 1_000 } })
  await watched(one)
  one.api.silent = true
  one.api.cut()
  await until(() => one.lost().length === 1, 'it is told')
  one.api.silent = false
  one.api.put(named('api'))
  await one.knows('api', 'web')
  t.regex(one.lost()[0] ?? '', /does not answer: not in time/)
})

test('many changes at once are few events', async t => {
  const one = await stage(t)
  await watched(one)
  const names = Array.from({ length: 200 }, (_, at) => `s-${1000 + at}`)
  for (const name of names) one.api.put(named(name))
  await one.knows(...names, 'web')
  t.true(one.events.length < 50, `${one.events.length} events`)
})

test('where there is no kubeconfig, it says what to do', async t => {
  const events: ServiceEvent[] = []
  const source = new KubernetesServices({ kubeconfig: '/nowhere/kubeconfig' }, QUICK)
  const watch = source.watch(event => events.push(event))
  t.teardown(() => watch.close())
  const [first] = await until(() => events.length > 0 && events, 'it is told')
  t.is(first?.type, 'lost')
  t.regex(first?.type === 'lost' ? first.why : '', /\/nowhere\/kubeconfig cannot be read: ENOENT/)
})

test('outside of a pod and without a kubeconfig, it says so', async t => {
  const events: ServiceEvent[] = []
  const watch = new KubernetesServices({}, QUICK).watch(event => events.push(event))
  t.teardown(() => watch.close())
  await until(() => events.length > 0, 'it is told')
  t.deepEqual(events, [
    {
      type: 'lost',
      why: 'this is no pod of a cluster; write "kubernetes: {kubeconfig: PATH}"',
    },
  ])
})
