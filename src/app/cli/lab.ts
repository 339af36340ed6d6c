import { existsSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command, InvalidArgumentError, Option } from 'commander'
import { Lab, LabError, rolesOf } from '../../shell/lab/index.ts'
import { CommandFailure, EXIT } from './failure.ts'
import { Progress } from './lab/progress.ts'
import { attend, lookAround, type RunOptions, runLab } from './lab/run.ts'
import { describedCommand } from './options.ts'
import { type Format, printAs, table, withOutput } from './output.ts'
import { type Surroundings, surroundings } from './surroundings.ts'

/**
 * `martlet lab …`: whole clusters on this machine, made of namespaces. `run` shows one and ends it;
 * `up`, `down`, `status` and `exec` are for those who want to stay.
 */

/** The topologies that come with Martlet: `hard-way` is config/labs/hard-way.clab.yml. */
const LABS = resolve(dirname(fileURLToPath(import.meta.url)), '../../../config/labs')
const ROUTERS = ['martlet', 'bird', 'frr', 'gobgp']
const STORES = ['directory', 'etcd']

type World = Pick<Surroundings, 'terminal'>

/** The command `lab` with its five. */
export function labCommand(world: World = surroundings()): Command {
  const lab = new Command('lab')
    .summary('Run a cluster on this machine, made of namespaces')
    .description(
      'Runs containerlab topologies without containers: every node is a set of namespaces in a ' +
        'sandbox of its own. Nothing appears on the machine, and nothing is left when it ends, ' +
        'however it ends.',
    )
    .enablePositionalOptions()
  for (const command of [run(world), up(world), down(world), status(world), exec(world)]) {
    lab.addCommand(command)
  }
  return lab
}

interface TopologyOptions {
  readonly topology: string
  readonly router: string
  readonly store: string
  readonly name?: string
}

function withTopology(command: Command): Command {
  return command
    .option('-t, --topology <file>', 'a topology file, or hard-way, mesh, two-racks', 'hard-way')
    .addOption(
      new Option('--router <name>', 'what the routers run').choices(ROUTERS).default('martlet'),
    )
    .addOption(
      new Option('--store <kind>', 'where the resources are').choices(STORES).default('directory'),
    )
    .option('--name <name>', 'another name than the file’s')
}

/** A path as given, or one of the topologies that come with Martlet. */
function topologyFile(given: string): string {
  if (statSync(given, { throwIfNoEntry: false })?.isFile()) return given
  const own = join(LABS, `${given}.clab.yml`)
  if (existsSync(own)) return own
  throw new CommandFailure(EXIT.notFound, `${given}: no such file, and no lab of that name`, {
    remedy: 'write a path, or hard-way, mesh or two-racks',
  })
}

function run(world: World): Command {
  const summary = 'Bring a lab up, wait until all reach all, show it, and end it on Ctrl-C'
  const command = describedCommand('run', summary, {
    text:
      'Prints the sessions, the routes in the kernel of each worker, and who reaches whom, with ' +
      'the source address that the far pod saw.\n\n' +
      'With a command, that runs in the sandbox as soon as the nodes are up, with $LAB_EXEC ' +
      'NODE COMMAND… to enter nodes; its exit code is that of the run.',
    examples: [
      ['The first lab, routers and nodes by Martlet', 'martlet lab run'],
      ['With FRR as the router and etcd as the store', 'martlet lab run --router frr --store etcd'],
      ['For a script: was everybody reached?', 'martlet lab run -t two-racks --once -o json'],
      ['A test of your own', "martlet lab run -t mesh -- sh -c '$LAB_EXEC worker-0 ip route'"],
    ],
  })
    .argument('[command...]', 'to run in the sandbox')
    .option('--once', 'end the lab at once; exit code 1 where not all reached all', false)
    .option('--within <seconds>', 'give up waiting after this', parseSeconds, 90)
    .passThroughOptions()
  return withOutput(withTopology(command)).action(
    (
      words: readonly string[],
      options: TopologyOptions & { once: boolean; within: number; output: Format },
    ) => {
      const { topology, ...rest } = options
      const asked: RunOptions = { ...rest, file: topologyFile(topology) }
      return plainly(world, () => runLab(world.terminal, asked, words))
    },
  )
}

function parseSeconds(text: string): number {
  const seconds = Number(text)
  if (seconds > 0) return seconds
  throw new InvalidArgumentError('Write a number of seconds above 0.')
}

function up(world: World): Command {
  const command = describedCommand('up', 'Bring a lab up and leave it running', {
    text: 'It runs until martlet lab down.',
    examples: [['In the background', 'martlet lab up -t mesh']],
  })
  return withTopology(command).action((options: TopologyOptions) =>
    plainly(world, async () => {
      const progress = new Progress(world.terminal)
      const lab = await Lab.up(topologyFile(options.topology), {
        variables: { ROUTER: options.router, STORE: options.store },
        ...(options.name === undefined ? {} : { name: options.name }),
        detached: true,
        onEvent: event => {
          if (event.type === 'step') progress.say(event.text)
        },
      })
      progress.end()
      const [more] = lookAround(lab, rolesOf(lab)).split('\nCtrl-C')
      world.terminal.remark(`${more}\nmartlet lab down ends it.`)
    }),
  )
}

function down(world: World): Command {
  return describedCommand('down', 'End a lab, or all of this machine that you may end', {
    examples: [
      ['The only one', 'martlet lab down'],
      ['All', 'martlet lab down --all'],
    ],
  })
    .argument('[lab]', 'its name; not needed where only one runs')
    .option('--all', 'all labs', false)
    .action((name: string | undefined, options: { all: boolean }) =>
      plainly(world, async () => {
        const labs = options.all ? Lab.running() : [find(name)]
        for (const lab of labs) {
          await Lab.attach(lab).down()
          world.terminal.remark(`lab ${lab.name} is gone`)
        }
      }),
    )
}

function status(world: World): Command {
  const command = describedCommand('status', 'Show which labs run, or the nodes of one', {
    examples: [
      ['All labs', 'martlet lab status'],
      ['The nodes of a lab', 'martlet lab status hard-way'],
    ],
  }).argument('[lab]', 'its name')
  return withOutput(command).action((name: string | undefined, options: { output: Format }) =>
    plainly(world, async () => {
      if (name === undefined) listLabs(world, options.output)
      else listNodes(world, name, options.output)
    }),
  )
}

function listLabs({ terminal }: World, output: Format): void {
  const labs = Lab.running().map(found => {
    const record = Lab.attach(found).record()
    const { name, file, started, ready, nodes } = record
    return { name, pid: found.pid, file, started, ready, nodes: nodes.length }
  })
  printAs(terminal, output, labs, wide =>
    labs.length === 0
      ? 'No lab runs.'
      : table(
          terminal,
          [
            { heading: 'LAB', text: lab => lab.name },
            { heading: 'NODES', text: lab => String(lab.nodes) },
            { heading: 'STATE', text: lab => (lab.ready ? 'up' : 'coming up') },
            { heading: 'STARTED', text: lab => `${lab.started.slice(0, 19).replace('T', ' ')}Z` },
            { heading: 'PID', text: lab => String(lab.pid), wide: true },
            { heading: 'FILE', text: lab => lab.file, wide: true },
          ],
          labs,
          wide,
        ),
  )
}

function listNodes({ terminal }: World, name: string, output: Format): void {
  const record = Lab.attach(find(name)).record()
  printAs(terminal, output, record, wide =>
    table(
      terminal,
      [
        { heading: 'NODE', text: node => node.name },
        { heading: 'PROGRAM', text: node => node.program || node.kind },
        {
          heading: 'STATE',
          text: node => (node.state === 'none' ? '-' : node.state),
          mood: node => (node.state === 'ended' ? 'bad' : 'plain'),
        },
        { heading: 'RESTARTS', text: node => String(node.restarts) },
        { heading: 'MANAGEMENT', text: node => node.managementAddress ?? '-' },
        { heading: 'GROUP', text: node => node.group || '-', wide: true },
        { heading: 'IMAGE', text: node => node.image || '-', wide: true },
      ],
      record.nodes,
      wide,
    ),
  )
}

function exec(world: World): Command {
  return describedCommand('exec', 'Run a command in a node of a lab', {
    text: 'Without a command, a shell. Ends with the exit code of the command.',
    examples: [
      ['A shell', 'martlet lab exec worker-0'],
      ['One command', 'martlet lab exec tor ip -6 route'],
    ],
  })
    .argument('<node>', 'as the topology names it')
    .argument('[command...]', 'a shell where it is left out')
    .option('-l, --lab <name>', 'which lab; not needed where only one runs')
    .passThroughOptions()
    .action((node: string, words: readonly string[], options: { lab?: string }) =>
      plainly(world, async () => {
        const lab = Lab.attach(find(options.lab))
        const command = words.length > 0 ? words : ['sh']
        const code = await attend(lab.node(node).enter(command))
        if (code !== 0) throw new CommandFailure(code, '')
      }),
    )
}

/** The lab of that name, or the only one. */
function find(name: string | undefined): ReturnType<typeof Lab.running>[number] {
  const labs = Lab.running()
  const names = labs.map(lab => lab.name).join(', ')
  if (name !== undefined) {
    const found = labs.find(lab => lab.name === name)
    if (found !== undefined) return found
    const remedy = names === '' ? 'none runs' : `these run: ${names}`
    throw new CommandFailure(EXIT.notFound, `there is no lab ${name}`, { remedy })
  }
  const [only, second] = labs
  if (only === undefined) {
    throw new CommandFailure(EXIT.notFound, 'no lab runs', { remedy: 'martlet lab up starts one' })
  }
  if (second === undefined) return only
  throw new CommandFailure(EXIT.usage, `several labs run: ${names}`, { remedy: 'say which' })
}

/** A fault of the topology has a line for each problem; print them as they are. */
async function plainly(world: World, act: () => Promise<void>): Promise<void> {
  try {
    await act()
  } catch (thrown) {
    if (!(thrown instanceof LabError)) throw thrown
    if (thrown.code === 'LAB_UNKNOWN')
      throw new CommandFailure(EXIT.notFound, thrown.message, { cause: thrown })
    world.terminal.remark(thrown.message)
    throw new CommandFailure(EXIT.failed, '', { cause: thrown })
  }
}
