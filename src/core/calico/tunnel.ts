import type { Family } from '../net/index.ts'

/** What Calico's nodes agree on about tunnels without asking each other. */

/** Which tunnels a node may have an end of. */
export type TunnelKind = 'ipip' | 'vxlan' | 'vxlan-v6'

/** What is the same on all nodes, but for what FelixConfiguration says otherwise. */
export interface TunnelFacts {
  readonly family: Family
  /** the name of its link */
  readonly link: string
  /** of the attribute in IPAM that says what the address is for */
  readonly attribute: string
}

/** All kinds of tunnels. */
export const TUNNELS: Readonly<Record<TunnelKind, TunnelFacts>> = {
  ipip: { family: 'ipv4', link: 'tunl0', attribute: 'ipipTunnelAddress' },
  vxlan: { family: 'ipv4', link: 'vxlan.calico', attribute: 'vxlanTunnelAddress' },
  'vxlan-v6': { family: 'ipv6', link: 'vxlan-v6.calico', attribute: 'vxlanV6TunnelAddress' },
}

/** In whose name a node's end has its address in IPAM. */
export const tunnelHandle = (kind: TunnelKind, node: string): string =>
  `${kind}-tunnel-addr-${node}`

/**
 * The link address of a node's end of VXLAN, where its Node names none: `f` and five octets of the
 * SHA-1 of its name, so that every node knows it of every other.
 */
export function vtepMac(kind: 'vxlan' | 'vxlan-v6', node: string): string {
  const digest = sha1(octetsOf(kind === 'vxlan' ? node : `${node}-v6`))
  return [0x66, ...digest.subarray(0, 5)]
    .map(octet => octet.toString(16).padStart(2, '0'))
    .join(':')
}

/** Names of nodes are ASCII: they are DNS names. */
const octetsOf = (text: string): Uint8Array =>
  Uint8Array.from(text, character => character.charCodeAt(0))

/** Octets of a block of the hash. */
const BLOCK_OCTETS = 64

/** SHA-1, FIPS 180-4 §6.1: a name for a name here, and no protection of anything. O(octets). */
function sha1(octets: Uint8Array): Uint8Array {
  const padded = new Uint8Array(BLOCK_OCTETS * Math.ceil((octets.length + 9) / BLOCK_OCTETS))
  padded.set(octets)
  padded[octets.length] = 0x80
  const view = new DataView(padded.buffer)
  view.setUint32(padded.length - 4, octets.length * 8)
  const hash = Uint32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0)
  const words = new Uint32Array(80)
  for (let at = 0; at < padded.length; at += BLOCK_OCTETS) {
    for (let word = 0; word < 16; word++) words[word] = view.getUint32(at + 4 * word)
    for (let word = 16; word < 80; word++)
      words[word] = rotated(
        words[word - 3]! ^ words[word - 8]! ^ words[word - 14]! ^ words[word - 16]!,
        1,
      )
    mix(hash, words)
  }
  const digest = new DataView(new ArrayBuffer(20))
  for (const [at, word] of hash.entries()) digest.setUint32(4 * at, word)
  return new Uint8Array(digest.buffer)
}

/** One block of the hash. */
function mix(hash: Uint32Array, words: Uint32Array): void {
  let [a = 0, b = 0, c = 0, d = 0, e = 0] = hash
  for (let round = 0; round < 80; round++) {
    const [mixed, constant] =
      round < 20
        ? [(b & c) | (~b & d), 0x5a827999]
        : round < 40
          ? [b ^ c ^ d, 0x6ed9eba1]
          : round < 60
            ? [(b & c) | (b & d) | (c & d), 0x8f1bbcdc]
            : [b ^ c ^ d, 0xca62c1d6]
    const next = (rotated(a, 5) + mixed + e + constant + words[round]!) >>> 0
    e = d
    d = c
    c = rotated(b, 30)
    b = a
    a = next
  }
  for (const [at, word] of [a, b, c, d, e].entries()) hash[at]! += word
}

const rotated = (word: number, bits: number): number =>
  ((word << bits) | (word >>> (32 - bits))) >>> 0
