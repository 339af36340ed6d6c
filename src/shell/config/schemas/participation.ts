import { z } from 'zod'
import { asNumberOf, parseDuration, parseNodeAddress } from '../../../core/calico/index.ts'
import {
  type AddressSource,
  parseDetectionMethod,
  type RegistrationFacts,
} from '../../../core/intent/index.ts'
import { type Family, familyOf, parseNetwork } from '../../../core/net/index.ts'

/**
 * How a node's part in the cluster is written: its own Node object, its blocks, the file for its
 * container runtime.
 */

const METHODS =
  'first-found, can-reach=HOST, interface=REGEX,…, skip-interface=REGEX,…, cidr=CIDR,… or ' +
  'kubernetes-internal-ip'

const source = (family: Family, example: string) =>
  z.string().refine(text => text === 'none' || text === 'autodetect' || addressIs(text, family), {
    error: `is not an ${family} address; write ${example}, "autodetect" or "none"`,
  })

const method = z.string().refine(text => parseDetectionMethod(text) !== undefined, {
  error: `is not a method; write ${METHODS}`,
})

const label = /^([a-z0-9A-Z.-]+\/)?[a-zA-Z0-9]([a-zA-Z0-9_.-]*[a-zA-Z0-9])?$/

/** `registration`. */
export const registrationSchema = z.strictObject({
  enabled: z.boolean().default(true),
  ipv4: source('ipv4', '10.0.0.1/24')
    .optional()
    .describe('an address with the length of its network, autodetect (the default) or none'),
  ipv6: source('ipv6', 'fd00::1/64').optional().describe('the same; none by default'),
  ipv4Method: method.optional().describe(`how to choose: ${METHODS}; by default first-found`),
  ipv6Method: method.optional().describe('the same'),
  asNumber: z
    .union([z.number(), z.string()])
    .refine(value => asNumberOf(value) !== undefined, {
      error: 'is not an AS number; write 1 to 4294967294, or asdot in quotes, as "1.10"',
    })
    .optional()
    .describe('by default the Node’s own, else the cluster’s'),
  labels: z
    .record(z.string().regex(label, { error: 'is not the name of a label' }), z.string().max(63))
    .default({})
    .describe('set on the Node; others that it has stay'),
  pollSeconds: z
    .int()
    .min(1)
    .max(86_400)
    .optional()
    .describe('between two looks at the machine’s addresses; 60 by default'),
})

/** `ipam`. */
export const ipamSchema = z.strictObject({
  claim: z
    .boolean()
    .default(false)
    .describe('claim a block of each family from the IPPools, where this node has none'),
})

/** `cni`. */
export const cniSchema = z.strictObject({
  path: z
    .string()
    .regex(/\.conflist$/, { error: 'does not end in .conflist, so that no runtime would read it' })
    .default('/etc/cni/net.d/10-martlet.conflist'),
  name: z.string().min(1).max(63).default('martlet').describe('of the network'),
  bridge: z
    .string()
    .regex(/^[^\s/:]{1,15}$/, { error: 'is not the name of an interface' })
    .default('cni0')
    .describe('the interface that pods are plugged into'),
})

/** Calico's names of the fields of `registration`, for what the file leaves out. */
export const REGISTRATION_VARIABLES: Readonly<Record<string, string>> = {
  ipv4: 'IP',
  ipv6: 'IP6',
  ipv4Method: 'IP_AUTODETECTION_METHOD',
  ipv6Method: 'IP6_AUTODETECTION_METHOD',
  asNumber: 'AS',
  pollSeconds: 'AUTODETECT_POLL_INTERVAL',
}

/** What the variables say of a registration, as a file would have it; an empty one says nothing. */
export function registrationOfVariables(
  environment: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, unknown>> {
  const found: Record<string, unknown> = {}
  for (const [field, name] of Object.entries(REGISTRATION_VARIABLES)) {
    const text = environment[name]
    if (text === undefined || text === '') continue
    const interval = field === 'pollSeconds' ? parseDuration(text) : undefined
    found[field] = interval === undefined ? text : Math.max(1, Math.round(interval / 1000))
  }
  return found
}

/** What a node registers as, and how often it looks. */
export interface RegistrationConfiguration extends RegistrationFacts {
  readonly pollMs: number
}

/** The registration as it is meant. */
export function registrationFrom(
  written: z.output<typeof registrationSchema>,
): RegistrationConfiguration {
  const asNumber = asNumberOf(written.asNumber)
  return {
    ipv4: sourceOf(written.ipv4 ?? 'autodetect', written.ipv4Method ?? 'first-found'),
    ipv6: sourceOf(written.ipv6 ?? 'none', written.ipv6Method ?? 'first-found'),
    ...(asNumber !== undefined && { asNumber }),
    labels: written.labels,
    pollMs: 1000 * (written.pollSeconds ?? 60),
  }
}

function sourceOf(text: string, methodText: string): AddressSource {
  if (text === 'none') return { type: 'none' }
  if (text !== 'autodetect') return { type: 'given', address: canonical(text) }
  const detection = parseDetectionMethod(methodText) ?? { type: 'first-found' as const }
  return { type: 'detect', method: detection, text: methodText }
}

function addressIs(text: string, family: Family): boolean {
  const address = parseNodeAddress(text)
  return address !== undefined && familyOf(address) === family
}

/** As the Node has it: the address in canonical text, the length where it was given. */
function canonical(text: string): string {
  const address = parseNodeAddress(text) ?? text
  return parseNetwork(text) === undefined ? address : `${address}${text.slice(text.indexOf('/'))}`
}
