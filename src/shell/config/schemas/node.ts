import { z } from 'zod'
import type { NodeResource, WorkloadEndpointResource } from '../../../core/calico/index.ts'
import { parseAddress, parsePrefix, parseQuad } from '../../../core/net/index.ts'
import { addressOf, asNumber, checked, cidr, resource, text } from './common.ts'

/** How nodes and what runs on them are written. */

const nodeBgp = z
  .strictObject({
    asNumber: asNumber.optional(),
    ipv4Address: addressOf('ipv4', '10.0.0.1 or 10.0.0.1/24').optional(),
    ipv6Address: addressOf('ipv6', 'fd00::1 or fd00::1/64').optional(),
    ipv4IPIPTunnelAddr: text.optional(),
    routeReflectorClusterID: checked(
      value => (parseQuad(value) ?? 0) !== 0,
      'is not a cluster id; write it as an IPv4 address',
    ).optional(),
  })
  .refine(bgp => bgp.ipv4Address !== undefined || bgp.ipv6Address !== undefined, {
    error: 'has no address; write ipv4Address or ipv6Address, or leave "bgp" out',
  })

/** Node. */
export const node = z.strictObject({
  ...resource('Node'),
  spec: z
    .strictObject({
      bgp: nodeBgp.optional(),
      ipv4VXLANTunnelAddr: text.optional(),
      vxlanTunnelMACAddr: text.optional(),
      ipv6VXLANTunnelAddr: text.optional(),
      vxlanTunnelMACAddrV6: text.optional(),
      orchRefs: z
        .array(z.strictObject({ nodeName: text.optional(), orchestrator: text }))
        .optional(),
      wireguard: z
        .strictObject({
          interfaceIPv4Address: text.optional(),
          interfaceIPv6Address: text.optional(),
        })
        .optional(),
      addresses: z.array(z.strictObject({ address: text, type: text.optional() })).optional(),
      interfaces: z
        .array(z.strictObject({ name: text.optional(), addresses: z.array(text).optional() }))
        .optional(),
    })
    .prefault({}),
  status: z
    .strictObject({
      wireguardPublicKey: text.optional(),
      wireguardPublicKeyV6: text.optional(),
      podCIDRs: z.array(cidr).optional(),
    })
    .optional(),
}) satisfies z.ZodType<NodeResource>

const network = checked(
  value => parsePrefix(value) !== undefined || parseAddress(value) !== undefined,
  'is not an address; write 10.0.0.1/32 or fd00::1/128',
)

/** WorkloadEndpoint. What is no route's business is carried as it is. */
export const workloadEndpoint = z.strictObject({
  ...resource('WorkloadEndpoint'),
  spec: z
    .strictObject({
      orchestrator: text.optional(),
      workload: text.optional(),
      node: text.optional(),
      containerID: text.optional(),
      pod: text.optional(),
      endpoint: text.optional(),
      serviceAccountName: text.optional(),
      ipNetworks: z.array(network).optional(),
      ipNATs: z.array(z.strictObject({ internalIP: text, externalIP: text })).optional(),
      ipv4Gateway: text.optional(),
      ipv6Gateway: text.optional(),
      profiles: z.array(text).optional(),
      interfaceName: text.optional(),
      mac: text.optional(),
      ports: z.array(z.unknown()).optional(),
      allowSpoofedSourcePrefixes: z.array(text).optional(),
      qosControls: z.unknown().optional(),
    })
    .prefault({}),
}) satisfies z.ZodType<WorkloadEndpointResource>
