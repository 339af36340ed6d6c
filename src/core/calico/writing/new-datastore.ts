import { kindNamed, resourceKey } from '../keys.ts'
import { API_VERSION } from '../kinds/index.ts'

/**
 * What makes an etcd a Calico datastore: the first writer creates it where it is absent, as every
 * Calico component does (libcalico-go's EnsureInitialized).
 */

/** Which is there where the others are: it is looked for, and it is written last. */
export const DATASTORE_KEY = keyOf('ClusterInformation', 'default')

/** Tiers of policies that no datastore of Calico's is without: order, and what falls through. */
const TIERS = [
  { name: 'default', spec: { order: 1_000_000, defaultAction: 'Deny' } },
  { name: 'kube-admin', spec: { order: 1_000, defaultAction: 'Pass' } },
  { name: 'kube-baseline', spec: { order: 10_000_000, defaultAction: 'Pass' } },
] as const

/**
 * The keys of a new datastore with their values, in the order in which they are written, each where
 * it is absent. ClusterInformation says no version, so that no calicoctl refuses to work beside us.
 */
export function newDatastore(made: {
  /** a different one each time */
  uniqueId(): string
  /** RFC 3339 */
  readonly creationTimestamp: string
}): readonly { readonly key: string; readonly value: string }[] {
  const object = (kind: string, name: string, spec: object) => {
    const metadata = { name, uid: made.uniqueId(), creationTimestamp: made.creationTimestamp }
    const value = JSON.stringify({ kind, apiVersion: API_VERSION, metadata, spec })
    return { key: keyOf(kind, name), value }
  }
  return [
    ...TIERS.map(({ name, spec }) => object('Tier', name, spec)),
    object('ClusterInformation', 'default', {
      clusterGUID: made.uniqueId().replaceAll('-', ''),
      datastoreReady: true,
    }),
  ]
}

function keyOf(kind: string, name: string): string {
  return resourceKey({ kind: kindNamed(kind)!, name })
}
