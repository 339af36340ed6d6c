import { createSocket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { networkInterfaces } from 'node:os'
import type { HostInterface } from '../../core/intent/index.ts'
import { type Address, type Family, parseAddress } from '../../core/net/index.ts'

/** The machine's addresses, and which of them packets leave with. */

/** Any port: nothing is sent to it. */
const DISCARD_PORT = 9
/** A name server that does not answer must not hold up a node's start. */
const LOOKUP_MS = 3000

/** The interfaces that are up and running, in the kernel's order. */
export function hostInterfaces(): HostInterface[] {
  return Object.entries(networkInterfaces()).map(([name, found = []]) => ({
    name,
    addresses: found.flatMap(({ address: text, cidr }) => {
      const address = parseAddress(text)
      const length = Number(cidr?.slice(cidr.indexOf('/') + 1))
      return address === undefined || !Number.isInteger(length) ? [] : [{ address, length }]
    }),
  }))
}

/**
 * The address that packets to `destination`, an address or a name, leave this machine with;
 * undefined where there is no route, or the name means nothing. Sends nothing but questions to the
 * name server. Settles within LOOKUP_MS.
 */
export async function addressToward(
  destination: string,
  family: Family,
): Promise<Address | undefined> {
  const target = parseAddress(destination) ?? (await resolve(destination, family))
  if (target === undefined || target.includes(':') !== (family === 'ipv6')) return undefined
  const socket = createSocket(family === 'ipv4' ? 'udp4' : 'udp6')
  try {
    return await new Promise(done => {
      socket.once('error', () => done(undefined))
      // the kernel chooses route and source without a packet
      socket.connect(DISCARD_PORT, target, () => done(parseAddress(socket.address().address)))
    })
  } finally {
    socket.close()
  }
}

async function resolve(name: string, family: Family): Promise<Address | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>(done => {
    timer = setTimeout(() => done(undefined), LOOKUP_MS)
  })
  const found = lookup(name, { family: family === 'ipv4' ? 4 : 6 }).then(
    ({ address }) => parseAddress(address),
    () => undefined,
  )
  try {
    return await Promise.race([found, late])
  } finally {
    clearTimeout(timer)
  }
}
