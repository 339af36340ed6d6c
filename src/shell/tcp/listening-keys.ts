import type { Server } from 'node:net'
import { type Address, containsAddress, type Family, type Prefix } from '../../core/net/index.ts'
import { TRANSPORT_DEFAULT } from '../../core/speaker/index.ts'
import type { Log } from '../log/index.ts'
import { setKey, setListening, waiting } from './options.ts'
import { handleOf } from './runtime.ts'
import type { AllowedPeers } from './transport.ts'
import { explain } from './why.ts'

/**
 * The TCP MD5 keys of one listening socket, kept as the peers' passwords are. RFC 2385
 *
 * The kernel checks what it has a key for, and nothing else: a peer with a password whose key is
 * not there could connect without. So such a peer is not let in, and neither is who came before the
 * key did and waits to be accepted: no password ever means "without".
 */
export class ListeningKeys {
  readonly #fd: number
  readonly #family: Family
  readonly #log: Log
  readonly #installed = new Map<Prefix, string>()
  readonly #refused = new Set<Prefix>()
  /** connections that wait to be accepted and came before the newest key */
  #unproven = 0

  constructor(server: Server, family: Family, log: Log) {
    this.#fd = handleOf(server)
    this.#family = family
    this.#log = log
    if (this.#fd < 0) return
    try {
      setListening(this.#fd, family, TRANSPORT_DEFAULT.trafficClass)
    } catch (error) {
      const text = `peers with ttlSecurity may not connect over ${family}: ${explain(error)}`
      log.error('TCP_OPTION_REFUSED', text, { family })
    }
  }

  /** Makes the keys what the peers of this family have. Of what stays, nothing is touched. */
  keep(peers: AllowedPeers): void {
    const wanted = new Map(
      [...peers.keys()].filter(([on]) => on.includes(':') === (this.#family === 'ipv6')),
    )
    for (const on of [...this.#installed.keys(), ...this.#refused])
      if (!wanted.has(on)) this.#remove(on)
    let added = false
    for (const [on, password] of wanted) {
      if (this.#installed.get(on) === password) continue
      added ||= !this.#installed.has(on)
      this.#install(on, password)
    }
    if (added && this.#fd >= 0) this.#unproven = waiting(this.#fd)
  }

  /** Whether one that is accepted now from `remote` was checked, where it has to be. Asked once. */
  proves(remote: Address, password: string | undefined): boolean {
    const early = this.#unproven > 0
    if (early) this.#unproven--
    if (password === undefined) return true
    // by the key that is the peer's, and not by that of a range around it
    const isHere = ([on, key]: [Prefix, string]): boolean =>
      key === password && containsAddress(on, remote)
    return !early && [...this.#installed].some(isHere)
  }

  #install(on: Prefix, password: string): void {
    try {
      if (this.#fd < 0) throw new Error('this release of Node.js does not tell the descriptor')
      setKey(this.#fd, on, password)
      this.#installed.set(on, password)
      this.#refused.delete(on)
    } catch (error) {
      // the key of before, if any, is not what the peer is to have
      this.#remove(on)
      this.#say(on, `${on} has a password and may not connect: ${explain(error)}`)
    }
  }

  #remove(on: Prefix): void {
    const had = this.#installed.delete(on)
    this.#refused.delete(on)
    if (!had) return
    try {
      setKey(this.#fd, on, undefined)
    } catch (error) {
      this.#say(on, `${on} cannot connect without a password: ${explain(error)}`)
    }
  }

  #say(on: Prefix, text: string): void {
    if (!this.#refused.has(on)) this.#log.error('TCP_MD5_KEY_REFUSED', text, { remote: on })
    this.#refused.add(on)
  }
}
