import { z } from 'zod'
import type { BgpFilterResource } from '../../../core/calico/index.ts'
import { asNumber, checked, cidrOf, community, priority, resource } from './common.ts'

/** How filters are written. A rule whose meaning would be open is no rule. */

const interfaceGlob = checked(
  value => /^[a-zA-Z0-9_.*-]{1,15}$/.test(value),
  'is not an interface; write its name, or a glob, of at most 15 characters',
)

const operation = z
  .strictObject({
    addCommunity: z.strictObject({ value: community }).optional(),
    prependASPath: z.strictObject({ prefix: z.array(asNumber).min(1).max(10) }).optional(),
    setPriority: z.strictObject({ value: priority }).optional(),
  })
  .refine(one => Object.values(one).filter(value => value !== undefined).length === 1, {
    error: 'needs exactly one of addCommunity, prependASPath and setPriority',
  })

const rulesOf = (family: 'ipv4' | 'ipv6') => {
  const length = z
    .int()
    .min(0)
    .max(family === 'ipv4' ? 32 : 128)
  return z
    .array(
      z
        .strictObject({
          action: z.enum(['Accept', 'Reject']),
          cidr: cidrOf(family).optional(),
          matchOperator: z.enum(['Equal', 'NotEqual', 'In', 'NotIn']).optional(),
          prefixLength: z
            .strictObject({ min: length.optional(), max: length.optional() })
            .optional(),
          source: z.enum(['RemotePeers']).optional(),
          interface: interfaceGlob.optional(),
          peerType: z.enum(['eBGP', 'iBGP']).optional(),
          communities: z.strictObject({ values: z.array(community).min(1).max(1) }).optional(),
          asPathPrefix: z.array(asNumber).min(1).optional(),
          priority: priority.optional(),
          operations: z.array(operation).max(10).optional(),
        })
        .superRefine((rule, context) => {
          const say = (field: string, message: string): void =>
            context.addIssue({ code: 'custom', path: [field], message })
          if (rule.cidr !== undefined && rule.matchOperator === undefined)
            say('matchOperator', 'is missing; cidr needs it')
          if (rule.cidr === undefined && rule.matchOperator !== undefined)
            say('cidr', 'is missing; matchOperator needs it')
          if (rule.cidr === undefined && rule.prefixLength !== undefined)
            say('prefixLength', 'has no meaning without cidr')
          const { min = 0, max = 128 } = rule.prefixLength ?? {}
          if (min > max) say('prefixLength', 'matches nothing; min is above max')
          if (rule.action === 'Reject' && (rule.operations ?? []).length > 0)
            say('operations', 'have no meaning with Reject; write Accept, or leave them out')
        }),
    )
    .optional()
}

/** BGPFilter. */
export const bgpFilter = z.strictObject({
  ...resource('BGPFilter'),
  spec: z
    .strictObject({
      exportV4: rulesOf('ipv4'),
      importV4: rulesOf('ipv4'),
      exportV6: rulesOf('ipv6'),
      importV6: rulesOf('ipv6'),
    })
    .prefault({}),
}) satisfies z.ZodType<BgpFilterResource>
