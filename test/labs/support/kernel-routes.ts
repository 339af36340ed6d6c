/** Routes of a kernel, whether they name nexthop objects or have hops of their own. */

/** The words that make `ip` say the routes of a family that `routesIn` reads. */
export const routesOf = (family: '-4' | '-6', ...which: readonly string[]): readonly string[] => [
  ...['ip', family, '-j', 'route', 'show', ...which],
]

interface Hop {
  readonly gateway?: string
  readonly via?: { readonly host: string }
  readonly dev?: string
}

interface IpRoute extends Hop {
  readonly dst: string
  readonly type?: string
  readonly metric?: number
  readonly nexthops?: readonly Hop[]
}

/**
 * What `ip -j route` says, a line each, as `ip route` prints routes that name no object:
 * `10.99.2.0/24 via 192.0.2.2 dev eth0 metric 1024`, with `nexthop` before each of several hops.
 */
export function routesIn(json: string): string {
  const routes: readonly IpRoute[] = JSON.parse(json === '' ? '[]' : json)
  return routes.map(lineOf).join('\n')
}

function lineOf({ dst, type, metric, nexthops = [], ...hop }: IpRoute): string {
  const priority = metric === undefined ? '' : ` metric ${metric}`
  if (type !== undefined && type !== 'unicast') return `${type} ${dst}${priority}`
  // of IPv6 an object's only hop is said as one of several
  if (nexthops.length < 2) return `${dst}${hopText(nexthops[0] ?? hop)}${priority}`
  return `${dst}${priority}${nexthops.map(each => ` nexthop${hopText(each)}`).join('')}`
}

function hopText({ gateway, via, dev }: Hop): string {
  const to = gateway ?? via?.host
  return `${to === undefined ? '' : ` via ${to}`}${dev === undefined ? '' : ` dev ${dev}`}`
}
