/** `dataplane flush`: what it asks for, what it says, and when it refuses. */
import test from 'ava'
import type { FlushAnswer, FlushRequest } from '../../../src/app/dataplane/flush.ts'
import { run } from './world.ts'

const GONE: FlushAnswer = {
  ...{ kind: 'done', table: 254, protocol: 77 },
  ...{ routes: 3, objects: 1, tunnels: 0, left: 0 },
}

function flushing(answer: FlushAnswer) {
  const asked: FlushRequest[] = []
  const flush = (request: FlushRequest): FlushAnswer => {
    asked.push(request)
    return answer
  }
  return { asked, flush }
}

test('a flush says what has gone, a dry run what would go', async t => {
  const { asked, flush } = flushing(GONE)
  const all = await run(['dataplane', 'flush'], { flush })
  const what = '3 routes, 1 nexthop object, 0 tunnels of protocol 77 in table 254'
  t.deepEqual([all.code, all.printed], [0, `${what} have gone`])
  const dry = await run(['dataplane', 'flush', '--dry-run', '-c', 'm.yaml'], { flush })
  t.deepEqual([dry.code, dry.printed], [0, `${what} would go`])
  t.deepEqual(asked, [
    { configPath: undefined, dry: false, force: false },
    { configPath: 'm.yaml', dry: true, force: false },
  ])
})

test('while a dataplane runs it refuses, and says what to do', async t => {
  const { asked, flush } = flushing({ kind: 'running', socket: '/run/martlet/d.sock' })
  const { code, remarks } = await run(['dataplane', '-c', 'm.yaml', 'flush', '--force'], { flush })
  t.is(code, 4)
  t.is(
    remarks,
    'martlet: a dataplane answers at /run/martlet/d.sock; stop the agent, or say --force',
  )
  t.deepEqual(asked, [{ configPath: 'm.yaml', dry: false, force: true }])
})

test('what does not go is a failure, with the kernel’s reason', async t => {
  const { flush } = flushing({ ...GONE, left: 2, error: 'EPERM' })
  const { code, remarks } = await run(['dataplane', 'flush'], { flush })
  t.is(code, 1)
  t.regex(remarks, /^martlet: 2 of 3 routes, .* left: EPERM$/)
})

test('without the word flush it is the process', async t => {
  const { printed } = await run(['dataplane', '-c', 'm.yaml'])
  t.is(printed, 'started dataplane m.yaml')
})
