import { affinityKey, escapeName, isConfirmed } from '../../calico/index.ts'
import {
  compareBytes,
  formatPrefix,
  type Prefix,
  type PrefixParts,
  parsePrefix,
  prefixParts,
} from '../../net/index.ts'
import { keyOf } from '../cluster.ts'
import { POD_CIDRS_ROOT, type PodCidrsDocument } from '../state/documents.ts'
import type { NodeFacts, Problem, Snapshot } from '../types.ts'

/**
 * Which pod addresses are whose: what a node announces as its own, and what it is not to announce.
 */

/** That pods of `node` have addresses in `prefix`. */
interface Claim {
  readonly node: string
  readonly prefix: Prefix
  readonly parts: PrefixParts
  /** the key that says so to all nodes, and the field in it */
  readonly object: string
  readonly field: string
}

/** The pod CIDRs of the cluster, as one node sees them. */
export interface PodCidrs {
  /** this node's, sorted */
  readonly own: readonly Prefix[]
  /** of all nodes, sorted, none inside another */
  readonly all: readonly Prefix[]
  /** of the others, by node, as they claim them */
  readonly others: readonly { readonly node: string; readonly prefix: Prefix }[]
  readonly problems: readonly Problem[]
}

/**
 * Finds this node's pod CIDRs and everybody's.
 *
 * A node has those of its own configuration; else, where IPAM has a block affinity of it, the
 * confirmed ones, as in Calico; else those of its Node's status. The configuration of another node
 * is known by what it published, and counts while it has a Node object: who is no member of the
 * cluster claims nothing. Of two nodes whose pod CIDRs overlap, the one whose name is lower keeps
 * its own, so that all nodes decide alike without asking each other.
 *
 * O(claims · lengths that this node's prefixes have).
 */
export function podCidrsOf(snapshot: Snapshot, facts: NodeFacts): PodCidrs {
  const claims = claimsOf(snapshot, facts)
  const own = new Map(
    claims.filter(claim => claim.node === facts.node).map(claim => [claim.prefix, claim]),
  )
  const problems: Problem[] = []
  const lost = new Set<Prefix>()
  for (const { mine, theirs } of overlapsOf(own, claims, facts.node)) {
    const kept = facts.node < theirs.node
    if (!kept) lost.add(mine.prefix)
    problems.push({
      object: mine.object,
      field: mine.field,
      reason:
        `${mine.prefix} of ${mine.node} overlaps ${theirs.prefix} of ${theirs.node} ` +
        `(${theirs.object}); ${kept ? mine.node : theirs.node} announces it, because its name is ` +
        'lower: give each node a prefix of its own',
    })
  }
  const kept = [...own.values()].filter(claim => !lost.has(claim.prefix))
  const others = claims.filter(claim => claim.node !== facts.node)
  return {
    own: inOrder(kept).map(({ prefix }) => prefix),
    all: outermost(claims),
    others,
    problems,
  }
}

/** Where a node says the pod CIDRs of its own configuration. */
export const podCidrsKey = (node: string): string => `${POD_CIDRS_ROOT}${escapeName(node)}`

/** What is to be there: nothing where the configuration names none, so that the store's count. */
export function podCidrsDocument(facts: NodeFacts): PodCidrsDocument | undefined {
  const { node, podCidrs } = facts
  return podCidrs.length === 0 ? undefined : { node, podCIDRs: podCidrs }
}

function claimsOf(snapshot: Snapshot, facts: NodeFacts): Claim[] {
  const claims = facts.podCidrs.map(prefix =>
    claimOf(facts.node, prefix, podCidrsKey(facts.node), 'podCIDRs'),
  )
  const members = new Set(snapshot.nodes.map(({ metadata }) => metadata.name))
  for (const { node, podCidrs } of snapshot.podCidrs)
    if (node !== facts.node && members.has(node))
      for (const prefix of podCidrs)
        claims.push(claimOf(node, prefix, podCidrsKey(node), 'podCIDRs'))
  const settled = new Set(claims.map(claim => claim.node))
  // Calico's USE_POD_CIDR: whatever affinities there are, pods do not have their addresses of IPAM
  const affinities = facts.usePodCidr ? [] : snapshot.blockAffinities
  for (const affinity of affinities) {
    const prefix = parsePrefix(affinity.cidr)
    if (settled.has(affinity.node) || prefix === undefined || !isConfirmed(affinity)) continue
    claims.push(claimOf(affinity.node, prefix, affinityKey(affinity.node, prefix), ''))
  }
  const assigned = new Set(affinities.map(({ node }) => node))
  for (const { metadata, status } of snapshot.nodes) {
    if (settled.has(metadata.name) || assigned.has(metadata.name)) continue
    for (const cidr of status?.podCIDRs ?? []) {
      const prefix = parsePrefix(cidr)
      if (prefix === undefined) continue
      claims.push(claimOf(metadata.name, prefix, keyOf('Node', metadata.name), 'status.podCIDRs'))
    }
  }
  return claims
}

function claimOf(node: string, prefix: Prefix, object: string, field: string): Claim {
  return { node, prefix, parts: prefixParts(prefix), object, field }
}

function overlapsOf(
  own: ReadonlyMap<Prefix, Claim>,
  claims: readonly Claim[],
  node: string,
): { mine: Claim; theirs: Claim }[] {
  const found: { mine: Claim; theirs: Claim }[] = []
  const lengths = new Set([...own.values()].map(claim => claim.parts.length))
  for (const theirs of claims) {
    if (theirs.node === node) continue
    const { bytes, length } = theirs.parts
    for (const shorter of lengths) {
      // prefixes are canonical text: the one of ours that could hold theirs has exactly this name
      const mine = shorter <= length ? own.get(formatPrefix(bytes, shorter)) : undefined
      if (mine !== undefined) found.push({ mine, theirs })
    }
    for (const mine of own.values())
      if (mine.parts.length > length && formatPrefix(mine.parts.bytes, length) === theirs.prefix)
        found.push({ mine, theirs })
  }
  return found
}

/** As comparePrefixes orders them, without taking the texts apart again. */
function inOrder(claims: readonly Claim[]): Claim[] {
  return claims.toSorted(
    ({ parts: a }, { parts: b }) =>
      a.bytes.length - b.bytes.length || compareBytes(a.bytes, b.bytes) || a.length - b.length,
  )
}

/** Sorted, a prefix follows what holds it: one pass finds those that nothing holds. */
function outermost(claims: readonly Claim[]): Prefix[] {
  const kept: Claim[] = []
  for (const claim of inOrder(claims)) {
    const last = kept.at(-1)
    const held =
      last !== undefined &&
      last.parts.family === claim.parts.family &&
      formatPrefix(claim.parts.bytes, last.parts.length) === last.prefix
    if (!held) kept.push(claim)
  }
  return kept.map(claim => claim.prefix)
}
