/**
 * Anything that the processes may say to one another. Each record lists every field of its type, so
 * that a field which is added to the contract and not to the link fails to compile here.
 */
import fc, { type Arbitrary } from 'fast-check'
import type { FibNextHop, FibWriter, GroupId, NextHopAnswer } from '../../src/core/fib/index.ts'
import { prefixParts } from '../../src/core/net/index.ts'
import type { Action, Match, Policy, Term } from '../../src/core/policy/index.ts'
import type { SessionCounters, SessionError, SessionOptions } from '../../src/core/session/index.ts'
import type {
  AttributesSnapshot,
  ExportOptions,
  FaultSnapshot,
  ImportRules,
  LimitSnapshot,
  Listening,
  PathSnapshot,
  PeerConfig,
  PeerRange,
  PrefixLimit,
  PrefixLimits,
  RouteSnapshot,
  SessionSnapshot,
  SpeakerConfig,
  SpeakerSnapshot,
  Transport,
} from '../../src/core/speaker/index.ts'
import type { GracefulRestart, LongLivedFamily } from '../../src/core/wire/index.ts'
import type { SpeakerCommand } from '../../src/shell/link/index.ts'
import {
  address,
  asn,
  count,
  type Fields,
  family,
  few,
  port,
  prefix,
  record,
  small,
  some,
  text,
  time,
  word32,
} from './arbitraries.ts'

const octet = fc.integer({ min: 1, max: 255 })
const transport = record<Transport>(
  { ttlSecurity: octet, ttl: octet, interface: text, trafficClass: fc.nat(255) },
  ['ttlSecurity', 'interface'],
)

const sessionOptions = record<SessionOptions>(
  {
    addPath: record({ receive: fc.boolean(), send: fc.boolean() }),
    extendedMessages: fc.boolean(),
    extendedNextHop: fc.boolean(),
    role: fc.constantFrom('provider', 'route-server', 'route-server-client', 'customer', 'peer'),
    roleRequired: fc.boolean(),
    longLived: time,
    required: some(
      fc.constantFrom(
        'route-refresh',
        'enhanced-route-refresh',
        'four-octet-as',
        'graceful-restart',
        'long-lived-graceful-restart',
        'add-path',
        'extended-message',
        'extended-next-hop',
        'role',
      ),
    ),
    delayOpen: time,
  },
  [
    'addPath',
    'extendedMessages',
    'extendedNextHop',
    'role',
    'roleRequired',
    'longLived',
    'required',
    'delayOpen',
  ],
)

const communities = few(word32)
const large = fc.tuple(word32, word32, word32)
const prefixRules = few(record({ prefix, lengthMin: fc.nat(128), lengthMax: fc.nat(128) }))
const action: Arbitrary<Action> = fc.oneof(
  record({ type: fc.constant('set-local-pref' as const), value: word32 }),
  record({ type: fc.constant('set-med' as const), value: word32 }),
  record({ type: fc.constant('add-communities' as const), communities }),
  record({ type: fc.constant('remove-communities' as const), communities }),
  record({ type: fc.constant('add-large-communities' as const), communities: few(large) }),
  record({ type: fc.constant('prepend' as const), asns: few(asn) }),
)
const policy = record<Policy>({
  terms: few(
    record<Term>({
      match: record<Match>(
        {
          source: fc.constantFrom('originated', 'learned'),
          prefixes: prefixRules,
          family,
          notPrefixes: prefixRules,
          communities,
          largeCommunities: few(large),
          asPathPrefix: few(asn),
          localPref: fc.tuple(word32, word32),
          nextHops: few(prefix),
          links: few(text),
        },
        [
          'source',
          'prefixes',
          'family',
          'notPrefixes',
          'communities',
          'largeCommunities',
          'asPathPrefix',
          'localPref',
          'nextHops',
          'links',
        ],
      ),
      actions: few(action),
      verdict: fc.constantFrom('accept', 'reject', 'next'),
    }),
  ),
  otherwise: fc.constantFrom('accept', 'reject'),
})

const importRules = record<ImportRules>(
  { allowOwnAs: small, refuseAsSets: fc.boolean(), prependLocalAs: fc.boolean(), policy },
  ['allowOwnAs', 'refuseAsSets', 'prependLocalAs', 'policy'],
)

const exportRules = record<ExportOptions>(
  {
    showRealAs: fc.boolean(),
    overrideAs: fc.boolean(),
    privateAs: fc.constantFrom('remove', 'replace'),
    sharedSubnet: prefix,
  },
  ['showRealAs', 'overrideAs', 'privateAs', 'sharedSubnet'],
)

const limit = record<PrefixLimit>({
  most: small,
  warnPercent: fc.integer({ min: 1, max: 100 }),
  action: fc.constantFrom('warn', 'block', 'restart', 'disable'),
  restartAfter: time,
})
const limits = record<PrefixLimits>({ received: limit, accepted: limit, announced: limit }, [
  'received',
  'accepted',
  'announced',
])

const template: Fields<PeerRange['template']> = {
  peerAs: asn,
  localAs: asn,
  localAddress: address,
  transport,
  password: text,
  hold: time,
  keepalive: time,
  connectRetry: time,
  restart: time,
  families: few(family),
  routeReflectorClient: fc.boolean(),
  nextHop: fc.constantFrom('auto', 'self', 'keep'),
  export: fc.oneof(fc.constantFrom('originated' as const, 'all' as const), policy),
  nextHopIpv4: address,
  nextHopIpv6: address,
  options: sessionOptions,
  sendPaths: record({ which: fc.constantFrom('all', 'best', 'multipath'), most: small }),
  importRules,
  exportRules,
  limits,
}
const templateOptional = [
  'localAddress',
  'transport',
  'password',
  'keepalive',
  'restart',
  'nextHopIpv4',
  'nextHopIpv6',
  'options',
  'sendPaths',
  'importRules',
  'exportRules',
  'limits',
] as const satisfies readonly (keyof PeerRange['template'])[]

const peerConfig = record<PeerConfig>(
  { name: text, address, port, passive: fc.boolean(), ...template },
  templateOptional,
)

const peerRange = record<PeerRange>({
  name: text,
  prefix,
  peersMax: small,
  template: record<PeerRange['template']>(template, templateOptional),
})

const speakerConfig = record<SpeakerConfig>(
  {
    routerId: word32,
    localAs: asn,
    clusterId: word32,
    multipathMax: small,
    peers: few(peerConfig),
    originated: few(prefix),
    watched: few(prefix),
    watchedMax: small,
    ranges: some(peerRange),
    multipathAcrossAses: fc.boolean(),
    originatedLocalPref: record({ ipv4: word32, ipv6: word32 }),
    fibPolicy: policy,
  },
  ['clusterId', 'ranges', 'multipathAcrossAses', 'originatedLocalPref', 'fibPolicy'],
)

/** What a controller may tell a speaker. */
export const speakerCommand = record<SpeakerCommand>(
  { speaker: speakerConfig, listen: few(record({ family, port, address }, ['address'])) },
  ['speaker'],
)

const sessionError = record<SessionError>(
  {
    direction: fc.constantFrom('sent', 'received', 'local'),
    code: fc.nat(255),
    subcode: fc.nat(255),
    text,
    at: time,
    later: record<NonNullable<SessionError['later']>>({ text, at: time }),
  },
  ['code', 'subcode', 'later'],
)

const counters = record<SessionCounters>({
  messagesIn: count,
  messagesOut: count,
  updatesIn: count,
  updatesOut: count,
  notificationsIn: count,
  notificationsOut: count,
  octetsIn: count,
  octetsOut: count,
  established: count,
})

const attributes = {
  nextHop: address,
  asPath: text,
  origin: fc.constantFrom('IGP', 'EGP', 'incomplete'),
  localPref: word32,
  med: word32,
  communities: few(text),
} as const

const pathSnapshot = record<PathSnapshot>(
  {
    from: text,
    pathId: word32,
    best: fc.boolean(),
    multipath: fc.boolean(),
    reason: text,
    refused: fc.constant(true),
    received: record<AttributesSnapshot>(attributes, ['nextHop', 'localPref', 'med']),
    ...attributes,
  },
  ['pathId', 'reason', 'refused', 'received', 'nextHop', 'localPref', 'med'],
)

const routeSnapshot = record<RouteSnapshot>({ prefix, paths: few(pathSnapshot) })

const sessionSnapshot = record<SessionSnapshot>(
  {
    name: text,
    address,
    port,
    peerAs: asn,
    localAs: asn,
    state: fc.constantFrom('Idle', 'Connect', 'Active', 'OpenSent', 'OpenConfirm', 'Established'),
    since: time,
    negotiated: record<NonNullable<SessionSnapshot['negotiated']>>(
      {
        routerId: word32,
        holdSeconds: fc.nat(65535),
        families: few(family),
        fourOctetAs: fc.boolean(),
        routeRefresh: fc.boolean(),
        enhancedRefresh: fc.boolean(),
        messageMax: fc.nat(65535),
        longLived: few(
          record<LongLivedFamily>({
            family,
            staleSeconds: fc.nat(16777215),
            forwarding: fc.boolean(),
          }),
        ),
        takesStale: fc.boolean(),
        addPathReceive: few(family),
        addPathSend: few(family),
        extendedNextHop: fc.boolean(),
        peerRole: fc.constantFrom(
          'provider',
          'route-server',
          'route-server-client',
          'customer',
          'peer',
        ),
        gracefulRestart: record<GracefulRestart>({
          restartSeconds: fc.nat(4095),
          restarting: fc.boolean(),
          notification: fc.boolean(),
          families: few(family),
          forwarding: few(family),
        }),
      },
      ['gracefulRestart', 'peerRole'],
    ),
    capabilities: record<SessionSnapshot['capabilities']>({
      offered: few(text),
      received: few(text),
    }),
    staleUntil: time,
    counters,
    prefixes: few(
      record<SessionSnapshot['prefixes'][number]>(
        {
          family,
          received: small,
          accepted: small,
          stale: small,
          longLivedUntil: time,
          endOfRib: fc.boolean(),
          best: small,
          advertised: small,
        },
        ['longLivedUntil'],
      ),
    ),
    range: text,
    limits: few(
      record<LimitSnapshot>({
        which: fc.constantFrom('received', 'accepted', 'announced'),
        family,
        count: small,
        most: small,
        action: fc.constantFrom('warn', 'block', 'restart', 'disable'),
        standing: fc.constantFrom('within', 'near', 'passed'),
        left: count,
      }),
    ),
    suspended: record<NonNullable<SessionSnapshot['suspended']>>({ why: text, until: time }, [
      'until',
    ]),
    faults: record<SessionSnapshot['faults']>({
      discarded: count,
      withdrawn: count,
      reset: count,
      recent: few(
        record<FaultSnapshot>({
          at: time,
          remedy: fc.constantFrom('attribute-discard', 'treat-as-withdraw', 'session-reset'),
          why: text,
          octets: fc.uint8Array({ maxLength: 128 }),
          octetsTotal: small,
        }),
      ),
    }),
    lastError: sessionError,
  },
  ['range', 'suspended', 'negotiated', 'staleUntil', 'lastError'],
)

/** What a speaker may hold. */
export const speakerSnapshot = record<SpeakerSnapshot>({
  version: count,
  at: time,
  routerId: word32,
  localAs: asn,
  listening: few(record<Listening>({ family, port, error: text }, ['error'])),
  sessions: few(sessionSnapshot),
  tables: few(record({ family, destinations: small, paths: small })),
  routes: few(routeSnapshot),
  routesTotal: small,
})

const nextHop = record<FibNextHop>(
  {
    address,
    interface: fc.string({ minLength: 1, maxLength: 15 }),
    weight: fc.integer({ min: 1, max: 255 }),
  },
  ['interface'],
)

const groupId = word32.map(value => value as GroupId)

/** A call of a FIB writer; the answer is the line that the other side should hear. */
export type FibCall = (writer: FibWriter) => string

const groupCall: Arbitrary<FibCall> = fc
  .tuple(groupId, fc.array(nextHop, { minLength: 1, maxLength: 4 }), word32)
  .map(([id, hops, metric]) => writer => {
    writer.group(id, hops, metric)
    return `Group ${id} ${JSON.stringify(hops.map(inOrder))} ${metric}`
  })

const inOrder = (hop: FibNextHop): FibNextHop => ({
  address: hop.address,
  ...(hop.interface !== undefined && { interface: hop.interface }),
  weight: hop.weight,
})

const dropCall: Arbitrary<FibCall> = groupId.map(id => writer => {
  writer.dropGroup(id)
  return `DropGroup ${id}`
})

/** A next hop by its name. */
const nextHopName = nextHop.map(({ weight: _weight, ...name }) => name)

/** What the kernel half says of next hops. */
export const nextHopAnswers: Arbitrary<NextHopAnswer[]> = fc.array(
  fc
    .tuple(nextHopName, fc.boolean(), word32, fc.string(), fc.option(fc.string({ minLength: 1 })))
    .map(([name, eligible, metric, why, link]) => ({
      ...{ ...name, eligible, metric, why },
      ...(link !== null && { link }),
    })),
  { minLength: 1, maxLength: 8 },
)

const trackCall: Arbitrary<FibCall> = fc
  .tuple(nextHopName, fc.constantFrom('track', 'untrack'))
  .map(([hop, what]) => writer => {
    if (what === 'track') writer.track(hop)
    else writer.untrack(hop)
    const { address, interface: link = '' } = hop
    return `${what === 'track' ? 'Track' : 'Untrack'} ${address} ${link}`
  })

const prefixCall: Arbitrary<FibCall> = fc
  .tuple(prefix, fc.option(groupId, { nil: undefined }), fc.nat(3))
  .map(([prefix, id, offset]) => writer => {
    const { family, bytes, length } = prefixParts(prefix)
    const octets = (length + 7) >> 3
    // the writer is given a view into something larger, with other octets around
    const around = Buffer.alloc(offset + bytes.length + 3, 0xaa)
    around.set(bytes, offset)
    const nlri = Buffer.from([length, ...bytes.subarray(0, octets)]).toString('hex')
    if (id === undefined) writer.withdraw(family, around, offset, length)
    else writer.route(family, around, offset, length, id)
    around.fill(0xbb)
    return id === undefined ? `Withdraw ${family} ${nlri}` : `Route ${family} ${nlri} ${id}`
  })

/** A turn's worth of calls, mostly routes. */
export const fibCalls: Arbitrary<FibCall[]> = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: prefixCall },
    { weight: 1, arbitrary: groupCall },
    { weight: 1, arbitrary: dropCall },
    { weight: 1, arbitrary: trackCall },
  ),
  { maxLength: 60 },
)
