import { FLAG, UPDATE_ERROR } from '../iana.ts'
import { type AttributeSpec, listOf } from './spec.ts'

/** CLUSTER_LIST: the clusters that reflected the route, newest first. A list, never a set. */
export const CLUSTER_LIST: AttributeSpec<'clusterList'> = {
  key: 'clusterList',
  code: 10,
  name: 'CLUSTER_LIST',
  flags: FLAG.OPTIONAL,
  rfc: 'RFC 4456 §8; errors RFC 7606 §7.10',
  onMalformed: 'treat-as-withdraw',
  subcode: UPDATE_ERROR.OPTIONAL_ATTRIBUTE_ERROR,
  only: 'internal',
  length: listOf(4),
  decode(from) {
    const clusters: number[] = []
    while (from.remaining > 0) clusters.push(from.u32())
    return clusters
  },
  encode(clusters, to) {
    for (const cluster of clusters) to.u32(cluster)
  },
}
