import { networkInterfaces } from 'node:os'
import { type Prefix, parseNetwork } from '../../core/net/index.ts'

/** The networks that this machine's interfaces are in, now. */
export function interfacesHere(): readonly { readonly name: string; readonly network: Prefix }[] {
  return Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) =>
    addresses.flatMap(({ cidr }) => {
      const network = parseNetwork(cidr ?? '')?.prefix
      return network === undefined ? [] : [{ name, network }]
    }),
  )
}
