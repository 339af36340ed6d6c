import type { Problem } from '../types.ts'

/**
 * Kubernetes' services and their endpoints, and the port by which they come: of its objects the
 * parts that routes need, field for field.
 */

/** What has addresses, and who may be sent packets for them. */
export interface Service {
  readonly kind: 'Service'
  readonly apiVersion: 'v1'
  readonly metadata: ObjectName
  readonly spec: {
    /** `ClusterIP`, `NodePort`, `LoadBalancer` or `ExternalName` */
    readonly type?: string | undefined
    /** `None`: it has no address of its own */
    readonly clusterIP?: string | undefined
    readonly clusterIPs?: readonly string[] | undefined
    readonly externalIPs?: readonly string[] | undefined
    readonly loadBalancerIP?: string | undefined
    /** `Local`: only nodes with an endpoint take packets from outside; `Cluster`: any does */
    readonly externalTrafficPolicy?: string | undefined
    /** `IPv4`, `IPv6` */
    readonly ipFamilies?: readonly string[] | undefined
  }
  readonly status?:
    | {
        readonly loadBalancer?:
          | { readonly ingress?: readonly { readonly ip?: string | undefined }[] | undefined }
          | undefined
      }
    | undefined
}

/** Some of the endpoints of a service, all of one family. */
export interface EndpointSlice {
  readonly kind: 'EndpointSlice'
  readonly apiVersion: 'discovery.k8s.io/v1'
  readonly metadata: ObjectName & {
    readonly labels?: Readonly<Record<string, string>> | undefined
  }
  /** `IPv4`, `IPv6` or `FQDN` */
  readonly addressType: string
  readonly endpoints: readonly {
    readonly nodeName?: string | undefined
    /** one that does not say whether it is ready is */
    readonly conditions?: { readonly ready?: boolean | undefined } | undefined
  }[]
}

interface ObjectName {
  readonly namespace: string
  readonly name: string
}

/** Either of them. */
export type ServiceObject = Service | EndpointSlice

/** All that there are at one time, in any order. */
export interface ServiceObjects {
  readonly services: readonly Service[]
  readonly slices: readonly EndpointSlice[]
  /** of objects that could not be read; those are left out */
  readonly problems: readonly Problem[]
}

/** Nobody knows of any. */
export const NO_SERVICE_OBJECTS: ServiceObjects = { services: [], slices: [], problems: [] }

/** By kind. */
export const serviceObjects = (
  objects: readonly ServiceObject[],
  problems: readonly Problem[] = [],
): ServiceObjects => ({
  services: objects.filter(object => object.kind === 'Service'),
  slices: objects.filter(object => object.kind === 'EndpointSlice'),
  problems,
})

/** What a source says. */
export type ServiceEvent =
  /** all that there are, as of now */
  | { readonly type: 'objects'; readonly objects: ServiceObjects }
  /** it does not answer; what was said stays true as far as anyone knows */
  | { readonly type: 'lost'; readonly why: string }

/**
 * Where services and endpoints come from. Two implementations, Kubernetes' API and files in a
 * directory (shell/kubernetes), pass one suite: test/compliance/services.
 */
export interface ServiceSource {
  /**
   * Follows all of them until `close`. The first `objects` is complete, and so is each one after a
   * change or an outage; changes that come together are one. Retries for ever, telling `lost` once
   * an outage.
   */
  watch(listener: (event: ServiceEvent) => void): { close(): void }
}

/** Under which a store keeps such objects where it is made of files. */
export const KUBERNETES_ROOT = '/kubernetes/'

/** Where it keeps one. */
export const serviceObjectKey = ({ kind, metadata }: NamedObject): string =>
  `${KUBERNETES_ROOT}${PLURALS[kind]}/${metadata.namespace}/${metadata.name}`

/** What a key needs of an object. */
export type NamedObject = Pick<ServiceObject, 'kind'> & { readonly metadata: ObjectName }

const PLURALS: Readonly<Record<ServiceObject['kind'], string>> = {
  Service: 'services',
  EndpointSlice: 'endpointslices',
}
