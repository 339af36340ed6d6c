/** What is used of the runtime beyond its documents, and what the kernel counts. */
import test from 'ava'
import { address, prefix } from '../../../src/core/net/index.ts'
import { TRANSPORT_DEFAULT } from '../../../src/core/speaker/index.ts'
import {
  AllowedPeers,
  describeSignatures,
  examineRuntime,
  explain,
  readSignatureCounters,
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

test('what was dropped is told as a sentence, and nothing where nothing was', t => {
  const before = { unsigned: 4, unexpected: 5, wrong: 6 }
  t.is(describeSignatures(before, before), undefined)
  t.is(
    describeSignatures(before, { unsigned: 4, unexpected: 7, wrong: 7 }),
    'TCP segments dropped: 1 with a signature of another password, ' +
      '2 with a signature where no password is configured',
  )
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
