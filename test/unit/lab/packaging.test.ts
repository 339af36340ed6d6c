import { existsSync, readFileSync } from 'node:fs'
import test from 'ava'
import { parse } from 'yaml'

/**
 * docker-compose.yml, the Dockerfile and the units of systemd, as far as they can be checked
 * without running.
 */

const TOP = new URL('../../../', import.meta.url)
const read = (file: string): string => readFileSync(new URL(file, TOP), 'utf8')

interface Service {
  readonly image?: string
  readonly build?: { readonly dockerfile: string }
  readonly command?: readonly string[]
  readonly entrypoint?: readonly string[]
  readonly cap_add?: readonly string[]
  readonly cap_drop?: readonly string[]
  readonly security_opt?: readonly string[]
  readonly read_only?: boolean
  readonly privileged?: boolean
  readonly user?: string
  readonly network_mode?: string
  readonly networks?: readonly string[] | Readonly<Record<string, { ipv4_address?: string }>>
  readonly volumes?: readonly string[]
  readonly depends_on?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>
  readonly networks: Readonly<Record<string, unknown>>
  readonly volumes: Readonly<Record<string, unknown>>
}

const compose: Compose = parse(read('docker-compose.yml'), { merge: true })
const services = Object.entries(compose.services)

test('docker-compose.yml has etcd, a router, three workers of four containers, and a check', t => {
  t.deepEqual(Object.keys(compose.services), [
    'etcd',
    'resources',
    'tor',
    ...[0, 1, 2].flatMap(n =>
      ['', '-controller', '-speaker', '-dataplane'].map(s => `worker-${n}${s}`),
    ),
    'check',
  ])
  t.false('version' in compose)
})

for (const [name, service] of services) {
  test(`Service ${name} refers only to what there is`, t => {
    t.truthy(service.image)
    for (const other of service.depends_on ?? []) t.true(other in compose.services, other)
    const shared = /^service:(.+)$/.exec(service.network_mode ?? '')?.[1]
    if (shared !== undefined) t.true(shared in compose.services, shared)
    if (service.network_mode !== undefined) t.is(service.networks, undefined)
    const networks = Array.isArray(service.networks)
      ? service.networks
      : Object.keys(service.networks ?? {})
    for (const network of networks) t.true(network in compose.networks, network)
    for (const volume of service.volumes ?? []) {
      const [source = ''] = volume.split(':')
      if (source.startsWith('./')) t.true(existsSync(new URL(source, TOP)), source)
      else t.true(source in compose.volumes, source)
    }
  })
}

const least = test.macro<[string, string[]]>({
  exec: (t, role, capabilities) => {
    const own = services.filter(([name]) => name.endsWith(`-${role}`))
    t.is(own.length, 3)
    for (const [name, service] of own) {
      t.deepEqual(service.cap_drop, ['ALL'], name)
      t.deepEqual(service.cap_add ?? [], capabilities, name)
      t.deepEqual(service.security_opt, ['no-new-privileges:true'], name)
      t.true(service.read_only, name)
      t.is(service.privileged, undefined, name)
      t.deepEqual(service.command, [role], name)
      const worker = name.slice(0, -role.length - 1)
      t.is(service.network_mode, `service:${worker}`)
      t.is(service.environment?.NODENAME, worker)
      t.true(service.volumes?.includes(`${worker}:/run/martlet`))
    }
  },
  title: (_, role, capabilities) =>
    `The ${role}’s containers have ${capabilities.join(', ') || 'no capability'} and nothing else`,
})

test(least, 'controller', [])
test(least, 'speaker', ['NET_BIND_SERVICE'])
test(least, 'dataplane', ['NET_ADMIN'])

test('The image that services share is built once, from the Dockerfile', t => {
  const built = services.filter(([, service]) => service.build !== undefined)
  t.deepEqual(
    built.map(([, { image, build }]) => [image, build?.dockerfile]),
    [['martlet', 'config/container/Dockerfile']],
  )
})

test('The Dockerfile keeps to what every builder has', t => {
  const dockerfile = read('config/container/Dockerfile')
  const forbidden = [
    /^# syntax=/m,
    /--chmod/,
    /--mount/,
    /--link/,
    /<</,
    /--platform/,
    /^HEALTHCHECK/m,
  ]
  for (const pattern of forbidden) t.notRegex(dockerfile, pattern)
  t.deepEqual(dockerfile.match(/^FROM \S+/gm), [
    'FROM node:24-bookworm-slim',
    'FROM node:24-bookworm-slim',
  ])
  for (const [, source = ''] of dockerfile.matchAll(/^COPY (\w[\w.-]*) /gm)) {
    t.true(existsSync(new URL(source, TOP)), source)
  }
})

const unit = test.macro({
  exec: (t, name: string, capability: string, families: string) => {
    const text = read(`config/systemd/martlet-${name}.service`)
    const value = (key: string): string | undefined =>
      new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1]
    t.is(value('CapabilityBoundingSet'), capability)
    t.is(value('AmbientCapabilities'), capability)
    t.is(value('User'), `martlet-${name}`)
    t.is(value('NoNewPrivileges'), 'yes')
    t.is(value('ProtectSystem'), 'strict')
    t.is(value('RestrictAddressFamilies'), families)
    t.is(value('MemoryDenyWriteExecute'), undefined)
    t.regex(value('ExecStart') ?? '', new RegExp(` ${name} --config /etc/martlet/martlet.yaml$`))
    t.regex(read('config/systemd/martlet.sysusers.conf'), new RegExp(`^u martlet-${name} `, 'm'))
  },
  title: (_, name, capability) => `The unit of the ${name} has ${capability || 'no capability'}`,
})

// the runtime reads the interfaces of the host by netlink
test(unit, 'controller', '', 'AF_UNIX AF_INET AF_INET6 AF_NETLINK')
test(unit, 'speaker', 'CAP_NET_BIND_SERVICE', 'AF_UNIX AF_INET AF_INET6')
test(unit, 'dataplane', 'CAP_NET_ADMIN', 'AF_UNIX AF_NETLINK')
