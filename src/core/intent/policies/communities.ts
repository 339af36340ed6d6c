import { type BgpConfigurationSpec, isCommunity } from '../../calico/index.ts'
import { maxLength, type Prefix, parsePrefix, prefixParts } from '../../net/index.ts'
import type { Action, Term } from '../../policy/index.ts'
import { keyOf } from '../cluster.ts'
import type { PrefixCommunities } from '../plan.ts'
import type { Problem } from '../types.ts'

/** Communities that announced routes carry: BGPConfiguration's `prefixAdvertisements`. */

/** `aa:nn` as two numbers, `aa:nn:mm` as three. */
type Community = readonly [number, number] | readonly [number, number, number]

/** Reads a community's value; undefined for anything else. */
export function parseCommunity(text: string): Community | undefined {
  if (!isCommunity(text)) return undefined
  const [first = 0, second = 0, third] = text.split(':').map(Number)
  return third === undefined ? [first, second] : [first, second, third]
}

/** The actions that add communities. */
export function communityActions(communities: readonly Community[]): readonly Action[] {
  const standard = communities.flatMap(each =>
    each.length === 2 ? each[0] * 0x10000 + each[1] : [],
  )
  const large = communities.flatMap(each => (each.length === 3 ? [each] : []))
  return [
    ...(standard.length > 0 ? [{ type: 'add-communities' as const, communities: standard }] : []),
    ...(large.length > 0 ? [{ type: 'add-large-communities' as const, communities: large }] : []),
  ]
}

/** The part of a configuration object that concerns communities, and its name. */
interface Source {
  readonly name: string
  readonly spec: BgpConfigurationSpec
}

/**
 * Which communities routes inside which prefixes carry. What a node's own object lists stands in
 * for the list of all nodes; a name that its object does not define is looked for there too, which
 * Calico does not do.
 */
export function communitiesOf(
  global: Source | undefined,
  own: Source | undefined,
): { readonly communities: readonly PrefixCommunities[]; readonly problems: readonly Problem[] } {
  const source = own?.spec.prefixAdvertisements === undefined ? global : own
  const names = new Map<string, string>()
  for (const each of [global, source])
    for (const { name, value } of each?.spec.communities ?? []) names.set(name, value)
  const problems: Problem[] = []
  const communities: PrefixCommunities[] = []
  for (const { cidr, communities: listed } of source?.spec.prefixAdvertisements ?? []) {
    const prefix = parsePrefix(cidr)
    if (prefix === undefined) continue
    const values = listed.flatMap(text => {
      const value = names.get(text) ?? text
      if (isCommunity(value)) return [value]
      problems.push({
        object: keyOf('BGPConfiguration', source?.name ?? 'default'),
        field: 'spec.prefixAdvertisements',
        reason: `${text} of ${cidr} is neither a community nor the name of one; it is not added`,
      })
      return []
    })
    if (values.length > 0) communities.push({ prefix, communities: [...new Set(values)] })
  }
  return { communities, problems }
}

/** Each prefix as a term that adds and goes on. */
export const communityTerms = (all: readonly PrefixCommunities[]): Term[] =>
  all.map(({ prefix, communities }) => ({
    match: { prefixes: [inside(prefix)] },
    actions: communityActions(communities.flatMap(text => parsedOf(text))),
    verdict: 'next',
  }))

function parsedOf(text: string): readonly Community[] {
  const parsed = parseCommunity(text)
  return parsed === undefined ? [] : [parsed]
}

/** A prefix, and everything in it. */
export function inside(prefix: Prefix) {
  const { family, length } = prefixParts(prefix)
  return { prefix, lengthMin: length, lengthMax: maxLength(family) }
}
