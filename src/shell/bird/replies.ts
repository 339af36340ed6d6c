import type { BirdPeer, BirdRoute, BirdView } from '../../core/intent/index.ts'
import {
  type Address,
  containsAddress,
  parseAddress,
  parsePrefix,
  prefixParts,
} from '../../core/net/index.ts'

/**
 * What BIRD 1.6 says to a line on its control socket. A line of a reply is
 *
 *   1002-text     a code, and more follows
 *    text         the same code as the line before
 *   0000 text     the last line
 *
 * and the codes are BIRD's (doc/reply_codes): 1xxx and 2xxx are data, 0xxx the end, 8xxx what
 * cannot be done, 9xxx what is not understood. Tools look at codes and columns, so both are BIRD's.
 */

/** What is asked that way changes something, and nothing can be changed here. */
const CHANGES = ['configure', 'down', 'disable', 'enable', 'restart', 'reload', 'debug', 'mrtdump']

/** What is said before any question. */
export const greeting = ({ version }: BirdView): string => `0001 BIRD ${version} ready.\n`

/** The reply to one line, all lines of it. O(sessions + routes). */
export function reply(line: string, view: BirdView): string {
  const words = line.trim().split(/\s+/)
  const [verb = '', subject = ''] = words
  if (CHANGES.includes(verb)) return new Reply().end(8007, 'Access denied')
  if (verb === 'restrict') return new Reply().end(16, 'Access restricted')
  if (verb !== 'show') return SYNTAX_ERROR
  switch (subject) {
    case 'status':
      return status(view)
    case 'protocols':
      return words[2] === 'all'
        ? protocolsInFull(view, words.slice(3))
        : protocols(view, words.slice(2))
    case 'route':
      return routes(view, words.slice(2))
    default:
      return SYNTAX_ERROR
  }
}

/** Lines of one reply. */
class Reply {
  #text = ''
  #last = -1

  /** One more line, or several. */
  add(code: number, ...texts: readonly string[]): this {
    for (const text of texts) {
      this.#text += code === this.#last ? ` ${text}\n` : `${digits(code)}-${text}\n`
      this.#last = code
    }
    return this
  }

  /** The last line. Answers with all of them. */
  end(code = 0, text = ''): string {
    return `${this.#text}${digits(code)} ${text}\n`
  }
}

const digits = (code: number): string => String(code).padStart(4, '0')

const SYNTAX_ERROR = new Reply().end(9001, 'syntax error')

function status(view: BirdView): string {
  const answer = new Reply()
    .add(1000, `BIRD ${view.version}`)
    .add(1011, `Router ID is ${view.routerId}`)
    .add(1011, `Current server time is ${view.now}`)
    .add(1011, `Last reboot on ${view.bootedAt}`)
    .add(1011, `Last reconfiguration on ${view.configuredAt}`)
  if (view.recovering) {
    const waiting = view.peers.filter(({ state }) => state !== 'Established').length
    answer
      .add(24, 'Graceful restart recovery in progress')
      .add(24, `  Waiting for ${waiting} protocols to recover`)
  }
  return answer.end(13, 'Daemon is up and running')
}

const HEADING = 'name     proto    table    state  since       info'

const row = (columns: readonly [string, string, string, string, string, string]): string => {
  const [name, protocol, table, state, since, info] = columns
  return (
    `${name.padEnd(8)} ${protocol.padEnd(8)} ${table.padEnd(8)} ${state.padEnd(5)}  ` +
    `${since.padEnd(10)}  ${info}`
  )
}

function peerRow({ name, state, sinceShort, error }: BirdPeer): string {
  // BIRD's word for the protocol, and after it the session's own
  const word = state === 'Established' ? 'up' : 'start'
  const info = `${state.padEnd(14)}${error === undefined ? '' : oneLine(error)}`
  return row([name, 'BGP', 'master', word, sinceShort, info])
}

/** Protocols that every BIRD of Calico has, for who counts on them. */
function otherRows(view: BirdView): readonly (readonly [string, string])[] {
  const since = view.bootedAt.slice(0, 10)
  return [
    ['static1', row(['static1', 'Static', 'master', 'up', since, ''])],
    ['kernel1', row(['kernel1', 'Kernel', 'master', view.kernelUp ? 'up' : 'down', since, ''])],
    ['device1', row(['device1', 'Device', 'master', 'up', since, ''])],
  ]
}

function protocols(view: BirdView, [pattern]: readonly string[]): string {
  const rows = [
    ...otherRows(view),
    ...view.peers.map(peer => [peer.name, peerRow(peer)] as const),
  ].filter(([name]) => matches(name, pattern))
  if (rows.length === 0) return new Reply().end(8003, 'No protocols match')
  return new Reply()
    .add(2002, HEADING)
    .add(1002, ...rows.map(([, text]) => text))
    .end()
}

function protocolsInFull(view: BirdView, [pattern]: readonly string[]): string {
  const answer = new Reply()
  let found = 0
  const begin = (text: string): void => {
    if (found++ === 0) answer.add(2002, HEADING)
    answer.add(1002, text)
  }
  for (const [name, text] of otherRows(view))
    if (matches(name, pattern)) {
      begin(text)
      answer.add(1006, '')
    }
  for (const peer of view.peers)
    if (matches(peer.name, pattern)) {
      begin(peerRow(peer))
      answer.add(1006, ...detailsOf(peer), '')
    }
  return found === 0 ? answer.end(8003, 'No protocols match') : answer.end()
}

function detailsOf(peer: BirdPeer): string[] {
  const { address, peerAs, peerRouterId, state, error } = peer
  const { imported, exported, preferred } = peer
  const routes = `${imported} imported, ${exported} exported, ${preferred} preferred`
  return [
    `  Routes:         ${routes}`,
    `  BGP state:          ${state}`,
    `    Neighbor address: ${address}`,
    `    Neighbor AS:      ${peerAs}`,
    ...(peerRouterId === undefined ? [] : [`    Neighbor ID:      ${peerRouterId}`]),
    ...(state === 'Established'
      ? [`    Session:          ${peerAs === peer.localAs ? 'internal' : 'external'}`]
      : []),
    ...(error === undefined ? [] : [`    Last error:       ${oneLine(error)}`]),
  ]
}

/** BIRD's patterns: `*` and `?`, in quotation marks or bare. */
function matches(name: string, pattern: string | undefined): boolean {
  if (pattern === undefined) return true
  const bare = pattern.replace(/^"(.*)"$/, '$1')
  const source = bare.replace(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')
  return new RegExp(`^${source.replaceAll('?', '.')}$`).test(name)
}

/** What `show route …` may be asked with; BIRD has more, which tools of Calico do not use. */
interface RouteQuestion {
  readonly all: boolean
  readonly primary: boolean
  readonly count: boolean
  readonly protocol?: string
  readonly prefix?: string
  readonly address?: Address
}

function routeQuestion(words: readonly string[]): RouteQuestion | undefined {
  let asked: RouteQuestion = { all: false, primary: false, count: false }
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!
    if (word === 'all' || word === 'primary' || word === 'count') asked = { ...asked, [word]: true }
    else if (word === 'for' || word === 'protocol') {
      const value = words[++at]
      const address = parseAddress(value ?? '')
      if (value === undefined || (word === 'for' && address === undefined)) return undefined
      asked = { ...asked, ...(word === 'for' && address ? { address } : { protocol: value }) }
    } else {
      const prefix = parsePrefix(word)
      if (prefix === undefined) return undefined
      asked = { ...asked, prefix }
    }
  }
  return asked
}

function routes(view: BirdView, words: readonly string[]): string {
  const asked = routeQuestion(words)
  if (asked === undefined) return SYNTAX_ERROR
  const { all, primary, count, protocol, prefix, address } = asked
  const longest = address === undefined ? undefined : longestMatch(view.routes, address)
  const found = view.routes.filter(
    route =>
      (!primary || route.primary) &&
      (protocol === undefined || matches(protocolOf(route), protocol)) &&
      (prefix === undefined || route.prefix === prefix) &&
      (address === undefined || route.prefix === longest),
  )
  const networks = new Set(found.map(route => route.prefix)).size
  if (count)
    return new Reply().end(14, `${found.length} of ${found.length} routes for ${networks} networks`)
  if (found.length === 0 && (prefix ?? address) !== undefined)
    return new Reply().end(8001, 'Network not in table')
  const answer = new Reply()
  for (const [at, route] of found.entries()) {
    const isFirst = found[at - 1]?.prefix !== route.prefix
    answer.add(1007, routeRow(route, isFirst, view))
    if (all) answer.add(1008, typeOf(route)).add(1012, ...attributesOf(route))
  }
  return answer.end()
}

function longestMatch(routes: readonly BirdRoute[], address: Address): string | undefined {
  let longest: BirdRoute | undefined
  const length = ({ prefix }: BirdRoute): number => prefixParts(prefix).length
  for (const route of routes)
    if (containsAddress(route.prefix, address) && length(route) > (longest ? length(longest) : -1))
      longest = route
  return longest?.prefix
}

const protocolOf = ({ peer }: BirdRoute): string => peer?.name ?? 'static1'

/** The network is written once, before its first path. */
function routeRow(route: BirdRoute, isFirst: boolean, view: BirdView): string {
  const { prefix, primary, via, peer, path } = route
  const to = via === undefined ? 'blackhole' : `via ${via.gateway} on ${via.interface}`
  const since = peer?.sinceShort ?? view.bootedAt.slice(0, 10)
  const origin = path.origin === 'IGP' ? 'i' : path.origin === 'EGP' ? 'e' : '?'
  const asNumber = path.asPath.split(' ').at(-1)
  const last = asNumber === undefined || asNumber === '' ? '' : `AS${asNumber}`
  const info = peer === undefined ? ' (200)' : ` (100) [${last}${origin}]`
  const network = (isFirst ? prefix : '').padEnd(18)
  return `${network} ${to} [${protocolOf(route)} ${since}]${primary ? ' *' : ''}${info}`
}

const typeOf = ({ peer }: BirdRoute): string =>
  peer === undefined ? '\tType: static unicast univ' : '\tType: BGP unicast univ'

function attributesOf({ peer, path }: BirdRoute): string[] {
  if (peer === undefined) return []
  return [
    `\tBGP.origin: ${path.origin === 'incomplete' ? 'Incomplete' : path.origin}`,
    `\tBGP.as_path: ${path.asPath}`,
    `\tBGP.next_hop: ${path.nextHop}`,
    ...(path.med === undefined ? [] : [`\tBGP.med: ${path.med}`]),
    ...(path.localPref === undefined ? [] : [`\tBGP.local_pref: ${path.localPref}`]),
    ...(path.communities.length === 0
      ? []
      : [`\tBGP.community: ${path.communities.map(communityText).join(' ')}`]),
  ]
}

/** `64512:1` is `(64512,1)`; names stay. */
const communityText = (text: string): string =>
  /^\d+(:\d+)+$/.test(text) ? `(${text.replaceAll(':', ',')})` : text

/** What others said may hold anything; a reply is lines. */
const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim()
