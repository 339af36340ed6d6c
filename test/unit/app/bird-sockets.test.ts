/** Both control sockets, where Calico's tools look for them; and what is done where one cannot be had. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { openBirdSockets } from '../../../src/app/controller/bird-sockets.ts'
import { openLog } from '../../../src/shell/log/index.ts'
import { birdOf } from '../../support/bird-facts.ts'
import { until } from '../../support/until.ts'

test('IPv4 is at the path, IPv6 beside it; one that is taken is told of and costs nothing', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'martlet-bird-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const log = await openLog({ level: 'fatal', fields: {} })
  const ask = async (path: string): Promise<string> => {
    let heard = ''
    const socket = connect(path, () => socket.write('show protocols Mesh_*\n'))
    socket.on('data', octets => {
      heard += octets
    })
    socket.on('error', () => undefined)
    await until(() => heard.includes('\n0000 '), 'an answer')
    socket.destroy()
    return heard
  }
  const [ipv4, ipv6] = [join(folder, 'calico', 'bird.ctl'), join(folder, 'calico', 'bird6.ctl')]
  const open = await openBirdSockets(ipv4, birdOf, log)
  t.regex(await ask(ipv4), /1002-Mesh_10_192_0_3/)
  t.regex(await ask(ipv6), /1002-Mesh_fd00__3/)
  await open.close()
  mkdirSync(ipv4)
  const half = await openBirdSockets(ipv4, birdOf, log)
  t.regex(await ask(ipv6), /1002-Mesh_fd00__3/)
  await half.close()
})
