import { z } from 'zod'
import type {
  CalicoNodeStatusResource,
  ClusterInformationResource,
  FelixConfigurationResource,
} from '../../../core/calico/index.ts'
import { duration, ip, priority, resource, text } from './common.ts'

/** How the cluster's own facts and questions are written. */

/** ClusterInformation. */
export const clusterInformation = z.strictObject({
  ...resource('ClusterInformation'),
  spec: z
    .strictObject({
      clusterGUID: text.optional(),
      clusterType: text.optional(),
      calicoVersion: text.optional(),
      datastoreReady: z.boolean().optional(),
      variant: text.optional(),
    })
    .prefault({}),
}) satisfies z.ZodType<ClusterInformationResource>

const mtu = z.int().min(0).max(65535).optional()

/** FelixConfiguration: what concerns routes is checked, two hundred other fields are carried. */
export const felixConfiguration = z.strictObject({
  ...resource('FelixConfiguration'),
  spec: z
    .looseObject({
      logSeverityScreen: text.optional(),
      programClusterRoutes: text.optional(),
      ipv4NormalRoutePriority: priority.optional(),
      ipv6NormalRoutePriority: priority.optional(),
      ipv4ElevatedRoutePriority: priority.optional(),
      ipv6ElevatedRoutePriority: priority.optional(),
      ipipEnabled: z.boolean().optional(),
      ipipMTU: mtu,
      vxlanEnabled: z.boolean().optional(),
      vxlanMTU: mtu,
      vxlanMTUV6: mtu,
      vxlanPort: z.int().min(1).max(65535).optional(),
      vxlanVNI: z.int().min(0).max(16777215).optional(),
      mtuIfacePattern: text.optional(),
      interfacePrefix: text.optional(),
      deviceRouteProtocol: z.int().min(0).max(255).optional(),
      deviceRouteSourceAddress: ip.optional(),
      deviceRouteSourceAddressIPv6: ip.optional(),
      removeExternalRoutes: z.boolean().optional(),
      routeSource: z.enum(['CalicoIPAM', 'WorkloadIPs']).optional(),
      routeSyncDisabled: z.boolean().optional(),
      routeRefreshInterval: duration.optional(),
      serviceLoopPrevention: text.optional(),
      externalNodesList: z.array(text).optional(),
      openstackRegion: text.optional(),
    })
    .prefault({}),
}) satisfies z.ZodType<FelixConfigurationResource>

const daemon = z
  .strictObject({
    state: z.enum(['Ready', 'NotReady']).optional(),
    version: text.optional(),
    routerID: text.optional(),
    lastBootTime: text.optional(),
    lastReconfigurationTime: text.optional(),
  })
  .optional()

const peers = z
  .array(
    z.strictObject({
      peerIP: text.optional(),
      type: z.enum(['NodeMesh', 'NodePeer', 'GlobalPeer']).optional(),
      state: text.optional(),
      since: text.optional(),
    }),
  )
  .optional()

const routes = z
  .array(
    z.strictObject({
      type: z.enum(['FIB', 'RIB']).optional(),
      destination: text.optional(),
      gateway: text.optional(),
      interface: text.optional(),
      learnedFrom: z
        .strictObject({
          sourceType: z.enum(['Kernel', 'Static', 'Direct', 'NodeMesh', 'BGPPeer']).optional(),
          peerIP: text.optional(),
        })
        .optional(),
    }),
  )
  .optional()

const count = z.int().min(0).default(0)

/** CalicoNodeStatus. */
export const calicoNodeStatus = z.strictObject({
  ...resource('CalicoNodeStatus'),
  spec: z.strictObject({
    node: text.min(1),
    classes: z
      .array(z.enum(['Agent', 'BGP', 'Routes']))
      .min(1)
      .max(3)
      .refine(classes => new Set(classes).size === classes.length, {
        error: 'names a class twice',
      }),
    updatePeriodSeconds: z.int().min(0).max(86_400).optional(),
  }),
  status: z
    .strictObject({
      lastUpdated: text.nullish(),
      agent: z.strictObject({ birdV4: daemon, birdV6: daemon }).optional(),
      bgp: z
        .strictObject({
          numberEstablishedV4: count,
          numberNotEstablishedV4: count,
          numberEstablishedV6: count,
          numberNotEstablishedV6: count,
          peersV4: peers,
          peersV6: peers,
        })
        .optional(),
      routes: z.strictObject({ routesV4: routes, routesV6: routes }).optional(),
    })
    .optional(),
}) satisfies z.ZodType<CalicoNodeStatusResource>
