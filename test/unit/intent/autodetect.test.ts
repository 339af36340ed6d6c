/** Which of a machine's addresses a method chooses: Calico's, one by one. */
import test from 'ava'
import {
  detectAddress,
  type HostInterface,
  parseDetectionMethod,
} from '../../../src/core/intent/index.ts'
import { address, type Family } from '../../../src/core/net/index.ts'

const on = (name: string, ...texts: readonly string[]): HostInterface => ({
  name,
  addresses: texts.map(text => ({
    address: address(text.slice(0, text.indexOf('/'))),
    length: Number(text.slice(text.indexOf('/') + 1)),
  })),
})

/** A node as they are: its own loopback, a container bridge, two uplinks, a tunnel, pods. */
const INTERFACES: readonly HostInterface[] = [
  on('lo', '127.0.0.1/8', '::1/128', '192.0.2.9/32'),
  on('docker0', '172.17.0.1/16'),
  on('eth0', '169.254.10.1/16', '10.240.0.20/24', 'fe80::1/64', 'fd00:240::20/64'),
  on('eth1', '10.250.0.20/24'),
  on('tunl0', '10.200.7.64/32'),
  on('cali0a1b2c', '10.200.7.65/32'),
]

const CASES: readonly (readonly [string, Family, string | undefined])[] = [
  ['first-found', 'ipv4', '10.240.0.20/24'],
  ['first-found', 'ipv6', 'fd00:240::20/64'],
  ['skip-interface=eth0', 'ipv4', '10.250.0.20/24'],
  ['skip-interface=eth0,^eth1$', 'ipv4', undefined],
  ['interface=eth1', 'ipv4', '10.250.0.20/24'],
  ['interface=^ens.*,docker.*', 'ipv4', '172.17.0.1/16'],
  ['interface=eth1,eth0', 'ipv4', '10.250.0.20/24'],
  ['interface=lo', 'ipv4', '192.0.2.9/32'],
  ['interface=wlan0', 'ipv4', undefined],
  ['cidr=10.250.0.0/16', 'ipv4', '10.250.0.20/24'],
  ['cidr=198.51.100.0/24,172.16.0.0/12', 'ipv4', '172.17.0.1/16'],
  ['cidr=10.0.0.0/8', 'ipv6', undefined],
  ['can-reach=10.250.0.1', 'ipv4', '10.250.0.20/24'],
  ['kubernetes-internal-ip', 'ipv4', '192.0.2.9/32'],
]

for (const [text, family, found] of CASES)
  test(`${text} finds ${found ?? 'nothing'} of ${family}`, t => {
    const method = parseDetectionMethod(text)
    if (method === undefined) return t.fail(`${text} is a method`)
    const chosen = detectAddress(family, method, {
      interfaces: INTERFACES,
      reached: address('10.250.0.20'),
      internal: address('192.0.2.9'),
    })
    t.is(chosen && `${chosen.address}/${chosen.length}`, found)
  })

test('an address that no interface has is not chosen, whoever names it', t => {
  for (const text of ['can-reach=10.0.0.1', 'kubernetes-internal-ip'])
    t.is(detectAddress('ipv4', parseDetectionMethod(text)!, { interfaces: INTERFACES }), undefined)
})

for (const text of [
  '',
  'first',
  'first-found=',
  'can-reach',
  'can-reach=',
  'can-reach=a,b',
  'interface=',
  'interface=eth0,',
  'interface=(',
  'cidr=10.0.0.1/8',
  'cidr=10.0.0.0',
])
  test(`"${text}" is no method`, t => {
    t.is(parseDetectionMethod(text), undefined)
  })
