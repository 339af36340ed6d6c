/** TCP as the speaker needs it: connections, and the ports that peers connect to. */
export {
  CONNECTIONS_MAX,
  type ConnectionOutput,
  Connections,
  type ConnectionsOptions,
  UNSENT_OCTETS_MAX,
} from './connections.ts'
export {
  type ListenAddress,
  Listeners,
  type ListenersOptions,
  type ListenState,
  listenHere,
} from './listeners.ts'
export { examineRuntime, RUNTIME_WHOLE, type Runtime } from './runtime.ts'
export {
  readSignatureCounters,
  type SignatureCounters,
  SignatureWatch,
} from './signatures.ts'
export {
  type AllowedPeer,
  AllowedPeers,
  type SecuredTransport,
  securedTransport,
} from './transport.ts'
export { explain } from './why.ts'
