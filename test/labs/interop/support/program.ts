/**
 * What a router that others wrote is to the matrix: a program that is configured, told to announce
 * and to withdraw, and asked what it received. One file a program implements it; nothing in here
 * knows how any of them is spoken to.
 */
import type { Family } from '../../../../src/core/net/index.ts'

/** The programs of the matrix, as their authors write them. */
export type ProgramName = 'BIRD' | 'FRR' | 'GoBGP' | 'OpenBGPD'

/** A neighbour as the router's own configuration has it: where a session option becomes a field. */
export interface Neighbour {
  /** the configuration's name for it, where the program has names */
  readonly name: string
  readonly address: string
  /** the router's end of the session, its AS number and its id */
  readonly localAddress: string
  readonly ownAsn: number
  readonly ownRouterId: string
  readonly asn: number
  readonly families: readonly Family[]
  /** false: the router says nothing of four-octet AS numbers. RFC 6793 */
  readonly fourOctetAs: boolean
  /** the router reflects for it. RFC 4456 */
  readonly client: boolean
  readonly options: NeighbourOptions
}

/** What a router's end of a session may have beyond that. Absent: as the program does by itself. */
export interface NeighbourOptions {
  /** it restarts gracefully, and waits for who does. RFC 4724 */
  readonly restart?: boolean
  /** for how long it asks to be waited for; 60 where absent, in seconds */
  readonly restartSeconds?: number
  /** its routes may be kept for ten minutes beyond that. RFC 9494 */
  readonly longLived?: boolean
  /** of TCP MD5 signatures. RFC 2385 */
  readonly password?: string
  /** the neighbour is next to it. RFC 5082 */
  readonly ttlSecurity?: boolean
  /** several paths of a prefix, all of them, both ways. RFC 7911 */
  readonly addPath?: boolean
  /** what the router is to the neighbour. RFC 9234 */
  readonly role?: 'customer' | 'provider' | 'peer'
  /** messages of up to 65,535 octets. RFC 8654 */
  readonly extendedMessages?: boolean
  /** IPv4 routes with IPv6 next hops. RFC 8950 */
  readonly extendedNextHop?: boolean
  /** most IPv4 prefixes that it takes; with one more it ends the session */
  readonly prefixesMax?: number
}

/** A router's whole configuration, routes aside. */
export interface RouterDescription {
  readonly asn: number
  /** as a dotted quad; of a reflector also its cluster id */
  readonly routerId: string
  /** its addresses on the wire: its next hops */
  readonly addresses: Readonly<Record<Family, string>>
  readonly neighbours: readonly Neighbour[]
  /** what it learns goes into its kernel, where the program can do that here */
  readonly forwards: boolean
}

/** What a route is announced with. Absent: not said, so that the router's own default holds. */
export interface Attributes {
  /** behind the router's own number; a list inside the list is an AS_SET */
  readonly asPath?: readonly (number | readonly number[])[]
  readonly origin?: 'IGP' | 'EGP' | 'incomplete'
  readonly med?: number
  readonly localPref?: number
  /** `65000:1` */
  readonly communities?: readonly string[]
  /** `4200000000:1:2` */
  readonly largeCommunities?: readonly string[]
  /** route targets of a two-octet AS, `65000:7` */
  readonly routeTargets?: readonly string[]
  readonly aggregator?: { readonly asn: number; readonly address: string }
  readonly originatorId?: string
  readonly clusterList?: readonly string[]
  readonly atomicAggregate?: boolean
  /** optional and transitive, with a code that nobody has assigned */
  readonly unknown?: { readonly code: number; readonly value: readonly number[] }
}

/** One route to announce. */
export interface Announcement {
  readonly prefix: string
  /** another path than the one of the same prefix without this. RFC 7911 */
  readonly second?: boolean
  /** IPv4 by way of the router's IPv6 address, where it has to be told. RFC 8950 */
  readonly overIpv6?: boolean
  readonly attributes?: Attributes
}

/** A route as a router shows it, in one notation for all of them. Absent: it shows none. */
export interface SeenRoute {
  readonly nextHop: string
  /** numbers with blanks between, sets in braces: `1 2 {3 4}` */
  readonly asPath: string
  readonly origin: 'IGP' | 'EGP' | 'incomplete'
  readonly med?: number | undefined
  readonly localPref?: number | undefined
  readonly communities?: readonly string[] | undefined
  readonly largeCommunities?: readonly string[] | undefined
  readonly routeTargets?: readonly string[] | undefined
  /** `65044 192.0.2.1` */
  readonly aggregator?: string | undefined
  readonly atomicAggregate?: boolean
  /** RFC 9234 §5; absent where the program does not show it */
  readonly onlyToCustomer?: number | undefined
  readonly originatorId?: string | undefined
  readonly clusterList?: readonly string[] | undefined
  /** attributes that the program does not know, where it shows them */
  readonly unknown?: readonly SeenUnknown[] | undefined
}

/** An attribute that a program shows without knowing it. */
export interface SeenUnknown {
  readonly code: number
  /** absent where the program does not show the bit */
  readonly partial?: boolean
  readonly value: readonly number[]
}

/** A session as a router shows it. */
export interface SeenSession {
  readonly established: boolean
  /** while Established */
  readonly peerAsn?: number | undefined
  readonly peerRouterId?: string | undefined
  /** what both sides agreed on; absent where the program does not show it */
  readonly families?: readonly Family[] | undefined
  readonly holdSeconds?: number | undefined
  readonly fourOctetAs?: boolean | undefined
  readonly routeRefresh?: boolean | undefined
}

/** Things that not every program can do; where one cannot, it says why. */
export type Ability =
  | 'announce a path of other numbers'
  | 'announce an AS_SET'
  | 'announce AGGREGATOR and ATOMIC_AGGREGATE'
  | 'announce an unknown attribute'
  | 'announce what was reflected before'
  | 'say again what has not changed'
  | 'forget what its policy refuses'
  | 'be kept for long'
  | 'show unknown attributes'
  | 'show the Partial bit'
  | 'show that LOCAL_PREF is absent'
  | 'show why its OPEN was refused'
  | 'ask for a route refresh'
  | 'sign with a password'
  | 'take several paths'
  | 'announce two paths of a prefix'
  | 'take a role'
  | 'show ONLY_TO_CUSTOMER'
  | 'use longer messages'
  | 'announce IPv4 by an IPv6 next hop'
  | 'restart and keep its routes'
  | 'end a session and be waited for'
  | 'say that it does not come back'
  | 'do without four-octet AS numbers'

/** Runs a command in the router's node: what it printed. Rejects when it failed. */
export type Run = (command: readonly string[]) => Promise<string>

/** Contents by the name of a file in the router's folder, `/etc/router`. */
export type Files = Readonly<Record<string, string | Uint8Array>>

/** What became different between two calls of `apply`. */
export interface Change {
  readonly description: RouterDescription
  readonly announced: readonly Announcement[]
  readonly withdrawn: readonly string[]
  /** those of `withdrawn` of which there was a second path */
  readonly withdrawnTwice: readonly string[]
}

/** `again`: it begins where its last life was killed, as a graceful restart wants it. */
export type Life = 'first' | 'again'

/** How one program is spoken to. `run` runs in its node. */
export interface Program {
  readonly name: ProgramName
  /** what the package is called that must be here, and a file of it */
  readonly requires: { readonly package: string; readonly file: string }
  readonly cannot: Readonly<Partial<Record<Ability, string>>>
  /** what its processes that speak BGP are called */
  readonly processes: string
  /** of its files; those that may hold a password are not for everyone */
  readonly fileMode: number
  /**
   * All files that it needs, `start.sh` among them, for it to announce `routes`; `first` where no
   * life is said.
   */
  files(description: RouterDescription, routes: readonly Announcement[], life?: Life): Files
  /** Files for this change alone, beside `files`. */
  changeFiles?(change: Change): Files
  /** Makes the running program do what its files now say. */
  apply(run: Run, change: Change): Promise<void>
  session(run: Run, neighbour: Neighbour): Promise<SeenSession>
  /** Prefixes that it holds from this neighbour. */
  received(run: Run, neighbour: Neighbour, family: Family): Promise<readonly string[]>
  /** One of them with its attributes: each path that it has from this neighbour. */
  routes(run: Run, neighbour: Neighbour, prefix: string): Promise<readonly SeenRoute[]>
  /** Asks the neighbour for everything again. RFC 2918 */
  refresh(run: Run, neighbour: Neighbour): Promise<void>
  /** How many routes, or messages with routes, the neighbour has sent, ever. */
  updatesReceived(run: Run, neighbour: Neighbour): Promise<number>
  /** Ends the session with Administrative Shutdown and a text. RFC 9003 */
  shutDown(run: Run, neighbour: Neighbour, text: string): Promise<void>
  /** Ends the session by hand, and lets another begin. */
  reset(run: Run, neighbour: Neighbour): Promise<void>
  /** Has a policy that lets an IPv4 prefix in no more, or again; it asks for what it lacks. */
  refuse(run: Run, neighbour: Neighbour, prefix: string, refused: boolean): Promise<void>
  /** Lets a session begin again, at once. */
  bringUp(run: Run, neighbour: Neighbour): Promise<void>
  /** What it says about NOTIFICATIONs that it received, as text. `log` is all that it ever said. */
  notifications(run: Run, neighbour: Neighbour, log: string): Promise<string>
}

/** The family that a prefix or an address is of. */
export const familyOf = (text: string): Family => (text.includes(':') ? 'ipv6' : 'ipv4')

/** Sorted by text, for comparison. */
export const sorted = (texts: readonly string[]): readonly string[] => texts.toSorted()
