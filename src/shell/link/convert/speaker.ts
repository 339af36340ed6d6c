import type { MessageInitShape } from '@bufbuild/protobuf'
import type { PeerConfig, SpeakerConfig, Transport } from '../../../core/speaker/index.ts'
import type {
  Configure,
  ConfigureSchema,
  PeerConfig as PeerConfigMessage,
  SpeakerConfig as SpeakerConfigMessage,
  Transport as TransportMessage,
} from '../generated/link_pb.ts'
import { address, asn, family, optional, prefix, required, same, time, word } from './words.ts'

/** Configure: what the controller tells the speaker. */

/** All that the speaker process should do. */
export interface SpeakerCommand {
  /** absent: this node speaks no BGP */
  readonly speaker?: SpeakerConfig
  readonly listen: readonly ListenAt[]
}

/** A port to accept connections on. */
export interface ListenAt {
  readonly family: 'ipv4' | 'ipv6'
  readonly port: number
}

/** As the controller writes it. O(peers). */
export function toConfigure(command: SpeakerCommand): MessageInitShape<typeof ConfigureSchema> {
  const { speaker, listen } = command
  return {
    listen: listen.map(({ family, port }) => ({ family, port })),
    ...(speaker !== undefined && {
      speaker: {
        routerId: speaker.routerId,
        localAs: speaker.localAs,
        ...optional('clusterId', speaker.clusterId, same),
        multipathMax: speaker.multipathMax,
        peers: speaker.peers.map(toPeer),
        originated: [...speaker.originated],
        watched: [...speaker.watched],
        watchedMax: speaker.watchedMax,
      },
    }),
  }
}

/** As the speaker reads it. Throws a `LinkError` for what is not well formed. */
export function fromConfigure(message: Configure): SpeakerCommand {
  return {
    ...optional('speaker', message.speaker, fromSpeakerConfig),
    listen: message.listen.map(at => ({ family: family(at.family), port: at.port })),
  }
}

function fromSpeakerConfig(message: SpeakerConfigMessage): SpeakerConfig {
  return {
    routerId: message.routerId,
    localAs: asn(message.localAs),
    ...optional('clusterId', message.clusterId, same),
    multipathMax: message.multipathMax,
    peers: message.peers.map(fromPeer),
    originated: message.originated.map(prefix),
    watched: message.watched.map(prefix),
    watchedMax: message.watchedMax,
  }
}

function toPeer(peer: PeerConfig) {
  return {
    name: peer.name,
    address: peer.address,
    port: peer.port,
    peerAs: peer.peerAs,
    localAs: peer.localAs,
    ...optional('localAddress', peer.localAddress, same),
    ...optional('transport', peer.transport, same),
    ...optional('password', peer.password, same),
    passive: peer.passive,
    holdMs: peer.hold,
    connectRetryMs: peer.connectRetry,
    families: [...peer.families],
    routeReflectorClient: peer.routeReflectorClient,
    nextHop: peer.nextHop,
    export: peer.export,
    ...optional('nextHopIpv4', peer.nextHopIpv4, same),
    ...optional('nextHopIpv6', peer.nextHopIpv6, same),
    ...optional('restartMs', peer.restart, same),
  }
}

function fromTransport(message: TransportMessage): Transport {
  return {
    ...optional('ttlSecurity', message.ttlSecurity, same),
    ttl: message.ttl,
    ...optional('interface', message.interface, same),
    trafficClass: message.trafficClass,
  }
}

function fromPeer(message: PeerConfigMessage): PeerConfig {
  return {
    name: required(message.name, 'name'),
    address: address(message.address),
    port: message.port,
    peerAs: asn(message.peerAs),
    localAs: asn(message.localAs),
    ...optional('localAddress', message.localAddress, address),
    ...optional('transport', message.transport, fromTransport),
    ...optional('password', message.password, same),
    passive: message.passive,
    hold: time(message.holdMs),
    connectRetry: time(message.connectRetryMs),
    families: message.families.map(family),
    routeReflectorClient: message.routeReflectorClient,
    nextHop: word(['auto', 'self', 'keep'], message.nextHop),
    export: word(['originated', 'all'], message.export),
    ...optional('nextHopIpv4', message.nextHopIpv4, address),
    ...optional('nextHopIpv6', message.nextHopIpv6, address),
    ...optional('restart', message.restartMs, time),
  }
}
