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
  BGPPeer: ['bgpp', 'bgpps', 'bp', 'bps'],
  ClusterInformation: ['clusterinfo', 'clusterinfos'],
  FelixConfiguration: ['felixconfig', 'felixconfigs'],
  HostEndpoint: ['hep', 'heps'],
  IPPool: ['pool', 'pools', 'ipp', 'ipps'],
  Node: ['no', 'nos'],
  Profile: ['pro', 'pros'],
}

/** Kinds that commands take: those of the cluster. Namespaced ones route nothing. */
export const CLUSTER_KINDS: readonly Kind[] = KINDS.filter(kind => !kind.namespaced)

const BY_NAME: ReadonlyMap<string, Kind> = new Map(
  CLUSTER_KINDS.flatMap(kind =>
    [kind.kind.toLowerCase(), kind.plural, ...(SHORT_NAMES[kind.kind] ?? [])].map(
      (name): [string, Kind] => [name, kind],
    ),
  ),
)

/** The kind that somebody means by `name`, in any case, singular, plural or short. */
export const kindCalled = (name: string): Kind | undefined => BY_NAME.get(name.toLowerCase())

/** The columns of a kind. One without columns of its own has its name alone, as in calicoctl. */
export function columnsOf(kind: Kind, context: TableContext): readonly Column<ResourceObject>[] {
  const name: Column<ResourceObject> = { heading: 'NAME', text: one => one.metadata.name }
  switch (kind.kind) {
    case 'BGPPeer':
      return [
        name,
        { heading: 'PEERIP', text: field('spec', 'peerIP') },
        { heading: 'NODE', text: peerNode },
        { heading: 'ASN', text: field('spec', 'asNumber') },
      ]
    case 'BGPConfiguration':
      return [
        name,
        { heading: 'LOGSEVERITY', text: field('spec', 'logSeverityScreen') },
        { heading: 'MESHENABLED', text: field('spec', 'nodeToNodeMeshEnabled') },
        { heading: 'ASNUMBER', text: field('spec', 'asNumber') },
      ]
    case 'Node':
      return [
        name,
        { heading: 'ASN', text: nodeAsNumber(context), wide: true },
        { heading: 'IPV4', text: field('spec', 'bgp', 'ipv4Address'), wide: true },
        { heading: 'IPV6', text: field('spec', 'bgp', 'ipv6Address'), wide: true },
      ]
    case 'IPPool':
      return [
        name,
        { heading: 'CIDR', text: field('spec', 'cidr') },
        { heading: 'SELECTOR', text: field('spec', 'nodeSelector') },
      ]
    default:
      return [name]
  }
}

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
