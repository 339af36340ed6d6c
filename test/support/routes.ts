import { type Prefix, prefix, prefixParts } from '../../src/core/net/index.ts'
import { type Policy, Programs, REJECTED } from '../../src/core/policy/index.ts'
import type { PathAttributes } from '../../src/core/wire/index.ts'

/** A policy asked about one route: what somebody would see of it. */

/** A route: its prefix, and whatever else is not ordinary. */
export interface AskedRoute {
  readonly prefix: Prefix | string
  readonly attributes?: PathAttributes
  readonly originated?: boolean
  /** by which its next hop is reached */
  readonly link?: string
}

/** The attributes as the policy leaves them; undefined: it is rejected. */
export function judged(policy: Policy, route: AskedRoute): PathAttributes | undefined {
  const program = new Programs().compile(policy)
  const { family, bytes, length } = prefixParts(prefix(route.prefix))
  const { attributes = {}, originated = false, link } = route
  const kind = program.kindOf(0, () => ({ attributes, ...(link !== undefined && { link }) }))
  const outcome = program.run({ originated, kind, family, bytes, length })
  return outcome === REJECTED ? undefined : program.apply(outcome, attributes)
}
