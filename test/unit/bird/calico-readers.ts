/**
 * Readers of BIRD's replies that take and refuse what Calico's do (node/pkg/status/populators and
 * node/pkg/health/bird, as the contract tells of them). Each throws for a line that it would refuse.
 */

/** The rows of `show protocols` whose protocol is BGP and whose name Calico knows. */
export function readPeers(text: string, separator: '.' | ':') {
  return rowsOf(text, '1002', '2002').flatMap(row => {
    const [name = '', protocol, , state, since, bgpState, ...info] = row.trim().split(/\s+/)
    const named = /^(Global|Node|Mesh)_(.+)$/.exec(name)
    if (bgpState === undefined || protocol !== 'BGP' || named === null) return []
    const address = named[2]!.replaceAll('_', separator)
    return [{ address, type: named[1], state, since, bgpState, info: info.join(' ') }]
  })
}

/** What `show status` says. */
export function readStatus(text: string): Record<string, string | boolean> {
  const found: Record<string, string | boolean> = { recovering: false }
  for (const line of text.split('\n')) {
    if (line.startsWith('0013')) return found
    if (line.startsWith('0024')) return { ...found, recovering: true }
    const isKnown = /^(0001|1000|1011)/.test(line)
    if (!isKnown && !line.startsWith(' ')) throw new Error(`unexpected: ${line}`)
    const rest = isKnown ? line.slice(5) : line.slice(1)
    if (rest.includes('BIRD') && rest.includes('ready')) found.ready = true
    else if (rest.startsWith('BIRD v')) found.version = rest.slice('BIRD '.length)
    for (const [name, start] of STATUS_LINES)
      if (rest.startsWith(start)) found[name] = rest.slice(start.length)
  }
  throw new Error('no end')
}

const STATUS_LINES = [
  ['routerId', 'Router ID is '],
  ['now', 'Current server time is '],
  ['booted', 'Last reboot on '],
  ['configured', 'Last reconfiguration on '],
] as const

/** What `show route` says. */
export function readRoutes(text: string) {
  let last = ''
  return rowsOf(text, '1007').map(row => {
    const [, destination = '', gateway = 'N/A', link, from] =
      /^(\S*)\s*via\s(\S*)\s*on\s(.*)\s\[(\S*)\s.*\].*/.exec(row) ??
      (/^(\S*)\s*(?:)blackhole\s\[(\S*)\s.*\].*/.exec(row) ?? []).flatMap((part, at) =>
        at === 2 ? ['N/A', 'blackhole', part] : [part],
      )
    if (from === undefined) throw new Error(`cannot be read: ${row}`)
    last = destination === '' ? last : destination
    return { destination: last, gateway, link, from, primary: row.includes('] *') }
  })
}

/** Lines of one table: the first with its code, the others with a space. */
function rowsOf(text: string, code: string, headingCode?: string): string[] {
  const rows: string[] = []
  for (const line of text.split('\n')) {
    if (line.startsWith('0000')) return rows
    if (line.startsWith('0001')) continue
    if (headingCode !== undefined && line.startsWith(headingCode)) {
      const heading = line.slice(5).trim().split(/\s+/).join(' ')
      if (heading !== 'name proto table state since info') throw new Error(`heading: ${heading}`)
    } else if (line.startsWith(code)) rows.push(line.slice(5))
    else if (line.startsWith(' ')) rows.push(line.slice(1))
    else throw new Error(`unexpected: ${line}`)
  }
  throw new Error('no end')
}
