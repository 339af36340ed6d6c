/** What `lab run` prints: sessions, kernel routes, who reaches whom. Pure: data in, text out. */
import type { ObservedRoute, ObservedSession } from '../../../shell/lab/index.ts'
import type { Terminal } from '../../../shell/terminal/index.ts'
import { paint, table } from '../output.ts'
import type { Pair } from './reach.ts'

/** All that a run found out; `-o json` prints it as it is. */
export interface RunReport {
  readonly lab: string
  readonly file: string
  readonly router: string
  readonly store: string
  /**
   * all pods and nodes reached each other, no address was changed, all sessions were Established
   */
  readonly reached: boolean
  /** from the start of the command to full reachability; absent where it was not reached */
  readonly seconds?: number
  readonly sessions: readonly ObservedSession[]
  readonly routes: readonly ObservedRoute[]
  readonly pairs: readonly Pair[]
}

/** The whole report, for people. */
export function describeRun(
  terminal: Terminal,
  report: RunReport,
  pods: readonly string[],
): string {
  const parts = [
    'Sessions',
    sessionsTable(terminal, report.sessions),
    '',
    'Routes that Martlet put into the kernel of each worker',
    routesTable(terminal, report.routes),
  ]
  for (const family of ['IPv4', 'IPv6'] as const) {
    const ofFamily = report.pairs.filter(pair => pair.address.includes(':') === (family === 'IPv6'))
    if (ofFamily.length === 0) continue
    parts.push(
      '',
      `Pod to pod, ${family}: milliseconds there and back, and the source that the far pod saw`,
    )
    parts.push(matrix(terminal, ofFamily, pods))
    parts.push(summary(ofFamily, pods))
  }
  parts.push('', verdict(terminal, report))
  return parts.join('\n')
}

function sessionsTable(terminal: Terminal, sessions: readonly ObservedSession[]): string {
  return table(
    terminal,
    [
      { heading: 'NODE', text: row => row.node },
      { heading: 'PROGRAM', text: row => row.program },
      { heading: 'PEER', text: row => row.peer },
      { heading: 'AS', text: row => String(row.peerAs ?? '?') },
      {
        heading: 'STATE',
        text: row => row.state,
        mood: row => (row.state === 'Established' ? 'good' : 'bad'),
      },
    ],
    sessions,
  )
}

/** A line for each next hop; node and prefix are said once. */
function routesTable(terminal: Terminal, routes: readonly ObservedRoute[]): string {
  const rows = routes.flatMap(({ node, prefix, nextHops }, index) =>
    nextHops.map((hop, number) => ({
      node: number === 0 && routes[index - 1]?.node !== node ? node : '',
      prefix: number === 0 ? prefix : '',
      hop,
    })),
  )
  return table(
    terminal,
    [
      { heading: 'NODE', text: row => row.node },
      { heading: 'PREFIX', text: row => row.prefix },
      { heading: 'NEXT HOP', text: row => row.hop, yields: true },
    ],
    rows,
  )
}

/**
 * A row for each pod that asked, a column for each that was asked; `-` itself, `no` not reached.
 */
function matrix(terminal: Terminal, pairs: readonly Pair[], pods: readonly string[]): string {
  const rows = pods.map(from => {
    const own = pairs.filter(pair => pair.from === from && pods.includes(pair.to))
    const seen = [...new Set(own.flatMap(pair => pair.seen ?? []))].join(' ') || 'nobody saw it'
    const cells = pods.map(to => cellOf(own.find(pair => pair.to === to)))
    return { from, seen, cells }
  })
  const widths = pods.map(pod => Math.max(pod.length, 5))
  const first = Math.max(4, ...pods.map(pod => pod.length))
  const second = Math.max(7, ...rows.map(row => row.seen.length))
  const heading = [
    'FROM'.padEnd(first),
    'SEEN AS'.padEnd(second),
    ...pods.map((pod, index) => pod.padStart(widths[index] ?? 0)),
  ].join('  ')
  const lines = rows.map(({ from, seen, cells }) => {
    const painted = cells.map((cell, index) =>
      paint(terminal, cell.good ? 'plain' : 'bad', cell.text.padStart(widths[index] ?? 0)),
    )
    return [from.padEnd(first), seen.padEnd(second), ...painted].join('  ')
  })
  return [heading, ...lines].join('\n')
}

function cellOf(pair: Pair | undefined): { readonly text: string; readonly good: boolean } {
  if (pair === undefined) return { text: '-', good: true }
  if (pair.seen === undefined) return { text: 'no', good: false }
  if (!pair.well) return { text: 'NAT', good: false }
  return { text: (pair.roundTripMs ?? 0).toFixed(2), good: true }
}

function summary(pairs: readonly Pair[], pods: readonly string[]): string {
  const tell = (what: string, some: readonly Pair[]): string =>
    `${what} ${some.filter(pair => pair.well).length} of ${some.length}`
  const isPod = (name: string): boolean => pods.includes(name)
  return [
    tell(
      'pod to pod',
      pairs.filter(pair => isPod(pair.from) && isPod(pair.to)),
    ),
    tell(
      'node to pod',
      pairs.filter(pair => !isPod(pair.from)),
    ),
    tell(
      'pod to node',
      pairs.filter(pair => !isPod(pair.to)),
    ),
  ].join(', ')
}

/** One sentence: did it work, and how long did it take. */
export function verdict(terminal: Terminal, report: RunReport): string {
  if (report.reached && report.seconds !== undefined) {
    const time = `${report.seconds.toFixed(1)} s`
    return paint(terminal, 'good', `All reach all, without NAT, ${time} after the start.`)
  }
  const dead = report.pairs.filter(pair => !pair.well).length
  const down = report.sessions.filter(session => session.state !== 'Established').length
  const pairs = `${dead} of ${report.pairs.length} pairs do not`
  const text = `Not all reach all: ${pairs}, ${down} sessions are down.`
  return paint(terminal, 'bad', text)
}
