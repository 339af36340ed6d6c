import type { Command } from 'commander'
import {
  type AssignedAddress,
  addressesIn,
  assignedIn,
  assignmentOf,
  type BlockUsage,
  borrowedIn,
  ipamFindings,
  usageOf,
} from '../../../core/calico/index.ts'
import { comparePrefixes, contains, type Prefix, parseAddress } from '../../../core/net/index.ts'
import { CommandFailure, EXIT } from '../failure.ts'
import { type ConfigOption, describedCommand, withConfig } from '../options.ts'
import { count, type Format, facts, paint, printAs, table, withOutput } from '../output.ts'
import type { Surroundings } from '../surroundings.ts'
import { type Ipam, withIpam } from './read.ts'
import { releaseCommand } from './release.ts'

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
