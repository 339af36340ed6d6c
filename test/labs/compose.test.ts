import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { parse, stringify } from 'yaml'
import { Lab } from '../../src/shell/lab/index.ts'
import { labsLeftOut, packagesMissing, tellLogs, until } from './support/lab.ts'

/**
 * docker-compose.yml, twice: by a Docker engine where one answers, and without one by translating
 * its services into a lab, with the same capabilities, volumes and shared networks.
 */

const TOP = new URL('../../', import.meta.url).pathname
const engine = spawnSync('docker', ['compose', 'ls'], { encoding: 'utf8', timeout: 10_000 })

if (engine.status === 0) {
  test.serial('docker compose up ends in reachability', t => {
    t.timeout(900_000)
    const compose = (...words: string[]) =>
      spawnSync('docker', ['compose', ...words], { cwd: TOP, encoding: 'utf8' })
    try {
      const up = compose('up', '--build', '--exit-code-from', 'check')
      t.is(up.status, 0, `${up.stdout}\n${up.stderr}`.slice(-4000))
    } finally {
      compose('down', '--volumes')
    }
  })
} else {
  test.skip('docker compose up ends in reachability (left out: no Docker engine answers)', t =>
    t.fail())
}

interface Service {
  readonly image: string
  readonly command?: readonly string[]
  readonly entrypoint?: readonly string[]
  readonly cap_add?: readonly string[]
  readonly cap_drop?: readonly string[]
  readonly network_mode?: string
  readonly hostname?: string
  readonly networks?: readonly string[] | Readonly<Record<string, { ipv4_address?: string } | null>>
  readonly volumes?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly sysctls?: Readonly<Record<string, string>>
}

const NETWORKS: Readonly<Record<string, string>> = { rack: 'eth1', management: 'eth0' }

/** The topology that means the same; volumes become folders under `folder`. */
function topologyOf(services: Readonly<Record<string, Service>>, folder: string): string {
  const nodes: Record<string, unknown> = { rack: { kind: 'bridge' } }
  const links: unknown[] = []
  for (const [name, service] of Object.entries(services)) {
    const shared = /^service:(.+)$/.exec(service.network_mode ?? '')?.[1]
    const networks = networksOf(service)
    nodes[name] = {
      image: service.image,
      ...programOf(service),
      env: service.environment ?? {},
      sysctls: service.sysctls ?? {},
      hostname: service.hostname ?? name,
      'network-mode': shared !== undefined ? `container:${shared}` : modeOf(networks),
      ...fixedAddress(networks),
      binds: (service.volumes ?? []).map(volume => bindOf(volume, folder)),
      'restart-policy': name === 'check' || name === 'resources' ? 'no' : 'always',
    }
    if ('rack' in networks) {
      const address = networks.rack?.ipv4_address
      links.push({
        endpoints: [`rack:${name}`, `${name}:${NETWORKS.rack}`],
        ipv4: ['', `${address}/24`],
      })
    }
  }
  const mgmt = { 'ipv4-subnet': '172.30.0.0/24' }
  return stringify({
    name: 'compose',
    mgmt,
    topology: { defaults: { kind: 'linux' }, nodes, links },
  })
}

type Networks = Readonly<Record<string, { ipv4_address?: string } | null>>

function networksOf({ networks = {} }: Service): Networks {
  const isList = (value: typeof networks): value is readonly string[] => Array.isArray(value)
  return isList(networks) ? Object.fromEntries(networks.map(name => [name, null])) : networks
}

const modeOf = (networks: object): string => ('management' in networks ? 'bridge' : 'none')

function fixedAddress(
  networks: Readonly<Record<string, { ipv4_address?: string } | null>>,
): object {
  const address = networks.management?.ipv4_address
  return address === undefined ? {} : { 'mgmt-ipv4': address }
}

/** Docker's rule for entrypoint and command, with the capabilities that the service keeps. */
function programOf(service: Service): object {
  // a router needs more than the default and says so: the lab's nodes have it anyway
  if (service.cap_drop === undefined && service.entrypoint === undefined) {
    return service.command === undefined ? {} : plain(service.command)
  }
  const own = service.entrypoint ?? ['node', '/opt/martlet/src/main.ts']
  const words = [...own, ...(service.command ?? [])]
  if (service.cap_drop === undefined) return plain(words)
  const kept = (service.cap_add ?? []).map(name => `,+${name.toLowerCase()}`).join('')
  return plain([
    'setpriv',
    `--bounding-set=-all${kept}`,
    `--inh-caps=-all`,
    '--no-new-privs',
    ...words,
  ])
}

const plain = ([program = '', ...rest]: readonly string[]): object => ({
  entrypoint: program,
  cmd: rest.map(word => `'${word.replaceAll("'", `'\\''`)}'`).join(' '),
})

function bindOf(volume: string, folder: string): string {
  const [source = '', ...rest] = volume.split(':')
  return [source.startsWith('./') ? join(TOP, source) : join(folder, source), ...rest].join(':')
}

const leftOut = labsLeftOut()
const lab = leftOut === undefined ? test.serial : test.serial.skip
if (leftOut !== undefined) test.skip(`Left out: ${leftOut}`, t => t.pass())

lab('The services of docker-compose.yml, with their capabilities, end in reachability', async t => {
  t.timeout(200_000)
  const folder = mkdtempSync(join(tmpdir(), 'martlet-compose-'))
  const text = readFileSync(join(TOP, 'docker-compose.yml'), 'utf8')
  const compose: { services: Record<string, Service>; volumes: object } = parse(text, {
    merge: true,
  })
  for (const volume of Object.keys(compose.volumes)) mkdirSync(join(folder, volume))
  const file = join(folder, 'compose.clab.yml')
  writeFileSync(file, topologyOf(compose.services, folder).replaceAll('$', '$$$$'))
  t.deepEqual(packagesMissing(file, {}), [])
  const running = await Lab.up(file, { name: `compose-${process.pid}` })
  try {
    const said = await until(
      'the check has ended',
      () => running.node('check').record().state === 'ended' && running.node('check').log(),
      { within: 120_000 },
    )
    t.regex(said, /^30 of 30 pairs reach each other/m)
    t.regex(said, /^10\.200\.0\.10 -> 10\.200\.2\.11: seen as 10\.200\.0\.10,/m)
    for (const [role, bits] of [
      ['controller', 0n],
      ['speaker', 1n << 10n],
      ['dataplane', 1n << 12n],
    ] as const) {
      const node = running.node(`worker-0-${role}`)
      const { stdout } = await node.exec(['sh', '-c', 'cat "/proc/$(cat /.lab/main.pid)/status"'])
      for (const set of ['CapEff', 'CapBnd']) {
        const value = new RegExp(`^${set}:\\s+(\\w+)$`, 'm').exec(stdout)?.[1]
        t.is(BigInt(`0x${value}`), bits, `${set} of the ${role}`)
      }
      t.regex(stdout, /^NoNewPrivs:\s+1$/m)
    }
  } catch (error) {
    tellLogs(t, running)
    throw error
  } finally {
    await running.down()
    rmSync(folder, { recursive: true })
  }
})
