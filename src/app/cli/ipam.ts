import type { Command } from 'commander'
import {
  AFFINITIES_ROOT,
  type AllocationBlock,
  type AssignedAddress,
  addressesIn,
  assignedIn,
  assignmentOf,
  BLOCKS_ROOT,
  type BlockUsage,
  borrowedIn,
  decodeBlock,
  decodeHandle,
  decodeIpamConfig,
  HANDLES_ROOT,
  IPAM_CONFIG_DEFAULT,
  IPAM_CONFIG_KEY,
  ipamFindings,
  parseBlockKey,
  RESOURCES_ROOT,
  unescapeName,
  usageOf,
} from '../../core/calico/index.ts'
import { cniHandle, type Store } from '../../core/intent/index.ts'
import {
  comparePrefixes,
  contains,
  containsAddress,
  type Prefix,
  parseAddress,
  parseNetwork,
  parsePrefix,
} from '../../core/net/index.ts'
import { type NodeConfiguration, SnapshotReader } from '../../shell/config/index.ts'
import { CommandFailure, EXIT } from './failure.ts'
import { type ConfigOption, describedCommand, withConfig } from './options.ts'
import { count, type Format, facts, paint, printAs, table, withOutput } from './output.ts'
import type { Surroundings } from './surroundings.ts'

/** `martlet ipam show | check | release`: Calico's addresses, as calicoctl shows them. */

interface Options extends ConfigOption {
  readonly output: Format
}

/** The command and those below it. */
export function ipamCommand(surroundings: Surroundings): Command {
  const command = describedCommand('ipam', 'Show, check and release blocks of addresses', {
    examples: [
      ['How full the pools are', 'martlet ipam show --show-blocks'],
      ['What contradicts itself', 'martlet ipam check'],
      ['Give up the blocks of this node', 'martlet ipam release'],
    ],
  })
  for (const child of [showCommand, checkCommand, releaseCommand])
    command.addCommand(child(surroundings))
  return command
}

const ROOTS: readonly string[] = [
  AFFINITIES_ROOT,
  BLOCKS_ROOT,
  HANDLES_ROOT,
  ...['ippools', 'ipreservations', 'nodes'].map(plural => `${RESOURCES_ROOT}${plural}/`),
]

/** All of IPAM at one revision. */
async function readIpam(store: Store, node: string) {
  const { entries, revision } = await store.list(ROOTS)
  const snapshot = new SnapshotReader([], node).read(entries)
  const configured = await store.get(IPAM_CONFIG_KEY)
  const blocks = new Map<Prefix, AllocationBlock | undefined>()
  for (const { key, value } of entries) {
    const block = parseBlockKey(key)
    if (block !== undefined) blocks.set(block, decodeBlock(value))
  }
  return {
    revision,
    blocks: new Map([...blocks].toSorted(([a], [b]) => comparePrefixes(a, b))),
    handles: new Map(
      entries
        .filter(({ key }) => key.startsWith(HANDLES_ROOT))
        .map(({ key, value }) => [
          unescapeName(key.slice(HANDLES_ROOT.length)),
          decodeHandle(value),
        ]),
    ),
    affinities: snapshot.blockAffinities,
    pools: snapshot.ipPools.flatMap(({ spec }) => parsePrefix(spec.cidr) ?? []),
    nodes: new Set(snapshot.nodes.map(({ metadata }) => metadata.name)),
    reserved: snapshot.ipReservations.flatMap(({ spec }) =>
      (spec.reservedCIDRs ?? []).flatMap(text => parsePrefix(text) ?? []),
    ),
    config: (configured && decodeIpamConfig(configured.value)) ?? IPAM_CONFIG_DEFAULT,
  }
}

type Ipam = Awaited<ReturnType<typeof readIpam>>

interface ShowOptions extends Options {
  readonly showBlocks?: boolean
  readonly showBorrowed?: boolean
  readonly showConfiguration?: boolean
  readonly ip?: string
}

function showCommand(surroundings: Surroundings): Command {
  const command = describedCommand('show', 'Show how many addresses are in use, and whose', {
    examples: [
      ['The pools', 'martlet ipam show'],
      ['With their blocks', 'martlet ipam show --show-blocks'],
      ['Whose is this address?', 'martlet ipam show --ip 10.200.1.7'],
    ],
  })
    .option('--show-blocks', 'with the blocks of each pool')
    .option('--show-borrowed', 'addresses that nodes have out of blocks of others')
    .option('--show-configuration', 'how blocks are handed out')
    .option('--ip <address>', 'whose an address is')
  return withConfig(withOutput(command)).action((options: ShowOptions) =>
    withIpam(surroundings, options, ipam => show(surroundings, options, ipam)),
  )
}

function show({ terminal }: Surroundings, options: ShowOptions, ipam: Ipam): void {
  if (options.ip !== undefined) {
    showAddress({ terminal }, options, options.ip, ipam)
    return
  }
  if (options.showConfiguration === true) {
    printAs(terminal, options.output, ipam.config, () =>
      table(
        terminal,
        [
          { heading: 'PROPERTY', text: ([property]) => property },
          { heading: 'VALUE', text: ([, value]) => value },
        ],
        [
          ['StrictAffinity', String(ipam.config.strictAffinity)],
          ['AutoAllocateBlocks', String(ipam.config.autoAllocateBlocks)],
          ['MaxBlocksPerHost', String(ipam.config.maxBlocksPerHost)],
        ] as const,
      ),
    )
    return
  }
  if (options.showBorrowed === true) {
    const all = [...ipam.blocks].flatMap(([cidr, block]) => (block ? assignedIn(cidr, block) : []))
    const borrowed = borrowedIn(all)
    printAs(terminal, options.output, borrowed, () => tabulateBorrowed(terminal, borrowed))
    return
  }
  const rows = usageRows(ipam, options.showBlocks === true)
  printAs(terminal, options.output, rows, () => tabulateUsage(terminal, rows))
}

interface UsageRow extends BlockUsage {
  readonly grouping: 'IP Pool' | 'Block'
  readonly cidr: Prefix
  /** of a block, who has it */
  readonly owner?: string
}

function usageRows(ipam: Ipam, withBlocks: boolean): UsageRow[] {
  return ipam.pools.toSorted(comparePrefixes).flatMap(pool => {
    const inside = [...ipam.blocks].flatMap(([cidr, block]): UsageRow[] =>
      block === undefined || !contains(pool, cidr)
        ? []
        : [
            {
              grouping: 'Block',
              cidr,
              ...usageOf(block, cidr, ipam.reserved),
              ...(block.affinity !== undefined && { owner: block.affinity }),
            },
          ],
    )
    const sum = (field: 'used' | 'reserved'): number =>
      inside.reduce((total, row) => total + row[field], 0)
    const total = addressesIn(pool)
    const whole = { total, used: sum('used'), reserved: sum('reserved') }
    const row: UsageRow = {
      grouping: 'IP Pool',
      cidr: pool,
      ...whole,
      free: total - whole.used - whole.reserved,
    }
    return [row, ...(withBlocks ? inside : [])]
  })
}

/** As calicoctl has numbers: five digits of those that nobody would count. */
const short = (number: number): string =>
  Number.isSafeInteger(number) ? String(number) : number.toPrecision(5)

function tabulateUsage(terminal: Surroundings['terminal'], rows: readonly UsageRow[]): string {
  const share = (part: number, { total }: UsageRow): string =>
    `${short(part)} (${Math.round((100 * part) / total)}%)`
  return table<UsageRow>(
    terminal,
    [
      { heading: 'GROUPING', text: row => row.grouping },
      { heading: 'CIDR', text: row => row.cidr },
      { heading: 'IPS TOTAL', text: row => short(row.total) },
      { heading: 'IPS IN USE', text: row => share(row.used, row) },
      { heading: 'IPS RESERVED', text: row => share(row.reserved, row) },
      { heading: 'IPS FREE', text: row => share(row.free, row) },
      { heading: 'OWNER', text: row => row.owner ?? '', yields: true },
    ],
    rows,
  )
}

const tabulateBorrowed = (
  terminal: Surroundings['terminal'],
  rows: readonly AssignedAddress[],
): string =>
  table<AssignedAddress>(
    terminal,
    [
      { heading: 'IP', text: row => row.address },
      { heading: 'BORROWING-NODE', text: row => row.node ?? '' },
      { heading: 'BLOCK', text: row => row.block },
      { heading: 'BLOCK OWNER', text: row => row.owner ?? '' },
      { heading: 'TYPE', text: row => row.attributes.type ?? (row.attributes.pod ? 'pod' : '') },
      { heading: 'ALLOCATED-TO', text: allocatedTo, yields: true },
    ],
    rows,
  )

const allocatedTo = ({ attributes, handleId }: AssignedAddress): string =>
  attributes.pod === undefined
    ? (handleId ?? '')
    : `${attributes.namespace ?? 'default'}/${attributes.pod}`

function showAddress(
  { terminal }: Pick<Surroundings, 'terminal'>,
  { output }: ShowOptions,
  text: string,
  ipam: Ipam,
): void {
  const address = parseAddress(text)
  if (address === undefined)
    throw new CommandFailure(EXIT.usage, `"${text}" is not an address`, {
      remedy: 'write 10.200.1.7 or fd00::7',
    })
  const found = assignmentOf(address, ipam)
  if (found === undefined) throw new CommandFailure(EXIT.notFound, `${address} is not in use`)
  printAs(terminal, output, found, () =>
    [
      `IP ${address} is in use`,
      facts([
        ['Handle ID', found.handleId],
        ['Block', found.block],
        ['Block owner', found.owner],
        ...Object.entries(found.attributes),
      ]),
    ].join('\n'),
  )
}

function checkCommand(surroundings: Surroundings): Command {
  const command = describedCommand('check', 'Find what contradicts itself in IPAM', {
    text:
      'Reads everything at one revision, and changes nothing. Ends with exit code 1 when there ' +
      'is a problem.',
    examples: [['In a script', 'martlet ipam check -o json | jq .problems']],
  })
  return withConfig(withOutput(command)).action((options: Options) =>
    withIpam(surroundings, options, ipam => check(surroundings, options, ipam)),
  )
}

function check({ terminal }: Surroundings, { output }: Options, ipam: Ipam): void {
  const problems = ipamFindings(ipam)
  const numbers = {
    revision: ipam.revision,
    blocks: ipam.blocks.size,
    handles: ipam.handles.size,
    affinities: ipam.affinities.length,
    pools: ipam.pools.length,
  }
  printAs(terminal, output, { ...numbers, problems }, () =>
    [
      'Checking IPAM for inconsistencies...',
      `Found ${count(numbers.pools, 'IP pool')}.`,
      `Found ${count(numbers.blocks, 'IPAM block')}.`,
      `Found ${count(numbers.handles, 'IPAM handle')}.`,
      `Found ${count(numbers.affinities, 'block affinity', 'block affinities')}.`,
      ...problems.map(problem => `  ${problem}`),
      paint(
        terminal,
        problems.length === 0 ? 'good' : 'bad',
        `Check complete; found ${count(problems.length, 'problem')}.`,
      ),
    ].join('\n'),
  )
  if (problems.length > 0) throw new CommandFailure(EXIT.failed, '')
}

interface ReleaseOptions extends ConfigOption {
  readonly node?: string
  readonly force?: boolean
}

function releaseCommand(surroundings: Surroundings): Command {
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
  const { BlockClient } = await import('../../shell/store/index.ts')
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
  const { hostLocalAddresses } = await import('../../shell/host/index.ts')
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

async function withIpam(
  surroundings: Surroundings,
  options: ConfigOption,
  act: (ipam: Ipam) => void,
): Promise<void> {
  const configuration = surroundings.loadConfig(options.config)
  const store = await surroundings.openStore(configuration)
  const ipam = await readIpam(store, configuration.node).finally(() => store.close())
  act(ipam)
}
