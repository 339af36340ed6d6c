/**
 * Kubernetes' services and their endpoints: from its API, or from files that were taken from it.
 * Two implementations of the port `ServiceSource` of core/intent.
 */
export { type ApiTimes, KubernetesServices } from './api.ts'
export { readServices, StoredServices } from './stored.ts'
