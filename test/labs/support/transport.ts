/**
 * One node opposite many peers that differ in passwords, hops and who connects: each is a BIRD with
 * an address and a listening socket of its own, all on one machine.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Family } from '../../../src/core/net/index.ts'
import { Lab } from '../../../src/shell/lab/index.ts'
import {
  parseSignatureCounters,
  type SignatureCounters,
} from '../../../src/shell/tcp/signatures.ts'
import { FIXTURES } from './lab.ts'
import { AgentNode } from './survival.ts'

/** The names of secrets here, and what they hold at first. Texts that are nowhere else. */
export const SECRETS = {
  right: 'tangerine-1',
  wrong: 'tangerine-2',
  mesh: 'tangerine-3',
} as const

/** Our session's address of each family: the second one of the node. */
const OURS = { ipv4: '10.88.0.2', ipv6: 'fd88::2' } as const
/** The address that the kernel chooses where nobody says. */
const FIRST = { ipv4: '10.88.0.1', ipv6: 'fd88::1' } as const

/** One peer: what either end is told, and what comes of it. */
export interface Cell {
  readonly family: Family
  readonly connects: 'we' | 'they'
  /** the secret that our end names */
  readonly ours?: keyof typeof SECRETS | 'late'
  /** the password of their end */
  readonly theirs?: string
  /** our ttlSecurity */
  readonly hops?: number
  /** theirs, or how far it says that we may be */
  readonly security?: 'ttl security yes' | 'multihop'
  /** we let the kernel choose our address */
  readonly anySource?: boolean
  readonly opens: boolean
}

/** Where a cell's peer is. */
export const peerOf = (at: number, { family }: Cell): string =>
  family === 'ipv4' ? `10.88.0.${10 + at}` : `fd88::${10 + at}`

const resource = (kind: string, name: string, spec: object, status?: object): string =>
  JSON.stringify({
    apiVersion: 'projectcalico.org/v3',
    kind,
    metadata: { name },
    spec,
    ...(status && { status }),
  })

const reference = (name: string) => ({ secretKeyRef: { name, key: 'password' } })

const peerResource = (at: number, cell: Cell): string => {
  const address = peerOf(at, cell)
  const bracketed = cell.family === 'ipv6' ? `[${address}]` : address
  return resource('BGPPeer', `cell-${at}`, {
    node: 'left',
    // where they connect, ours goes to a port where nobody listens
    peerIP: cell.connects === 'we' ? address : `${bracketed}:9`,
    asNumber: 65010,
    ...(cell.ours && { password: reference(cell.ours) }),
    ...(cell.hops && { ttlSecurity: cell.hops }),
    ...(cell.anySource && { sourceAddress: 'None' }),
  })
}

/** One BIRD for each: it has one session with a neighbour at a time, whatever its own address. */
const birdText = (at: number, cell: Cell): string => `
log stderr all;
router id 10.88.0.10;
protocol device {}
protocol bgp cell${at} {
  local ${peerOf(at, cell)} as 65010;
  neighbor ${(cell.anySource === true ? FIRST : OURS)[cell.family]} as 64512;
  strict bind yes;
  ${cell.connects === 'we' ? 'passive yes;' : ''}
  ${cell.theirs === undefined ? '' : `password "${cell.theirs}";`}
  ${cell.security === undefined ? '' : `${cell.security};`}
  connect delay time 1; connect retry time 1; error wait time 1, 2;
  ${cell.family} { import all; export none; };
}
`

const LENGTHS = { ipv4: '24', ipv6: '64 nodad' } as const

const startText = (cells: readonly Cell[]): string =>
  [
    'until ip link show dev eth1 >/dev/null 2>&1; do sleep 0.1; done',
    'ip link set eth1 up',
    'mkdir -p /run/bird',
    ...cells.flatMap((cell, at) => [
      // an address that is still being looked for cannot be bound to
      `ip address add ${peerOf(at, cell)}/${LENGTHS[cell.family]} dev eth1`,
      `bird -f -c /etc/router/${at}.conf -s /run/bird/${at}.ctl &`,
    ]),
    'wait',
    '',
  ].join('\n')

const frrText = [
  'log stdout',
  'router bgp 65011',
  ' bgp router-id 10.88.0.4',
  ' no bgp ebgp-requires-policy',
  ...[OURS.ipv4, OURS.ipv6].flatMap(address => [
    ` neighbor ${address} remote-as 64512`,
    ` neighbor ${address} password ${SECRETS.right}`,
    ` neighbor ${address} timers connect 1`,
  ]),
  ` neighbor ${OURS.ipv6} ttl-security hops 1`,
  ' address-family ipv6 unicast',
  `  neighbor ${OURS.ipv6} activate`,
  ' exit-address-family',
  '',
].join('\n')

const node = (name: string, host: number, podCidr: string): string =>
  resource(
    'Node',
    name,
    { bgp: { ipv4Address: `10.88.0.${host}/24`, ipv6Address: `fd88::${host}/64` } },
    { podCIDRs: [podCidr] },
  )

/** The pod CIDR of the right node, told anew. */
export const rightNode = (podCidr: string): string => node('right', 3, podCidr)

const clusterText = (cells: readonly Cell[]): string =>
  [
    resource('BGPConfiguration', 'default', {
      asNumber: 64512,
      nodeMeshPassword: reference('mesh'),
    }),
    node('left', 2, '10.99.1.0/24'),
    rightNode('10.99.2.0/24'),
    ...['10.88.0.4', 'fd88::4'].map((peerIP, at) =>
      resource('BGPPeer', `frr-${at}`, {
        node: 'left',
        peerIP,
        asNumber: 65011,
        password: reference('right'),
        ...(at === 1 && { ttlSecurity: 1 }),
      }),
    ),
    ...cells.map((cell, at) => peerResource(at, cell)),
  ].join('\n---\n')

/** The lab. */
export class TransportLab {
  readonly lab: Lab
  readonly left: AgentNode
  readonly right: AgentNode
  readonly #folder: string

  private constructor(lab: Lab, folder: string) {
    this.lab = lab
    this.left = new AgentNode(lab, 'left')
    this.right = new AgentNode(lab, 'right')
    this.#folder = folder
  }

  /** Writes everybody's files and brings the lab up. */
  static async open(cells: readonly Cell[]): Promise<TransportLab> {
    const folder = mkdtempSync(join(tmpdir(), 'martlet-transport-'))
    const write = (path: string, text: string): void => {
      mkdirSync(join(folder, path, '..'), { recursive: true })
      writeFileSync(join(folder, path), text)
    }
    for (const [name, text] of Object.entries(SECRETS)) write(`secrets/${name}/password`, text)
    for (const name of ['left', 'right']) write(`${name}.yaml`, configurationText)
    write('resources/cluster.yaml', clusterText(cells))
    write('bird/start.sh', startText(cells))
    for (const [at, cell] of cells.entries()) write(`bird/${at}.conf`, birdText(at, cell))
    write('frr/daemons', 'bgpd=yes\nzebra_options=" -A 127.0.0.1"\nbgpd_options=" -A 127.0.0.1"\n')
    write('frr/frr.conf', frrText)
    write('frr/vtysh.conf', 'service integrated-vtysh-config\n')
    try {
      const lab = await Lab.up(`${FIXTURES}transport.clab.yml`, {
        name: `transport-${process.pid}`,
        variables: { SCENE: folder },
      })
      return new TransportLab(lab, folder)
    } catch (error) {
      rmSync(folder, { recursive: true })
      throw error
    }
  }

  /** Gives our ends and theirs what `cells` say now. */
  async change(cells: readonly Cell[]): Promise<void> {
    await this.#put('left', '/var/lib/martlet/store/cluster.yaml', clusterText(cells))
    await this.changeBird(cells)
  }

  /** Gives their ends what `cells` say now. */
  async changeBird(cells: readonly Cell[]): Promise<void> {
    for (const [at, cell] of cells.entries()) {
      await this.#put('bird', `/etc/router/${at}.conf`, birdText(at, cell))
      await this.run('bird', 'birdc', '-s', `/run/bird/${at}.ctl`, 'configure')
    }
  }

  /** Whether a cell's peer says that its end is Established. */
  async isUpAtBird(at: number): Promise<boolean> {
    const socket = `/run/bird/${at}.ctl`
    return (
      await this.run('bird', 'birdc', '-s', socket, 'show', 'protocols', `cell${at}`)
    ).includes('Established')
  }

  /** Makes a secret hold this, at once, as one that is mounted changes; undefined: it goes. */
  async secret(name: string, text: string | undefined): Promise<void> {
    const folder = `/etc/martlet/secrets/${name}`
    if (text === undefined) await this.run('left', 'rm', '-r', folder)
    else {
      await this.run('left', 'mkdir', '-p', folder)
      await this.#put('left', `${folder}/password`, text)
    }
  }

  /** Applies a resource by the command line. */
  async apply(text: string): Promise<void> {
    const { code, stderr } = await this.left.apply(text)
    if (code !== 0) throw new Error(stderr)
  }

  /** What the kernel of a node counted. */
  async signatures(name: string): Promise<SignatureCounters> {
    const counters = parseSignatureCounters(await this.run(name, 'cat', '/proc/net/netstat'))
    if (counters === undefined) throw new Error('the kernel counts no signatures')
    return counters
  }

  async run(name: string, ...command: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.lab.node(name).exec(command)
    if (code !== 0) throw new Error(`${name}: ${command.join(' ')}: ${code} ${stderr}`)
    return stdout
  }

  async close(): Promise<void> {
    await this.lab.down()
    rmSync(this.#folder, { recursive: true })
  }

  async #put(name: string, file: string, text: string): Promise<void> {
    const script = `cat >${file}.draft && mv ${file}.draft ${file}`
    const { code, stderr } = await this.lab.node(name).exec(['sh', '-c', script], { input: text })
    if (code !== 0) throw new Error(`${file}: ${stderr}`)
  }
}

const configurationText = JSON.stringify({
  store: { directory: '/var/lib/martlet/store' },
  secrets: { directory: 'secrets' },
  // BIRD begins anew with a new password, and says so with the old one: we hear it by this time
  bgp: { connectRetrySeconds: 1, holdSeconds: 21 },
  log: { level: 'debug' },
})
