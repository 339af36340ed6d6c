import { type Command, Option } from 'commander'
import { type Address, type Prefix, parseAddress, parseNetwork } from '../../../core/net/index.ts'
import type { Terminal } from '../../../shell/terminal/index.ts'
import { CommandFailure, EXIT } from '../failure.ts'
import { describedCommand, withConfig } from '../options.ts'
import { type Format, printAs, withOutput } from '../output.ts'
import type { Surroundings } from '../surroundings.ts'
import { acceptCommand } from './accept.ts'
import { troubles } from './health.ts'
import { type OpenState, openState, type StateOptions } from './open.ts'
import { describeSession, isCalled, tabulateSessions } from './peers.ts'
import { refreshCommand } from './refresh.ts'
import { describeRoute, tabulateRoutes } from './routes.ts'
import type { NodeState } from './source.ts'
import { describeNode, tabulateNodes } from './status.ts'

/** `martlet status | peers | routes | refresh | accept-empty`: what nodes do now. */

interface Options extends StateOptions {
  readonly output: Format
}

/** The commands. */
export function stateCommands(surroundings: Surroundings): readonly Command[] {
  return [
    statusCommand(surroundings),
    peersCommand(surroundings),
    routesCommand(surroundings),
    refreshCommand(surroundings),
    acceptCommand(surroundings),
  ]
}

const WHO =
  'Asks this node’s agent where it answers, else the store; --node and --all-nodes ask the ' +
  'store. Times are UTC.'

function statusCommand(surroundings: Surroundings): Command {
  const command = describedCommand('status', 'Show how this node is, or every node', {
    text: `${WHO}\n\nEnds with exit code 1 when anything is not as it should be.`,
    examples: [
      ['This node', 'martlet status'],
      ['Every node of the cluster, one line each', 'martlet status --all-nodes'],
      ['In a script', 'martlet status -o json | jq .kernel.routes'],
      ['Until all is well', 'until martlet status; do sleep 1; done'],
    ],
  })
  return withState(command).action((options: Options) =>
    withSource(surroundings, options, opened => status(surroundings, options, opened)),
  )
}

async function status(
  { terminal, now }: Surroundings,
  options: Options,
  { source, node }: OpenState,
): Promise<void> {
  const states = requireNodes(await source.nodes(node), node, source.where)
  const all = node === 'all'
  const data = states.map(state => ({ ...state, troubles: troubles(state) }))
  printAs(terminal, options.output, all ? data : data[0], wide =>
    all
      ? tabulateNodes(terminal, states, wide)
      : states.map(state => describeNode(terminal, state, now())).join('\n\n'),
  )
  if (data.some(one => one.troubles.length > 0)) throw new CommandFailure(EXIT.failed, '')
}

function peersCommand(surroundings: Surroundings): Command {
  const command = describedCommand('peers', 'Show BGP sessions, or one of them in full', {
    text: `${WHO}\n\nThe table is that of calicoctl node status.`,
    examples: [
      ['All sessions of this node', 'martlet peers'],
      ['One in full: timers, what was negotiated, counters, faults', 'martlet peers 10.240.0.1'],
      ['Of another node', 'martlet peers --node worker-1'],
      [
        'How many are not up',
        'martlet peers -o json | jq \'map(select(.state != "Established"))\'',
      ],
    ],
  }).argument('[address]', 'of the neighbour, or the name of the session')
  return withState(command).action((address: string | undefined, options: Options) =>
    withSource(surroundings, options, opened => peers(surroundings, address, options, opened)),
  )
}

async function peers(
  { terminal, now }: Surroundings,
  asked: string | undefined,
  options: Options,
  { source, node }: OpenState,
): Promise<void> {
  const states = requireNodes(await source.nodes(node), node, source.where)
  const sessions = states.flatMap(state => state.sessions)
  const found = asked === undefined ? sessions : sessions.filter(one => isCalled(one, asked))
  if (asked !== undefined && found.length === 0)
    throw new CommandFailure(EXIT.notFound, `no peer ${asked} at ${whose(node)}`, {
      remedy: 'martlet peers lists them',
    })
  printAs(terminal, options.output, found, wide =>
    asked === undefined
      ? tabulateSessions(terminal, found, { now: now(), wide, severalNodes: node === 'all' })
      : found.map(session => describeSession(terminal, session, now())).join('\n\n'),
  )
  remarkSilence(terminal, states)
}

const WHICH_ROUTES =
  'Without a prefix: the best routes inside the cluster’s pools. With a prefix: every path of ' +
  'it, and the rule that each one lost by, which only the agent’s API knows. With an address: ' +
  'the route that it takes.'

function routesCommand(surroundings: Surroundings): Command {
  const command = describedCommand('routes', 'Show routes, or one of them with all its paths', {
    text: `${WHO}\n\n${WHICH_ROUTES}`,
    examples: [
      ['All routes to pods', 'martlet routes'],
      ['Why is this one the best?', 'martlet routes 10.200.1.0/24'],
      ['Which route does this address take, on every node?', 'martlet routes 10.200.1.7 -A'],
      [
        'What the kernel refuses',
        'martlet routes -o json | jq \'map(select(.kernel=="rejected"))\'',
      ],
    ],
  }).argument('[prefix]', 'a prefix or an address')
  return withState(command).action((prefix: string | undefined, options: Options) =>
    withSource(surroundings, options, opened => routes(surroundings, prefix, options, opened)),
  )
}

async function routes(
  { terminal }: Surroundings,
  text: string | undefined,
  options: Options,
  { source, node }: OpenState,
): Promise<void> {
  const asked = text === undefined ? undefined : parseAsked(text)
  const found = await source.routes(node, asked)
  const states =
    asked === undefined && found.length === 0
      ? requireNodes(await source.nodes(node), node, source.where)
      : []
  if (asked !== undefined && found.length === 0)
    throw new CommandFailure(EXIT.notFound, `no route to ${asked} at ${whose(node)}`, {
      remedy:
        source.kind === 'api'
          ? 'martlet routes lists those of the pools'
          : 'the store has those of the pools; the node’s own agent has all',
    })
  printAs(terminal, options.output, found, wide =>
    asked === undefined
      ? tabulateRoutes(terminal, found, { wide, severalNodes: node === 'all' })
      : found.map(route => describeRoute(terminal, route)).join('\n\n'),
  )
  remarkSilence(terminal, states)
}

/** An empty table is not the whole truth of a node that does not say what it has. */
function remarkSilence(terminal: Terminal, states: readonly NodeState[]): void {
  for (const { node, agent, last } of states) {
    const heard = last === undefined ? '' : `; last heard ${last.at}`
    if (agent === undefined)
      terminal.remark(`${node}: no agent is alive, so that nobody knows what it has${heard}`)
    else if (agent.processes.speaker === 'down')
      terminal.remark(`${node}: its speaker does not answer now, so that nobody knows what it has`)
  }
}

/** Host bits are forgiven: who writes 10.200.1.7/24 means the network. */
function parseAsked(text: string): Prefix | Address {
  const asked = parseAddress(text) ?? parseNetwork(text)?.prefix
  if (asked !== undefined) return asked
  throw new CommandFailure(EXIT.usage, `"${text}" is neither a prefix nor an address`, {
    remedy: 'write 10.200.1.0/24, fd00:10:200:1::/64 or 10.200.1.7',
  })
}

function requireNodes(
  states: readonly NodeState[],
  node: string | 'all',
  where: string,
): readonly NodeState[] {
  if (states.length > 0) return states
  if (node === 'all')
    throw new CommandFailure(EXIT.notFound, `no node is known in ${where}`, {
      remedy: 'is an agent running anywhere, with this store?',
    })
  throw new CommandFailure(EXIT.notFound, `nothing of node ${node} is known in ${where}`, {
    remedy: 'is its agent running, with this store? martlet status --all-nodes lists all',
  })
}

const whose = (node: string | 'all'): string => (node === 'all' ? 'any node' : node)

function withState(command: Command): Command {
  return withOutput(withConfig(command))
    .option('-n, --node <name>', 'another node')
    .addOption(new Option('-A, --all-nodes', 'every node').conflicts('node'))
    .addOption(new Option('--from <source>', 'whom to ask').choices(['api', 'store']))
}

/** Opens the source, says which it is where people read, and closes it whatever happens. */
async function withSource(
  surroundings: Surroundings,
  options: Options,
  act: (opened: OpenState) => Promise<void>,
): Promise<void> {
  const opened = await openState(surroundings, options)
  try {
    await act(opened)
    if (options.output === 'table' || options.output === 'wide')
      surroundings.terminal.remark(`(from ${opened.source.where})`)
  } finally {
    await opened.source.close()
  }
}
