import { contains, type Prefix, prefixParts } from '../../net/index.ts'
import { type PeerConfig, type PeerRange, TRANSPORT_DEFAULT } from '../../speaker/index.ts'
import type { ClusterNode } from '../cluster.ts'
import type { RangeFacts } from '../types.ts'
import { type Context, exportMode, otherNextHop, restartTime } from './common.ts'
import { passwordOf } from './secrets.ts'
import { settledFields } from './settings.ts'

/** Neighbours without a resource of their own: who connects from a range is one. */

/** The ranges of this node, those without the password that they are to have left out. */
export function rangesOf(context: Context): PeerRange[] {
  const ranges = (context.facts.ranges ?? []).flatMap(range => rangeOf(range, context) ?? [])
  return ranges.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

function rangeOf(range: RangeFacts, context: Context): PeerRange | undefined {
  const { own, facts } = context
  const { family } = prefixParts(range.prefix)
  const password = passwordFor(range, context)
  if (password === undefined) return undefined
  const external = range.asNumber !== own.asNumber
  const settings = { ...context.settings.common, ...range.settings }
  const subnet = sharedWith(own, range.prefix)
  const { ttlSecurity } = range
  return {
    name: range.name,
    prefix: range.prefix,
    peersMax: range.peersMax,
    template: {
      peerAs: range.asNumber,
      localAs: own.asNumber,
      ...(ttlSecurity !== undefined && { transport: { ...TRANSPORT_DEFAULT, ttlSecurity } }),
      ...password,
      hold: facts.hold,
      connectRetry: facts.connectRetry,
      ...restartTime(undefined, () => undefined).config,
      families: facts.families ?? [family],
      ...otherNextHop(own, family, facts),
      routeReflectorClient: range.routeReflectorClient && !external,
      nextHop: 'auto',
      export: exportMode(own, facts),
      ...settledFields(settings, { external, subnet }),
    },
  }
}

/** Undefined where there is to be one and it cannot be had: then nobody may come. */
function passwordFor(
  { name, passwordSecret }: RangeFacts,
  context: Context,
): Pick<PeerConfig, 'password'> | undefined {
  if (passwordSecret === undefined) return {}
  const password = passwordOf({ secretKeyRef: passwordSecret }, context.secrets, reason =>
    context.problems.push({
      object: 'martlet.yaml',
      field: `bgp.ranges ${name} passwordSecret`,
      reason: `${reason}; nobody may connect from this range`,
    }),
  )
  return password === undefined ? undefined : { password }
}

/** The node's subnet, where all of the range is in it. */
function sharedWith({ subnets }: ClusterNode, range: Prefix): Prefix | undefined {
  const subnet = subnets[prefixParts(range).family]
  return subnet !== undefined && contains(subnet, range) ? subnet : undefined
}
