import { readFileSync, writeFileSync } from 'node:fs'
import type { ServedLink } from '../../core/dataplane/index.ts'
import { familyOf, maxLength } from '../../core/net/index.ts'
import {
  type DeviceChange,
  EADDRNOTAVAIL,
  EEXIST,
  ENODEV,
  EOPNOTSUPP,
  errnoText,
} from '../../core/rtnl/index.ts'
import type { Devices } from './devices.ts'

/**
 * What the node's end of a link to a workload needs: settings of the link, neighbours, addresses.
 */

/**
 * As Calico's Felix has them, but for `route_localnet`, which is for address translation. Who has
 * CAP_NET_ADMIN may write those of its network, whoever owns the files.
 *
 *   proxy_arp, proxy_ndp   the node answers for the gateway, whose address no link has
 *   proxy_delay            at once
 *   forwarding             what comes from the workload goes on
 *   accept_ra              a workload is no router
 */
const SETTINGS: readonly (readonly [path: (name: string) => string, value: string])[] = [
  [name => `ipv4/conf/${name}/proxy_arp`, '1'],
  [name => `ipv4/conf/${name}/forwarding`, '1'],
  [name => `ipv4/neigh/${name}/proxy_delay`, '0'],
  [name => `ipv6/conf/${name}/accept_ra`, '0'],
  [name => `ipv6/conf/${name}/proxy_ndp`, '1'],
  [name => `ipv6/conf/${name}/forwarding`, '1'],
]

/** What the kernel says of an address that is as it was to be. */
const THERE: ReadonlySet<number> = new Set([EEXIST])
const NOT_THERE: ReadonlySet<number> = new Set([EADDRNOTAVAIL, EOPNOTSUPP])

const ROOT = '/proc/sys/net/'

/**
 * Makes a link so, where it is not. Answers why it could not, the first reason. Some microseconds a
 * setting; never throws.
 */
export function serveLink(link: ServedLink, devices: Devices): string | undefined {
  const failures = SETTINGS.map(([path, value]) => write(ROOT + path(link.name), value))
  const things = [...link.neighbours, ...link.addresses]
  const refusal = devices.configure(changesOf(link)).find(({ at, errno }) => {
    // it went meanwhile, which is told by itself
    if (errno === ENODEV) return false
    const own = link.addresses[at - link.neighbours.length]
    return own === undefined || !(own.present ? THERE : NOT_THERE).has(errno)
  })
  const refused =
    refusal && `${things[refusal.at]?.address}: ${refusal.text ?? errnoText(refusal.errno)}`
  return failures.find(failure => failure !== undefined) ?? refused
}

/** Its neighbours, then its addresses. */
const changesOf = ({ index: link, neighbours, addresses }: ServedLink): DeviceChange[] => [
  ...neighbours.map(
    ({ address, mac }): DeviceChange => ({
      ...{ type: 'neighbour', verb: 'set' },
      neighbour: { table: 'neighbours', link, address, mac },
    }),
  ),
  ...addresses.map(
    ({ address, present }): DeviceChange => ({
      ...{ type: 'address', verb: present ? 'add' : 'delete', link, address },
      ...{ length: maxLength(familyOf(address)), scope: 'link' },
    }),
  ),
]

/** Why a setting is not so now; one that the kernel does not have, as without IPv6, is as it is. */
function write(path: string, value: string): string | undefined {
  try {
    if (readFileSync(path, 'latin1').trim() !== value) writeFileSync(path, value)
    return undefined
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error
    return error.code === 'ENOENT' ? undefined : `${path} cannot be written (${error.code})`
  }
}
