import type { Command } from 'commander'
import { withDefaults } from '../../../core/calico/index.ts'
import type { Store } from '../../../core/intent/index.ts'
import type { NodeConfiguration } from '../../../shell/config/index.ts'
import { CommandFailure, EXIT } from '../failure.ts'
import { type ConfigOption, describedCommand, withConfig } from '../options.ts'
import type { Surroundings } from '../surroundings.ts'
import {
  type FileOptions,
  inTurn,
  readFiles,
  referenceOf,
  referenceTo,
  requireKind,
  withFiles,
  withNamespace,
  withStore,
} from './asking.ts'
import { checkAmongOthers, ensureInitialized } from './checks.ts'
import { removeWithItsOwn } from './deletion.ts'
import { getCommand } from './get.ts'
import { parseLabelChange, relabel } from './label.ts'
import { apply, create, labelOf, replace, type Writer } from './objects.ts'

/**
 * `martlet get | apply | create | replace | delete | label`: Calico's resources, with calicoctl's
 * manners.
 */

/** The six commands. */
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
    labelCommand(surroundings),
  ]
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
  const skip =
    verb.verb === 'create'
      ? command.option('-s, --skip-exists', 'what exists counts as created')
      : command
  return withFiles(skip).action((options: FileOptions & { readonly skipExists?: boolean }) =>
    withWriter(surroundings, options, async writer => {
      const resources = await readFiles(surroundings, options, 'write -f FILE')
      await inTurn(surroundings, verb, resources.map(withDefaults), async resource => {
        try {
          await WRITERS[verb.verb](writer, resource)
        } catch (thrown) {
          const exists = thrown instanceof CommandFailure && thrown.exitCode === EXIT.conflict
          if (!exists || options.skipExists !== true) throw thrown
        }
      })
    }),
  )
}

function deleteCommand(surroundings: Surroundings): Command {
  const command = describedCommand('delete', 'Delete resources', {
    text:
      'With a node goes what is its own: its workload endpoints, its addresses and blocks, the ' +
      'peers and configurations that name it. With a pool go its blocks.',
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
    const wanted =
      kindName === undefined
        ? (await readFiles(surroundings, options)).map(resource => ({
            reference: referenceOf(resource),
            revision: resource.metadata.resourceVersion,
          }))
        : names.map(name => ({
            reference: referenceTo(requireKind(kindName), name, options),
            revision: undefined,
          }))
    const items = wanted.map(one => ({ ...one, kind: one.reference.kind.kind }))
    const verb = { verb: 'delete', done: 'deleted' }
    await inTurn(surroundings, verb, items, async ({ reference, revision }) => {
      const removed = await removeWithItsOwn(surroundings, store, reference, revision)
      if (removed || options.skipNotExists === true) return
      throw new CommandFailure(EXIT.notFound, `resource does not exist: ${labelOf(reference)}`)
    })
  })
}

function labelCommand(surroundings: Surroundings): Command {
  const command = describedCommand('label', 'Change the labels of a resource', {
    text: 'Selectors select by labels: of nodes, of workload endpoints.',
    examples: [
      ['A node in a rack', 'martlet label nodes worker-0 rack=r1'],
      ['In another one', 'martlet label nodes worker-0 rack=r2 --overwrite'],
      ['In none', 'martlet label nodes worker-0 rack-'],
    ],
  })
    .argument('<kind>', 'which kind')
    .argument('<name>', 'which one')
    .argument('<labels...>', 'KEY=VALUE, or KEY- to take it away')
    .option('--overwrite', 'change one that has another value')
    .option('--remove', 'the labels are keys; take them away')
  return withNamespace(withConfig(command)).action((kindName, name, labels, options) => {
    const changes = labels.map((text: string) =>
      parseLabelChange(options.remove === true && !text.endsWith('-') ? `${text}-` : text),
    )
    const reference = referenceTo(requireKind(kindName), name, options)
    return withWriter(surroundings, options, async writer => {
      const overwrite = options.overwrite === true
      const said = await relabel(writer, reference, { changes, overwrite })
      for (const line of said) surroundings.terminal.print(line)
    })
  })
}

/** A store to write to: made a Calico datastore first, where it is an etcd that is none yet. */
async function withWriter(
  surroundings: Surroundings,
  options: ConfigOption,
  act: (writer: Writer) => Promise<void>,
): Promise<void> {
  await withStore(surroundings, options, async (store: Store, { store: { kind } }) => {
    const writer: Writer = {
      store,
      now: () => surroundings.now(),
      uniqueId: () => surroundings.uniqueId(),
      check: (object, previous) => checkAmongOthers(store, object, previous),
    }
    // nobody's calicoctl reads a directory
    if (kind === ('etcd' satisfies NodeConfiguration['store']['kind']))
      await ensureInitialized(writer)
    await act(writer)
  })
}
