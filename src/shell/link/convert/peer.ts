import type { RequiredCapability, SessionOptions } from '../../../core/session/index.ts'
import type {
  ExportOptions,
  ImportRules,
  PeerConfig,
  PeerRange,
  PrefixLimit,
  PrefixLimits,
  SendPaths,
  Transport,
} from '../../../core/speaker/index.ts'
import type { Role } from '../../../core/wire/index.ts'
import type {
  ExportRules as ExportRulesMessage,
  ImportRules as ImportRulesMessage,
  PeerConfig as PeerConfigMessage,
  PeerRange as PeerRangeMessage,
  PrefixLimit as PrefixLimitMessage,
  PrefixLimits as PrefixLimitsMessage,
  SendPaths as SendPathsMessage,
  SessionOptions as SessionOptionsMessage,
  Transport as TransportMessage,
} from '../generated/link_pb.ts'
import { fromPolicy, toPolicy } from './policy.ts'
import { address, asn, family, optional, prefix, required, same, time, word } from './words.ts'

/** A neighbour, and the neighbours of a range, as the controller describes them to the speaker. */

/** Every role. RFC 9234 §4.1 */
export const ROLES: readonly Role[] = [
  'provider',
  'route-server',
  'route-server-client',
  'customer',
  'peer',
]

const REQUIRABLE: readonly RequiredCapability[] = [
  'route-refresh',
  'enhanced-route-refresh',
  'four-octet-as',
  'graceful-restart',
  'long-lived-graceful-restart',
  'add-path',
  'extended-message',
  'extended-next-hop',
  'role',
]

/** As the controller writes it. */
export function toPeer(peer: PeerConfig) {
  const { name, address, port, passive, ...template } = peer
  return { name, address, port, passive, ...toTemplate(template) }
}

/** The same for all peers of a range. */
export const toRange = ({ name, prefix, peersMax, template }: PeerRange) => ({
  name,
  prefix,
  peersMax,
  template: toTemplate(template),
})

/** As the speaker reads it. Throws a `LinkError` for what is none. */
export const fromPeer = (message: PeerConfigMessage): PeerConfig => ({
  name: required(message.name, 'name'),
  address: address(message.address),
  port: message.port,
  passive: message.passive,
  ...fromTemplate(message),
})

/** The same for a range. */
export const fromRange = (message: PeerRangeMessage): PeerRange => ({
  name: message.name,
  prefix: prefix(message.prefix),
  peersMax: message.peersMax,
  template: fromTemplate(required(message.template, 'template')),
})

function toTemplate(peer: PeerRange['template']) {
  return {
    peerAs: peer.peerAs,
    localAs: peer.localAs,
    ...optional('localAddress', peer.localAddress, same),
    ...optional('transport', peer.transport, same),
    ...optional('password', peer.password, same),
    holdMs: peer.hold,
    ...optional('keepaliveMs', peer.keepalive, same),
    connectRetryMs: peer.connectRetry,
    families: [...peer.families],
    routeReflectorClient: peer.routeReflectorClient,
    nextHop: peer.nextHop,
    ...toExport(peer.export),
    ...optional('nextHopIpv4', peer.nextHopIpv4, same),
    ...optional('nextHopIpv6', peer.nextHopIpv6, same),
    ...optional('restartMs', peer.restart, same),
    ...optional('options', peer.options, toOptions),
    ...optional('sendPaths', peer.sendPaths, same),
    ...optional('importRules', peer.importRules, ({ policy, ...rules }) => ({
      ...rules,
      ...optional('policy', policy, toPolicy),
    })),
    ...optional('exportRules', peer.exportRules, same),
    ...optional('limits', peer.limits, limits => ({
      ...optional('received', limits.received, toLimit),
      ...optional('accepted', limits.accepted, toLimit),
      ...optional('announced', limits.announced, toLimit),
    })),
  }
}

function fromTemplate(message: PeerConfigMessage): PeerRange['template'] {
  return {
    peerAs: asn(message.peerAs),
    localAs: asn(message.localAs),
    ...optional('localAddress', message.localAddress, address),
    ...optional('transport', message.transport, fromTransport),
    ...optional('password', message.password, same),
    hold: time(message.holdMs),
    ...optional('keepalive', message.keepaliveMs, time),
    connectRetry: time(message.connectRetryMs),
    families: message.families.map(family),
    routeReflectorClient: message.routeReflectorClient,
    nextHop: word(['auto', 'self', 'keep'], message.nextHop),
    export: fromExport(message),
    ...optional('nextHopIpv4', message.nextHopIpv4, address),
    ...optional('nextHopIpv6', message.nextHopIpv6, address),
    ...optional('restart', message.restartMs, time),
    ...optional('options', message.options, fromOptions),
    ...optional('sendPaths', message.sendPaths, fromSendPaths),
    ...optional('importRules', message.importRules, fromImportRules),
    ...optional('exportRules', message.exportRules, fromExportRules),
    ...optional('limits', message.limits, fromLimits),
  }
}

const toExport = (policy: PeerConfig['export']) =>
  typeof policy === 'string' ? { export: policy } : { exportPolicy: toPolicy(policy) }

const fromExport = ({ export: named, exportPolicy }: PeerConfigMessage): PeerConfig['export'] =>
  exportPolicy === undefined ? word(['originated', 'all'], named) : fromPolicy(exportPolicy)

function fromTransport(message: TransportMessage): Transport {
  return {
    ...optional('ttlSecurity', message.ttlSecurity, same),
    ttl: message.ttl,
    ...optional('interface', message.interface, same),
    trafficClass: message.trafficClass,
  }
}

function toOptions({ longLived, delayOpen, required = [], ...options }: SessionOptions) {
  return {
    ...options,
    ...optional('longLivedMs', longLived, same),
    required: [...required],
    ...optional('delayOpenMs', delayOpen, same),
  }
}

/** An empty list of what is required says the same as none. */
function fromOptions(message: SessionOptionsMessage): SessionOptions {
  const needed = message.required.map(text => word(REQUIRABLE, text))
  return {
    ...optional('addPath', message.addPath, ({ receive, send }) => ({ receive, send })),
    ...optional('extendedMessages', message.extendedMessages, same),
    ...optional('extendedNextHop', message.extendedNextHop, same),
    ...optional('role', message.role, text => word(ROLES, text)),
    ...optional('roleRequired', message.roleRequired, same),
    ...optional('longLived', message.longLivedMs, time),
    ...(needed.length > 0 && { required: needed }),
    ...optional('delayOpen', message.delayOpenMs, time),
  }
}

const fromSendPaths = ({ which, most }: SendPathsMessage): SendPaths => ({
  which: word(['all', 'best', 'multipath'], which),
  most,
})

const fromImportRules = (message: ImportRulesMessage): ImportRules => ({
  ...optional('allowOwnAs', message.allowOwnAs, same),
  ...optional('refuseAsSets', message.refuseAsSets, same),
  ...optional('prependLocalAs', message.prependLocalAs, same),
  ...optional('policy', message.policy, fromPolicy),
})

const fromExportRules = (message: ExportRulesMessage): ExportOptions => ({
  ...optional('showRealAs', message.showRealAs, same),
  ...optional('overrideAs', message.overrideAs, same),
  ...optional('privateAs', message.privateAs, text => word(['remove', 'replace'], text)),
  ...optional('sharedSubnet', message.sharedSubnet, prefix),
})

const toLimit = ({ restartAfter, ...limit }: PrefixLimit) => ({
  ...limit,
  restartAfterMs: restartAfter,
})

const fromLimits = (message: PrefixLimitsMessage): PrefixLimits => ({
  ...optional('received', message.received, fromLimit),
  ...optional('accepted', message.accepted, fromLimit),
  ...optional('announced', message.announced, fromLimit),
})

const fromLimit = (message: PrefixLimitMessage): PrefixLimit => ({
  most: message.most,
  warnPercent: message.warnPercent,
  action: word(['warn', 'block', 'restart', 'disable'], message.action),
  restartAfter: time(message.restartAfterMs),
})
