/** The socket itself: how it greets, splits and ends, and BIRD's own client on it where there is one. */
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { makeBirdSocket } from '../../../src/shell/bird/index.ts'
import { birdOf } from '../../support/bird-facts.ts'
import { until } from '../../support/until.ts'

const run = promisify(execFile)
const BIRDC = '/usr/sbin/birdc'

async function served(t: ExecutionContext): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'martlet-bird-'))
  const path = join(folder, 'bird.ctl')
  const bird = makeBirdSocket(() => birdOf('ipv4'))
  const server = createServer(socket => bird.accept(socket))
  await new Promise<void>(resolve => server.listen(path, resolve))
  t.teardown(() => {
    bird.close()
    server.close()
    rmSync(folder, { recursive: true })
  })
  return path
}

/** A client that keeps what it hears. */
function client(t: ExecutionContext, path: string) {
  const socket: Socket = connect(path)
  const heard = { text: '', ended: false, socket }
  socket.on('data', octets => {
    heard.text += octets
  })
  socket.on('close', () => {
    heard.ended = true
  })
  socket.on('error', () => undefined)
  t.teardown(() => socket.destroy())
  return heard
}

test('who comes is greeted, and questions are answered in order, however they are split', async t => {
  const one = client(t, await served(t))
  await until(() => one.text === '0001 BIRD v1.6.8+martlet0.1.0 ready.\n', 'the greeting')
  one.socket.write('show rou')
  one.socket.write('te count\nshow protocols nobody\n')
  await until(() => one.text.endsWith('\n8003 No protocols match\n'), 'the second answer')
  t.true(one.text.includes('\n0014 3 of 3 routes for 2 networks\n8003'))
})

test('who sends no lines, or is one too many, is let go', async t => {
  const path = await served(t)
  const loud = client(t, path)
  loud.socket.write('x'.repeat(2000))
  await until(() => loud.ended, 'the loud one is gone')
  const many = Array.from({ length: 32 }, () => client(t, path))
  await until(() => many.every(({ text }) => text !== ''), 'thirty-two are greeted')
  const more = client(t, path)
  await until(() => more.ended, 'the next one is not')
  t.is(more.text, '')
  many[0]?.socket.destroy()
  await until(
    async () => {
      const next = client(t, path)
      await until(() => next.ended || next.text !== '', 'an answer')
      return next.text !== ''
    },
    'there is room again',
    { withinMs: 5000, everyMs: 20 },
  )
})

const birdc = existsSync(BIRDC) ? test : test.skip

birdc('birdc, where BIRD is installed: it shows what it is told', async t => {
  const path = await served(t)
  const ask = async (...words: string[]): Promise<string> =>
    (await run(BIRDC, ['-s', path, ...words], { timeout: 10_000 })).stdout
  const status = await ask('show', 'status')
  t.regex(status, /^BIRD v1\.6\.8\+martlet0\.1\.0 ready\.$/m)
  t.regex(status, /^Router ID is 10\.192\.0\.2$/m)
  t.regex(status, /^Daemon is up and running$/m)
  t.regex(await ask('show', 'protocols'), /^Mesh_10_192_0_3 BGP {6}master {3}up {5}10:02:34 /m)
  t.regex(
    await ask('show', 'protocols', 'all', 'Mesh_10_192_0_3'),
    /^ {2}BGP state: {10}Established$/m,
  )
  t.regex(await ask('show', 'route', 'all'), /^\tBGP\.local_pref: 2147482623$/m)
  await t.throwsAsync(ask('configure'), { code: 1 }, 'birdc fails where it is denied')
  await t.throwsAsync(run(BIRDC, ['-s', `${path}.absent`, 'show', 'status'], { timeout: 10_000 }))
})
