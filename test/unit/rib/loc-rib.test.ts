import test from 'ava'
import { Prng } from '../../../src/core/base/index.ts'
import { Tables } from '../../../src/core/speaker/tables.ts'

/** Rows of the Loc-RIB, and who needs them. */

test('a row is kept for as long as anybody needs it, however many do', t => {
  const { locRibs } = new Tables(new Prng(1))
  const { ipv4 } = locRibs
  const row = ipv4.add(Uint8Array.of(10, 1), 0, 16)
  // each plane of each member that is behind: more than two octets hold
  const users = 70_000
  for (let user = 0; user < users; user++) ipv4.hold(row)
  for (let user = 1; user < users; user++) ipv4.drop(row)
  t.true(ipv4.prefixes.has(row))
  ipv4.drop(row)
  t.false(ipv4.prefixes.has(row))
})
