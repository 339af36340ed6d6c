import { type Command, Option } from 'commander'
import { KINDS, type Kind, kindNamed, type Resource } from '../../../core/calico/index.ts'
import type { Store } from '../../../core/intent/index.ts'
import {
  formatProblem,
  type LocatedService,
  type NodeConfiguration,
  parseResources,
} from '../../../shell/config/index.ts'
import { CommandFailure, EXIT, fileFailure } from '../failure.ts'
import { type ConfigOption, withConfig } from '../options.ts'
import type { Surroundings } from '../surroundings.ts'
import { kindCalled } from './kinds.ts'
import type { ResourceObject, ResourceReference } from './objects.ts'

/** What all commands on resources have in common: how resources are named, one by one. */

/** Options of every command that takes resources from files. */
export interface FileOptions extends ConfigOption {
  readonly filename?: readonly string[]
  readonly recursive?: boolean
  readonly namespace?: string
}

/** Adds them. */
export function withFiles(command: Command): Command {
  return withNamespace(withConfig(command))
    .option('-f, --filename <file...>', 'a file, a directory, or - for standard input')
    .option('-R, --recursive', 'directories with their subdirectories')
}

/** Adds `-n`, and what calicoctl's users write out of habit. */
export function withNamespace(command: Command): Command {
  return command
    .option('-n, --namespace <name>', 'of kinds that have one (default: default)')
    .addOption(new Option('--allow-version-mismatch', 'accepted, as calicoctl has it').hideHelp())
}

/** The kind that somebody means by `name`. @throws CommandFailure where there is none */
export function requireKind(name: string): Kind {
  const kind = kindCalled(name)
  if (kind !== undefined) return kind
  const known = KINDS.map(({ plural }) => plural).join(', ')
  throw new CommandFailure(EXIT.usage, `"${name}" is not a kind`, { remedy: `kinds are ${known}` })
}

/** What `kind` and `name` on a command line mean. */
export const referenceTo = (
  kind: Kind,
  name: string,
  { namespace }: Pick<FileOptions, 'namespace'>,
): ResourceReference => ({
  kind,
  name,
  ...(kind.namespaced && { namespace: namespace ?? 'default' }),
})

/** What a resource of a file is called. */
export const referenceOf = ({ kind, metadata }: ResourceObject): ResourceReference => ({
  kind: kindNamed(kind) ?? requireKind(kind),
  name: metadata.name,
  ...(metadata.namespace !== undefined && { namespace: metadata.namespace }),
})

/** Opens the store that the configuration names, and closes it whatever happens. */
export async function withStore(
  surroundings: Surroundings,
  options: ConfigOption,
  act: (store: Store, configuration: NodeConfiguration) => Promise<void>,
): Promise<void> {
  const configuration = surroundings.loadConfig(options.config)
  const store = await surroundings.openStore(configuration)
  try {
    await act(store, configuration)
  } finally {
    await store.close()
  }
}

/**
 * All resources of all files, in order; refuses everything where anything is not valid.
 *
 * @param remedy  what to write, where no file is named
 */
export async function readFiles(
  { terminal }: Surroundings,
  { filename = [], recursive = false, namespace = 'default' }: FileOptions,
  remedy = 'write a kind, or -f FILE',
): Promise<readonly Resource[]> {
  if (filename.length === 0) throw new CommandFailure(EXIT.usage, 'nothing is named', { remedy })
  const resources: Resource[] = []
  const faults: string[] = []
  for (const named of filename) {
    const files = await terminal.filesAt(named, recursive).catch(thrown => {
      throw fileFailure(named, thrown)
    })
    for (const file of files) {
      const text = await terminal.readText(file).catch(thrown => {
        throw fileFailure(file, thrown)
      })
      const source = file === '-' ? 'standard input' : file
      const read = parseResources(text, source, namespace)
      resources.push(...read.resources.map(({ resource }) => resource))
      faults.push(...read.problems.map(formatProblem), ...read.services.map(kubernetesOwn))
    }
  }
  if (faults.length > 0) {
    for (const fault of faults) terminal.remark(fault)
    throw new CommandFailure(EXIT.failed, 'nothing was done: the resources above are not valid')
  }
  if (resources.length === 0)
    throw new CommandFailure(EXIT.failed, `no resources specified in ${filename.join(', ')}`)
  return resources
}

/** What a store does not take. */
const kubernetesOwn = ({ object, source }: LocatedService): string =>
  `${source}: a ${object.kind} is Kubernetes' own; apply it by kubectl, or put its file into the ` +
  'directory of the store'

/** Does `act` to each until one fails; says in calicoctl's words how far it came. */
export async function inTurn<Item extends { readonly kind: string }>(
  { terminal }: Surroundings,
  { verb, done }: { readonly verb: string; readonly done: string },
  items: readonly Item[],
  act: (item: Item) => Promise<void>,
): Promise<void> {
  const kinds = new Set(items.map(item => item.kind))
  const of = kinds.size === 1 ? ` '${items[0]?.kind}'` : ''
  for (const [at, item] of items.entries()) {
    try {
      await act(item)
    } catch (thrown) {
      const reached = `${done} the first ${at} out of ${items.length}${of} resources`
      const none = `Failed to ${verb}${of} resource`
      terminal.remark(at > 0 ? `Partial success: ${reached}` : none)
      throw thrown
    }
  }
  terminal.print(`Successfully ${done} ${items.length}${of} resource(s)`)
}
