import { z } from 'zod'
import {
  type BgpConfigurationResource,
  type BgpPeerResource,
  parsePeerEndpoint,
} from '../../../core/calico/index.ts'
import { asNumber, checked, duration, ip, port, priority, resource, text } from './common.ts'

/** How the configuration of BGP and its peers are written. */

const password = z.strictObject({
  secretKeyRef: z
    .strictObject({ name: text.min(1), key: text.min(1), optional: z.boolean().optional() })
    .optional(),
})

const ranges = z.array(z.strictObject({ cidr: text.optional() })).optional()

/** BGPConfiguration. */
export const bgpConfiguration = z.strictObject({
  ...resource('BGPConfiguration'),
  spec: z
    .strictObject({
      logSeverityScreen: text.optional(),
      nodeToNodeMeshEnabled: z.boolean().optional(),
      asNumber: asNumber.optional(),
      listenPort: port.optional(),
      bindMode: z.enum(['None', 'NodeIP']).optional(),
      nodeMeshPassword: password.optional(),
      nodeMeshMaxRestartTime: duration.optional(),
      serviceClusterIPs: ranges,
      serviceExternalIPs: ranges,
      serviceLoadBalancerIPs: ranges,
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
      ipv4NormalRoutePriority: priority.optional(),
      ipv6NormalRoutePriority: priority.optional(),
    })
    .prefault({}),
}) satisfies z.ZodType<BgpConfigurationResource>

const bgpPeerSpec = z
  .strictObject({
    node: text.optional(),
    nodeSelector: text.optional(),
    peerIP: checked(
      value => value === '' || parsePeerEndpoint(value) !== undefined,
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
    numAllowedLocalASNumbers: z.int().min(0).max(2147483647).optional(),
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
    if (
      has('reachableBy') &&
      has('peerIP') &&
      spec.reachableBy?.includes(':') !==
        parsePeerEndpoint(spec.peerIP ?? '')?.address.includes(':')
    )
      say('reachableBy', 'is not of the family of peerIP')
  })

/** BGPPeer. */
export const bgpPeer = z.strictObject({
  ...resource('BGPPeer'),
  spec: bgpPeerSpec,
}) satisfies z.ZodType<BgpPeerResource>
