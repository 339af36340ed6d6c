import type { Command } from 'commander'
import {
  type IpPoolResource,
  kindNamed,
  poolFaultsAmong,
  type Resource,
  resourceKey,
} from '../../core/calico/index.ts'
import {
  desired,
  type NodeFacts,
  type Problem,
  podCidrsKey,
  type Secrets,
  type Snapshot,
  serviceObjects,
} from '../../core/intent/index.ts'
import {
  annotationOf,
  byKind,
  ConfigurationError,
  formatProblem,
  type LocatedResource,
  type LocatedService,
  type NodeConfiguration,
  parseConfig,
  parseResources,
  readYaml,
} from '../../shell/config/index.ts'
import { CommandFailure, EXIT, fileFailure } from './failure.ts'
import { describedCommand } from './options.ts'
import { count, type Format, paint, printAs, withOutput } from './output.ts'
import type { Surroundings } from './surroundings.ts'

/**
 * `martlet check`: both passes over files that nobody has applied yet. The first reads each file
 * by itself; the second asks what all resources together mean for each node, with the code that
 * the agent will ask.
 */

/** The command. */
export function checkCommand(surroundings: Surroundings): Command {
  const command = describedCommand(
    'check',
    'Check configurations and resources before they are used',
    {
      text:
        'Takes configurations of nodes (martlet.yaml) and resources in any mixture, - for ' +
        'standard input, and directories. Says every fault with its place, not the first one ' +
        'only. Resources are also checked together, as each Node among them would take them. ' +
        'Touches no store and no agent.',
      examples: [
        ['A node’s configuration', 'martlet check /etc/martlet/martlet.yaml'],
        [
          'A cluster, before it is applied',
          'martlet check resources/ && martlet apply -f resources/',
        ],
        ['In continuous integration', 'martlet check -R clusters/ -o json'],
      ],
    },
  )
    .argument('<files...>', 'files or directories')
    .option('-R, --recursive', 'directories with their subdirectories')
  return withOutput(command).action((files: readonly string[], options: CheckOptions) =>
    check(surroundings, files, options),
  )
}

/** Secrets are on the nodes: here each of them is taken to be there. */
const ELSEWHERE: Secrets = { read: () => ({ text: 'on the node' }) }

interface CheckOptions {
  readonly output: Format
  readonly recursive?: boolean
}

/** What was read of the files, faults included. */
interface Reading {
  files: number
  readonly configurations: CheckedConfiguration[]
  readonly resources: LocatedResource[]
  readonly services: LocatedService[]
  readonly problems: Problem[]
}

/** A configuration that names no node is for whichever host it lies on, so for every node here. */
interface CheckedConfiguration {
  readonly configuration: NodeConfiguration
  readonly namesNode: boolean
}

async function check(
  surroundings: Surroundings,
  files: readonly string[],
  options: CheckOptions,
): Promise<void> {
  const { terminal } = surroundings
  const reading: Reading = {
    files: 0,
    configurations: [],
    resources: [],
    services: [],
    problems: [],
  }
  for (const named of files) await readNamed(surroundings, reading, named, options)
  if (reading.files === 0)
    throw new CommandFailure(EXIT.notFound, `no YAML or JSON file in ${files.join(', ')}`, {
      remedy: 'name a file, or look into subdirectories with -R',
    })
  const problems = [...reading.problems, ...crossCheck(reading)].toSorted(byPlace)
  const checked = {
    files: reading.files,
    configurations: reading.configurations.length,
    resources: reading.resources.length + reading.services.length,
    problems,
  }
  printAs(terminal, options.output, checked, () => {
    const verdict =
      problems.length === 0
        ? paint(terminal, 'good', 'no problem')
        : paint(terminal, 'bad', count(problems.length, 'problem'))
    const read = `${count(checked.files, 'file')}, ${count(checked.resources, 'resource')}`
    return [...problems.map(formatProblem), `${read}: ${verdict}`].join('\n')
  })
  if (problems.length > 0) throw new CommandFailure(EXIT.failed, '')
}

async function readNamed(
  { terminal, environment }: Surroundings,
  reading: Reading,
  named: string,
  { recursive = false }: CheckOptions,
): Promise<void> {
  const files = await terminal.filesAt(named, recursive).catch(thrown => {
    throw fileFailure(named, thrown)
  })
  for (const file of files) {
    const text = await terminal.readText(file).catch(thrown => {
      throw fileFailure(file, thrown)
    })
    reading.files += 1
    readFile(reading, text, file === '-' ? 'standard input' : file, environment)
  }
}

/**
 * A file with a `kind` or an `apiVersion` in any document holds resources, else it is a
 * configuration.
 */
function readFile(
  reading: Reading,
  text: string,
  source: string,
  environment: Surroundings['environment'],
): void {
  const documents = readYaml(text)
  if (documents.length === 0) {
    reading.problems.push({ object: source, field: '', reason: 'is empty' })
    return
  }
  if (documents.some(({ value }) => looksLikeResource(value))) {
    const { resources, services, problems } = parseResources(text, source, 'default')
    reading.resources.push(...resources)
    reading.services.push(...services)
    reading.problems.push(...problems)
    return
  }
  try {
    reading.configurations.push({
      configuration: parseConfig(text, source, environment),
      namesNode: documents.some(({ value }) => hasField(value, 'node')),
    })
  } catch (thrown) {
    if (!(thrown instanceof ConfigurationError)) throw thrown
    reading.problems.push(...thrown.problems)
  }
}

const looksLikeResource = (value: unknown): boolean =>
  hasField(value, 'kind') || hasField(value, 'apiVersion')

const hasField = (value: unknown, field: string): boolean =>
  typeof value === 'object' && value !== null && field in value

/** What the resources mean together, for each node that is named anywhere. */
function crossCheck({ resources, services, configurations }: Reading): Problem[] {
  if (resources.length === 0) return []
  const places = new Map<string, string>()
  const problems: Problem[] = []
  const unique: Resource[] = []
  for (const { resource, source } of resources) {
    const key = keyOf(resource)
    const earlier = places.get(key)
    if (earlier === undefined) {
      places.set(key, source)
      unique.push(resource)
    } else {
      const reason = `"${resource.metadata.name}" is at ${earlier} already; keep one of them`
      problems.push({ object: source, field: 'metadata.name', reason })
    }
  }
  for (const { configuration } of configurations)
    places.set(podCidrsKey(configuration.node), configuration.source)
  const snapshot = snapshotOf(unique, configurations)
  const objects = serviceObjects(services.map(({ object }) => object))
  const found = viewpoints(snapshot, configurations).flatMap(
    facts => desired(snapshot, facts, ELSEWHERE, objects).problems,
  )
  for (const problem of [...overlapping(snapshot.ipPools), ...found])
    problems.push({ ...problem, object: places.get(problem.object) ?? problem.object })
  return [...new Map(problems.map(problem => [JSON.stringify(problem), problem])).values()]
}

/**
 * Each node with its own configuration where it is among the files, else with those for any, or
 * the defaults.
 */
function viewpoints(
  { nodes }: Snapshot,
  configurations: readonly CheckedConfiguration[],
): readonly NodeFacts[] {
  const named = configurations.filter(({ namesNode }) => namesNode)
  const own = named.map(({ configuration }) => configuration.facts)
  const forAny = configurations
    .filter(({ namesNode }) => !namesNode)
    .map(({ configuration }) => configuration.facts)
  const shared =
    forAny.length > 0 ? forAny : [parseConfig('store: {directory: .}', 'defaults').facts]
  const configured = new Set(own.map(({ node }) => node))
  const others = nodes
    .map(({ metadata }) => metadata.name)
    .filter(name => !configured.has(name))
    .flatMap(node => shared.map(facts => ({ ...facts, node })))
  return [...own, ...others]
}

function keyOf({ kind: name, metadata }: Resource): string {
  const kind = kindNamed(name)
  if (kind === undefined) throw new CommandFailure(EXIT.failed, `unknown kind ${name}`)
  const { namespace } = metadata
  return resourceKey({ kind, name: metadata.name, ...(namespace !== undefined && { namespace }) })
}

/** Pools of which no two can be stored together: each of them is said to overlap. */
function overlapping(pools: readonly IpPoolResource[]): Problem[] {
  return pools.flatMap(pool =>
    poolFaultsAmong(pool, { pools, blocks: [] }).map(({ path, reason }) => ({
      object: keyOf(pool),
      field: path.join('.'),
      reason,
    })),
  )
}

const snapshotOf = (
  resources: readonly Resource[],
  configurations: readonly CheckedConfiguration[],
): Snapshot => {
  const inOrder = resources.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
  return {
    ...byKind(inOrder),
    blockAffinities: [],
    blocks: [],
    podCidrs: configurations
      .filter(({ namesNode }) => namesNode)
      .map(({ configuration }) => configuration.facts),
    settings: inOrder.flatMap(resource => annotationOf(resource)?.settings ?? []),
    problems: [],
  }
}

/** By file, then by line as a number. */
function byPlace(a: Problem, b: Problem): number {
  return a.object.localeCompare(b.object, 'en', { numeric: true })
}
