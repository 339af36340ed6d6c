/** TCP as the speaker needs it: connections, and the ports that peers connect to. */
export {
  CONNECTIONS_MAX,
  type ConnectionOutput,
  Connections,
  UNSENT_OCTETS_MAX,
} from './connections.ts'
export {
  type ListenAddress,
  Listeners,
  type ListenersOptions,
  listenHere,
} from './listeners.ts'
export { explain } from './why.ts'
