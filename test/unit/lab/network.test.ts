import test from 'ava'
import { planManagement } from '../../../src/shell/lab/host/network.ts'
import { parseTopology } from '../../../src/shell/lab/index.ts'

/** Management addresses: who gets which. */

const plan = (text: string) => planManagement(parseTopology(text, '/labs/x.clab.yml', {}))

test('Management addresses are given in the order of names, around the fixed ones', t => {
  const { gateway, bits, addresses } = plan(`
mgmt: { ipv4-subnet: 172.20.20.0/24 }
topology:
  defaults: { image: debian }
  nodes: { c: {}, b: { mgmt-ipv4: 172.20.20.2 }, a: {}, p: { network-mode: none }, br: { kind: bridge } }`)
  t.is(gateway, '172.20.20.1')
  t.is(bits, 24)
  t.deepEqual(Object.fromEntries(addresses), {
    a: '172.20.20.3',
    b: '172.20.20.2',
    c: '172.20.20.4',
  })
})

test('A subnet that is not a /24 begins at its network', t => {
  const { gateway, addresses } = plan(`
mgmt: { ipv4-subnet: 10.1.2.129/25 }
topology: { nodes: { a: { image: debian } } }`)
  t.is(gateway, '10.1.2.129')
  t.is(addresses.get('a'), '10.1.2.130')
})
