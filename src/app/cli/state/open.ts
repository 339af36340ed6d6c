import { lastKey, NODES_ROOTS, nodeStateRoot, type Store } from '../../../core/intent/index.ts'
import type { Address, Prefix } from '../../../core/net/index.ts'
import type { AgentClient } from '../../../shell/api/index.ts'
import type { NodeConfiguration } from '../../../shell/config/index.ts'
import { CommandFailure, EXIT } from '../failure.ts'
import type { Surroundings } from '../surroundings.ts'
import { type Assembled, assemble, type StateSource, select } from './source.ts'

/**
 * Whom to ask: this node's agent where it answers, else the store, which also knows the other
 * nodes.
 */

/** What the commands that show state take. */
export interface StateOptions {
  readonly config?: string
  readonly from?: 'api' | 'store'
  readonly node?: string
  readonly allNodes?: boolean
}

/** A source, and which nodes are asked for. */
export interface OpenState {
  readonly source: StateSource
  readonly node: string | 'all'
}

/** @throws CommandFailure where nobody answers, or where the options exclude one another */
export async function openState(
  surroundings: Surroundings,
  options: StateOptions,
): Promise<OpenState> {
  const configuration = surroundings.loadConfig(options.config)
  const node = options.allNodes === true ? 'all' : (options.node ?? configuration.node)
  const local = node === configuration.node
  if (options.from === 'api' && !local)
    throw new CommandFailure(EXIT.usage, '--from api knows this node only', {
      remedy: `leave out --node and --all-nodes, or write --from store`,
    })
  if (options.from !== 'store' && local) {
    const { socket, client } = await surroundings.openAgent(configuration)
    if (client !== undefined) return { source: agentSource(client, socket), node }
    if (options.from === 'api')
      throw new CommandFailure(EXIT.unreachable, `no agent answers at ${socket}`, {
        remedy: 'start it (martlet run), run as root, or ask the store (--from store)',
      })
  }
  return { source: storeSource(await surroundings.openStore(configuration), configuration), node }
}

function agentSource(agent: AgentClient, socket: string): StateSource {
  return {
    where: `the agent at ${socket}`,
    kind: 'api',
    nodes: async () => [await agent.state()],
    routes: async (_node, asked) => select(await agent.routes(asked), asked),
    close: () => agent.close(),
  }
}

function storeSource(store: Store, { store: where }: NodeConfiguration): StateSource {
  const read = async (node: string | 'all'): Promise<Assembled> => {
    if (node === 'all') return assemble((await store.list(NODES_ROOTS)).entries)
    const [live, last] = await Promise.all([
      store.list(nodeStateRoot(node)),
      store.get(lastKey(node)),
    ])
    return assemble([...live.entries, ...(last === undefined ? [] : [last])])
  }
  return {
    where: where.kind === 'etcd' ? `etcd at ${where.endpoints.join(', ')}` : where.path,
    kind: 'store',
    nodes: async node => (await read(node)).nodes,
    routes: async (node, asked?: Prefix | Address) => select((await read(node)).routes, asked),
    close: () => store.close(),
  }
}
