import { type Command, InvalidArgumentError, Option } from 'commander'
import { API_VERSION, type Kind } from '../../../core/calico/index.ts'
import type { Store } from '../../../core/intent/index.ts'
import { CommandFailure, EXIT } from '../failure.ts'
import { describedCommand } from '../options.ts'
import { type Column, type Format, parseFormat, printAs, table } from '../output.ts'
import type { Surroundings } from '../surroundings.ts'
import {
  type FileOptions,
  readFiles,
  referenceOf,
  referenceTo,
  requireKind,
  withFiles,
  withStore,
} from './asking.ts'
import { columnsOf, kindCalled, valueAt } from './kinds.ts'
import {
  exported,
  labelOf,
  list,
  type ResourceObject,
  type ResourceReference,
  read,
} from './objects.ts'

/** `martlet get`: Calico's resources as the store has them. */

/** AS number of a cluster that says nothing else. */
const CALICO_AS_NUMBER = 64512

/** A table of these columns, or one of the formats of every command. */
type Output = Format | { readonly columns: readonly string[] }

interface GetOptions extends FileOptions {
  readonly output: Output
  readonly export?: boolean
  readonly allNamespaces?: boolean
}

/** The command. */
export function getCommand(surroundings: Surroundings): Command {
  const command = describedCommand('get', 'Show Calico’s resources', {
    text:
      'Kinds: nodes (no), bgpconfigurations (bgpconfig), bgppeers (bgpp), bgpfilters, ippools ' +
      '(pool), and Calico’s other kinds; singular, plural or short, in any case.',
    examples: [
      ['All peers', 'martlet get bgppeers'],
      ['With more columns', 'martlet get nodes -o wide'],
      ['With these columns', 'martlet get ippools -o custom-columns=NAME,CIDR'],
      ['One, to be edited and applied', 'martlet get bgpconfig default -o yaml'],
      ['To be given to another cluster', 'martlet get bgppeers -o yaml --export'],
    ],
  })
    .argument('[kind]', 'which kind')
    .argument('[names...]', 'which ones; all without a name')
    .option('--export', 'without what the store filled in (uid, revision, time)')
    .option('-A, --all-namespaces', 'of kinds that have one, those of every namespace')
    .addOption(
      new Option(
        '-o, --output <format>',
        'table, wide, json, yaml or custom-columns=HEADING,… (ps is table)',
      )
        .default('table', 'table')
        .argParser(parseOutput),
    )
  return withFiles(command).action((kind, names, options) =>
    get(surroundings, kind, names, options),
  )
}

function parseOutput(text: string): Output {
  const columns = /^custom-columns=(.+)$/.exec(text)?.[1]
  if (columns !== undefined)
    return { columns: columns.split(',').map(heading => heading.trim().toUpperCase()) }
  if (text.startsWith('go-template'))
    throw new InvalidArgumentError('There are no Go templates here; write json, and use jq.')
  return parseFormat(text)
}

async function get(
  surroundings: Surroundings,
  kindName: string | undefined,
  names: readonly string[],
  options: GetOptions,
): Promise<void> {
  await withStore(surroundings, options, async store => {
    const kind = kindName === undefined ? undefined : requireKind(kindName)
    const found = await findResources(surroundings, store, { kind, names, options })
    const items = options.export === true ? found.items.map(exported) : found.items
    const kinds = kind === undefined ? [] : [kind]
    const context = { clusterAsNumber: await clusterAsNumber(store, found.items, options) }
    const { output } = options
    const shown: Shown =
      typeof output === 'string'
        ? { columnsOf: one => columnsOf(one, context) }
        : { columnsOf: one => chosen(columnsOf(one, context), output.columns), wide: true }
    const data = found.single ? items[0] : listOf(items, kinds, found.revision)
    const format = typeof output === 'string' ? output : 'wide'
    printAs(surroundings.terminal, format, data, wide =>
      tabulate(surroundings, items, kinds, { wide, ...shown }),
    )
  })
}

/** The columns with those headings, in that order. */
function chosen(
  columns: readonly Column<ResourceObject>[],
  headings: readonly string[],
): readonly Column<ResourceObject>[] {
  return headings.map(heading => {
    const column = columns.find(one => one.heading === heading)
    if (column !== undefined) return column
    const known = columns.map(one => one.heading).join(', ')
    throw new CommandFailure(EXIT.usage, `"${heading}" is not a column`, {
      remedy: `columns are ${known}`,
    })
  })
}

interface FoundResources {
  readonly items: readonly ResourceObject[]
  readonly revision?: number
  /** asked for by one name: printed as itself, not as a list */
  readonly single: boolean
}

async function findResources(
  surroundings: Surroundings,
  store: Store,
  asked: {
    readonly kind: Kind | undefined
    readonly names: readonly string[]
    readonly options: GetOptions
  },
): Promise<FoundResources> {
  const { kind, names, options } = asked
  if (kind !== undefined && names.length === 0) {
    const { allNamespaces = false, namespace = 'default' } = options
    const { items, revision, unreadable } = await list(
      store,
      kind,
      allNamespaces ? undefined : namespace,
    )
    for (const key of unreadable)
      surroundings.terminal.remark(`martlet: ${key}: is not a resource, left out`)
    return { items, revision, single: false }
  }
  const references =
    kind === undefined
      ? (await readFiles(surroundings, options)).map(referenceOf)
      : names.map(name => referenceTo(kind, name, options))
  const items: ResourceObject[] = []
  for (const reference of references) items.push(await existing(store, reference))
  return { items, single: references.length === 1 }
}

async function existing(store: Store, reference: ResourceReference): Promise<ResourceObject> {
  const object = await read(store, reference)
  if (object !== undefined) return object
  throw new CommandFailure(EXIT.notFound, `resource does not exist: ${labelOf(reference)}`)
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

interface Shown {
  readonly columnsOf: (kind: Kind) => readonly Column<ResourceObject>[]
  readonly wide?: boolean
}

function tabulate(
  { terminal }: Surroundings,
  items: readonly ResourceObject[],
  asked: readonly Kind[],
  shown: Shown,
): string {
  const kinds = new Set([...asked, ...items.map(item => requireKind(item.kind))])
  return [...kinds]
    .map(kind => {
      const own = items.filter(item => item.kind === kind.kind)
      return table(terminal, shown.columnsOf(kind), own, shown.wide)
    })
    .join('\n\n')
}

/** Asked for only where a column shows it. */
async function clusterAsNumber(
  store: Store,
  items: readonly ResourceObject[],
  { output }: GetOptions,
): Promise<number> {
  const kind = kindCalled('bgpconfiguration')
  const shows = output === 'wide' || typeof output === 'object'
  if (!shows || kind === undefined || !items.some(one => one.kind === 'Node'))
    return CALICO_AS_NUMBER
  const settings = await read(store, { kind, name: 'default' })
  const asNumber = settings === undefined ? undefined : valueAt(settings, ['spec', 'asNumber'])
  return typeof asNumber === 'number' ? asNumber : CALICO_AS_NUMBER
}
