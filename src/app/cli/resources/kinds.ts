import { KINDS, type Kind } from '../../../core/calico/index.ts'
import type { Column } from '../output.ts'
import type { ResourceObject } from './objects.ts'

/**
 * Calico's kinds as its command line has them: other names for each, and the columns of its
 * tables.
 */

/** What a column may need beside its row. */
export interface TableContext {
  /** of `BGPConfiguration/default`, or Calico's default */
  readonly clusterAsNumber: number
}

/** calicoctl's short names, beside the kind and its plural in any case. */
const SHORT_NAMES: Readonly<Record<string, readonly string[]>> = {
  BGPConfiguration: ['bgpconfig', 'bgpconfigs'],
  BGPFilter: ['bgpf', 'bgpfs'],
  BGPPeer: ['bgpp', 'bgpps', 'bp', 'bps'],
  ClusterInformation: ['clusterinfo', 'clusterinfos'],
  FelixConfiguration: ['felixconfig', 'felixconfigs'],
  HostEndpoint: ['hep', 'heps'],
  IPAMConfiguration: ['ipamconfig', 'ipamconfigs'],
  IPPool: ['pool', 'pools', 'ipp', 'ipps'],
  Node: ['no', 'nos'],
  Profile: ['pro', 'pros'],
  WorkloadEndpoint: ['wep', 'weps', 'workload', 'workloads'],
}

const BY_NAME: ReadonlyMap<string, Kind> = new Map(
  KINDS.flatMap(kind =>
    [kind.kind.toLowerCase(), kind.plural, ...(SHORT_NAMES[kind.kind] ?? [])].map(
      (name): [string, Kind] => [name, kind],
    ),
  ),
)

/** The kind that somebody means by `name`, in any case, singular, plural or short. */
export const kindCalled = (name: string): Kind | undefined => BY_NAME.get(name.toLowerCase())

type Columns = readonly Column<ResourceObject>[]
type ColumnsOf = (name: Columns[number], context: TableContext) => Columns

/**
 * The columns of a kind, its name among them. One that is not here has its name alone, as in
 * calicoctl.
 */
const COLUMNS: Readonly<Record<string, ColumnsOf>> = {
  BGPConfiguration: name => [
    name,
    column('LOGSEVERITY', 'logSeverityScreen'),
    column('MESHENABLED', 'nodeToNodeMeshEnabled'),
    column('ASNUMBER', 'asNumber'),
  ],
  BGPFilter: name => [name, ...['exportV4', 'importV4', 'exportV6', 'importV6'].map(rules)],
  BGPPeer: name => [
    name,
    column('PEERIP', 'peerIP'),
    { heading: 'NODE', text: peerNode },
    column('ASN', 'asNumber'),
  ],
  CalicoNodeStatus: name => [name, column('NODE', 'node'), wide(column('CLASSES', 'classes'))],
  ClusterInformation: name => [
    name,
    column('CLUSTERGUID', 'clusterGUID'),
    column('CLUSTERTYPE', 'clusterType'),
    column('CALICOVERSION', 'calicoVersion'),
    column('DATASTOREREADY', 'datastoreReady'),
  ],
  IPAMConfiguration: name => [
    name,
    flag('STRICTAFFINITY', 'strictAffinity'),
    flag('AUTOALLOCATEBLOCKS', 'autoAllocateBlocks'),
    wide(column('MAXBLOCKSPERHOST', 'maxBlocksPerHost')),
  ],
  IPPool: name => [
    name,
    column('CIDR', 'cidr'),
    wide(flag('NAT', 'natOutgoing')),
    wide(column('IPIPMODE', 'ipipMode')),
    wide(column('VXLANMODE', 'vxlanMode')),
    wide(flag('DISABLED', 'disabled')),
    wide(flag('DISABLEBGPEXPORT', 'disableBGPExport')),
    column('SELECTOR', 'nodeSelector'),
    wide(column('ASSIGNMENTMODE', 'assignmentMode')),
  ],
  IPReservation: name => [name, wide(column('CIDRS', 'reservedCIDRs'))],
  Node: (name, context) => [
    name,
    { heading: 'ASN', text: nodeAsNumber(context), wide: true },
    { heading: 'IPV4', text: field('spec', 'bgp', 'ipv4Address'), wide: true },
    { heading: 'IPV6', text: field('spec', 'bgp', 'ipv6Address'), wide: true },
  ],
  Tier: name => [name, column('ORDER', 'order')],
  WorkloadEndpoint: name => [
    { heading: 'NAMESPACE', text: field('metadata', 'namespace'), wide: true },
    column('WORKLOAD', 'pod'),
    column('NODE', 'node'),
    column('NETWORKS', 'ipNetworks'),
    column('INTERFACE', 'interfaceName'),
    wide(name),
  ],
}

/** The columns of a kind's table. */
export function columnsOf(kind: Kind, context: TableContext): Columns {
  const name = { heading: 'NAME', text: (one: ResourceObject) => one.metadata.name }
  return COLUMNS[kind.kind]?.(name, context) ?? [name]
}

const column = (heading: string, name: string): Column<ResourceObject> => ({
  heading,
  text: field('spec', name),
})

/** A field that Calico does not store where it is false. */
const flag = (heading: string, name: string): Column<ResourceObject> => ({
  heading,
  text: object => String(valueAt(object, ['spec', name]) === true),
})

const wide = (one: Column<ResourceObject>): Column<ResourceObject> => ({ ...one, wide: true })

/** How many rules of a filter there are: `NUMEXPORTV4`. */
const rules = (name: string): Column<ResourceObject> => ({
  heading: `NUM${name.toUpperCase()}`,
  text: object => {
    const list = valueAt(object, ['spec', name])
    return String(Array.isArray(list) ? list.length : 0)
  },
})

/**
 * The text at a path of an object; `-` where there is none, so that a column always holds a
 * word.
 */
function field(...path: readonly string[]): (object: ResourceObject) => string {
  return object => {
    const value = valueAt(object, path)
    return value === undefined || value === null || value === '' ? '-' : String(value)
  }
}

/** What is at `path` of `object`; undefined where something on the way is missing. */
export function valueAt(object: object, path: readonly string[]): unknown {
  let at: unknown = object
  for (const part of path) {
    if (typeof at !== 'object' || at === null) return undefined
    at = Reflect.get(at, part)
  }
  return at
}

function peerNode(object: ResourceObject): string {
  const node = field('spec', 'node')(object)
  if (node !== '-') return node
  const selector = field('spec', 'nodeSelector')(object)
  return selector === '-' ? '(global)' : selector
}

/** One that a node has from the cluster is in parentheses; a node that speaks no BGP has none. */
function nodeAsNumber(context: TableContext): (object: ResourceObject) => string {
  return object => {
    if (valueAt(object, ['spec', 'bgp']) === undefined) return '-'
    const own = field('spec', 'bgp', 'asNumber')(object)
    return own === '-' ? `(${context.clusterAsNumber})` : own
  }
}
