import { type Command, InvalidArgumentError } from 'commander'
import {
  desired,
  type Entry,
  NO_SECRETS,
  NO_SERVICE_OBJECTS,
  type NodeFacts,
  type Plan,
  type PlannedProgram,
  type PlannedRoute,
  type PlannedSession,
  planOf,
  type Secrets,
  type ServiceObjects,
  type ServiceSource,
  type Snapshot,
  storedSecrets,
} from '../../core/intent/index.ts'
import {
  hashedRouterId,
  type NodeConfiguration,
  SnapshotReader,
  watchedRoots,
} from '../../shell/config/index.ts'
import { readServices } from '../../shell/kubernetes/index.ts'
import { SecretFiles } from '../../shell/secrets/index.ts'
import { CommandFailure, EXIT } from './failure.ts'
import { type ConfigOption, describedCommand, withConfig } from './options.ts'
import { count, type Format, facts as factLines, printAs, table, withOutput } from './output.ts'
import type { Surroundings } from './surroundings.ts'

/**
 * `martlet plan`: what the resources of a store mean for a node, by the code that its agent asks.
 * Touches nothing: no agent, no kernel, and the store is only read.
 */

/** The command. */
export function planCommand(surroundings: Surroundings): Command {
  const command = describedCommand('plan', 'Show what a node would do, without doing it', {
    text:
      'Reads the store and prints the sessions, prefixes, pools and communities that it means ' +
      'for one node, and what in it cannot be meant. Another node is taken to be configured as ' +
      'this one is, and secrets are looked for here.',
    examples: [
      ['This node', 'martlet plan'],
      ['Another one', 'martlet plan --node worker-1'],
      ['What the store held before, for as long as etcd keeps it', 'martlet plan --at 1234'],
      [
        'What a change would change',
        'martlet plan -o json > a; martlet apply -f tor.yaml; martlet plan -o json | diff a -',
      ],
    ],
  })
    .option('--node <name>', 'which node (default: this one)')
    .option('--at <revision>', 'as the store was at this revision (default: now)', parseRevision)
  return withConfig(withOutput(command)).action((options: PlanOptions) =>
    plan(surroundings, options),
  )
}

interface PlanOptions extends ConfigOption {
  readonly output: Format
  readonly node?: string
  readonly at?: number
}

function parseRevision(text: string): number {
  const revision = Number(text)
  if (!/^\d+$/.test(text) || revision === 0 || !Number.isSafeInteger(revision))
    throw new InvalidArgumentError('Write a revision, a number from 1.')
  return revision
}

async function plan(surroundings: Surroundings, options: PlanOptions): Promise<void> {
  const { terminal } = surroundings
  const configuration = surroundings.loadConfig(options.config)
  const node = options.node ?? configuration.node
  const store = await surroundings.openStore(configuration, { onlyRead: true })
  const listing = await store
    .list(watchedRoots(configuration), options.at)
    .finally(() => store.close())
  const { entries, revision, problems = [] } = listing
  const read = new SnapshotReader([], node).read(entries, problems)
  const snapshot = { ...read, problems: [...problems, ...read.problems] }
  if (!snapshot.nodes.some(({ metadata }) => metadata.name === node))
    throw new CommandFailure(EXIT.notFound, `the store has no Node ${node} at ${revision}`, {
      remedy: 'martlet get nodes shows those that there are',
    })
  const facts = factsOf(configuration, node, snapshot)
  const source = await surroundings.openServices(configuration)
  const objects = source === undefined ? readServices(entries) : await firstOf(source)
  const wanted = desired(snapshot, facts, secretsOf(configuration, entries), objects)
  const found = planOf(wanted, facts, snapshot, revision)
  printAs(terminal, options.output, found, wide => describe(surroundings, found, wide))
}

function secretsOf({ secrets }: NodeConfiguration, entries: readonly Entry[]): Secrets {
  if (secrets === undefined) return NO_SECRETS
  return 'store' in secrets ? storedSecrets(entries) : new SecretFiles(secrets.directory).now()
}

/** What a source says first; where it does not answer, that is a problem of the plan. */
function firstOf(source: ServiceSource): Promise<ServiceObjects> {
  return new Promise(resolve => {
    const watch = source.watch(event => {
      // it may say so before `watch` is known here
      setImmediate(() => watch.close())
      if (event.type === 'objects') resolve(event.objects)
      else
        resolve({
          ...NO_SERVICE_OBJECTS,
          problems: [
            {
              object: 'kubernetes',
              field: '',
              reason: `tells nothing of services (${event.why}); an agent stays with what it knows`,
            },
          ],
        })
    })
  })
}

/**
 * What is known of a node's own configuration: of another node, what it published, and what this
 * one's says that can be said of any.
 */
function factsOf(
  { node: here, facts }: NodeConfiguration,
  node: string,
  { podCidrs }: Snapshot,
): NodeFacts {
  if (node === here) return facts
  const { routerId, kubernetesNode: _, ...others } = facts
  return {
    ...others,
    node,
    podCidrs: podCidrs.find(published => published.node === node)?.podCidrs ?? [],
    ...(routerId === hashedRouterId(here) && { routerId: hashedRouterId(node) }),
  }
}

/** For people: what a session has beyond the usual is in a line below it. */
function describe({ terminal }: Surroundings, found: Plan, wide: boolean): string {
  const sections = [
    factLines([
      ['node', found.node],
      ['revision', found.revision === null ? undefined : String(found.revision)],
      ['router id', found.routerId ?? 'none, and so no sessions'],
      ['AS', found.asNumber === null ? undefined : String(found.asNumber)],
      ['reflects for', found.clusterId === null ? undefined : `cluster ${found.clusterId}`],
      ['listens at', found.listen.map(listenText).join(', ') || undefined],
    ]),
    section(count(found.sessions.length, 'session'), sessionLines(terminal, found.sessions, wide)),
    section(
      count(found.ranges.length, 'range'),
      found.ranges.map(({ name, prefix }) => `${name}   ${prefix}`),
    ),
    section(
      `${count(found.originated.length, 'prefix', 'prefixes')} of its own`,
      pairs(
        found.originated.map(({ prefix, kind, blackhole }) => [
          prefix,
          `${kind}${blackhole ? ', blackhole' : ''}`,
        ]),
      ),
    ),
    section(
      count(found.pools.length, 'pool'),
      pairs(
        found.pools.map(({ cidr, bgpExport, kernel }) => [
          cidr,
          `${bgpExport ? 'announced' : 'not announced'}, kernel: ${kernel}`,
        ]),
      ),
    ),
    section(
      'communities',
      pairs(found.communities.map(({ prefix, communities }) => [prefix, communities.join(' ')])),
    ),
    section('told to peers', programLines(found.exports, found)),
    section('taken from peers', programLines(found.imports, found)),
    section('into the kernel, of what is learned', found.kernel),
    section(
      'into the kernel, of its own',
      found.routes.map(routeText).filter(text => text !== ''),
    ),
    section(
      count(found.tunnels.length, 'tunnel'),
      found.tunnels.flatMap(({ name, kind, address, ends }) => [
        `${name} ${address}, ${kind} with ${count(ends.length, 'other end')}`,
        ...ends.map(({ address: end, node }) => `  ${end} at ${node}`),
      ]),
    ),
    section(
      count(found.problems.length, 'problem'),
      found.problems.map(({ object, field, reason }) =>
        [object, field === '' ? [] : field].flat().join(' ').concat(`: ${reason}`),
      ),
    ),
  ]
  return sections.filter(text => text !== '').join('\n\n')
}

const section = (title: string, lines: readonly string[]): string =>
  lines.length === 0 ? '' : [title, ...lines.map(line => `  ${line}`)].join('\n')

/** As `ip route` words it; blackholes are with what is originated. */
function routeText({ prefix, kind, gateway, interface: link, metric }: PlannedRoute): string {
  if (kind === 'blackhole') return ''
  const said: readonly (readonly [string, string | number | null])[] = [
    ['via', gateway],
    ['dev', link],
    ['metric', metric],
  ]
  return [prefix, ...said.flatMap(([word, value]) => (value === null ? [] : [word, value]))].join(
    ' ',
  )
}

/** Most names of sessions in a line; a mesh has many that are all alike. */
const NAMES_SHOWN = 4

/** Each program below the sessions that have it. */
function programLines(
  programs: readonly PlannedProgram[],
  { sessions, ranges }: Pick<Plan, 'sessions' | 'ranges'>,
): string[] {
  const all = sessions.length + ranges.length
  return programs.flatMap(({ sessions: names, rules }) => {
    const more = names.length - NAMES_SHOWN
    const some = more > 1 ? [...names.slice(0, NAMES_SHOWN), `and ${more} more`] : names
    const whose = names.length === all && all > 1 ? `all ${all} of them` : some.join(', ')
    return [whose, ...rules.map(rule => `  ${rule}`)]
  })
}

/** Lines of two columns. */
function pairs(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(0, ...rows.map(([name]) => name.length))
  return rows.map(([name, rest]) => `${name.padEnd(width)}   ${rest}`)
}

const listenText = ({ address, port }: { readonly address: string; readonly port: number }) =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`

function sessionLines(
  terminal: Surroundings['terminal'],
  sessions: readonly PlannedSession[],
  wide: boolean,
): string[] {
  if (sessions.length === 0) return []
  const lines = table(
    terminal,
    [
      { heading: 'NAME', text: session => session.name },
      { heading: 'PEER', text: session => listenText(endpointOf(session)) },
      { heading: 'AS', text: session => String(session.peerAs) },
      { heading: 'TYPE', text: ({ ebgp }) => (ebgp ? 'eBGP' : 'iBGP') },
      { heading: 'SOURCE', text: ({ sourceAddress }) => sourceAddress ?? 'any' },
      { heading: 'CONNECTS', text: connects },
      { heading: 'RESOURCE', text: ({ resource }) => resource ?? 'the mesh', wide: true },
    ],
    sessions,
    wide,
  ).split('\n')
  return lines.flatMap((line, at) => {
    const session = sessions[at - 1]
    if (session === undefined) return [line]
    const more = particularsOf(session).join(', ')
    const { withheld } = session
    return [line, more, withheld === null ? '' : `NO SESSION: ${withheld}`]
      .filter(text => text !== '')
      .map((text, below) => (below === 0 ? text : `    ${text}`))
  })
}

/** In a mesh, the end that does not wait connects; another peer may do as it likes. */
function connects({ passive, resource }: PlannedSession): string {
  if (passive) return 'the peer'
  return resource === null ? 'this node' : 'both'
}

const endpointOf = ({ peerAddress, peerPort }: PlannedSession) => ({
  address: peerAddress,
  port: peerPort,
})

/** What of a session is not as it is where no resource says anything. */
function particularsOf(session: PlannedSession): string[] {
  const { resource, clusterId, restartTimeSeconds, keepaliveSeconds, reachableBy } = session
  const said: readonly (readonly [boolean, string])[] = [
    [resource !== null, `of ${resource?.split('/').at(-1)}${session.reverse ? ', sent back' : ''}`],
    [session.localAs !== session.peerAs || session.ebgp, `our AS ${session.localAs}`],
    [session.password !== 'none', `password ${session.password}`],
    [
      session.ttlSecurityHops !== null,
      `at most ${count(session.ttlSecurityHops ?? 0, 'hop')} away`,
    ],
    [restartTimeSeconds !== null, `restart ${restartTimeSeconds}s`],
    [keepaliveSeconds !== null, `keepalive ${keepaliveSeconds}s`],
    [session.allowLocalAs > 0, `takes our AS ${count(session.allowLocalAs, 'time')}`],
    [session.nextHop !== 'auto', `next hop ${session.nextHop}`],
    [session.routeReflectorClient, `client of cluster ${clusterId}`],
    [session.importFilters.length > 0, `import filters ${session.importFilters.join(' ')}`],
    [session.exportFilters.length > 0, `export filters ${session.exportFilters.join(' ')}`],
    [reachableBy !== null, `reachable by ${reachableBy}`],
  ]
  return said.filter(([holds]) => holds).map(([, text]) => text)
}
