import { maxLength, prefixParts } from '../../net/index.ts'
import type { Action, LargeCommunity, Match, Policy, PrefixRule, Term } from '../../policy/index.ts'
import { priorityOf } from './priority.ts'

/**
 * Policies as sentences, for people who compare a plan with the resources that it is of. What a
 * policy does is core/policy's; nothing reads these texts again.
 */

/**
 * A policy, a rule each: `in 10.244.0.0/16: add 65000:7, go on`. The first that accepts or rejects
 * counts; the last says what becomes of all else.
 *
 * O(terms).
 */
export function rulesOf({ terms, otherwise }: Policy): string[] {
  return [...terms.map(ruleOf), `all else: ${otherwise}`]
}

function ruleOf({ match, actions, verdict }: Term): string {
  const what = conditionsOf(match).join(', ')
  const done = [...actions.map(actionText), verdict === 'next' ? 'go on' : verdict]
  return `${what === '' ? 'all' : what}: ${done.join(', ')}`
}

function conditionsOf(match: Match): string[] {
  const { family, source, prefixes, notPrefixes, nextHops, links } = match
  const { communities, largeCommunities, asPathPrefix, localPref } = match
  // prefixes say of which family they are
  const named = prefixes ?? notPrefixes
  return [
    ...(family === undefined || named?.length ? [] : [family === 'ipv4' ? 'IPv4' : 'IPv6']),
    ...(prefixes === undefined ? [] : [insideText(prefixes)]),
    ...(notPrefixes === undefined ? [] : [`not ${insideText(notPrefixes)}`]),
    ...(source === undefined ? [] : [source === 'originated' ? 'its own' : 'learned']),
    ...(communities === undefined ? [] : [`community ${communities.map(standardText).join(' ')}`]),
    ...(largeCommunities === undefined ? [] : [`community ${largeCommunities.map(largeText)}`]),
    ...(asPathPrefix === undefined ? [] : [`AS path that begins ${asPathPrefix.join(' ')}`]),
    ...(localPref === undefined ? [] : [localPrefText(localPref)]),
    ...(nextHops === undefined ? [] : [`next hop in ${nextHops.join(' or ')}`]),
    ...(links === undefined ? [] : [`over ${links.join(' or ')}`]),
  ]
}

function insideText(rules: readonly PrefixRule[]): string {
  return rules.length === 0 ? 'in nothing' : rules.map(prefixText).join(' or ')
}

/** As BGPFilter's words have it: a prefix itself, or what is in it. */
function prefixText({ prefix, lengthMin, lengthMax }: PrefixRule): string {
  const { family, length } = prefixParts(prefix)
  if (lengthMin === length && lengthMax === length) return `equal ${prefix}`
  const longest = Math.min(lengthMax, maxLength(family))
  if (lengthMin === length && longest === maxLength(family)) return `in ${prefix}`
  return `in ${prefix} of length ${lengthMin} to ${longest}`
}

/** BGPFilter's word for LOCAL_PREF is `priority`, which counts the other way round. */
function localPrefText([least, most]: readonly [number, number]): string {
  const first = `LOCAL_PREF ${least}`
  return least === most
    ? `${first} (priority ${priorityOf(least)})`
    : `${first} to ${most} (priority ${priorityOf(most)} to ${priorityOf(least)})`
}

function actionText(action: Action): string {
  switch (action.type) {
    case 'set-local-pref':
      return `LOCAL_PREF ${action.value} (priority ${priorityOf(action.value)})`
    case 'set-med':
      return `MED ${action.value}`
    case 'add-communities':
      return `add ${action.communities.map(standardText).join(' ')}`
    case 'add-large-communities':
      return `add ${action.communities.map(largeText).join(' ')}`
    case 'remove-communities':
      return `remove ${action.communities.map(standardText).join(' ')}`
    case 'prepend':
      return `prepend ${action.asns.join(' ')}`
    default:
      return action satisfies never
  }
}

/** RFC 1997: two halves of 16 bits. */
const standardText = (community: number): string => `${community >>> 16}:${community & 0xffff}`

/** RFC 8092 §5 */
const largeText = (community: LargeCommunity): string => community.join(':')
