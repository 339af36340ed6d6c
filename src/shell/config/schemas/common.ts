import { z } from 'zod'
import {
  API_VERSION,
  asNumberOf,
  isCommunity,
  isResourceName,
  parseNodeAddress,
} from '../../../core/calico/index.ts'
import { familyOf, parseAddress, parsePrefix } from '../../../core/net/index.ts'

/** What the schemas of Calico's kinds have in common: metadata, addresses, numbers as texts. */

/** Any text. */
export const text = z.string()

/** A text for which something holds. */
export const checked = (holds: (value: string) => boolean, error: string) =>
  text.refine(holds, { error })

/** An AS number however it is written; a number afterwards. */
export const asNumber = z.unknown().transform((value, context) => {
  const asn = asNumberOf(value)
  if (asn !== undefined) return Number(asn)
  const message = 'is not an AS number; write 1 to 4294967294, or asdot in quotes, as "1.10"'
  context.addIssue({ code: 'custom', message })
  return z.NEVER
})

/** An address of one family, with or without the length of its network. */
export const addressOf = (family: 'ipv4' | 'ipv6', example: string) =>
  checked(
    value => {
      const address = parseNodeAddress(value)
      return address !== undefined && familyOf(address) === family
    },
    `is not an ${family === 'ipv4' ? 'IPv4' : 'IPv6'} address; write ${example}`,
  )

/** An address of any family. */
export const ip = checked(value => parseAddress(value) !== undefined, 'is not an IP address')

/** A prefix of any family. */
export const cidr = checked(
  value => parsePrefix(value) !== undefined,
  'is not a prefix; write network and length, as 10.200.0.0/24, host bits zero',
)

/** A prefix of one family. */
export const cidrOf = (family: 'ipv4' | 'ipv6') =>
  cidr.refine(value => value.includes(':') === (family === 'ipv6'), {
    error: `is not a prefix of ${family === 'ipv4' ? 'IPv4' : 'IPv6'}`,
  })

/** A TCP port. */
export const port = z.int().min(1).max(65535)

/** A duration in Go's words. */
export const duration = checked(
  value => /^(\d+(\.\d+)?(h|m|s|ms|us|µs|ns))+$/.test(value),
  'is not a duration; write it with its unit, as 90s',
)

/** The metric of a route in the kernel. */
export const priority = z.int().min(1).max(2147483646)

/** A community's value. */
export const community = checked(
  isCommunity,
  'is not a community; write aa:nn of 16 bits each, or aa:nn:mm of 32 bits each',
)

/** A label's value is a text; what YAML has as `true` or `1` is meant as one, as by calicoctl. */
const label = z.union([text, z.boolean(), z.number()]).transform(String)

const labels = z
  .record(text, label)
  .nullish()
  .transform(value => value ?? undefined)

const metadata = z.strictObject({
  name: checked(isResourceName, 'is not a name; use lower-case letters, digits, "-" and "."'),
  namespace: text.optional(),
  uid: text.optional(),
  creationTimestamp: text.nullish(),
  resourceVersion: text.optional(),
  labels,
  annotations: labels,
  generation: z.number().optional(),
  generateName: text.optional(),
  selfLink: text.optional(),
  deletionTimestamp: text.nullish(),
  deletionGracePeriodSeconds: z.number().nullish(),
  finalizers: z.array(text).optional(),
  ownerReferences: z.array(z.unknown()).optional(),
  managedFields: z.array(z.unknown()).optional(),
})

/** What every resource has beside its spec. */
export const resource = <const Kind extends string>(kind: Kind) => ({
  kind: z.literal(kind),
  apiVersion: z.literal(API_VERSION),
  metadata,
})
