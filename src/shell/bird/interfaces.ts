import { networkInterfaces } from 'node:os'
import { type Prefix, parseNetwork } from '../../core/net/index.ts'

/** The networks that this machine's interfaces are in, now; none where the kernel does not say. */
export function interfacesHere(): readonly { readonly name: string; readonly network: Prefix }[] {
  return Object.entries(asked()).flatMap(([name, addresses = []]) =>
    addresses.flatMap(({ cidr }) => {
      const network = parseNetwork(cidr ?? '')?.prefix
      return network === undefined ? [] : [{ name, network }]
    }),
  )
}

function asked(): ReturnType<typeof networkInterfaces> {
  try {
    return networkInterfaces()
  } catch {
    // a sandbox without AF_NETLINK: routes are shown without the names of interfaces
    return {}
  }
}
