import type { BgpConfigurationSpec } from '../../calico/index.ts'
import { type Address, familyOf } from '../../net/index.ts'
import { keyOf } from '../cluster.ts'
import {
  addressesOf,
  type Context,
  exportMode,
  otherNextHop,
  restartTime,
  sessionName,
  sharedSubnet,
  waits,
} from './common.ts'
import type { Neighbour } from './neighbour.ts'
import { passwordOf } from './secrets.ts'
import { settledFields } from './settings.ts'

/**
 * Calico's mesh: every node with every other, once a family that both have, but no route
 * reflectors. Filters do not apply to it.
 */
export function meshNeighbours(context: Context): Neighbour[] {
  const { cluster, own, facts } = context
  if (!cluster.mesh || own.clusterId !== undefined) return []
  const tell = (field: keyof BgpConfigurationSpec, reason: string): void => {
    const object = keyOf('BGPConfiguration', 'default')
    context.problems.push({ object, field: `spec.${field}`, reason })
  }
  let withheld: string | undefined
  const password =
    cluster.meshPassword &&
    passwordOf(cluster.meshPassword, context.secrets, reason => {
      withheld = reason
      tell('nodeMeshPassword', `${reason}; the mesh has no sessions`)
    })
  const { config: restart, restartTime: given } = restartTime(cluster.meshRestartTime, reason =>
    tell('nodeMeshMaxRestartTime', reason),
  )
  const neighbours = new Map<Address, Neighbour>()
  for (const node of cluster.nodes.values()) {
    if (node.name === own.name || node.clusterId !== undefined) continue
    for (const address of addressesOf(node, context)) {
      const family = familyOf(address)
      const localAddress = own.addresses[family]
      if (localAddress === undefined) continue
      const external = node.asNumber !== own.asNumber
      const subnet = sharedSubnet(own, address)
      const config = {
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
        ...settledFields(context.settings.common, { external, subnet }),
      } as const
      neighbours.set(address, {
        config,
        reverse: false,
        password: withheld === undefined ? (password === undefined ? 'none' : 'set') : 'missing',
        filters: [],
        ...(given !== undefined && { restartTime: given }),
        ...(withheld !== undefined && { withheld }),
      })
    }
  }
  return [...neighbours.values()]
}
