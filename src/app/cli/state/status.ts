import type { Terminal } from '../../../shell/terminal/index.ts'
import { count, facts, moment, paint, table } from '../output.ts'
import { troubles } from './health.ts'
import type { NodeState } from './source.ts'

/** `martlet status`: a node on one page, or every node on one line. */

/** One node in full. */
export function describeNode(terminal: Terminal, state: NodeState, now: Date): string {
  const found = troubles(state)
  const heading = `Node ${state.node}`
  const body = facts([
    ['Agent', agentFact(state, now)],
    ['BGP', bgpFact(state)],
    ['Announces', announcesFact(state)],
    ['Processes', processesFact(state)],
    ['Store', storeFact(state, now)],
    ['Sessions', sessionsFact(state)],
    ['Routes', routesFact(state)],
    ['Kernel', kernelFact(state, now)],
  ])
  const verdict =
    found.length === 0
      ? paint(terminal, 'good', 'All is well.')
      : [
          paint(terminal, 'bad', count(found.length, 'problem')),
          ...found.map(sentence => `  ${sentence}`),
        ].join('\n')
  return `${heading}\n\n${body}\n\n${verdict}`
}

function agentFact({ agent, last }: NodeState, now: Date): string {
  if (agent !== undefined)
    return `${agent.mode}, version ${agent.version}, started ${moment(agent.startedAt, now)}`
  return last === undefined ? 'none' : `not alive, last heard ${moment(last.at, now)}`
}

function bgpFact({ agent }: NodeState): string | undefined {
  if (agent === undefined) return undefined
  if (agent.asNumber === undefined) return 'not speaking'
  // an agent of an earlier version does not say whether it can
  const open = agent.listen.filter(({ state }) => state !== 'refused')
  const listen = open.map(({ family, port }) => `${family} port ${port}`).join(', ')
  return `AS ${agent.asNumber}, router id ${agent.routerId}, listening on ${listen || 'nothing'}`
}

function announcesFact({ agent }: NodeState): string | undefined {
  if (agent === undefined) return undefined
  return agent.originated.length === 0 ? 'nothing' : agent.originated.join(', ')
}

function processesFact({ agent }: NodeState): string | undefined {
  if (agent === undefined) return undefined
  return `speaker ${agent.processes.speaker}, dataplane ${agent.processes.dataplane}`
}

function storeFact({ agent }: NodeState, now: Date): string | undefined {
  if (agent === undefined) return undefined
  return `${agent.store.kind}, ${agent.store.state} since ${moment(agent.store.since, now)}`
}

function sessionsFact({ agent, last }: NodeState): string | undefined {
  if (agent !== undefined)
    return `${agent.sessions.established} of ${agent.sessions.total} established`
  return last === undefined ? undefined : `${last.sessions.length} when last heard`
}

function routesFact({ summary, last, agent }: NodeState): string | undefined {
  if (summary === undefined)
    return agent === undefined && last !== undefined
      ? `${last.routes.total} when last heard, ${last.routes.installed} in the kernel`
      : undefined
  const tables = summary.tables
    .map(one => `${one.family} ${one.destinations} (${count(one.paths, 'path')})`)
    .join(', ')
  return `${summary.total} in the cluster’s pools; all: ${tables || 'none'}`
}

function kernelFact({ kernel }: NodeState, now: Date): string | undefined {
  if (kernel === undefined) return undefined
  const { routes } = kernel
  const rest = (['pending', 'rejected', 'foreign', 'held', 'stale'] as const)
    .filter(word => routes[word] > 0)
    .map(word => `, ${routes[word]} ${word}`)
    .join('')
  const sync = kernel.lastSync === undefined ? 'never' : moment(kernel.lastSync, now)
  return (
    `${routes.installed} of ${routes.wanted} installed${rest}; ` +
    `table ${kernel.table}, compared ${sync}`
  )
}

/** One line a node. */
export function tabulateNodes(
  terminal: Terminal,
  states: readonly NodeState[],
  wide: boolean,
): string {
  return table<NodeState>(
    terminal,
    [
      { heading: 'NODE', text: state => state.node },
      {
        heading: 'AGENT',
        text: state => state.agent?.mode ?? 'dead',
        mood: state => (state.agent?.mode === 'running' ? 'good' : 'bad'),
      },
      { heading: 'AS', text: state => String(state.agent?.asNumber ?? '-') },
      { heading: 'SESSIONS', text: sessionsCell },
      { heading: 'ROUTES', text: state => String(state.summary?.total ?? '-') },
      { heading: 'KERNEL', text: kernelCell },
      { heading: 'VERSION', text: state => state.agent?.version ?? '-', wide: true },
      {
        heading: 'PROBLEMS',
        text: problemsCell,
        mood: state => (troubles(state).length === 0 ? 'plain' : 'bad'),
        yields: true,
      },
    ],
    states,
    wide,
  )
}

const sessionsCell = ({ agent }: NodeState): string =>
  agent === undefined ? '-' : `${agent.sessions.established}/${agent.sessions.total}`

const kernelCell = ({ kernel }: NodeState): string =>
  kernel === undefined ? '-' : `${kernel.routes.installed}/${kernel.routes.wanted}`

function problemsCell(state: NodeState): string {
  const [first, ...others] = troubles(state)
  if (first === undefined) return '-'
  return others.length === 0 ? first : `${first} (and ${others.length} more)`
}
