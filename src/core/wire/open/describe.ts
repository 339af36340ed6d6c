import { FAMILY_SPECS, familyOfAfiSafi } from '../families.ts'
import { CAPABILITY_CODES } from '../iana.ts'
import type { Capability } from '../message.ts'

/** Capabilities in words, for an operator. */

/** One line: `add-path: ipv4 receive, ipv6 receive send`. Safe to print. */
export function describeCapability(capability: Capability): string {
  const says = detail(capability)
  const name =
    capability.type === 'unknown' ? (NAMES[capability.code] ?? 'unknown') : capability.type
  return says === '' ? name : `${name}: ${says}`
}

function detail(capability: Capability): string {
  switch (capability.type) {
    case 'route-refresh':
    case 'enhanced-route-refresh':
    case 'extended-message':
      return ''
    case 'multiprotocol':
      return family(capability)
    case 'four-octet-as':
      return String(capability.asn)
    case 'role':
      return ROLES[capability.role] ?? String(capability.role)
    case 'graceful-restart': {
      const { restartSeconds, restarting, notification, families } = capability
      return list([
        `${restartSeconds} s`,
        ...families.map(each => `${family(each)}${each.forwarding ? ' forwarded' : ''}`),
        ...(restarting ? ['restarting'] : []),
        ...(notification ? ['through NOTIFICATIONs'] : []),
      ])
    }
    case 'long-lived-graceful-restart':
      return list(
        capability.families.map(
          each => `${family(each)} ${each.staleSeconds} s${each.forwarding ? ' forwarded' : ''}`,
        ),
      )
    case 'add-path':
      return list(
        capability.families.map(
          each => family(each) + (each.receive ? ' receive' : '') + (each.send ? ' send' : ''),
        ),
      )
    case 'extended-next-hop':
      return list(capability.families.map(each => `${family(each)} by ${afi(each.nextHopAfi)}`))
    case 'unknown':
      return list([`code ${capability.code}`, `${capability.value.length} octets`])
    default:
      return capability satisfies never
  }
}

const list = (parts: readonly string[]): string => parts.join(', ')

const family = (of: { readonly afi: number; readonly safi: number }): string =>
  familyOfAfiSafi(of.afi, of.safi) ?? `AFI ${of.afi} SAFI ${of.safi}`

/** The family whose addresses an AFI means. */
function afi(number: number): string {
  const known = [FAMILY_SPECS.ipv4, FAMILY_SPECS.ipv6].find(spec => spec.afi === number)
  return known?.family ?? `AFI ${number}`
}

/** RFC 9234 §4.1 */
const ROLES = ['provider', 'route-server', 'route-server-client', 'customer', 'peer']

/** Names of IANA's registry for what is only carried, or came malformed. */
const NAMES: Readonly<Record<number, string>> = {
  ...Object.fromEntries(
    Object.entries(CAPABILITY_CODES).map(([name, code]) => [
      code,
      `${name.toLowerCase().replaceAll('_', '-')}, malformed`,
    ]),
  ),
  7: 'bgpsec',
  8: 'multiple-labels',
  66: 'dynamic-capability, deprecated',
  67: 'dynamic-capability',
  68: 'multisession',
  72: 'routing-policy-distribution',
  73: 'fqdn',
  75: 'software-version',
  76: 'paths-limit',
  128: 'route-refresh, old',
  131: 'multisession, old',
}
