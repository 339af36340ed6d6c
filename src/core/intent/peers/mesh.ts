import type { BgpConfigurationSpec } from '../../calico/index.ts'
import { type Address, FAMILIES } from '../../net/index.ts'
import type { PeerConfig } from '../../speaker/index.ts'
import { keyOf } from '../cluster.ts'
import { passwordOf } from '../secrets.ts'
import {
  type Context,
  exportMode,
  otherNextHop,
  restartTime,
  sessionName,
  sharedSubnet,
  waits,
} from './common.ts'
import { settledFields } from './settings.ts'

/**
 * Calico's mesh: every node with every other, once a family that both have, but no route
 * reflectors.
 */
export function meshPeers(context: Context): PeerConfig[] {
  const { cluster, own, facts } = context
  if (!cluster.mesh || own.clusterId !== undefined) return []
  const tell = (field: keyof BgpConfigurationSpec, reason: string): void => {
    const object = keyOf('BGPConfiguration', 'default')
    context.problems.push({ object, field: `spec.${field}`, reason })
  }
  const password =
    cluster.meshPassword &&
    passwordOf(cluster.meshPassword, context.secrets, reason =>
      tell('nodeMeshPassword', `${reason}; the mesh has no sessions`),
    )
  if (cluster.meshPassword !== undefined && password === undefined) return []
  const settings = context.settings.common
  const restart = restartTime(cluster.meshRestartTime, reason =>
    tell('nodeMeshMaxRestartTime', reason),
  )
  const peers = new Map<Address, PeerConfig>()
  for (const node of cluster.nodes.values()) {
    if (node.name === own.name || node.clusterId !== undefined) continue
    for (const family of FAMILIES) {
      const address = node.addresses[family]
      const localAddress = own.addresses[family]
      if (address === undefined || localAddress === undefined) continue
      const holder = address === localAddress ? own.name : context.byAddress.get(address)?.name
      if (holder !== node.name) {
        context.problems.push({
          object: node.key,
          field: `spec.bgp.${family}Address`,
          reason: `${address} is ${holder}'s address too; no session is made with ${node.name}`,
        })
        continue
      }
      const external = node.asNumber !== own.asNumber
      const subnet = sharedSubnet(own, address)
      peers.set(address, {
        name: sessionName('Mesh', address),
        address,
        port: node.listenPort,
        peerAs: node.asNumber,
        localAs: own.asNumber,
        localAddress,
        ...(password === undefined ? {} : { password }),
        passive: waits(address, localAddress),
        hold: facts.hold,
        connectRetry: facts.connectRetry,
        ...restart,
        families: facts.families ?? [family],
        ...otherNextHop(own, family, facts),
        routeReflectorClient: false,
        nextHop: 'auto',
        export: exportMode(own, facts),
        ...settledFields(settings, { external, subnet }),
      })
    }
  }
  return [...peers.values()]
}
