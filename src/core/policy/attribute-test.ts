import { containsAddress } from '../net/index.ts'
import type { AsPathSegment, PathAttributes } from '../wire/index.ts'
import { holds, type Match } from './term.ts'

/** What terms ask of attributes: looked at once for each set, not for each route. */

/** Attributes, and what is known of them beside. */
export interface Subject {
  readonly attributes: PathAttributes
  /** name of the link that the next hop is reached by; absent: nobody knows, or there is none */
  readonly link?: string
}

/** RFC 4271 §5.1.5 has no default; 100 is everybody's. */
const LOCAL_PREF_DEFAULT = 100

/** True when a term asks something of attributes. */
export const looksAtAttributes = (match: Match): boolean =>
  match.communities !== undefined ||
  match.largeCommunities !== undefined ||
  match.asPathPrefix !== undefined ||
  match.localPref !== undefined ||
  match.nextHops !== undefined ||
  match.links !== undefined

/** True when they are all that the term asks of them. O(attributes) */
export function matchesAttributes(match: Match, { attributes, link }: Subject): boolean {
  const { communities = [], largeCommunities = [], asPath = [], nextHop } = attributes
  const { localPref = LOCAL_PREF_DEFAULT } = attributes
  if (match.communities?.every(each => communities.includes(each)) === false) return false
  if (match.largeCommunities?.every(each => holds(largeCommunities, each)) === false) return false
  if (match.asPathPrefix !== undefined && !beginsWith(asPath, match.asPathPrefix)) return false
  if (match.localPref !== undefined) {
    const [least, most] = match.localPref
    if (localPref < least || localPref > most) return false
  }
  const { nextHops, links } = match
  if (nextHops !== undefined) {
    if (nextHop === undefined) return false
    if (!nextHops.some(prefix => containsAddress(prefix, nextHop))) return false
  }
  return links === undefined || (link !== undefined && links.some(glob => matchesGlob(glob, link)))
}

/** Confederation segments are not of the path that others see. RFC 5065 §5 */
function beginsWith(path: readonly AsPathSegment[], prefix: readonly number[]): boolean {
  const places = path.flatMap(({ type, asns }) => {
    if (type === 'sequence') return asns.map(asn => [asn])
    return type === 'set' ? [asns] : []
  })
  return prefix.every((asn, at) => places[at]?.includes(asn) === true)
}

/** `*` is any text, `?` any character, as in BIRD. */
export function matchesGlob(glob: string, name: string): boolean {
  let at = 0
  let from = 0
  // where to go on when what follows a star does not fit
  let star = -1
  let taken = 0
  while (from < name.length) {
    if (glob[at] === '*') {
      star = at++
      taken = from
    } else if (at < glob.length && (glob[at] === '?' || glob[at] === name[from])) {
      at++
      from++
    } else if (star >= 0) {
      at = star + 1
      from = ++taken
    } else return false
  }
  while (glob[at] === '*') at++
  return at === glob.length
}
