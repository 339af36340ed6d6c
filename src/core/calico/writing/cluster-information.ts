import type { ClusterInformationResource } from '../kinds/index.ts'
import { API_VERSION } from '../kinds/index.ts'

/**
 * What makes an etcd a Calico datastore: the first writer creates it where it is absent, as every
 * Calico component does. It says no version, so that no calicoctl refuses to work beside us.
 */
export const newClusterInformation = (made: {
  /** two different ones */
  readonly uid: string
  readonly guid: string
  /** RFC 3339 */
  readonly creationTimestamp: string
}): ClusterInformationResource => ({
  kind: 'ClusterInformation',
  apiVersion: API_VERSION,
  metadata: { name: 'default', uid: made.uid, creationTimestamp: made.creationTimestamp },
  spec: { clusterGUID: made.guid.replaceAll('-', ''), datastoreReady: true },
})
