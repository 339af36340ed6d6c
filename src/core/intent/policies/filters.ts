import type { BgpFilterOperation, BgpFilterResource, BgpFilterRule } from '../../calico/index.ts'
import { FAMILIES, type Family, maxLength, parsePrefix, prefixParts } from '../../net/index.ts'
import type { Action, Match, PrefixRule, Term } from '../../policy/index.ts'
import { communityActions, parseCommunity } from './communities.ts'
import { localPrefOf } from './priority.ts'

/** BGPFilters as terms of a policy: each rule is one, those of IPv4 first. */

/** Which of a filter's rules, and for what kind of session. */
export interface FilterUse {
  readonly direction: 'import' | 'export'
  /** the peer's AS is ours */
  readonly internal: boolean
}

const FIELDS = {
  import: { ipv4: 'importV4', ipv6: 'importV6' },
  export: { ipv4: 'exportV4', ipv6: 'exportV6' },
} as const

/** Nothing passes: what a filter is that is not there, or says what cannot be meant. */
const CLOSED: Term = { match: {}, actions: [], verdict: 'reject' }

/**
 * The terms of a filter, undefined where there is none of that name. What no rule ends goes on.
 *
 * Departs from Calico, which runs a session without a filter that is not there: what it kept in or
 * out would be let go by deleting it.
 */
export function filterTerms(filter: BgpFilterResource | undefined, use: FilterUse): Term[] {
  if (filter === undefined) return [CLOSED]
  return FAMILIES.flatMap(family => {
    const rules = filter.spec[FIELDS[use.direction][family]] ?? []
    return rules.flatMap(rule => termOf(rule, family, use))
  })
}

/** Calico knows the peer's type when it writes BIRD's configuration; so do we. */
function termOf(rule: BgpFilterRule, family: Family, { internal }: FilterUse): Term[] {
  const { peerType, action, operations = [] } = rule
  if (peerType !== undefined && (peerType === 'iBGP') !== internal) return []
  const match = matchOf(rule, family)
  const actions = operations.map(actionOf)
  if (match === undefined || actions.includes(undefined)) return [CLOSED]
  return [
    {
      match,
      actions: actions.flatMap(each => each ?? []),
      verdict: action === 'Accept' ? 'accept' : 'reject',
    },
  ]
}

/** Undefined where a value is none: nobody stores it, and whoever does lets nothing pass by it. */
function matchOf(rule: BgpFilterRule, family: Family): Match | undefined {
  const { communities, asPathPrefix, priority, source, interface: link } = rule
  const prefixes = prefixesOf(rule)
  const parsed = communities?.values.map(parseCommunity) ?? []
  if (prefixes === undefined || parsed.includes(undefined)) return undefined
  const standard = parsed.flatMap(each => (each?.length === 2 ? each[0] * 0x10000 + each[1] : []))
  const large = parsed.flatMap(each => (each?.length === 3 ? [each] : []))
  const localPref = priority === undefined ? undefined : localPrefOf(priority)
  return {
    family,
    ...prefixes,
    ...(source === 'RemotePeers' && { source: 'learned' }),
    ...(standard.length > 0 && { communities: standard }),
    ...(large.length > 0 && { largeCommunities: large }),
    ...(asPathPrefix !== undefined && { asPathPrefix }),
    ...(localPref !== undefined && { localPref: [localPref, localPref] }),
    ...(link !== undefined && { links: [link] }),
  }
}

/**
 * `In` with lengths is BIRD's pattern: lengths begin at the prefix's own. `Equal` with lengths is
 * the prefix itself where its length is among them; BIRD compares it with a set of prefixes, which
 * no prefix is.
 */
function prefixesOf(rule: BgpFilterRule): Pick<Match, 'prefixes' | 'notPrefixes'> | undefined {
  const { cidr, matchOperator, prefixLength = {} } = rule
  if (cidr === undefined) return {}
  const prefix = parsePrefix(cidr)
  if (prefix === undefined || matchOperator === undefined) return undefined
  const { family, length } = prefixParts(prefix)
  const equal = matchOperator === 'Equal' || matchOperator === 'NotEqual'
  const lengthMin = Math.max(prefixLength.min ?? length, length)
  const lengthMax = Math.min(prefixLength.max ?? maxLength(family), equal ? length : 128)
  const rules: PrefixRule[] = lengthMin > lengthMax ? [] : [{ prefix, lengthMin, lengthMax }]
  const negated = matchOperator === 'NotEqual' || matchOperator === 'NotIn'
  return negated ? { notPrefixes: rules } : { prefixes: rules }
}

function actionOf(operation: BgpFilterOperation): readonly Action[] | undefined {
  const { addCommunity, prependASPath, setPriority } = operation
  if (addCommunity !== undefined) {
    const community = parseCommunity(addCommunity.value)
    return community && communityActions([community])
  }
  if (prependASPath !== undefined) return [{ type: 'prepend', asns: prependASPath.prefix }]
  if (setPriority !== undefined)
    return [{ type: 'set-local-pref', value: localPrefOf(setPriority.value) }]
  return undefined
}
