import { type Command, Option } from 'commander'
import { API_VERSION, type Kind } from '../../../core/calico/index.ts'
import type { Store } from '../../../core/intent/index.ts'
import { formatProblem, parseResources } from '../../../shell/config/index.ts'
import { CommandFailure, EXIT, fileFailure } from '../failure.ts'
import { type ConfigOption, describedCommand, withConfig } from '../options.ts'
import { type Format, printAs, table, withOutput } from '../output.ts'
import type { Surroundings } from '../surroundings.ts'
import { CLUSTER_KINDS, columnsOf, kindCalled, type TableContext, valueAt } from './kinds.ts'
import {
  apply,
  create,
  exported,
  label,
  list,
  type ResourceObject,
  read,
  remove,
  replace,
  type Writer,
} from './objects.ts'

/**
 * `martlet get | apply | create | replace | delete`: Calico's resources, with calicoctl's
 * manners.
 */

/** AS number of a cluster that says nothing else. */
const CALICO_AS_NUMBER = 64512

interface FileOptions extends ConfigOption {
  readonly filename?: readonly string[]
  readonly recursive?: boolean
}

/** The five commands. */
export function resourceCommands(surroundings: Surroundings): readonly Command[] {
  return [
    getCommand(surroundings),
    writeCommand(surroundings, {
      verb: 'apply',
      done: 'applied',
      summary: 'Create resources, or replace those that exist',
      examples: [
        ['Peer every node with a router', 'martlet apply -f tor.yaml'],
        ['From standard input', 'martlet get node worker-0 -o yaml | edit | martlet apply -f -'],
        ['A directory', 'martlet apply -R -f resources/'],
      ],
    }),
    writeCommand(surroundings, {
      verb: 'create',
      done: 'created',
      summary: 'Create resources, and none that exists',
      examples: [['Fails with exit code 4 where it exists', 'martlet create -f tor.yaml']],
    }),
    writeCommand(surroundings, {
      verb: 'replace',
      done: 'replaced',
      summary: 'Replace resources, and none that does not exist',
      examples: [['Fails with exit code 3 where it is new', 'martlet replace -f tor.yaml']],
    }),
    deleteCommand(surroundings),
  ]
}

function getCommand(surroundings: Surroundings): Command {
  const command = describedCommand('get', 'Show Calico’s resources', {
    text:
      'Kinds: nodes (no), bgpconfigurations (bgpconfig), bgppeers (bgpp), and Calico’s other ' +
      'kinds without a namespace; singular, plural or short, in any case.',
    examples: [
      ['All peers', 'martlet get bgppeers'],
      ['With more columns', 'martlet get nodes -o wide'],
      ['One, to be edited and applied', 'martlet get bgpconfig default -o yaml'],
      ['To be given to another cluster', 'martlet get bgppeers -o yaml --export'],
    ],
  })
    .argument('[kind]', 'which kind')
    .argument('[names...]', 'which ones; all without a name')
    .option('--export', 'without what the store filled in (uid, revision, time)')
  return withFiles(withOutput(command)).action((kind, names, options) =>
    get(surroundings, kind, names, options),
  )
}

interface GetOptions extends FileOptions {
  readonly output: Format
  readonly export?: boolean
}

async function get(
  surroundings: Surroundings,
  kindName: string | undefined,
  names: readonly string[],
  options: GetOptions,
): Promise<void> {
  await withStore(surroundings, options, async store => {
    const found =
      kindName === undefined
        ? await getFromFiles(surroundings, store, options)
        : await getKind(surroundings, store, requireKind(kindName), names)
    const items = options.export === true ? found.items.map(exported) : found.items
    const kinds = kindName === undefined ? [] : [requireKind(kindName)]
    const data = found.single ? items[0] : listOf(items, kinds, found.revision)
    const context = { clusterAsNumber: await clusterAsNumber(store, found.items, options) }
    printAs(surroundings.terminal, options.output, data, wide =>
      tabulate(surroundings, items, kinds, { context, wide }),
    )
  })
}

interface FoundResources {
  readonly items: readonly ResourceObject[]
  readonly revision?: number
  /** asked for by one name: printed as itself, not as a list */
  readonly single: boolean
}

async function getKind(
  { terminal }: Surroundings,
  store: Store,
  kind: Kind,
  names: readonly string[],
): Promise<FoundResources> {
  if (names.length === 0) {
    const { items, revision, unreadable } = await list(store, kind)
    for (const key of unreadable) terminal.remark(`martlet: ${key}: is not a resource, left out`)
    return { items, revision, single: false }
  }
  const items: ResourceObject[] = []
  for (const name of names) items.push(await existing(store, kind, name))
  return { items, single: names.length === 1 }
}

async function getFromFiles(
  surroundings: Surroundings,
  store: Store,
  options: GetOptions,
): Promise<FoundResources> {
  const wanted = await readFiles(surroundings, options)
  const items: ResourceObject[] = []
  for (const one of wanted)
    items.push(await existing(store, requireKind(one.kind), one.metadata.name))
  return { items, single: wanted.length === 1 }
}

async function existing(store: Store, kind: Kind, name: string): Promise<ResourceObject> {
  const object = await read(store, kind, name)
  if (object !== undefined) return object
  throw new CommandFailure(EXIT.notFound, `resource does not exist: ${kind.kind}(${name})`)
}

/** As Kubernetes writes a list. */
function listOf(
  items: readonly ResourceObject[],
  asked: readonly Kind[],
  revision: number | undefined,
): object {
  const kinds = new Set([...asked.map(({ kind }) => kind), ...items.map(item => item.kind)])
  const [kind] = kinds
  return {
    apiVersion: API_VERSION,
    items,
    kind: kinds.size === 1 ? `${kind}List` : 'List',
    metadata: revision === undefined ? {} : { resourceVersion: String(revision) },
  }
}

function tabulate(
  { terminal }: Surroundings,
  items: readonly ResourceObject[],
  asked: readonly Kind[],
  { context, wide }: { readonly context: TableContext; readonly wide: boolean },
): string {
  const kinds = new Set([...asked, ...items.map(item => requireKind(item.kind))])
  return [...kinds]
    .map(kind => {
      const own = items.filter(item => item.kind === kind.kind)
      return table(terminal, columnsOf(kind, context), own, wide)
    })
    .join('\n\n')
}

/** Asked for only where a column shows it. */
async function clusterAsNumber(
  store: Store,
  items: readonly ResourceObject[],
  options: GetOptions,
): Promise<number> {
  const kind = kindCalled('bgpconfiguration')
  if (options.output !== 'wide' || kind === undefined || !items.some(one => one.kind === 'Node'))
    return CALICO_AS_NUMBER
  const settings = await read(store, kind, 'default')
  const asNumber = settings === undefined ? undefined : valueAt(settings, ['spec', 'asNumber'])
  return typeof asNumber === 'number' ? asNumber : CALICO_AS_NUMBER
}

interface WriteVerb {
  readonly verb: 'apply' | 'create' | 'replace'
  readonly done: string
  readonly summary: string
  readonly examples: readonly (readonly [string, string])[]
}

const WRITERS = { apply, create, replace } as const

function writeCommand(surroundings: Surroundings, verb: WriteVerb): Command {
  const command = describedCommand(verb.verb, verb.summary, {
    text: 'Nothing is written unless every resource of every file is valid.',
    examples: verb.examples,
  })
  return withFiles(command).action((options: FileOptions) =>
    withStore(surroundings, options, async store => {
      const writer: Writer = {
        store,
        now: () => surroundings.now(),
        uniqueId: () => surroundings.uniqueId(),
      }
      const objects = await readFiles(surroundings, options)
      await inTurn(surroundings, verb, objects, object => WRITERS[verb.verb](writer, object))
    }),
  )
}

function deleteCommand(surroundings: Surroundings): Command {
  const command = describedCommand('delete', 'Delete resources', {
    examples: [
      ['By name', 'martlet delete bgppeer tor'],
      ['What a file names', 'martlet delete -f tor.yaml'],
      ['Whether it is there or not', 'martlet delete bgppeer tor --skip-not-exists'],
    ],
  })
    .argument('[kind]', 'which kind')
    .argument('[names...]', 'which ones')
    .option('-s, --skip-not-exists', 'what does not exist counts as deleted')
  return withFiles(command).action((kind, names, options) =>
    deleteNamed(surroundings, kind, names, options),
  )
}

async function deleteNamed(
  surroundings: Surroundings,
  kindName: string | undefined,
  names: readonly string[],
  options: FileOptions & { readonly skipNotExists?: boolean },
): Promise<void> {
  if (kindName !== undefined && names.length === 0)
    throw new CommandFailure(EXIT.usage, 'delete needs a name', {
      remedy: `write martlet delete ${kindName} NAME`,
    })
  await withStore(surroundings, options, async store => {
    const objects =
      kindName === undefined
        ? await readFiles(surroundings, options)
        : names.map(name => reference(requireKind(kindName), name))
    await inTurn(surroundings, { verb: 'delete', done: 'deleted' }, objects, async object => {
      if ((await remove(store, object)) || options.skipNotExists === true) return
      throw new CommandFailure(EXIT.notFound, `resource does not exist: ${label(object)}`)
    })
  })
}

const reference = (kind: Kind, name: string): ResourceObject => ({
  kind: kind.kind,
  apiVersion: API_VERSION,
  metadata: { name },
})

/** Does `act` to each until one fails; says in calicoctl's words how far it came. */
async function inTurn(
  { terminal }: Surroundings,
  { verb, done }: { readonly verb: string; readonly done: string },
  objects: readonly ResourceObject[],
  act: (object: ResourceObject) => Promise<void>,
): Promise<void> {
  const kinds = new Set(objects.map(object => object.kind))
  const of = kinds.size === 1 ? ` '${objects[0]?.kind}'` : ''
  for (const [at, object] of objects.entries()) {
    try {
      await act(object)
    } catch (thrown) {
      const reached = `${done} the first ${at} out of ${objects.length}${of} resources`
      const none = `Failed to ${verb}${of} resource`
      terminal.remark(at > 0 ? `Partial success: ${reached}` : none)
      throw thrown
    }
  }
  terminal.print(`Successfully ${done} ${objects.length}${of} resource(s)`)
}

/** All resources of all files, in order; refuses everything where anything is not valid. */
async function readFiles(
  { terminal }: Surroundings,
  { filename = [], recursive = false }: FileOptions,
): Promise<readonly ResourceObject[]> {
  if (filename.length === 0)
    throw new CommandFailure(EXIT.usage, 'nothing is named', {
      remedy: 'write a kind, or -f FILE',
    })
  const objects: ResourceObject[] = []
  const faults: string[] = []
  for (const named of filename) {
    const files = await terminal.filesAt(named, recursive).catch(thrown => {
      throw fileFailure(named, thrown)
    })
    for (const file of files) {
      const text = await terminal.readText(file).catch(thrown => {
        throw fileFailure(file, thrown)
      })
      const { resources, problems } = parseResources(text, file === '-' ? 'standard input' : file)
      objects.push(...resources.map(({ resource }) => resource))
      faults.push(...problems.map(formatProblem))
    }
  }
  if (faults.length > 0) {
    for (const fault of faults) terminal.remark(fault)
    throw new CommandFailure(EXIT.failed, 'nothing was done: the resources above are not valid')
  }
  if (objects.length === 0)
    throw new CommandFailure(EXIT.failed, `no resources specified in ${filename.join(', ')}`)
  return objects
}

function withFiles(command: Command): Command {
  return withConfig(command)
    .option('-f, --filename <file...>', 'a file, a directory, or - for standard input')
    .option('-R, --recursive', 'directories with their subdirectories')
    .addOption(new Option('--allow-version-mismatch', 'accepted, as calicoctl has it').hideHelp())
}

function requireKind(name: string): Kind {
  const kind = kindCalled(name)
  if (kind !== undefined) return kind
  const known = CLUSTER_KINDS.map(({ plural }) => plural).join(', ')
  throw new CommandFailure(EXIT.usage, `"${name}" is not a kind`, { remedy: `kinds are ${known}` })
}

/** Opens the store that the configuration names, and closes it whatever happens. */
async function withStore(
  surroundings: Surroundings,
  options: ConfigOption,
  act: (store: Store) => Promise<void>,
): Promise<void> {
  const store = await surroundings.openStore(surroundings.loadConfig(options.config))
  try {
    await act(store)
  } finally {
    await store.close()
  }
}
