import type { MessageInitShape } from '@bufbuild/protobuf'
import type { Tunnel, TunnelSnapshot } from '../../../core/dataplane/index.ts'
import { parseMac } from '../../../core/rtnl/index.ts'
import type { Tunnel as TunnelMessage, TunnelSchema, TunnelState } from '../generated/link_pb.ts'
import { LinkError } from '../transport/error.ts'
import { address, optional, same, word } from './words.ts'

/** This node's ends of tunnels, as the controller wants them. */

/** As the controller writes it. O(ends). */
export function toTunnel(tunnel: Tunnel): MessageInitShape<typeof TunnelSchema> {
  const { kind, name, local, address: own, mtu, vxlan, ends } = tunnel
  return {
    ...{ kind, name, local, address: own },
    ...optional('mtu', mtu, same),
    ...optional('vxlan', vxlan, ({ mac, vni, port }) => ({ mac, vni, port })),
    ends: ends.map(end => ({ address: end.address, mac: end.mac, node: end.node })),
  }
}

/** As the dataplane reads it. Throws a `LinkError` for what is no address of its kind. O(ends). */
export function fromTunnel(message: TunnelMessage): Tunnel {
  return {
    kind: word(['vxlan', 'ipip'], message.kind),
    name: message.name,
    local: address(message.local),
    address: address(message.address),
    ...optional('mtu', message.mtu, same),
    ...optional('vxlan', message.vxlan, vxlan => ({
      mac: macOf(vxlan.mac),
      vni: vxlan.vni,
      port: vxlan.port,
    })),
    ends: message.ends.map(end => ({
      address: address(end.address),
      mac: macOf(end.mac),
      node: address(end.node),
    })),
  }
}

/** How one stands, as the controller reads it. Throws a `LinkError` for what is no state. */
export const fromTunnelState = (message: TunnelState): TunnelSnapshot => ({
  name: message.name,
  state: word(['up', 'pending', 'failed'], message.state),
  ...optional('error', message.error, same),
  ends: message.ends,
})

function macOf(text: string): string {
  const mac = parseMac(text)
  if (mac === undefined) throw new LinkError('LINK_MESSAGE', `"${text}" is not a link's address`)
  return mac
}
