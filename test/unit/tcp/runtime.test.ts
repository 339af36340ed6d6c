/** What is used of the runtime beyond its documents, and what the kernel counts. */
import test from 'ava'
import { address, prefix } from '../../../src/core/net/index.ts'
import { TRANSPORT_DEFAULT } from '../../../src/core/speaker/index.ts'
import {
  AllowedPeers,
  examineRuntime,
  explain,
  readSignatureCounters,
  type SignatureCounters,
  SignatureWatch,
} from '../../../src/shell/tcp/index.ts'
import { parseSignatureCounters } from '../../../src/shell/tcp/signatures.ts'

test('this release of Node.js has all that is used of it', async t => {
  t.deepEqual(await examineRuntime(), {
    ownSockets: true,
    descriptors: true,
    ownBuffer: true,
    missing: [],
  })
})

test('the counters are found by their names, wherever the kernel put them', t => {
  const text =
    'TcpExt: SyncookiesSent TCPMD5Unexpected TCPMD5Failure Other TCPMD5NotFound\n' +
    'TcpExt: 9 2 3 8 1\nIpExt: TCPMD5Failure\nIpExt: 77\n'
  t.deepEqual(parseSignatureCounters(text), { unsigned: 1, unexpected: 2, wrong: 3 })
  t.is(parseSignatureCounters('TcpExt: SyncookiesSent\nTcpExt: 9\n'), undefined)
  t.is(parseSignatureCounters(''), undefined)
  t.not(readSignatureCounters(), undefined)
  t.is(readSignatureCounters('/nowhere'), undefined)
})

test('what was dropped in the last minute is told, and what was dropped before we looked is not', t => {
  let counters: SignatureCounters | undefined = { unsigned: 4, unexpected: 5, wrong: 6 }
  const watch = new SignatureWatch(() => counters)
  const none = { unsigned: false, unexpected: false, wrong: false }
  t.deepEqual(watch.look(1_000), none)
  counters = { unsigned: 4, unexpected: 7, wrong: 6 }
  t.deepEqual(watch.look(2_000), { ...none, unexpected: true })
  counters = { unsigned: 4, unexpected: 7, wrong: 7 }
  t.deepEqual(watch.look(61_000), { ...none, unexpected: true, wrong: true })
  t.deepEqual(watch.look(63_000), { ...none, wrong: true })
  counters = undefined
  t.deepEqual(watch.look(200_000), none)
  t.deepEqual(new SignatureWatch(() => undefined).look(0), none)
})

test('the longest range that an address is in says how it may connect', t => {
  const of = (ttl: number) => ({ ...TRANSPORT_DEFAULT, ttl })
  const peers = new AllowedPeers([
    { remote: prefix('10.0.0.0/8'), transport: of(8) },
    { remote: prefix('10.1.0.0/16'), transport: of(16) },
    { remote: prefix('10.1.2.3/32'), transport: of(32) },
    { remote: prefix('10.1.2.3/32'), transport: of(33) },
    { remote: prefix('fd00::/8'), transport: of(6) },
  ])
  const cases = [
    ['10.9.9.9', 8],
    ['10.1.9.9', 16],
    ['10.1.2.3', 32],
    ['11.0.0.1', undefined],
    ['fd00::1', 6],
    ['fe80::1', undefined],
  ] as const
  for (const [remote, ttl] of cases) t.is(peers.of(address(remote))?.ttl, ttl, remote)
  t.is(peers.keys().size, 0)
})

test('an error of the system is a sentence, any other is its own', t => {
  t.regex(explain(Object.assign(new Error('x'), { code: 'ENOMEM' })), /optmem_max/)
  t.is(explain(new Error('as it is')), 'as it is')
  t.is(explain('text'), 'text')
})
