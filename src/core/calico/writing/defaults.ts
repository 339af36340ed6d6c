import type { Resource } from '../kinds/index.ts'

/** What Calico's writers fill in before they store a resource: defaults of CRDs and clients. */

/** The resource as it is stored. What is written stays; defaults come after it. */
export function withDefaults(resource: Resource): Resource {
  switch (resource.kind) {
    case 'BGPConfiguration':
      return {
        ...resource,
        spec: {
          ...resource.spec,
          logSeverityScreen: resource.spec.logSeverityScreen ?? 'Info',
          serviceLoadBalancerAggregation: resource.spec.serviceLoadBalancerAggregation ?? 'Enabled',
        },
      }
    case 'IPPool': {
      const { spec } = resource
      return {
        ...resource,
        spec: {
          ...spec,
          vxlanMode: spec.vxlanMode ?? 'Never',
          ipipMode: spec.ipipMode ?? 'Never',
          blockSize: spec.blockSize ?? (spec.cidr.includes(':') ? 122 : 26),
          nodeSelector: spec.nodeSelector || 'all()',
          assignmentMode: spec.assignmentMode ?? 'Automatic',
        },
      }
    }
    case 'IPAMConfiguration':
      return {
        ...resource,
        spec: {
          ...resource.spec,
          strictAffinity: resource.spec.strictAffinity ?? false,
          maxBlocksPerHost: resource.spec.maxBlocksPerHost ?? 0,
          autoAllocateBlocks: resource.spec.autoAllocateBlocks ?? true,
        },
      }
    case 'BlockAffinity':
      return {
        ...resource,
        spec: { ...resource.spec, deleted: resource.spec.deleted ?? 'false' },
      }
    case 'Node':
    case 'CalicoNodeStatus':
    case 'BGPPeer':
    case 'BGPFilter':
    case 'IPReservation':
    case 'ClusterInformation':
    case 'FelixConfiguration':
    case 'WorkloadEndpoint':
      return resource
    default:
      return resource satisfies never
  }
}
