/**
 * The programs under test, each told the same in its own words: all is accepted, all is announced, no policy, nothing
 * tuned. They wait for the generator's connections where they can be told to.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { type Address, FAMILIES, type Family, familyOf } from '../../../src/core/net/index.ts'
import { DAEMON, type Host } from './host.ts'

/** The daemon's AS number. */
export const DAEMON_AS = 65_000

/** What a daemon is to be. */
export interface Setting {
  /** of the routes, where the kernel or a reflector's range is told */
  readonly family: Family
  /** each carries the family of its address */
  readonly peers: readonly { readonly address: Address; readonly asn: number }[]
  /** all peers are clients of it, a route reflector */
  readonly reflector: boolean
  /** routes go to the kernel */
  readonly kernel: boolean
  readonly holdSeconds: number
  readonly cores: string | undefined
  /** options of Node.js for the speaker */
  readonly speakerOptions: readonly string[]
}

/** A program under test. */
export interface Daemon {
  readonly name: string
  /** what it is, with its version; undefined where it is not installed */
  version(): string | undefined
  start(host: Host, setting: Setting): void
  /** asks for one route as an operator's program would; resolves with the answer, whatever it says */
  ask(host: Host): Promise<unknown>
  /** command lines of the processes that count */
  readonly processes: RegExp
  /** further processes, shown beside them */
  readonly beside?: RegExp
  /** why a scenario is not for it, by the scenario's name */
  readonly cannot: Readonly<Record<string, string>>
}

const quad = '10.99.0.1'

/** What is asked for: a prefix inside those that the generator announces. */
const ASKED = '11.11.11.0/24'
const ANSWER_MS = 30_000

const versionOf = (command: string, ...words: readonly string[]): string | undefined => {
  try {
    // some of them say it on the error stream
    const line = [command, ...words].join(' ')
    const out = execFileSync('sh', ['-c', `${line} 2>&1 || true`], { encoding: 'utf8' })
    return /\d+\.\d+(\.\d+)?/.exec(out)?.[0]
  } catch {
    return undefined
  }
}

/** What a program of the daemon's own says when asked; that there is no such route is an answer too. */
async function answer(host: Host, command: readonly string[]): Promise<void> {
  try {
    await host.execute(command)
  } catch (error) {
    const said = error instanceof Error && 'stdout' in error ? String(error.stdout) : ''
    if (said.trim() === '') throw error
  }
}

/** The agent built from `main`, a `main.js`: speaker and controller as services of their own. */
export function martlet(name: string, main: string): Daemon {
  return {
    name,
    version: () => (existsSync(main) ? `Martlet, Node ${process.versions.node}` : undefined),
    start: (host, setting) => startMartlet(host, setting, main),
    ask: askMartlet,
    processes: /main\.[jt]s (speaker|dataplane)/,
    beside: /main\.[jt]s (controller|run)/,
    cannot: {},
  }
}

function startMartlet(host: Host, setting: Setting, main: string): void {
  const { peers, reflector, kernel, cores } = setting
  const documents = [
    resource('BGPConfiguration', 'default', { asNumber: DAEMON_AS, nodeToNodeMeshEnabled: false }),
    resource('Node', 'bench', {
      bgp: { ipv4Address: `${DAEMON.ipv4}/16`, ipv6Address: `${DAEMON.ipv6}/64` },
    }),
    ...(reflector ? [] : peers).map(({ address, asn }, index) =>
      resource('BGPPeer', `peer-${index}`, { peerIP: address, asNumber: asn }, PASSIVE),
    ),
  ]
  const store = join(host.directory, 'store')
  host.write('store/all.yaml', documents.map(document => JSON.stringify(document)).join('\n---\n'))
  // a thousand addresses each: see `peerAddress`
  const ranges = Array.from({ length: Math.ceil((peers.length + 250) / 1_000) }, (_, at) => ({
    name: `Clients${at}`,
    prefix: `10.99.${4 * at}.0/22`,
    asNumber: DAEMON_AS,
    peersMax: 1_024,
    routeReflectorClient: true,
  }))
  const configuration = {
    node: 'bench',
    store: { directory: store },
    transit: true,
    runDirectory: join(host.directory, 'run'),
    stateDirectory: join(host.directory, 'state'),
    bgp: { holdSeconds: setting.holdSeconds, ...(reflector && { ranges }) },
    ...(kernel && { kernel: { routesMax: 4_000_000 } }),
  }
  const config = host.write('martlet.yaml', JSON.stringify(configuration))
  const names = kernel ? ['dataplane', 'speaker', 'controller'] : ['speaker', 'controller']
  for (const name of names) {
    const flags = name === 'speaker' ? [...SPEAKER_HEAP, ...setting.speakerOptions] : []
    const command = [process.execPath, ...flags, main, name, '--config', config]
    host.start(command, `${name}.log`, cores)
  }
}

/** As `curl --unix-socket` does: proto/api.proto. */
function askMartlet(host: Host): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const asking = request({
      socketPath: join(host.directory, 'run', 'api', 'api.sock'),
      path: '/martlet.v1.Agent/ListRoutes',
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      timeout: ANSWER_MS,
    })
    asking.on('error', reject)
    asking.on('timeout', () => asking.destroy(new Error(`no answer within ${ANSWER_MS} ms`)))
    asking.on('response', answer => {
      // that there is no such route is an answer
      if (![200, 404].includes(answer.statusCode ?? 0))
        reject(new Error(`the agent answers ${answer.statusCode}`))
      answer.resume().on('end', resolve)
    })
    asking.end(JSON.stringify({ prefix: ASKED }))
  })
}

/** As the supervisor starts it: src/app/run.ts. */
const SPEAKER_HEAP = ['--max-semi-space-size=2']

const PASSIVE = { annotations: { 'martlet/session': 'passive: true' } }

const resource = (kind: string, name: string, spec: object, metadata: object = {}): object => ({
  apiVersion: 'projectcalico.org/v3',
  kind,
  metadata: { name, ...metadata },
  spec,
})

/** BIRD 2 or 3, as `command`. */
export function bird(name: string, command: string): Daemon {
  return {
    name,
    version: () => (existsSync(command) ? `BIRD ${versionOf(command, '--version')}` : undefined),
    start: (host, setting) => {
      const { family, peers, reflector, kernel, holdSeconds } = setting
      const protocols = peers.map(
        ({ address, asn }, index) => `protocol bgp p${index} {
  local ${DAEMON[familyOf(address)]} as ${DAEMON_AS}; neighbor ${address} as ${asn};
  passive on; hold time ${holdSeconds}; connect delay time 0; error wait time 1, 2;
  ${reflector ? `rr client; rr cluster id ${quad};` : ''}
  ${familyOf(address)} { import all; export where source = RTS_BGP; };
}`,
      )
      const text = [
        `router id ${quad};`,
        'protocol device {}',
        `protocol direct { ${family}; interface "bgp0"; }`,
        ...(kernel
          ? [`protocol kernel { ${family} { import none; export where source = RTS_BGP; }; }`]
          : []),
        ...protocols,
      ].join('\n')
      const config = host.write('bird.conf', text)
      const control = join(host.directory, 'bird.ctl')
      host.start([command, '-f', '-c', config, '-s', control], 'bird.log', setting.cores)
    },
    ask: host =>
      answer(host, [
        'birdc',
        '-s',
        join(host.directory, 'bird.ctl'),
        'show',
        'route',
        'for',
        ASKED,
      ]),
    processes: /\/bird\d? .*-f|(^| )bird -f/,
    cannot: { R100: 'it puts routes back at its next scan: 60 s, in Calico 2 s' },
  }
}

/** FRR: zebra and bgpd. */
export const FRR: Daemon = {
  name: 'frr',
  version: () =>
    existsSync('/usr/lib/frr/bgpd')
      ? `FRR ${versionOf('/usr/lib/frr/bgpd', '--version')}`
      : undefined,
  start: (host, setting) => {
    const { peers, reflector, kernel, holdSeconds, cores } = setting
    const text = [
      `router bgp ${DAEMON_AS}`,
      ` bgp router-id ${quad}`,
      ' no bgp default ipv4-unicast',
      ' no bgp ebgp-requires-policy',
      ' no bgp network import-check',
      ` timers bgp ${Math.max(1, Math.floor(holdSeconds / 3))} ${holdSeconds}`,
      ...peers.flatMap(({ address, asn }) => [
        ` neighbor ${address} remote-as ${asn}`,
        ` neighbor ${address} passive`,
      ]),
      ...FAMILIES.flatMap(each => [
        ` address-family ${each} unicast`,
        ...peers
          .filter(({ address }) => familyOf(address) === each)
          .flatMap(({ address }) => [
            `  neighbor ${address} activate`,
            ...(reflector ? [`  neighbor ${address} route-reflector-client`] : []),
          ]),
        ' exit-address-family',
      ]),
      '',
    ].join('\n')
    const config = host.write('bgpd.conf', text)
    const zebraConfig = host.write('zebra.conf', '')
    const own = join(host.directory, 'frr')
    host.write('frr/empty', '')
    execFileSync('chown', ['-R', 'frr:frr', own])
    const common = (name: string): string[] => [
      ...['-u', 'frr', '-g', 'frr', '-i', `${own}/${name}.pid`, '-z', `${own}/zserv.api`],
      ...['--vty_socket', own, '-P', '0', '--log', 'stdout', '--log-level', 'errors'],
    ]
    host.start(['/usr/lib/frr/zebra', '-f', zebraConfig, ...common('zebra')], 'zebra.log', cores)
    waitFor(() => existsSync(`${own}/zserv.api`))
    const fib = kernel ? [] : ['-n']
    host.start(['/usr/lib/frr/bgpd', '-f', config, ...fib, ...common('bgpd')], 'bgpd.log', cores)
  },
  ask: host => {
    const sockets = join(host.directory, 'frr')
    const line = `show bgp ipv4 unicast ${ASKED}`
    return answer(host, ['vtysh', '--vty_socket', sockets, '-d', 'bgpd', '-c', line])
  },
  processes: /\/usr\/lib\/frr\/(zebra|bgpd)/,
  cannot: {},
}

/** Of the scenarios about the kernel, for daemons that write no routes. */
const NO_KERNEL = Object.fromEntries(
  ['K100', 'K500', 'P1', 'P100', 'R100'].map(name => [
    name,
    'it does not write the kernel’s table by itself here',
  ]),
)

/** OpenBGPD's portable release. */
export const OPENBGPD: Daemon = {
  name: 'openbgpd',
  version: () => (existsSync('/usr/sbin/bgpd') ? `OpenBGPD ${versionOf('bgpd', '-V')}` : undefined),
  start: (host, setting) => {
    const { peers, reflector, holdSeconds, cores } = setting
    const text = [
      `AS ${DAEMON_AS}`,
      `router-id ${quad}`,
      'fib-update no',
      `holdtime ${holdSeconds}`,
      `socket "${host.directory}/bgpd.sock"`,
      ...peers.map(
        ({ address, asn }) => `neighbor ${address} {
  remote-as ${asn}
  passive
  announce IPv4 ${familyOf(address) === 'ipv4' ? 'unicast' : 'none'}
  announce IPv6 ${familyOf(address) === 'ipv6' ? 'unicast' : 'none'}
  ${reflector ? 'route-reflector' : ''}
}`,
      ),
      'allow from any',
      'allow to any',
      '',
    ].join('\n')
    const config = host.write('bgpd.conf', text)
    execFileSync('chmod', ['600', config])
    // the home of its user, which it shuts itself in
    mkdirSync('/run/openbgpd', { recursive: true })
    host.start(['/usr/sbin/bgpd', '-d', '-f', config], 'bgpd.log', cores)
  },
  ask: host => host.execute(['bgpctl', '-s', `${host.directory}/bgpd.sock`, 'show', 'rib', ASKED]),
  processes: /bgpd/,
  cannot: NO_KERNEL,
}

/** GoBGP. */
export const GOBGP: Daemon = {
  name: 'gobgp',
  version: () =>
    existsSync('/usr/bin/gobgpd') ? `GoBGP ${versionOf('gobgpd', '--version')}` : undefined,
  start: (host, setting) => {
    const { peers, reflector, holdSeconds, cores } = setting
    const text = JSON.stringify({
      global: { config: { as: DAEMON_AS, 'router-id': quad, port: 179 } },
      neighbors: peers.map(({ address, asn }) => ({
        config: { 'neighbor-address': address, 'peer-as': asn },
        transport: { config: { 'passive-mode': true } },
        timers: { config: { 'hold-time': holdSeconds, 'keepalive-interval': holdSeconds / 3 } },
        'afi-safis': [{ config: { 'afi-safi-name': `${familyOf(address)}-unicast` } }],
        ...(reflector && {
          'route-reflector': {
            config: { 'route-reflector-client': true, 'route-reflector-cluster-id': quad },
          },
        }),
      })),
    })
    const config = host.write('gobgp.yml', text)
    host.start(['/usr/bin/gobgpd', '-t', 'yaml', '-f', config, '-l', 'error'], 'gobgp.log', cores)
  },
  ask: host => answer(host, ['gobgp', 'global', 'rib', ASKED]),
  processes: /gobgpd/,
  cannot: {
    ...NO_KERNEL,
    B: 'minutes a run',
    C: 'minutes a run',
    D: 'minutes a run',
    G: 'minutes a run',
    E1000: 'minutes a run',
  },
}

function waitFor(holds: () => boolean): void {
  for (let tries = 0; tries < 200; tries++) {
    if (holds()) return
    execFileSync('sleep', ['0.05'])
  }
  throw new Error('a daemon did not begin')
}
