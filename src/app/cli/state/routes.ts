import type { AttributesDocument, PathDocument, RouteDocument } from '../../../core/intent/index.ts'
import type { Terminal } from '../../../shell/terminal/index.ts'
import { type Column, count, facts, paint, table } from '../output.ts'
import { kernelMood } from './health.ts'

/**
 * `martlet routes`: the best routes with where they stand in the kernel, and one of them with
 * all its paths.
 */

/** One line a route. */
export function tabulateRoutes(
  terminal: Terminal,
  routes: readonly RouteDocument[],
  options: { readonly wide: boolean; readonly severalNodes: boolean },
): string {
  const node: Column<RouteDocument> = { heading: 'NODE', text: route => route.node }
  return table<RouteDocument>(
    terminal,
    [
      ...(options.severalNodes ? [node] : []),
      { heading: 'PREFIX', text: route => route.prefix },
      { heading: 'NEXT HOPS', text: nextHops, brief: firstHop },
      { heading: 'FROM', text: route => route.from },
      { heading: 'PATHS', text: route => String(route.pathsTotal), wide: true },
      { heading: 'AS PATH', text: route => route.best.asPath || '-', wide: true },
      { heading: 'ORIGIN', text: route => route.best.origin, wide: true },
      { heading: 'LOCAL PREF', text: route => String(route.best.localPref ?? '-'), wide: true },
      { heading: 'MED', text: route => String(route.best.med ?? '-'), wide: true },
      {
        heading: 'COMMUNITIES',
        text: route => route.best.communities.join(' ') || '-',
        wide: true,
      },
      { heading: 'KERNEL', text: kernel, mood: route => kernelMood(route.kernel), yields: true },
    ],
    routes,
    options.wide,
  )
}

const nextHops = (route: RouteDocument): string => route.nextHops.join(', ') || '-'

/** The first one, and how many more there are. */
function firstHop({ nextHops: [first = '-', ...others] }: RouteDocument): string {
  return others.length === 0 ? first : `${first} +${others.length}`
}

const kernel = ({ kernel, kernelError }: RouteDocument): string =>
  kernelError === undefined ? kernel : `${kernel}: ${kernelError}`

/** One route in full: each path, and for each that lost the rule that it lost by. */
export function describeRoute(terminal: Terminal, route: RouteDocument): string {
  const paths = route.paths ?? [route.best]
  const heading = facts([
    ['Kernel', paint(terminal, kernelMood(route.kernel), kernel(route))],
    ['Leads', route.kernelLeads],
    ['Wanted by', ownerText(route)],
    ['Next hops', nextHops(route)],
    ['Paths', pathsFact(route)],
  ])
  const said = paths.flatMap(receivedText)
  return [
    `${route.prefix} at ${route.node}`,
    heading,
    ...(route.pathsTotal === 0 ? [] : ['', pathTable(terminal, paths)]),
    ...(said.length === 0 ? [] : ['', ...said]),
  ].join('\n')
}

function ownerText({ kernelOwner, from }: RouteDocument): string | undefined {
  if (kernelOwner === 'node') return 'this node: its own addresses, a workload, or a tunnel'
  if (from === 'kernel') return 'nobody now: left from before'
  return kernelOwner === undefined ? undefined : 'BGP'
}

function pathsFact(route: RouteDocument): string {
  const known = route.paths?.length ?? 1
  if (known >= route.pathsTotal) return String(route.pathsTotal)
  const missing = count(route.pathsTotal - known, 'other')
  return `${route.pathsTotal}; the ${missing} only by the agent’s API, on the node itself`
}

function pathTable(terminal: Terminal, paths: readonly PathDocument[]): string {
  const communities: Column<PathDocument> = { heading: 'COMMUNITIES', text: communitiesText }
  return table<PathDocument>(
    terminal,
    [
      { heading: '', text: path => (path.best ? '*' : path.multipath ? '=' : '') },
      { heading: 'NEXT HOP', text: path => path.nextHop ?? '-' },
      { heading: 'FROM', text: pathFrom },
      { heading: 'AS PATH', text: path => path.asPath || '-' },
      { heading: 'PREF', text: path => String(path.localPref ?? '-') },
      { heading: 'MED', text: path => String(path.med ?? '-') },
      ...(paths.some(path => path.communities.length > 0) ? [communities] : []),
      { heading: 'WHY', text: verdict, yields: true },
    ],
    paths,
    // the reason is what was asked for: it is never cut
    true,
  )
}

/** The peer, and where it sends several paths of a prefix, which of them. */
const pathFrom = ({ from, pathId }: PathDocument): string =>
  pathId === undefined ? from : `${from} #${pathId}`

function verdict(path: PathDocument): string {
  if (path.best) return 'best'
  if (path.refused) return `refused: ${path.reason ?? '?'}`
  return path.multipath ? `used beside it; ${path.reason ?? ''}` : `lost: ${path.reason ?? '?'}`
}

const communitiesText = ({ communities }: AttributesDocument): string =>
  communities.join(' ') || '-'

/** What import rules have changed, as the peer had it. */
function receivedText(path: PathDocument): string[] {
  const { received } = path
  if (received === undefined) return []
  const texts = (from: AttributesDocument): string[] => [
    `AS path ${from.asPath || '-'}`,
    `pref ${from.localPref ?? '-'}`,
    `MED ${from.med ?? '-'}`,
    `communities ${communitiesText(from)}`,
  ]
  const counted = texts(path)
  const changed = texts(received).filter((text, at) => text !== counted[at])
  return changed.length === 0 ? [] : [`${pathFrom(path)} said: ${changed.join(', ')}`]
}
