import type { Family, Prefix } from '../net/index.ts'
import { type PathAttributes, prepended } from '../wire/index.ts'

/** What a policy says, before it is compiled. Plain values, made by whoever reads the resources. */

/** Prefixes inside `prefix` whose length is from `lengthMin` to `lengthMax`. */
export interface PrefixRule {
  readonly prefix: Prefix
  readonly lengthMin: number
  readonly lengthMax: number
}

/** RFC 8092: global administrator, local data 1 and 2. */
export type LargeCommunity = readonly [number, number, number]

/**
 * What a term asks of a route. Everything that is present must hold; nothing present matches all.
 *
 * Attributes are asked as they came to the policy: what earlier terms do to them is not seen.
 */
export interface Match {
  readonly family?: Family
  /** from this node itself, or from a peer */
  readonly source?: 'originated' | 'learned'
  /** inside any of these */
  readonly prefixes?: readonly PrefixRule[]
  /** inside none of these */
  readonly notPrefixes?: readonly PrefixRule[]
  /** has all of these */
  readonly communities?: readonly number[]
  readonly largeCommunities?: readonly LargeCommunity[]
  /** AS_PATH begins with these; a set is one number of the path, and is any of its own */
  readonly asPathPrefix?: readonly number[]
  /** LOCAL_PREF is from the first to the second; absent is 100 */
  readonly localPref?: readonly [number, number]
  /** NEXT_HOP is inside any of these */
  readonly nextHops?: readonly Prefix[]
  /** globs, any of which is the name of the link that the next hop is reached by */
  readonly links?: readonly string[]
}

/** What an accepted route is changed by. */
export type Action =
  | { readonly type: 'set-local-pref'; readonly value: number }
  | { readonly type: 'set-med'; readonly value: number }
  /** added where they are not yet there */
  | { readonly type: 'add-communities'; readonly communities: readonly number[] }
  | { readonly type: 'add-large-communities'; readonly communities: readonly LargeCommunity[] }
  | { readonly type: 'remove-communities'; readonly communities: readonly number[] }
  /** RFC 4271 §5.1.2: in front of the path in this order, before our own number */
  | { readonly type: 'prepend'; readonly asns: readonly number[] }

/** One step of a policy: what matches has `actions` done to it and is then judged, or goes on. */
export interface Term {
  readonly match: Match
  readonly actions: readonly Action[]
  readonly verdict: 'accept' | 'reject' | 'next'
}

/** A policy: the first term that judges decides, and `otherwise` where none does. */
export interface Policy {
  readonly terms: readonly Term[]
  readonly otherwise: 'accept' | 'reject'
}

/** Accepts everything as it is. */
export const ACCEPT_ALL: Policy = { terms: [], otherwise: 'accept' }

/** Accepts what this node originates, and nothing else. */
export const ORIGINATED_ONLY: Policy = {
  terms: [{ match: { source: 'originated' }, actions: [], verdict: 'accept' }],
  otherwise: 'reject',
}

/** Attributes after one action. Allocates. */
export function applyAction(attributes: PathAttributes, action: Action): PathAttributes {
  switch (action.type) {
    case 'set-local-pref':
      return { ...attributes, localPref: action.value }
    case 'set-med':
      return { ...attributes, med: action.value }
    case 'add-communities': {
      const present = attributes.communities ?? []
      const added = action.communities.filter(community => !present.includes(community))
      if (added.length === 0) return attributes
      return { ...attributes, communities: [...present, ...added] }
    }
    case 'add-large-communities': {
      const present = attributes.largeCommunities ?? []
      const added = action.communities.filter(community => !holds(present, community))
      if (added.length === 0) return attributes
      return { ...attributes, largeCommunities: [...present, ...added] }
    }
    case 'remove-communities': {
      const { communities = [], ...rest } = attributes
      const left = communities.filter(community => !action.communities.includes(community))
      return left.length === 0 ? rest : { ...rest, communities: left }
    }
    case 'prepend':
      if (action.asns.length === 0) return attributes
      return { ...attributes, asPath: prepended(attributes.asPath ?? [], action.asns) }
    default:
      return action satisfies never
  }
}

/** True where `communities` has one that equals `community`. */
export const holds = (
  communities: readonly LargeCommunity[],
  [administrator, first, second]: LargeCommunity,
): boolean => communities.some(([a, b, c]) => a === administrator && b === first && c === second)
