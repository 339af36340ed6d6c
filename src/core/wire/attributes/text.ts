import { COMMUNITIES } from '../iana.ts'
import type { AsPathSegment, PathAttributes } from '../message.ts'

/** Attributes as people read them. */

/**
 * As routers write it: sequences bare, sets in braces, confederations in parentheses and brackets.
 */
export function asPathText(path: readonly AsPathSegment[]): string {
  return path
    .map(({ type, asns }) => {
      const spaced = asns.join(' ')
      switch (type) {
        case 'sequence':
          return spaced
        case 'set':
          return `{${asns.join(',')}}`
        case 'confed-sequence':
          return `(${spaced})`
        case 'confed-set':
          return `[${asns.join(',')}]`
        default:
          return type satisfies never
      }
    })
    .join(' ')
}

const NAMES = new Map<number, string>(
  Object.entries(COMMUNITIES).map(([name, value]) => [
    value,
    name.toLowerCase().replaceAll('_', '-'),
  ]),
)

/** `no-export`, or `65000:1`. RFC 1997 */
export const communityText = (community: number): string =>
  NAMES.get(community) ?? `${community >>> 16}:${community & 0xffff}`

/** Subtypes that have a name of their own; RFC 4360 §4, §5. */
const SUBTYPES: Readonly<Record<number, string>> = { 2: 'rt', 3: 'ro' }

/**
 * `rt:65000:1` or `rt:192.0.2.1:1`, whichever of RFC 4360 §3.1, §3.2 and RFC 5668 §2 it is; any
 * other one as its eight octets, `0x0602…`.
 */
export function extendedCommunityText(community: Uint8Array): string {
  const view = new DataView(community.buffer, community.byteOffset, community.length)
  const name = SUBTYPES[view.getUint8(1)]
  const type = view.getUint8(0)
  if (name !== undefined) {
    if (type === 0) return `${name}:${view.getUint16(2)}:${view.getUint32(4)}`
    if (type === 1) return `${name}:${community.subarray(2, 6).join('.')}:${view.getUint16(6)}`
    if (type === 2) return `${name}:${view.getUint32(2)}:${view.getUint16(6)}`
  }
  return `0x${[...community].map(octet => octet.toString(16).padStart(2, '0')).join('')}`
}

/** All communities: those of RFC 1997, then the large ones (RFC 8092), then the extended ones. */
export function communityTexts(attributes: PathAttributes): string[] {
  const { communities = [], largeCommunities = [], extendedCommunities = [] } = attributes
  return [
    ...communities.map(communityText),
    ...largeCommunities.map(each => each.join(':')),
    ...extendedCommunities.map(extendedCommunityText),
  ]
}
