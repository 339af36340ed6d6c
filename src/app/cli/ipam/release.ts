import type { Command } from 'commander'
import { cniHandle } from '../../../core/intent/index.ts'
import {
  comparePrefixes,
  containsAddress,
  type Prefix,
  parseNetwork,
  parsePrefix,
} from '../../../core/net/index.ts'
import type { NodeConfiguration } from '../../../shell/config/index.ts'
import { CommandFailure, EXIT } from '../failure.ts'
import { type ConfigOption, describedCommand, withConfig } from '../options.ts'
import { count } from '../output.ts'
import type { Surroundings } from '../surroundings.ts'
import { type Ipam, readIpam } from './read.ts'

/** `martlet ipam release`: blocks that a node gives up. */

interface ReleaseOptions extends ConfigOption {
  readonly node?: string
  readonly force?: boolean
}

/** The command. */
export function releaseCommand(surroundings: Surroundings): Command {
  const command = describedCommand('release', 'Give up blocks of a node', {
    text:
      'By Calico’s protocol. A block with addresses in use stays, unless --force says that it ' +
      'is to be nobody’s; the addresses stay their owners’. An agent that runs does not claim ' +
      'again what was released, until it is started again.',
    examples: [
      ['All of this node', 'martlet ipam release'],
      ['Of a node that is no more', 'martlet ipam release --node worker-9 --force'],
    ],
  })
    .argument('[blocks...]', 'which ones (default: all of the node)')
    .option('--node <name>', 'whose (default: this node’s)')
    .option('--force', 'also blocks with addresses in use')
  return withConfig(command).action((blocks: readonly string[], options: ReleaseOptions) =>
    release(surroundings, blocks, options),
  )
}

async function release(
  surroundings: Surroundings,
  asked: readonly string[],
  options: ReleaseOptions,
): Promise<void> {
  const { terminal } = surroundings
  const configuration = surroundings.loadConfig(options.config)
  const node = options.node ?? configuration.node
  const { BlockClient } = await import('../../../shell/store/index.ts')
  const store = await surroundings.openStore(configuration)
  try {
    const ipam = await readIpam(store, node)
    const own = blocksOf(node, ipam)
    const blocks = asked.length === 0 ? own : asked.map(text => blockNamed(text, own, node))
    if (blocks.length === 0)
      throw new CommandFailure(EXIT.notFound, `node ${node} has no block`, {
        remedy: 'martlet ipam show --show-blocks lists all',
      })
    const client = new BlockClient(store, node, () => surroundings.now().getTime())
    let kept = 0
    for (const block of blocks) {
      const force = options.force === true
      const pods = force ? 0 : await podsIn(block, node, configuration)
      const refused =
        pods > 0
          ? { used: pods }
          : await client.release({ block, force, handleId: cniHandle(node) })
      if (refused === undefined) terminal.print(`${block} released`)
      else {
        kept += 1
        terminal.print(`${block} stays: ${count(refused.used, 'address', 'addresses')} in use`)
      }
    }
    if (kept > 0)
      throw new CommandFailure(EXIT.failed, `${count(kept, 'block')} in use`, {
        remedy: 'move the pods away, or give the blocks up with what is in them: --force',
      })
  } finally {
    await store.close()
  }
}

/** What host-local has given to pods of this machine, which IPAM does not know. */
async function podsIn(block: Prefix, node: string, own: NodeConfiguration): Promise<number> {
  if (own.cni === undefined || node !== own.node) return 0
  const { hostLocalAddresses } = await import('../../../shell/host/index.ts')
  const addresses = await hostLocalAddresses(own.cni.name)
  return addresses.filter(address => containsAddress(block, address)).length
}

/** What a node says is its own, whoever else says so, and what is its own though it does not. */
function blocksOf(node: string, { affinities, blocks }: Ipam): Prefix[] {
  const said = affinities
    .filter(each => each.node === node)
    .flatMap(each => parsePrefix(each.cidr) ?? [])
  const silent = [...blocks].flatMap(([cidr, block]) =>
    block?.affinity === `host:${node}` ? [cidr] : [],
  )
  return [...new Set([...said, ...silent])].toSorted(comparePrefixes)
}

function blockNamed(text: string, own: readonly Prefix[], node: string): Prefix {
  const block = parseNetwork(text)?.prefix
  if (block !== undefined && own.includes(block)) return block
  throw new CommandFailure(EXIT.notFound, `${text} is no block of node ${node}`, {
    remedy: own.length === 0 ? 'it has none' : `it has ${own.join(', ')}`,
  })
}
