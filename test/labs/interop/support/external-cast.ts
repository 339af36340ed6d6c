/** Who is in the lab of other autonomous systems: one Martlet that passes on, and four routers. */
import type { Family } from '../../../../src/core/net/index.ts'
import type { AgentNode } from '../../support/survival.ts'
import { BIRD } from './bird.ts'
import { FRR } from './frr.ts'
import { GOBGP } from './gobgp.ts'
import { OPENBGPD } from './openbgpd.ts'
import type { Program } from './program.ts'
import type { Place, Router } from './router.ts'
import type { AgentPlace, Cast, Scene } from './scene.ts'

/** More than 65,535, so that every session needs four octets. RFC 6793 */
export const HUB_AS = 4_200_000_001

/** The one that runs the agent. */
export const HUB: AgentPlace = {
  node: 'hub',
  asn: HUB_AS,
  addresses: { ipv4: '10.80.0.1', ipv6: 'fd80::1' },
  podCidrs: ['10.99.1.0/24', 'fd99:1::/64'],
  transit: true,
}

const placeOf = (program: Program, node: string, number: number): Place => ({
  program,
  node,
  asn: 4_200_000_000 + number,
  routerId: `10.80.0.${number}`,
  addresses: { ipv4: `10.80.0.${number}`, ipv6: `fd80::${number}` },
  number,
})

/** All of them. */
export const CAST: Cast = {
  topology: 'external',
  agents: [HUB],
  routers: [
    placeOf(BIRD, 'bird', 11),
    placeOf(FRR, 'frr', 12),
    placeOf(GOBGP, 'gobgp', 13),
    placeOf(OPENBGPD, 'openbgpd', 14),
  ],
}

/** What the hub originates. */
export const POD_FAMILIES: readonly (readonly [Family, string])[] = [
  ['ipv4', '10.99.1.0/24'],
  ['ipv6', 'fd99:1::/64'],
]

/** The hub in its lab. */
export const hub = (scene: Scene): AgentNode => scene.agent('hub')

/** AS_PATH of what the hub passes on for `router`. */
export const passed = (router: Router, behind = ''): string =>
  `${HUB_AS} ${router.asn} ${behind}`.trim()
