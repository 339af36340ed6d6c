/** The file for the container runtime: whole, ours, or not touched. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { address, prefix } from '../../../src/core/net/index.ts'
import {
  addressToward,
  CniFile,
  hostInterfaces,
  hostLocalAddresses,
} from '../../../src/shell/host/index.ts'

function folder(t: ExecutionContext): { folder: string; path: string; file: CniFile } {
  const made = mkdtempSync(join(tmpdir(), 'martlet-cni-'))
  t.teardown(() => rmSync(made, { recursive: true }))
  const path = join(made, '10-martlet.conflist')
  return { folder: made, path, file: new CniFile({ path, name: 'pods', bridge: 'cni0' }) }
}

test('the file has a bridge and the node’s blocks, one set of ranges a family', async t => {
  const { folder: made, path, file } = folder(t)
  const ranges = [prefix('10.200.0.0/26'), prefix('10.200.1.0/26'), prefix('fd00:200::/122')]
  t.is(await file.keep(ranges), undefined)
  const written = JSON.parse(readFileSync(path, 'utf8'))
  t.is(written.name, 'pods')
  t.like(written.plugins[0], { type: 'bridge', bridge: 'cni0', isGateway: true })
  t.deepEqual(written.plugins[0].ipam, {
    type: 'host-local',
    ranges: [
      [{ subnet: '10.200.0.0/26' }, { subnet: '10.200.1.0/26' }],
      [{ subnet: 'fd00:200::/122' }],
    ],
    routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
  })
  t.deepEqual(readdirSync(made), ['10-martlet.conflist'])
})

test('the file follows the blocks, and goes with the last of them', async t => {
  const { folder: made, path, file } = folder(t)
  await file.keep([prefix('10.200.0.0/26')])
  await file.keep([prefix('10.200.9.0/26')])
  t.regex(readFileSync(path, 'utf8'), /10\.200\.9\.0\/26/)
  t.is(await file.keep([]), undefined)
  t.is(await file.keep([]), undefined)
  t.deepEqual(readdirSync(made), [])
})

test('a file that somebody else wrote stays, with and without blocks', async t => {
  const { path, file } = folder(t)
  const theirs = '{"name":"calico","cniVersion":"1.0.0","plugins":[]}'
  writeFileSync(path, theirs)
  t.regex((await file.keep([prefix('10.200.0.0/26')])) ?? '', /not written by Martlet/)
  t.regex((await file.keep([])) ?? '', /not written by Martlet/)
  t.is(readFileSync(path, 'utf8'), theirs)
})

test('a folder that is not there is a reason, not a failure', async t => {
  const file = new CniFile({ path: '/nonexistent/a.conflist', name: 'pods', bridge: 'cni0' })
  t.regex((await file.keep([prefix('10.200.0.0/26')])) ?? '', /cannot be written: ENOENT/)
})

test('the loopback interface is among the machine’s, and what leads to itself leaves with itself', async t => {
  const loopback = hostInterfaces().flatMap(({ addresses }) => addresses)
  t.true(loopback.some(({ address, length }) => address === '127.0.0.1' && length === 8))
  t.is(await addressToward('127.0.0.1', 'ipv4'), address('127.0.0.1'))
  t.is(await addressToward('127.0.0.1', 'ipv6'), undefined)
  t.is(await addressToward('no-such-host.invalid', 'ipv4'), undefined)
})

test('what host-local has given away is read from its folder, and nothing else in it', async t => {
  const { folder: made } = folder(t)
  mkdirSync(join(made, 'pods'))
  for (const name of ['10.200.0.3', 'fd00::3', 'last_reserved_ip.0', 'lock'])
    writeFileSync(join(made, 'pods', name), 'id\r\neth0')
  t.deepEqual((await hostLocalAddresses('pods', made)).toSorted(), [
    address('10.200.0.3'),
    address('fd00::3'),
  ])
  t.deepEqual(await hostLocalAddresses('others', made), [])
})
