import {
  AFFINITIES_ROOT,
  type AllocationBlock,
  BLOCKS_ROOT,
  decodeBlock,
  decodeHandle,
  decodeIpamConfig,
  HANDLES_ROOT,
  IPAM_CONFIG_DEFAULT,
  IPAM_CONFIG_KEY,
  parseBlockKey,
  RESOURCES_ROOT,
  unescapeName,
} from '../../../core/calico/index.ts'
import type { Store } from '../../../core/intent/index.ts'
import { comparePrefixes, type Prefix, parsePrefix } from '../../../core/net/index.ts'
import { SnapshotReader } from '../../../shell/config/index.ts'
import type { ConfigOption } from '../options.ts'
import type { Surroundings } from '../surroundings.ts'

/** What the store holds of Calico's IPAM, for the commands. */

const ROOTS: readonly string[] = [
  AFFINITIES_ROOT,
  BLOCKS_ROOT,
  HANDLES_ROOT,
  ...['ippools', 'ipreservations', 'nodes'].map(plural => `${RESOURCES_ROOT}${plural}/`),
]

/** All of IPAM at one revision. */
export async function readIpam(store: Store, node: string) {
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

/** What `readIpam` finds. */
export type Ipam = Awaited<ReturnType<typeof readIpam>>

/** Reads all of it, and hands it on. */
export async function withIpam(
  surroundings: Surroundings,
  options: ConfigOption,
  act: (ipam: Ipam) => void,
): Promise<void> {
  const configuration = surroundings.loadConfig(options.config)
  const store = await surroundings.openStore(configuration)
  const ipam = await readIpam(store, configuration.node).finally(() => store.close())
  act(ipam)
}
