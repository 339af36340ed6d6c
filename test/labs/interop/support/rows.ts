/** What rows have in common: prefixes, expectations in words, and what the kernel says. */
import { isDeepStrictEqual } from 'node:util'
import type { ExecutionContext } from 'ava'
import { FAMILIES, type Family } from '../../../../src/core/net/index.ts'
import { type UntilOptions, until } from '../../../support/until.ts'
import type { AgentNode } from '../../support/survival.ts'
import { type Announcement, type SeenRoute, sorted } from './program.ts'
import type { Router } from './router.ts'

/** Shows of a machine with four routers on two processors. */
export const SOON = {
  withinMs: 20_000,
  everyMs: 100,
  forgiving: true,
} as const satisfies UntilOptions

/** A prefix that only this router announces: the row's number, and which of the row's. */
export function prefixOf({ place }: Router, family: Family, row: number, at = 0): string {
  const { number } = place
  return family === 'ipv4'
    ? `10.${number}.${row * 16 + at}.0/24`
    : `fd${number}:${row}:${at}::/64`.replace(':0::', '::')
}

/** The prefixes of a row in both families. */
export const bothOf = (router: Router, row: number): readonly Announcement[] =>
  FAMILIES.map(family => ({ prefix: prefixOf(router, family, row) }))

/** Waits until `router` has a route from an agent that is as `expected`, in the fields it names. */
export async function sees(
  t: ExecutionContext,
  router: Router,
  prefix: string,
  expected: Partial<SeenRoute>,
  from?: string,
): Promise<void> {
  const neighbour = router.neighbour(from)
  let last: SeenRoute | undefined
  const shown = (): unknown => {
    const fields = new Map(Object.entries(last ?? {}))
    return last && Object.fromEntries(Object.keys(expected).map(key => [key, fields.get(key)]))
  }
  await until(
    async () => {
      last = await router.route(prefix, neighbour)
      return isDeepStrictEqual(shown(), expected)
    },
    `${router.name} has ${prefix} from ${neighbour.name}`,
    SOON,
  ).catch(() => {})
  t.deepEqual(shown(), expected, `${prefix} as ${router.name} shows it`)
}

/** Waits until `router` has no route to `prefix` from an agent. */
export async function seesNot(router: Router, prefix: string, from?: string): Promise<void> {
  await until(
    async () => (await router.route(prefix, router.neighbour(from))) === undefined,
    `${router.name} has lost ${prefix}`,
    SOON,
  )
}

interface KernelRoute {
  readonly dst: string
  readonly gateway?: string
  readonly nexthops?: readonly { readonly gateway?: string }[]
}

/** The agent's routes in the kernel that go through `gateway`, of both families, sorted. */
export async function carriedVia(
  agent: AgentNode,
  gateways: Readonly<Record<Family, string>>,
): Promise<readonly string[]> {
  const carried = await Promise.all(
    FAMILIES.map(async family => {
      const words = ['ip', `-${family.slice(3)}`, '-j', 'route', 'show', 'proto', '77']
      const routes: readonly KernelRoute[] = JSON.parse(await agent.run(...words))
      return routes
        .filter(({ gateway, nexthops = [{ gateway }] }) =>
          nexthops.every(hop => hop.gateway === gateways[family]),
        )
        .map(({ dst }) => dst)
    }),
  )
  return sorted(carried.flat())
}

/** Waits until the kernel's routes through `router` are these and no others. */
export async function carries(
  t: ExecutionContext,
  agent: AgentNode,
  router: Router,
  prefixes: readonly string[],
): Promise<void> {
  const expected = sorted(prefixes)
  let last: readonly string[] = []
  await until(
    async () => {
      last = await carriedVia(agent, router.place.addresses)
      return isDeepStrictEqual(last, expected)
    },
    `${agent.name} carries the routes of ${router.name}`,
    SOON,
  ).catch(() => {})
  t.deepEqual(last, expected, `the kernel of ${agent.name}, through ${router.name}`)
}

/** Waits until the router holds exactly so many routes of a family from an agent. */
export async function holds(router: Router, family: Family, count: number): Promise<void> {
  await until(
    async () => {
      const { length } = await router.received(family)
      if (length !== count) throw new Error(`it holds ${length}`)
      return true
    },
    `${router.name} holds ${count} ${family} routes`,
    SOON,
  )
}
