import type { KernelDocument, SessionDocument } from '../../../core/intent/index.ts'
import { count, type Mood } from '../output.ts'
import type { NodeState } from './source.ts'

/**
 * What is wrong with a node, in sentences, and what a state means to an operator. `martlet
 * status` exits with 1 when there is any sentence here.
 */

/** Everything that is not as it should be; none for a healthy node. */
export function troubles(state: NodeState): string[] {
  const { agent } = state
  if (agent === undefined) return [silence(state)]
  const found: string[] = []
  if (agent.mode === 'starting') found.push('the agent has not heard from its store yet')
  if (agent.mode === 'idle') found.push('this node is not to speak BGP')
  if (agent.store.state === 'lost')
    found.push(`the store does not answer: ${agent.store.why ?? 'no reason known'}`)
  if (agent.held !== undefined) found.push(heldSentence(agent.mode, agent.held.why))
  if (agent.store.savedAt !== undefined)
    found.push(`sessions and routes are as the store wanted them at ${agent.store.savedAt}`)
  for (const half of ['speaker', 'dataplane'] as const)
    if (agent.processes[half] === 'down') found.push(`the ${half} process does not answer`)
  for (const { family, port, state, error } of agent.listen)
    if (state === 'refused')
      found.push(`peers cannot connect to ${family} port ${port}: ${error ?? 'no reason known'}`)
  for (const session of state.sessions)
    if (session.state !== 'Established') found.push(`${session.name}: ${sessionInfo(session)}`)
  for (const problem of agent.problems) {
    const field = problem.field === '' ? '' : ` ${problem.field}`
    found.push(`${problem.object}${field}: ${problem.reason}`)
  }
  return [...found, ...kernelTroubles(state)]
}

const heldSentence = (mode: string, why: string): string =>
  mode === 'held'
    ? `${why}: nothing is changed; restore the store, or accept it by martlet accept-empty`
    : `the store is not acted on: ${why}`

function kernelTroubles({ agent, kernel }: NodeState): string[] {
  // while the other half is down, what it last said says nothing new
  if (kernel === undefined || agent?.processes.dataplane === 'down') return []
  const found: string[] = []
  if (!kernel.inSync && agent?.mode === 'running')
    found.push('the kernel half has not been told all routes yet')
  if (kernel.routes.failed > 0) {
    const example = kernel.lastFailure
    const last = example === undefined ? '' : `, last ${example.prefix}: ${example.error}`
    found.push(`${failuresOf(kernel.routes)}${last}`)
  }
  return found
}

/** An agent of an earlier version does not tell them apart. */
function failuresOf({ failed, rejected = failed, foreign = 0, held = 0 }: FailedRoutes): string {
  const kinds = [
    ...(rejected > 0 ? [`${count(rejected, 'route')} rejected`] : []),
    ...(foreign > 0 ? [`somebody else has the place of ${count(foreign, 'route')}`] : []),
    ...(held > 0 ? [`${count(held, 'route')} without a next hop`] : []),
  ]
  return kinds.join(', ')
}

type FailedRoutes = Pick<KernelDocument['routes'], 'failed'> & Partial<KernelDocument['routes']>

const silence = ({ last }: NodeState): string =>
  last === undefined ? 'no agent has ever run here' : `no agent is alive; last heard ${last.at}`

/** The state of a session as BIRD and calicoctl tell it: one word for the whole machine. */
export function sessionSummary(state: string): 'up' | 'start' | 'down' {
  if (state === 'Established') return 'up'
  return state === 'Idle' ? 'down' : 'start'
}

/** Good, on its way, or down. */
export function sessionMood(state: string): Mood {
  const summary = sessionSummary(state)
  return summary === 'up' ? 'good' : summary === 'start' ? 'busy' : 'bad'
}

/** The FSM's state, and while it is not Established why it last ended. */
export function sessionInfo({
  state,
  lastError,
  suspended,
  hint,
}: Pick<SessionDocument, 'state' | 'lastError' | 'suspended' | 'hint'>): string {
  if (state === 'Established') return state
  if (suspended !== undefined) {
    const { why, until } = suspended
    return `${state}: ${why}; no session until ${until ?? 'the limit is changed'}`
  }
  const { text, later } = lastError ?? {}
  const why = later === undefined ? text : `${text}; since then ${later.text}`
  return [state, why, hint].filter(part => part !== undefined).join(': ')
}

/** calicoctl's word for where a session comes from: its name begins with it. */
export function peerType(name: string): string {
  if (name.startsWith('Mesh_')) return 'node-to-node mesh'
  if (name.startsWith('Node_')) return 'node specific'
  return name.startsWith('Global_') ? 'global' : name
}

/** What the kernel says of a route. */
export function kernelMood(state: string): Mood {
  if (state === 'installed' || state === 'blackhole') return 'good'
  return state === 'rejected' || state === 'foreign' || state === 'held' ? 'bad' : 'busy'
}
