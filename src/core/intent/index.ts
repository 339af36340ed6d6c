/** What should be, against what is: the one place where Calico's semantics live. Layer 5. */
export { desired } from './desired.ts'
export {
  type DetectionMethod,
  detectAddress,
  type HostAddress,
  type HostInterface,
  parseDetectionMethod,
} from './node/autodetect.ts'
export { type CniFacts, cniHandle, conflistOf, isOurConflist } from './node/conflist.ts'
export {
  type AddressSource,
  internalAddressOf,
  nodeKey,
  type RegistrationFacts,
  registrationOf,
  withheld,
} from './node/registration.ts'
export {
  nodeWithTunnels,
  type TunnelAddressChange,
  tunnelAddressChanges,
  withoutTunnels,
} from './node/tunnel-addresses.ts'
export {
  type EndpointSlice,
  KUBERNETES_ROOT,
  NO_SERVICE_OBJECTS,
  type Service,
  type ServiceEvent,
  type ServiceObject,
  type ServiceObjects,
  type ServiceSource,
  serviceObjectKey,
  serviceObjects,
} from './originated/kubernetes.ts'
export { podCidrsDocument, podCidrsKey, podCidrsOf } from './originated/pod-cidrs.ts'
export type { Neighbour } from './peers/neighbour.ts'
export {
  NO_SECRETS,
  notNaming,
  type Secret,
  type SecretReference,
  type Secrets,
  secretText,
  storedSecrets,
} from './peers/secrets.ts'
export {
  type AnnotatedSettings,
  HARMLESS,
  SESSION_ANNOTATION,
  type SessionSettings,
} from './peers/settings.ts'
export * from './plan.ts'
export { isBlackhole } from './routes/routes.ts'
export { linksOf } from './routes/tunnels.ts'
export {
  type BirdPeer,
  type BirdRoute,
  type BirdSurroundings,
  type BirdView,
  birdView,
} from './state/bird-view.ts'
export type * from './state/documents.ts'
export {
  ACCEPT_EMPTY_KEY,
  ACCEPT_ROOT,
  NODES_ROOTS,
  POD_CIDRS_ROOT,
  ROUTES_STATUS_MAX,
  SECRETS_ROOT,
  STATE_ROOT,
} from './state/documents.ts'
export type { StatusFacts } from './state/facts.ts'
export { type Instant, instant } from './state/instant.ts'
export { nodeStatusOf } from './state/node-status.ts'
export {
  type KernelPlace,
  kernelPlace,
  kernelRouteDocument,
  leftRouteDocuments,
  pathDocument,
  routeDocument,
  routeDocuments,
  routesSummary,
} from './state/route-status.ts'
export type * from './state/session-document.ts'
export { sessionDocument } from './state/session-status.ts'
export {
  agentDocument,
  documentText,
  kernelDocument,
  lastDocument,
  lastKey,
  nodeStateRoot,
  routeKey,
  sessionDocuments,
  stateDocuments,
} from './state/status.ts'
export { HoldBack, type Judgement, type StoreView } from './store/hold-back.ts'
export type * from './store/ports.ts'
export type * from './types.ts'
