import type { KernelEvent, KernelRoute } from '../../core/dataplane/index.ts'
import {
  decodeAddress,
  decodeLink,
  decodeObject,
  decodeRoute,
  emptyRoute,
  foundIn,
  type MessageReader,
  NLM_F_REPLACE,
  neighbourLink,
  otherTarget,
  RTM_DELADDR,
  RTM_DELLINK,
  RTM_DELNEIGH,
  RTM_DELNEXTHOP,
  RTM_DELROUTE,
  RTM_NEWADDR,
  RTM_NEWLINK,
  RTM_NEWNEIGH,
  RTM_NEWNEXTHOP,
  RTM_NEWROUTE,
  TargetReader,
} from '../../core/rtnl/index.ts'

/** Messages of the kernel as events of the core. */

/** A stranger's route: where it leads is nothing to us. */
const STRANGER = otherTarget('of a stranger')

/**
 * Reads what the kernel says of links, addresses, nexthop objects and routes. The events of routes
 * are one object, valid during the call, so that a dump of a million allocates none.
 */
export class KernelReader {
  readonly #table: number
  readonly #protocol: number
  readonly #deliver: (event: KernelEvent) => void
  readonly #message = emptyRoute()
  readonly #targets = new TargetReader()
  readonly #route: KernelRoute
  readonly #event: KernelEvent

  constructor(table: number, protocol: number, deliver: (event: KernelEvent) => void) {
    this.#table = table
    this.#protocol = protocol
    this.#deliver = deliver
    this.#route = {
      present: false,
      replaced: false,
      dump: 0,
      by: 0,
      family: 'ipv4',
      bytes: new Uint8Array(0),
      offset: 0,
      length: 0,
      protocol: 0,
      metric: 0,
      tos: 0,
      target: STRANGER,
      leads: () => foundIn(this.#message),
    }
    this.#event = { type: 'Route', route: this.#route }
  }

  /**
   * Takes the message at which `from` stands, of dump number `dump`, or a notification where that
   * is 0.
   */
  read(from: MessageReader, dump: number): void {
    switch (from.type) {
      case RTM_NEWROUTE:
      case RTM_DELROUTE:
        this.#readRoute(from, dump)
        return
      case RTM_NEWLINK:
      case RTM_DELLINK: {
        const link = decodeLink(from)
        if (link !== undefined) this.#deliver({ type: 'Link', dump, link })
        return
      }
      case RTM_NEWNEXTHOP:
      case RTM_DELNEXTHOP: {
        const message = decodeObject(from)
        if (message !== undefined) this.#deliver({ type: 'Object', dump, by: from.port, message })
        return
      }
      case RTM_NEWADDR:
      case RTM_DELADDR: {
        const address = decodeAddress(from)
        if (address !== undefined)
          this.#deliver({
            type: 'Address',
            present: address.present,
            link: address.index,
            address: address.address,
          })
        return
      }
      case RTM_NEWNEIGH:
      case RTM_DELNEIGH:
        this.#deliver({ type: 'Neighbour', link: neighbourLink(from) })
        return
      default:
      // an answer to somebody, or a message of a later kernel: nothing that we asked for
    }
  }

  #readRoute(from: MessageReader, dump: number): void {
    const message = this.#message
    if (!decodeRoute(from, message) || message.table !== this.#table) return
    const route = this.#route
    route.present = message.present
    route.replaced = dump === 0 && (message.flags & NLM_F_REPLACE) !== 0
    route.dump = dump
    route.by = from.port
    route.family = message.family
    route.bytes = message.bytes
    route.offset = message.offset
    route.length = message.length
    route.protocol = message.protocol
    route.metric = message.metric
    route.tos = message.tos
    const ours = message.protocol === this.#protocol
    route.target = ours ? this.#targets.read(message) : STRANGER
    this.#deliver(this.#event)
  }
}
