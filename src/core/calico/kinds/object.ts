/**
 * What every v3 resource of Calico's has, as it is stored: plain JSON, field for field, so that
 * what is read can be written back.
 *
 * What the fields mean together is core/intent's to know; how they are validated, shell/config's.
 */

/** Of every v3 resource. */
export const API_VERSION = 'projectcalico.org/v3'

/** The parts of Kubernetes' ObjectMeta that Calico stores in etcd. */
export interface Metadata {
  readonly name: string
  /** of namespaced kinds only */
  readonly namespace?: string | undefined
  readonly uid?: string | undefined
  readonly creationTimestamp?: string | null | undefined
  /** the revision of the key: given on reading, never stored */
  readonly resourceVersion?: string | undefined
  readonly labels?: Readonly<Record<string, string>> | undefined
  readonly annotations?: Readonly<Record<string, string>> | undefined
}

/** A resource of one kind. */
export interface ObjectOf<Kind extends string, Spec> {
  readonly kind: Kind
  readonly apiVersion: typeof API_VERSION
  readonly metadata: Metadata
  readonly spec: Spec
}
