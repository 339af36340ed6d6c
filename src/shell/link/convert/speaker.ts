import type { MessageInitShape } from '@bufbuild/protobuf'
import type { Address } from '../../../core/net/index.ts'
import type { SpeakerConfig } from '../../../core/speaker/index.ts'
import type {
  Configure,
  ConfigureSchema,
  SpeakerConfig as SpeakerConfigMessage,
} from '../generated/link_pb.ts'
import { fromPeer, fromRange, toPeer, toRange } from './peer.ts'
import { fromPolicy, toPolicy } from './policy.ts'
import { address, asn, family, optional, prefix, same } from './words.ts'

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
  /** of this node, to which connections are; absent: any of the family */
  readonly address?: Address
}

/** As the controller writes it. O(peers). */
export function toConfigure(command: SpeakerCommand): MessageInitShape<typeof ConfigureSchema> {
  const { speaker, listen } = command
  return {
    listen: listen.map(({ family, port, address }) => ({
      family,
      port,
      ...optional('address', address, same),
    })),
    ...(speaker !== undefined && {
      speaker: {
        routerId: speaker.routerId,
        localAs: speaker.localAs,
        ...optional('clusterId', speaker.clusterId, same),
        multipathMax: speaker.multipathMax,
        peers: speaker.peers.map(toPeer),
        ranges: (speaker.ranges ?? []).map(toRange),
        ...optional('multipathAcrossAses', speaker.multipathAcrossAses, same),
        originated: [...speaker.originated],
        ...optional('originatedLocalPref', speaker.originatedLocalPref, same),
        ...optional('fibPolicy', speaker.fibPolicy, toPolicy),
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
    listen: message.listen.map(at => ({
      family: family(at.family),
      port: at.port,
      ...optional('address', at.address, address),
    })),
  }
}

function fromSpeakerConfig(message: SpeakerConfigMessage): SpeakerConfig {
  return {
    routerId: message.routerId,
    localAs: asn(message.localAs),
    ...optional('clusterId', message.clusterId, same),
    multipathMax: message.multipathMax,
    peers: message.peers.map(fromPeer),
    // none is said by an absent list
    ...(message.ranges.length > 0 && { ranges: message.ranges.map(fromRange) }),
    ...optional('multipathAcrossAses', message.multipathAcrossAses, same),
    originated: message.originated.map(prefix),
    ...optional('originatedLocalPref', message.originatedLocalPref, ({ ipv4, ipv6 }) => ({
      ipv4,
      ipv6,
    })),
    ...optional('fibPolicy', message.fibPolicy, fromPolicy),
    watched: message.watched.map(prefix),
    watchedMax: message.watchedMax,
  }
}
