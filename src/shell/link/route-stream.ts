import { create, type MessageInitShape } from '@bufbuild/protobuf'
import type { Epoch, FibWriter, GroupId, NextHopGroup, NextHopName } from '../../core/fib/index.ts'
import type { Family } from '../../core/net/index.ts'
import { AFI, BATCH_ROUTES_MAX, toHops, toName } from './convert/routes.ts'
import {
  type FromSpeaker,
  FromSpeakerSchema,
  type GroupSchema,
  type NextHopNameSchema,
} from './generated/link_pb.ts'

/**
 * The speaker's FIB as a stream of batches: neighbouring calls of one kind become one message, in
 * the order of the calls, with no object for a route.
 *
 *   route(a) route(b) withdraw(c) route(d)   ->   Routes{a b}  Withdraws{c}  Routes{d}
 */

type Body = NonNullable<MessageInitShape<typeof FromSpeakerSchema>['body']>
type Kind = 'routes' | 'withdraws' | 'groups' | 'dropGroups' | 'track' | 'untrack'

/** Octets of the longest batch: a length and 16 octets for each prefix. */
const BATCH_OCTETS_MAX = BATCH_ROUTES_MAX * 17

/** Groups named or dropped, or next hops tracked or not any more, in one message. */
const BATCH_GROUPS_MAX = 256

/** Collects calls and hands on messages; `flush` at the end of a turn hands on the rest. */
export class RouteStream implements FibWriter {
  readonly #send: (message: FromSpeaker) => void
  /** of Hello, which is not ours to send */
  #sequence = 1
  /** what is being collected; only that one is not empty */
  #kind: Kind = 'routes'
  #family: Family = 'ipv4'
  readonly #nlri = new Uint8Array(BATCH_OCTETS_MAX)
  #length = 0
  #count = 0
  #ids: number[] = []
  #groups: MessageInitShape<typeof GroupSchema>[] = []
  #hops: MessageInitShape<typeof NextHopNameSchema>[] = []

  /** @param send  takes a message, which is not changed afterwards */
  constructor(send: (message: FromSpeaker) => void) {
    this.#send = send
  }

  begin(epoch: Epoch): void {
    this.flush()
    this.#say({ case: 'begin', value: { epoch } })
  }

  inSync(epoch: Epoch): void {
    this.flush()
    this.#say({ case: 'inSync', value: { epoch } })
  }

  group(id: GroupId, hops: NextHopGroup, metric: number): void {
    this.#collect('groups', BATCH_GROUPS_MAX)
    this.#groups.push({ id, hops: toHops(hops), metric })
  }

  dropGroup(id: GroupId): void {
    this.#collect('dropGroups', BATCH_GROUPS_MAX)
    this.#ids.push(id)
  }

  track(hop: NextHopName): void {
    this.#collect('track', BATCH_GROUPS_MAX)
    this.#hops.push(toName(hop))
  }

  untrack(hop: NextHopName): void {
    this.#collect('untrack', BATCH_GROUPS_MAX)
    this.#hops.push(toName(hop))
  }

  route(family: Family, bytes: Uint8Array, offset: number, length: number, id: GroupId): void {
    this.#collectPrefix('routes', family, bytes, offset, length)
    this.#ids.push(id)
  }

  withdraw(family: Family, bytes: Uint8Array, offset: number, length: number): void {
    this.#collectPrefix('withdraws', family, bytes, offset, length)
  }

  /** Hands on what is collected. */
  flush(): void {
    if (this.#count === 0) return
    this.#say(this.#body())
    this.#length = 0
    this.#count = 0
    this.#ids = []
    this.#groups = []
    this.#hops = []
  }

  #collectPrefix(kind: Kind, family: Family, bytes: Uint8Array, offset: number, length: number) {
    if (this.#family !== family) this.flush()
    this.#family = family
    this.#collect(kind, BATCH_ROUTES_MAX)
    const nlri = this.#nlri
    let at = this.#length
    nlri[at++] = length
    for (let octet = 0; octet < (length + 7) >> 3; octet++) nlri[at++] = bytes[offset + octet]!
    this.#length = at
  }

  #collect(kind: Kind, countMax: number): void {
    if (this.#kind !== kind || this.#count === countMax) this.flush()
    this.#kind = kind
    this.#count++
  }

  #body(): Body {
    const afi = AFI[this.#family]
    switch (this.#kind) {
      case 'routes':
        return {
          case: 'routes',
          value: { afi, nlri: this.#nlri.slice(0, this.#length), groups: this.#ids },
        }
      case 'withdraws':
        return { case: 'withdraws', value: { afi, nlri: this.#nlri.slice(0, this.#length) } }
      case 'groups':
        return { case: 'groups', value: { groups: this.#groups } }
      case 'dropGroups':
        return { case: 'dropGroups', value: { ids: this.#ids } }
      case 'track':
      case 'untrack':
        return { case: this.#kind, value: { hops: this.#hops } }
      default:
        return this.#kind satisfies never
    }
  }

  #say(body: Body): void {
    this.#send(create(FromSpeakerSchema, { sequence: ++this.#sequence, body }))
  }
}
