import { z } from 'zod'
import {
  API_VERSION,
  asNumberOf,
  type BgpConfigurationResource,
  type BgpPeerResource,
  isResourceName,
  type NodeResource,
  parseNodeAddress,
  parsePeerEndpoint,
} from '../../core/calico/index.ts'
import { familyOf, parseAddress, parsePrefix, parseQuad } from '../../core/net/index.ts'

/**
 * How Calico's resources are written: libcalico-go's structures and CRD rules, field for field.
 * Fields that this version does not honour are known and kept.
 */

const text = z.string()
const label = z
  .record(text, text)
  .nullish()
  .transform(labels => labels ?? undefined)

const asNumber = z.unknown().transform((value, context) => {
  const asn = asNumberOf(value)
  if (asn !== undefined) return Number(asn)
  const message = 'is not an AS number; write 1 to 4294967294, or asdot in quotes, as "1.10"'
  context.addIssue({ code: 'custom', message })
  return z.NEVER
})

const checked = (holds: (value: string) => boolean, error: string) => text.refine(holds, { error })

const addressOf = (family: 'ipv4' | 'ipv6', example: string) =>
  checked(
    value => {
      const address = parseNodeAddress(value)
      return address !== undefined && familyOf(address) === family
    },
    `is not an ${family === 'ipv4' ? 'IPv4' : 'IPv6'} address; write ${example}`,
  )

const ip = checked(value => parseAddress(value) !== undefined, 'is not an IP address')
const cidr = checked(
  value => parsePrefix(value) !== undefined,
  'is not a prefix; write network and length, as 10.200.0.0/24, host bits zero',
)
const port = z.int().min(1).max(65535)
const duration = checked(
  value => /^(\d+(\.\d+)?(h|m|s|ms|us|µs|ns))+$/.test(value),
  'is not a duration; write it with its unit, as 90s',
)

const metadata = z.strictObject({
  name: checked(isResourceName, 'is not a name; use lower-case letters, digits, "-" and "."'),
  namespace: text.optional(),
  uid: text.optional(),
  creationTimestamp: text.nullish(),
  resourceVersion: text.optional(),
  labels: label,
  annotations: label,
  generation: z.number().optional(),
  generateName: text.optional(),
  selfLink: text.optional(),
  deletionTimestamp: text.nullish(),
  deletionGracePeriodSeconds: z.number().nullish(),
  finalizers: z.array(text).optional(),
  ownerReferences: z.array(z.unknown()).optional(),
  managedFields: z.array(z.unknown()).optional(),
})

const password = z.strictObject({
  secretKeyRef: z
    .strictObject({ name: text.min(1), key: text.min(1), optional: z.boolean().optional() })
    .optional(),
})

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

const node = z.strictObject({
  kind: z.literal('Node'),
  apiVersion: z.literal(API_VERSION),
  metadata,
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

const cidrs = z.array(z.strictObject({ cidr: text })).optional()

const bgpConfiguration = z.strictObject({
  kind: z.literal('BGPConfiguration'),
  apiVersion: z.literal(API_VERSION),
  metadata,
  spec: z
    .strictObject({
      logSeverityScreen: text.optional(),
      nodeToNodeMeshEnabled: z.boolean().optional(),
      asNumber: asNumber.optional(),
      listenPort: port.optional(),
      bindMode: z.enum(['None', 'NodeIP']).optional(),
      nodeMeshPassword: password.optional(),
      nodeMeshMaxRestartTime: duration.optional(),
      serviceClusterIPs: cidrs,
      serviceExternalIPs: cidrs,
      serviceLoadBalancerIPs: cidrs,
      serviceLoadBalancerAggregation: z.enum(['Enabled', 'Disabled']).optional(),
      communities: z
        .array(z.strictObject({ name: text, value: text }))
        .max(500)
        .optional(),
      prefixAdvertisements: z
        .array(z.strictObject({ cidr: text, communities: z.array(text).max(50).default([]) }))
        .max(500)
        .optional(),
      ignoredInterfaces: z.array(text).optional(),
      localWorkloadPeeringIPV4: text.optional(),
      localWorkloadPeeringIPV6: text.optional(),
      programClusterRoutes: text.optional(),
      ipv4NormalRoutePriority: z.int().min(1).max(2147483646).optional(),
      ipv6NormalRoutePriority: z.int().min(1).max(2147483646).optional(),
    })
    .prefault({}),
}) satisfies z.ZodType<BgpConfigurationResource>

const bgpPeerSpec = z
  .strictObject({
    node: text.optional(),
    nodeSelector: text.optional(),
    peerIP: checked(
      value => parsePeerEndpoint(value) !== undefined,
      'is not an address; write 10.0.0.1, 10.0.0.1:179, fd00::1 or [fd00::1]:179',
    ).optional(),
    peerSelector: text.optional(),
    localWorkloadSelector: text.optional(),
    asNumber: asNumber.optional(),
    localASNumber: asNumber.optional(),
    keepOriginalNextHop: z.boolean().optional(),
    nextHopMode: z.enum(['Auto', 'Self', 'Keep']).optional(),
    password: password.optional(),
    sourceAddress: z.enum(['UseNodeIP', 'None']).optional(),
    failureDetectionMode: text.optional(),
    restartMode: text.optional(),
    maxRestartTime: duration.optional(),
    keepaliveTime: duration.optional(),
    numAllowedLocalASNumbers: z.int().min(0).optional(),
    ttlSecurity: z.int().min(0).max(255).optional(),
    reachableBy: ip.optional(),
    filters: z.array(text).optional(),
    reversePeering: z.enum(['Auto', 'Manual']).optional(),
  })
  .superRefine((spec, context) => {
    const has = (field: keyof typeof spec): boolean => {
      const value = spec[field]
      return value !== undefined && value !== '' && value !== false
    }
    const say = (field: string, message: string): void =>
      context.addIssue({ code: 'custom', path: [field], message })
    const exclude = (one: keyof typeof spec, other: keyof typeof spec): void => {
      if (has(one) && has(other)) say(other, `and ${one} exclude each other; keep one`)
    }
    exclude('node', 'nodeSelector')
    exclude('peerIP', 'peerSelector')
    exclude('peerIP', 'localWorkloadSelector')
    exclude('peerSelector', 'localWorkloadSelector')
    exclude('peerSelector', 'asNumber')
    exclude('nextHopMode', 'keepOriginalNextHop')
    if (!has('peerIP') && !has('peerSelector') && !has('localWorkloadSelector'))
      say('peerIP', 'is missing; a peer needs peerIP, peerSelector or localWorkloadSelector')
    if (has('localWorkloadSelector') && !has('asNumber'))
      say('asNumber', 'is missing; localWorkloadSelector needs it')
    if (has('reachableBy') && !has('peerIP')) say('reachableBy', 'has no meaning without peerIP')
  })

const bgpPeer = z.strictObject({
  kind: z.literal('BGPPeer'),
  apiVersion: z.literal(API_VERSION),
  metadata,
  spec: bgpPeerSpec,
}) satisfies z.ZodType<BgpPeerResource>

/** One schema a kind that is read. */
export const resourceSchemas = {
  Node: node,
  BGPConfiguration: bgpConfiguration,
  BGPPeer: bgpPeer,
} as const

/** A kind that has a schema. */
export type ReadKind = keyof typeof resourceSchemas

/** True for a kind that has a schema. */
export const isReadKind = (kind: string): kind is ReadKind => Object.hasOwn(resourceSchemas, kind)
