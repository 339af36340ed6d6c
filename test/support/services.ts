/** Services and their endpoints for tests: objects of Kubernetes with as little said as possible. */

import type { EndpointSlice, Service, ServiceObjects } from '../../src/core/intent/index.ts'

/** A service of type LoadBalancer with one address of the cluster; `spec` says more. */
export function service(
  name: string,
  spec: Service['spec'] & { readonly ingress?: readonly string[] } = {},
  namespace = 'default',
): Service {
  const { ingress = [], ...said } = spec
  return {
    kind: 'Service',
    apiVersion: 'v1',
    metadata: { namespace, name },
    spec: {
      type: 'LoadBalancer',
      clusterIP: '10.96.0.10',
      clusterIPs: [spec.clusterIP ?? '10.96.0.10'],
      externalTrafficPolicy: 'Cluster',
      ipFamilies: ['IPv4'],
      ...said,
    },
    ...(ingress.length > 0 && {
      status: { loadBalancer: { ingress: ingress.map(ip => ({ ip })) } },
    }),
  }
}

/** Where the endpoints of a service are: names of nodes, `!` before those that are not ready. */
export function slice(
  of: string,
  nodes: readonly string[],
  { family = 'IPv4', namespace = 'default', name = `${of}-${family.toLowerCase()}` } = {},
): EndpointSlice {
  return {
    kind: 'EndpointSlice',
    apiVersion: 'discovery.k8s.io/v1',
    metadata: { namespace, name, labels: { 'kubernetes.io/service-name': of } },
    addressType: family,
    endpoints: nodes.map(node => ({
      nodeName: node.replace('!', ''),
      conditions: { ready: !node.startsWith('!') },
    })),
  }
}

/** All that there are. */
export const objects = (
  services: readonly Service[],
  slices: readonly EndpointSlice[] = [],
): ServiceObjects => ({ services, slices, problems: [] })
