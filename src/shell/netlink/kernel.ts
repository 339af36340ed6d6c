import type {
  DataplaneConfig,
  DataplaneNote,
  KernelEvent,
  KernelOutput,
  ObjectChange,
  RouteChange,
  ServedLink,
} from '../../core/dataplane/index.ts'
import type { Address } from '../../core/net/index.ts'
import {
  type DeviceChange,
  GROUP_IPV4_ADDRESS,
  GROUP_IPV4_ROUTE,
  GROUP_IPV6_ADDRESS,
  GROUP_IPV6_ROUTE,
  GROUP_LINK,
  GROUP_NEIGHBOUR,
  GROUP_NEXTHOP,
  MessageReader,
} from '../../core/rtnl/index.ts'
import { Devices } from './devices.ts'
import { Dumper } from './dumper.ts'
import { type DatagramSource, listen } from './events.ts'
import { Lookup } from './lookup.ts'
import { KernelReader } from './reader.ts'
import { serveLink } from './served-links.ts'
import { ignoreChangesBy, openNetlink } from './socket.ts'
import { RouteWriter } from './writer.ts'

/** The kernel's routes over rtnetlink: the real side of the dataplane's port. */

// a sum: as a bit operation the last bit would be a sign
const GROUPS =
  (GROUP_LINK | GROUP_IPV4_ADDRESS | GROUP_IPV4_ROUTE | GROUP_IPV6_ADDRESS | GROUP_IPV6_ROUTE) +
  GROUP_NEIGHBOUR +
  GROUP_NEXTHOP

/**
 * What may wait for us before notifications are lost: some 100,000 of them. A loss costs a dump.
 */
const NOTIFICATION_OCTETS_MAX = 32 << 20

/**
 * A batch that is refused as a whole has 1,000 answers of some 200 octets, counted with their
 * overhead.
 */
const ANSWER_OCTETS_MAX = 4 << 20

/** After the event socket failed, before it is opened again. */
const REOPEN_MS = 100

/** What the kernel is opened with. */
export interface NetlinkOptions {
  readonly config: Pick<DataplaneConfig, 'table' | 'protocol'>
  /** Called from the runtime's loop, never from inside a method of the kernel. */
  readonly deliver: (event: KernelEvent) => void
  readonly note: (note: DataplaneNote) => void
  /** for tests: a small buffer, so that notifications are lost */
  readonly notificationOctetsMax?: number
}

/**
 * Five sockets: one writes routes, one dumps, one hears what others do, one asks for single
 * addresses, one is for links. What the first does is not heard on the third: the kernel drops it
 * there.
 *
 * Must be made in the network namespace that it is about.
 */
export class NetlinkKernel implements KernelOutput {
  readonly #options: NetlinkOptions
  readonly #writer: RouteWriter
  readonly #writerPort: number
  readonly #dumper: Dumper
  readonly #lookup: Lookup
  readonly #devices: Devices
  readonly #reader: KernelReader
  readonly #messages = new MessageReader()
  #events: DatagramSource
  #reopen: NodeJS.Timeout | undefined
  #closed = false

  /** Opens the sockets. Throws a `PosixError` where the kernel has no netlink. */
  constructor(options: NetlinkOptions) {
    this.#options = options
    const { table, protocol } = options.config
    this.#reader = new KernelReader(table, protocol, options.deliver)
    const socket = openNetlink(0, ANSWER_OCTETS_MAX)
    this.#writerPort = socket.port
    this.#writer = new RouteWriter(socket, {
      table,
      protocol,
      written: (batch, refusals) => options.deliver({ type: 'Written', batch, refusals }),
    })
    this.#events = this.#listen()
    this.#dumper = new Dumper(openNetlink(0, ANSWER_OCTETS_MAX), table, this.#reader)
    this.#lookup = new Lookup(openNetlink(0, ANSWER_OCTETS_MAX), (address, found) =>
      options.deliver({ type: 'Found', address, found }),
    )
    this.#devices = new Devices(openNetlink(0, ANSWER_OCTETS_MAX))
  }

  /** How it waits for notifications, for the log. */
  get waitsBy(): DatagramSource['kind'] {
    return this.#events.kind
  }

  change(change: RouteChange): void {
    this.#writer.add(change)
  }

  object(change: ObjectChange): void {
    this.#writer.addObject(change)
  }

  commit(batch: number): void {
    this.#writer.commit(batch)
  }

  dump(dump: number): void {
    this.#dumper.run(dump).then(result => {
      if (result === undefined) return
      const { objects } = this.#dumper
      this.#options.deliver({ type: 'Dumped', dump, ...result, objects })
    })
  }

  lookUp(addresses: readonly Address[]): void {
    this.#lookup.ask(addresses)
  }

  inspect(number: number): void {
    const result = this.#devices.inspect()
    this.#soon({ type: 'Inspected', number, ...result })
  }

  configure(number: number, changes: readonly DeviceChange[]): void {
    const refusals = this.#devices.configure(changes)
    this.#soon({ type: 'Configured', number, refusals })
  }

  serve(links: readonly ServedLink[]): void {
    const served = links.map(link => {
      const error = serveLink(link, this.#devices)
      return { name: link.name, ...(error !== undefined && { error }) }
    })
    this.#soon({ type: 'Served', links: served })
  }

  note(note: DataplaneNote): void {
    this.#options.note(note)
  }

  /** Closes the sockets; nothing is delivered any more. What is in the kernel stays. */
  close(): void {
    this.#closed = true
    clearTimeout(this.#reopen)
    this.#events.close()
    this.#writer.close()
    this.#dumper.close()
    this.#lookup.close()
    this.#devices.close()
  }

  /** Not from inside a method that the core calls. */
  #soon(event: KernelEvent): void {
    queueMicrotask(() => {
      if (!this.#closed) this.#options.deliver(event)
    })
  }

  #listen(): DatagramSource {
    const octets = this.#options.notificationOctetsMax ?? NOTIFICATION_OCTETS_MAX
    const { socket } = openNetlink(GROUPS, octets)
    ignoreChangesBy(socket, this.#writerPort)
    return listen(socket, {
      datagram: (bytes, length) => {
        this.#messages.open(bytes, length)
        while (this.#messages.next()) this.#reader.read(this.#messages, 0)
      },
      failed: () => this.#listenAgain(),
    })
  }

  /**
   * Notifications were lost (ENOBUFS), or the socket is broken: hear again, and tell that a dump is
   * due.
   */
  #listenAgain(): void {
    if (this.#closed) return
    this.#reopen = setTimeout(() => {
      this.#events = this.#listen()
      this.#options.deliver({ type: 'Lost' })
    }, REOPEN_MS)
  }
}
