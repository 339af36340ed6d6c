/** Between the processes of one node: proto/link.proto over unix sockets. */
export type { ListenAt, SpeakerCommand } from './convert/speaker.ts'
export {
  DataplaneLink,
  type DataplaneLinkOptions,
  type DataplaneServerOptions,
  serveDataplane,
} from './dataplane-link.ts'
export { type SocketPaths, socketPaths } from './paths.ts'
export {
  CREDIT_ROUTES_MAX,
  RoutesLink,
  type RoutesLinkOptions,
  type RoutesServer,
  type RoutesServerOptions,
  serveRoutes,
} from './routes-link.ts'
export {
  SpeakerLink,
  type SpeakerLinkOptions,
  type SpeakerServerOptions,
  serveSpeaker,
} from './speaker-link.ts'
export { LinkError, type LinkErrorCode } from './transport/error.ts'
export { type Listener, listen } from './transport/listen.ts'
