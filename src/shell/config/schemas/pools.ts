import { z } from 'zod'
import type {
  BlockAffinityResource,
  IpamConfigurationResource,
  IpPoolResource,
  IpReservationResource,
} from '../../../core/calico/index.ts'
import { cidr, resource, text } from './common.ts'

/** How pools of addresses, and how IPAM is to use them, are written. */

const mode = z.enum(['Never', 'Always', 'CrossSubnet'])

/** IPPool. */
export const ipPool = z.strictObject({
  ...resource('IPPool'),
  spec: z
    .strictObject({
      cidr,
      vxlanMode: mode.optional(),
      ipipMode: mode.optional(),
      natOutgoing: z.boolean().optional(),
      disabled: z.boolean().optional(),
      disableBGPExport: z.boolean().optional(),
      blockSize: z.int().optional(),
      nodeSelector: text.optional(),
      namespaceSelector: text.optional(),
      allowedUses: z.array(z.enum(['Workload', 'Tunnel', 'LoadBalancer'])).optional(),
      assignmentMode: z.enum(['Automatic', 'Manual']).optional(),
    })
    .superRefine((spec, context) => {
      const [least, most] = spec.cidr.includes(':') ? [116, 128] : [20, 32]
      const size = spec.blockSize ?? most
      const length = Number(spec.cidr.slice(spec.cidr.indexOf('/') + 1))
      const say = (message: string): void =>
        context.addIssue({ code: 'custom', path: ['blockSize'], message })
      if (size < least || size > most)
        say(`is not the length of a block; write ${least} to ${most}`)
      else if (size < length) say(`is a block greater than the pool; write ${length} or more`)
    }),
  status: z.unknown().optional(),
}) satisfies z.ZodType<IpPoolResource>

/** IPReservation. */
export const ipReservation = z.strictObject({
  ...resource('IPReservation'),
  spec: z.strictObject({ reservedCIDRs: z.array(cidr).optional() }).prefault({}),
}) satisfies z.ZodType<IpReservationResource>

/** IPAMConfiguration: the resource, not IPAM's own key. */
export const ipamConfiguration = z.strictObject({
  ...resource('IPAMConfiguration'),
  spec: z
    .strictObject({
      strictAffinity: z.boolean().optional(),
      maxBlocksPerHost: z.int().min(0).max(1_000_000).optional(),
      autoAllocateBlocks: z.boolean().optional(),
      kubeVirtVMAddressPersistence: z.enum(['Enabled', 'Disabled']).optional(),
    })
    .prefault({}),
}) satisfies z.ZodType<IpamConfigurationResource>

/** BlockAffinity: the resource, not IPAM's own key. */
export const blockAffinity = z.strictObject({
  ...resource('BlockAffinity'),
  spec: z.strictObject({
    state: text,
    node: text,
    type: text.optional(),
    cidr,
    deleted: text.optional(),
  }),
}) satisfies z.ZodType<BlockAffinityResource>
