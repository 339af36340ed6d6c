import type { Prefix } from '../net/index.ts'
import type { PathAttributes } from '../wire/index.ts'

/** What a policy says, before it is compiled. Plain values, made by whoever reads the resources. */

/** Prefixes inside `prefix` whose length is from `lengthMin` to `lengthMax`. */
export interface PrefixRule {
  readonly prefix: Prefix
  readonly lengthMin: number
  readonly lengthMax: number
}

/**
 * What a term asks of a route. Everything that is present must hold; nothing present matches all.
 */
export interface Match {
  /** from this node itself, or from a peer */
  readonly source?: 'originated' | 'learned'
  /** inside any of these */
  readonly prefixes?: readonly PrefixRule[]
}

/** What an accepted route is changed by. */
export type Action =
  | { readonly type: 'set-local-pref'; readonly value: number }
  | { readonly type: 'set-med'; readonly value: number }
  /** added where they are not yet there */
  | { readonly type: 'add-communities'; readonly communities: readonly number[] }
  | { readonly type: 'remove-communities'; readonly communities: readonly number[] }
  /** RFC 4271 §5.1.2: in front of the path, before our own number */
  | { readonly type: 'prepend'; readonly asn: number; readonly count: number }

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
      return { ...attributes, communities: [...present, ...added] }
    }
    case 'remove-communities': {
      const { communities = [], ...rest } = attributes
      const left = communities.filter(community => !action.communities.includes(community))
      return left.length === 0 ? rest : { ...rest, communities: left }
    }
    case 'prepend': {
      const asns = new Array<number>(action.count).fill(action.asn)
      const path = attributes.asPath ?? []
      return { ...attributes, asPath: [{ type: 'sequence', asns }, ...path] }
    }
    default:
      return action satisfies never
  }
}
