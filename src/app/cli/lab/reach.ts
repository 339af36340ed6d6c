/** Who reaches whom in a lab, and when all did: the measurement behind `lab run`. */
import {
  addressesOf,
  type Lab,
  type ProbeReport,
  type Probes,
  type Roles,
} from '../../../shell/lab/index.ts'

/** One address of one node, asked from another node. */
export interface Pair {
  readonly from: string
  readonly to: string
  /** the address of `to` that was asked */
  readonly address: string
  /** our address as `to` saw it; absent where it was not reached */
  readonly seen?: string
  /** of the last answer, in milliseconds */
  readonly roundTripMs?: number
  /** `to` was reached, and saw an address that is `from`'s own: nothing on the way changed it */
  readonly well: boolean
}

/** What is asked of whom. */
export interface Plan {
  /** addresses by node, IPv4 first */
  readonly addresses: ReadonlyMap<string, readonly string[]>
  /** what may be seen as the source of a node: its addresses, that of management included */
  readonly own: ReadonlyMap<string, ReadonlySet<string>>
  /** who asks whom */
  readonly asks: ReadonlyMap<string, readonly string[]>
}

/** Pods ask all other pods and all workers, workers ask all pods. */
export async function planReach(lab: Lab, { pods, workers }: Roles): Promise<Plan> {
  const nodes = [...pods, ...workers]
  const found = await Promise.all(nodes.map(node => addressesOf(lab, node)))
  const addresses = new Map(nodes.map((node, index) => [node, found[index] ?? []]))
  const own = new Map(
    nodes.map(node => {
      const { managementAddress } = lab.node(node).record()
      return [node, new Set([...(addresses.get(node) ?? []), managementAddress ?? ''])]
    }),
  )
  const asks = new Map<string, readonly string[]>()
  for (const pod of pods) asks.set(pod, [...pods.filter(other => other !== pod), ...workers])
  for (const worker of workers) asks.set(worker, pods)
  return { addresses, own, asks }
}

/** Begins to ask. */
export function beginReach(probes: Probes, plan: Plan): void {
  for (const [from, others] of plan.asks) {
    probes.probe(
      from,
      others.flatMap(other => plan.addresses.get(other) ?? []),
    )
  }
}

/** Every pair as it stands. */
export async function readReach(probes: Probes, plan: Plan): Promise<readonly Pair[]> {
  const owners = new Map<string, string>()
  for (const [node, addresses] of plan.addresses) {
    for (const address of addresses) owners.set(address, node)
  }
  const sources = [...plan.asks.keys()]
  const reports = await Promise.all(sources.map(from => probes.report(from)))
  return sources.flatMap((from, index) =>
    (reports[index] ?? []).map(report => pairOf(from, report, plan, owners)),
  )
}

function pairOf(
  from: string,
  report: ProbeReport,
  plan: Plan,
  owners: ReadonlyMap<string, string>,
): Pair {
  const { target, seen, roundTripMs } = report
  return {
    from,
    to: owners.get(target) ?? target,
    address: target,
    ...(seen === undefined ? {} : { seen }),
    ...(roundTripMs === undefined ? {} : { roundTripMs }),
    well: seen !== undefined && plan.own.get(from)?.has(seen) === true,
  }
}
