/**
 * What peers may get wrong, said to BIRD, FRR, OpenBGPD and Martlet: an UPDATE that all of those take without ending
 * the session does not end ours either. RFC 7606 leaves some cases open; nobody is to lose a session to Martlet alone.
 */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { AGENT_HOME } from '../../src/shell/lab/images.ts'
import { Lab } from '../../src/shell/lab/index.ts'
import { BIRD } from './interop/support/bird.ts'
import { FRR } from './interop/support/frr.ts'
import { OPENBGPD } from './interop/support/openbgpd.ts'
import { FIXTURES, labsLeftOut, tellLogs } from './support/lab.ts'
import { EXTERNAL_AS, type Judgement, PLACES, SPEAKER_AS, updates } from './support/vector-peer.ts'

const SPEAKERS = {
  martlet: '10.91.0.1',
  bird: '10.91.0.2',
  frr: '10.91.0.3',
  openbgpd: '10.91.0.4',
} as const
const OTHERS = ['bird', 'frr', 'openbgpd'] as const

/** What every speaker announces as its own, and its NLRI. */
const ANNOUNCED = '198.51.100.0/24'
const ANNOUNCED_NLRI = '18c63364'

const SIDES = [
  { name: 'external', range: `${PLACES.external}.0/24`, asn: EXTERNAL_AS },
  { name: 'internal', range: `${PLACES.internal}.0/24`, asn: SPEAKER_AS },
] as const

const lines = (...parts: readonly (string | readonly string[])[]): string =>
  [...parts.flat(), ''].join('\n')

const resource = (kind: string, name: string, more: object): string =>
  JSON.stringify({ apiVersion: 'projectcalico.org/v3', kind, metadata: { name }, ...more })

const FILES: Readonly<Record<string, string>> = {
  'martlet.yaml': JSON.stringify({
    node: 'martlet',
    store: { directory: '/var/lib/martlet/store' },
    bgp: {
      families: ['ipv4', 'ipv6'],
      ranges: SIDES.map(({ name, range, asn }) => ({
        name,
        prefix: range,
        asNumber: asn,
        peersMax: 256,
      })),
    },
  }),
  'resources/all.yaml': [
    resource('BGPConfiguration', 'default', {
      spec: { asNumber: SPEAKER_AS, nodeToNodeMeshEnabled: false },
    }),
    resource('Node', 'martlet', {
      spec: { bgp: { ipv4Address: `${SPEAKERS.martlet}/16` } },
      status: { podCIDRs: [ANNOUNCED] },
    }),
  ].join('\n---\n'),
  'bird/start.sh': 'mkdir -p /run/bird\nexec bird -f -c /etc/router/bird.conf\n',
  'bird/bird.conf': lines(
    'log stderr all;',
    `router id ${SPEAKERS.bird};`,
    'protocol device {}',
    `protocol static own { ipv4; route ${ANNOUNCED} blackhole; }`,
    SIDES.map(
      ({ name, range, asn }) => `protocol bgp of_${name} {
  local ${SPEAKERS.bird} as ${SPEAKER_AS}; neighbor range ${range} as ${asn}; dynamic name "${name}"; passive;
  ipv4 { import all; export where proto = "own"; };
  ipv6 { import all; export none; };
}`,
    ),
  ),
  'frr/start.sh': lines(
    'install -d -o frr -g frr /run/frr',
    // without zebra: nothing here is to be routed
    'exec /usr/lib/frr/bgpd -Z -S -u frr -g frr -f /etc/router/bgpd.conf --log stdout',
  ),
  'frr/bgpd.conf': lines(
    `router bgp ${SPEAKER_AS}`,
    ` bgp router-id ${SPEAKERS.frr}`,
    ' no bgp ebgp-requires-policy',
    ' no bgp network import-check',
    ' no bgp default ipv4-unicast',
    ' bgp listen limit 512',
    SIDES.flatMap(({ name, range, asn }) => [
      ` neighbor ${name} peer-group`,
      ` neighbor ${name} remote-as ${asn}`,
      ` neighbor ${name} passive`,
      ...(asn === SPEAKER_AS ? [] : [` neighbor ${name} ebgp-multihop`]),
      ` bgp listen range ${range} peer-group ${name}`,
    ]),
    ' address-family ipv4 unicast',
    `  network ${ANNOUNCED}`,
    SIDES.map(({ name }) => `  neighbor ${name} activate`),
    ' exit-address-family',
    ' address-family ipv6 unicast',
    SIDES.map(({ name }) => `  neighbor ${name} activate`),
    ' exit-address-family',
  ),
  'openbgpd/start.sh': 'mkdir -p /run/openbgpd\nexec bgpd -d -v -f /etc/router/bgpd.conf\n',
  'openbgpd/bgpd.conf': lines(
    `AS ${SPEAKER_AS}`,
    `router-id ${SPEAKERS.openbgpd}`,
    'fib-update no',
    `network ${ANNOUNCED}`,
    SIDES.flatMap(({ range, asn }) => [
      `neighbor ${range} {`,
      `  remote-as ${asn}`,
      '  passive',
      '  announce IPv4 unicast',
      '  announce IPv6 unicast',
      '}',
    ]),
    'allow from any',
    'allow to any',
  ),
}

const missing = [BIRD, FRR, OPENBGPD]
  .filter(({ requires }) => !existsSync(requires.file))
  .map(({ requires }) => requires.package)
const leftOut = labsLeftOut() ?? (missing.join(' ') || undefined)

if (leftOut !== undefined) test.skip(`Left out: ${leftOut}`, t => t.pass())
else
  test('an UPDATE that BIRD, FRR and OpenBGPD take costs no session with Martlet', async t => {
    t.timeout(180_000)
    const folder = mkdtempSync(join(tmpdir(), 'martlet-vectors-'))
    t.teardown(() => rmSync(folder, { recursive: true }))
    for (const [path, text] of Object.entries(FILES)) {
      mkdirSync(join(folder, path, '..'), { recursive: true })
      writeFileSync(join(folder, path), text)
    }
    // OpenBGPD wants its configuration to be nobody else's
    chmodSync(join(folder, 'openbgpd/bgpd.conf'), 0o600)
    const lab = await Lab.up(`${FIXTURES}vectors.clab.yml`, {
      name: `vectors-${process.pid}`,
      variables: { SCENE: folder },
    })
    t.teardown(() => {
      if (!t.passed) tellLogs(t, lab)
      return lab.down()
    })
    const program = `${AGENT_HOME}/test/labs/support/vector-peer.ts`
    const { code, stdout, stderr } = await lab
      .node('peers')
      .exec(['node', program, ANNOUNCED_NLRI, ...Object.values(SPEAKERS)])
    t.is(code, 0, stderr)
    const told: Readonly<Record<string, readonly Judgement[]>> = JSON.parse(stdout)
    const of = (speaker: keyof typeof SPEAKERS): readonly Judgement[] =>
      told[SPEAKERS[speaker]] ?? []
    const vectors = updates()
    t.is(vectors.length, 118)
    let taken = 0
    for (const [at, { file, title }] of vectors.entries()) {
      const others = OTHERS.map(speaker => `${speaker} ${of(speaker)[at]}`)
      const ours = of('martlet')[at] ?? ''
      const what = `${file}: ${title}: ours ${ours}; ${others.join(', ')}`
      for (const one of [ours, ...others]) t.notRegex(one, /no session|no answer|undefined/, what)
      if (ours !== 'survives' && others.some(one => one.endsWith(' survives'))) t.log(what)
      if (!others.every(one => one.endsWith(' survives'))) continue
      taken++
      t.is(ours, 'survives', what)
    }
    t.log(`${taken} of ${vectors.length} are taken by all others`)
    t.true(taken > vectors.length / 3)
  })
