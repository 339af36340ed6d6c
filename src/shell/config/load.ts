import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { invariant, NEVER, seconds } from '../../core/base/index.ts'
import { asNumberOf } from '../../core/calico/index.ts'
import type { DataplaneConfig } from '../../core/dataplane/index.ts'
import type { NodeFacts, Problem, RangeFacts } from '../../core/intent/index.ts'
import {
  comparePrefixes,
  FAMILIES,
  type Prefix,
  parseNetwork,
  parseQuad,
  prefix,
} from '../../core/net/index.ts'
import type { NodeConfiguration, StoreConfiguration } from './configuration.ts'
import { fieldOf, findings } from './issues.ts'
import { configurationSchema, RUN_DIRECTORY_DEFAULT, type WrittenConfiguration } from './schema.ts'
import {
  REGISTRATION_VARIABLES,
  registrationFrom,
  registrationOfVariables,
  registrationSchema,
} from './schemas/participation.ts'
import { settingsOf } from './session-schema.ts'
import { readYaml } from './yaml.ts'

/**
 * Reads `martlet.yaml` and the environment. The only place that knows Calico's names of the
 * variables.
 */

/** Where the configuration is when nobody says. */
export const CONFIG_PATH_DEFAULT = '/etc/martlet/martlet.yaml'

/** Where the memory of the only agent of a machine is: `/run` does not outlive a boot. */
const STATE_DIRECTORY = '/var/lib/martlet/.node'

/** The configuration cannot be used; every fault that was found is in `problems`. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError'
  readonly code: 'CONFIGURATION_UNREADABLE' | 'CONFIGURATION_INVALID'
  readonly problems: readonly Problem[]

  constructor(
    code: ConfigurationError['code'],
    problems: readonly Problem[],
    options?: { readonly cause: unknown },
  ) {
    super(problems.map(formatProblem).join('\n'), options)
    this.code = code
    this.problems = problems
  }
}

/** One line for people: where, which field, why. */
export const formatProblem = (problem: Problem): string =>
  [problem.object, problem.field, problem.reason].filter(part => part !== '').join(': ')

/** Variables of the environment by name. */
export type Environment = Readonly<Record<string, string | undefined>>

/**
 * Reads the configuration at `path`, else at `MARTLET_CONFIG`, else at CONFIG_PATH_DEFAULT. Where
 * none of them is named and the last does not exist, Calico's variables alone are enough
 * (`ETCD_ENDPOINTS`).
 *
 * A field in the file wins over a variable.
 *
 * @throws ConfigurationError with every fault that was found, at once
 */
export function loadConfig(
  path?: string,
  environment: Environment = process.env,
): NodeConfiguration {
  const named = path ?? nonEmpty(environment.MARTLET_CONFIG)
  const file = resolve(named ?? CONFIG_PATH_DEFAULT)
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const absent = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    if (absent && named === undefined && nonEmpty(environment.ETCD_ENDPOINTS) !== undefined)
      return parseConfig('', 'environment', environment)
    const why = error instanceof Error ? error.message : String(error)
    const reason = `cannot be read (${why}); name the configuration with --config or MARTLET_CONFIG`
    throw new ConfigurationError(
      'CONFIGURATION_UNREADABLE',
      [{ object: file, field: '', reason }],
      { cause: error },
    )
  }
  return parseConfig(text, file, environment)
}

/**
 * The configuration that `text` is. Relative paths start at the directory of `source`.
 *
 * @throws ConfigurationError
 */
export function parseConfig(
  text: string,
  source: string,
  environment: Environment = {},
): NodeConfiguration {
  const documents = readYaml(text)
  const [document] = documents
  if (documents.length > 1)
    refuse(`${source}:${documents[1]!.line}`, '', 'a second document; a configuration is one')
  if (document?.fault !== undefined)
    refuse(`${source}:${document.fault.line}`, '', document.fault.reason)
  const value = document?.value ?? {}
  const result = configurationSchema.safeParse(value)
  if (!result.success) {
    const problems = findings(configurationSchema, value, result.error.issues).map(finding => ({
      object: `${source}:${document?.lineOf(finding.path) ?? 1}`,
      field: fieldOf(finding.path),
      reason: finding.reason,
    }))
    throw new ConfigurationError('CONFIGURATION_INVALID', problems)
  }
  return inside(result.data, source, environment)
}

function inside(
  written: WrittenConfiguration,
  source: string,
  environment: Environment,
): NodeConfiguration {
  const node = written.node ?? nonEmpty(environment.NODENAME) ?? hostname().toLowerCase()
  const { kernel } = written
  return {
    source,
    node,
    store: storeOf(written, source, environment),
    ...secretsOf(written, source),
    ...directoriesOf(written, source),
    ...(written.birdSocket !== undefined && {
      birdSocket: resolve(dirname(source), written.birdSocket),
    }),
    ...registrationOf(written, source, environment),
    ...kubernetesOf(written, source, environment),
    ...(written.ipam.claim && { claimsBlocks: true }),
    ...(written.cni !== undefined && {
      cni: { ...written.cni, path: resolve(dirname(source), written.cni.path) },
    }),
    facts: factsOf(written, node, source, environment),
    kernel: {
      table: kernel.table,
      protocol: kernel.protocol,
      metric: kernel.metric,
      nexthopObjects: kernel.nexthopObjects,
      routesMax: kernel.routesMax,
      stale: kernel.staleSeconds === 0 ? NEVER : seconds(kernel.staleSeconds),
      resync: seconds(kernel.resyncSeconds),
      ...(kernel.audit.length > 0 && {
        audit: kernel.audit.map(rule => ({ ...rule, prefix: prefix(rule.prefix) })),
      }),
      ...allowanceOf(kernel.allow),
    },
    log: written.log,
    state: written.state,
  }
}

function allowanceOf(
  allow: WrittenConfiguration['kernel']['allow'],
): Pick<DataplaneConfig, 'allow'> {
  if (allow === undefined) return {}
  const { prefixes, interfaces, metrics } = allow
  return {
    allow: {
      ...(prefixes !== undefined && { prefixes: prefixes.map(prefix) }),
      ...(interfaces !== undefined && { interfaces }),
      ...(metrics !== undefined && { metrics }),
    },
  }
}

function secretsOf(
  { secrets }: WrittenConfiguration,
  source: string,
): Pick<NodeConfiguration, 'secrets'> {
  if (secrets?.directory === undefined)
    return secrets === undefined ? {} : { secrets: { store: true } }
  return { secrets: { directory: resolve(dirname(source), secrets.directory) } }
}

/** `IP` is a common name: it asks for a registration where there is no file, and else fills in. */
function registrationOf(
  { registration }: WrittenConfiguration,
  source: string,
  environment: Environment,
): Pick<NodeConfiguration, 'registration'> {
  const variables = registrationOfVariables(environment)
  const isAsked = source === 'environment' && ('ipv4' in variables || 'ipv6' in variables)
  if (registration?.enabled !== true && !(registration === undefined && isAsked)) return {}
  // one set of rules for both ways of writing it
  const value = { ...variables, ...registration }
  const result = registrationSchema.safeParse(value)
  if (result.success) return { registration: registrationFrom(result.data) }
  throw new ConfigurationError(
    'CONFIGURATION_INVALID',
    findings(registrationSchema, value, result.error.issues).map(({ path, reason }) => ({
      object: 'environment',
      field: REGISTRATION_VARIABLES[String(path[0])] ?? fieldOf(path),
      reason,
    })),
  )
}

/** A pod has `KUBERNETES_SERVICE_HOST`: it asks where there is no file that could. */
function kubernetesOf(
  { kubernetes }: WrittenConfiguration,
  source: string,
  environment: Environment,
): Pick<NodeConfiguration, 'kubernetes'> {
  const inFile = nonEmpty(environment.KUBECONFIG)
  const isAsked =
    source === 'environment' && (inFile ?? nonEmpty(environment.KUBERNETES_SERVICE_HOST))
  if (kubernetes === undefined && !isAsked) return {}
  const { kubeconfig, context } = kubernetes ?? {}
  const file = kubeconfig === undefined ? inFile : resolve(dirname(source), kubeconfig)
  return {
    kubernetes: {
      ...(file !== undefined && { kubeconfig: file }),
      ...(context !== undefined && { context }),
    },
  }
}

/** Several agents of one machine have run directories of their own, and so memories. */
function directoriesOf(
  written: WrittenConfiguration,
  source: string,
): Pick<NodeConfiguration, 'runDirectory' | 'stateDirectory'> {
  const near = (path: string): string => resolve(dirname(source), path)
  const runDirectory = near(written.runDirectory)
  const own = runDirectory === RUN_DIRECTORY_DEFAULT ? STATE_DIRECTORY : join(runDirectory, 'state')
  return {
    runDirectory,
    stateDirectory: written.stateDirectory === undefined ? own : near(written.stateDirectory),
  }
}

function factsOf(
  written: WrittenConfiguration,
  node: string,
  source: string,
  environment: Environment,
): NodeFacts {
  const { bgp } = written
  const routerId = routerIdOf(bgp.routerId, node, source, environment)
  const kubernetesNode = written.kubernetes?.node ?? nonEmpty(environment.CALICO_K8S_NODE_REF)
  const clusterIps = clusterIpsOf(environment)
  return {
    node,
    podCidrs: [...new Set(written.podCIDRs)].map(prefix).toSorted(comparePrefixes),
    transit: written.transit,
    ...(written.calico.felix === 'beside' && { felixBeside: true }),
    ...(/^(1|t|true)$/i.test(environment.USE_POD_CIDR ?? '') && { usePodCidr: true }),
    ...(kubernetesNode !== undefined && { kubernetesNode }),
    ...(clusterIps !== undefined && { clusterIps }),
    ...(routerId === undefined ? {} : { routerId }),
    hold: seconds(bgp.holdSeconds),
    connectRetry: seconds(bgp.connectRetrySeconds),
    multipathMax: bgp.multipathMax,
    ...(bgp.families === undefined
      ? {}
      : { families: FAMILIES.filter(family => bgp.families?.includes(family)) }),
    ...(bgp.ranges.length > 0 && { ranges: bgp.ranges.map(rangeOf) }),
  }
}

/** Calico's variable counts before the resources, and there is no field for it. */
function clusterIpsOf(environment: Environment): Prefix | undefined {
  const text = nonEmpty(environment.CALICO_ADVERTISE_CLUSTER_IPS)
  if (text === undefined) return undefined
  const network = parseNetwork(text)
  if (network === undefined)
    refuse('environment', 'CALICO_ADVERTISE_CLUSTER_IPS', `"${text}" is not a prefix`)
  return network.prefix
}

function rangeOf(written: WrittenConfiguration['bgp']['ranges'][number]): RangeFacts {
  const { name, peersMax, passwordSecret, ttlSecurity, routeReflectorClient, session } = written
  const asNumber = asNumberOf(written.asNumber)
  invariant(asNumber !== undefined, 'the schema has let an AS number through')
  return {
    name,
    prefix: prefix(written.prefix),
    asNumber,
    peersMax,
    ...(passwordSecret === undefined ? {} : { passwordSecret }),
    ...(ttlSecurity === undefined ? {} : { ttlSecurity }),
    routeReflectorClient,
    settings: session === undefined ? {} : settingsOf(session),
  }
}

/** Calico's rule for `hash`: four octets of the name's SHA-256, the first below 224. */
export function hashedRouterId(node: string): number {
  const word = createHash('sha256').update(node).digest().readUInt32BE(0)
  return word >>> 24 > 223 ? (word - 0x20000000) >>> 0 : word
}

function routerIdOf(
  inFile: string | undefined,
  node: string,
  source: string,
  environment: Environment,
): number | undefined {
  const text = inFile ?? nonEmpty(environment.CALICO_ROUTER_ID)
  if (text === undefined) return undefined
  if (text === 'hash') return hashedRouterId(node)
  const quad = parseQuad(text) ?? 0
  if (quad === 0) refuse(source, 'CALICO_ROUTER_ID', `"${text}" is not a router id`)
  return quad
}

function storeOf(
  written: WrittenConfiguration,
  source: string,
  environment: Environment,
): StoreConfiguration {
  const near = (path: string): string => resolve(dirname(source), path)
  if (written.store?.directory !== undefined)
    return { kind: 'directory', path: near(written.store.directory) }
  const etcd = written.store?.etcd
  if (etcd !== undefined)
    return {
      kind: 'etcd',
      endpoints: etcd.endpoints,
      ...(etcd.username === undefined ? {} : { username: etcd.username }),
      ...(etcd.password === undefined ? {} : { password: etcd.password }),
      ...(etcd.passwordFile === undefined ? {} : { passwordFile: near(etcd.passwordFile) }),
      ...(etcd.ca === undefined ? {} : { ca: near(etcd.ca) }),
      ...(etcd.certificate === undefined ? {} : { certificate: near(etcd.certificate) }),
      ...(etcd.key === undefined ? {} : { key: near(etcd.key) }),
    }
  return storeFromEnvironment(source, environment)
}

function storeFromEnvironment(source: string, environment: Environment): StoreConfiguration {
  const endpoints = (environment.ETCD_ENDPOINTS ?? '').split(',').map(part => part.trim())
  const etcd = {
    endpoints: endpoints.filter(part => part !== ''),
    username: nonEmpty(environment.ETCD_USERNAME),
    password: nonEmpty(environment.ETCD_PASSWORD),
    ca: nonEmpty(environment.ETCD_CA_CERT_FILE),
    certificate: nonEmpty(environment.ETCD_CERT_FILE),
    key: nonEmpty(environment.ETCD_KEY_FILE),
  }
  if (etcd.endpoints.length === 0)
    refuse(
      source,
      'store',
      'is missing; write "store: {directory: PATH}" or "store: {etcd: {endpoints: [URL]}}", ' +
        'or set ETCD_ENDPOINTS',
    )
  // one set of rules for both ways of writing it
  const result = configurationSchema.shape.store.safeParse({ etcd })
  if (!result.success) {
    const problems = findings(configurationSchema.shape.store, { etcd }, result.error.issues)
    throw new ConfigurationError(
      'CONFIGURATION_INVALID',
      problems.map(({ path, reason }) => ({
        object: 'environment',
        field: VARIABLES[String(path[1])] ?? fieldOf(path),
        reason,
      })),
    )
  }
  return {
    kind: 'etcd',
    endpoints: etcd.endpoints,
    ...(etcd.username === undefined ? {} : { username: etcd.username }),
    ...(etcd.password === undefined ? {} : { password: etcd.password }),
    ...(etcd.ca === undefined ? {} : { ca: etcd.ca }),
    ...(etcd.certificate === undefined ? {} : { certificate: etcd.certificate }),
    ...(etcd.key === undefined ? {} : { key: etcd.key }),
  }
}

const VARIABLES: Readonly<Record<string, string>> = {
  endpoints: 'ETCD_ENDPOINTS',
  username: 'ETCD_USERNAME',
  password: 'ETCD_PASSWORD',
  ca: 'ETCD_CA_CERT_FILE',
  certificate: 'ETCD_CERT_FILE',
  key: 'ETCD_KEY_FILE',
}

/** Calico's charts set variables that they do not mean to empty text. */
const nonEmpty = (text: string | undefined): string | undefined => (text === '' ? undefined : text)

function refuse(object: string, field: string, reason: string): never {
  throw new ConfigurationError('CONFIGURATION_INVALID', [{ object, field, reason }])
}
