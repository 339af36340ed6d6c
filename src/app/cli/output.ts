import { styleText } from 'node:util'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { stringify } from 'yaml'
import type { Terminal } from '../../shell/terminal/index.ts'

/**
 * How data is printed: one option for every command that prints any, and tables without lines,
 * so that `awk` reads them as well as people do. Colours are for terminals only.
 */

/** `table` fits the terminal, `wide` has more columns and may not; the others are for programs. */
export type Format = 'table' | 'wide' | 'json' | 'yaml'

const FORMATS: ReadonlyMap<string, Format> = new Map([
  ['table', 'table'],
  ['wide', 'wide'],
  ['json', 'json'],
  ['yaml', 'yaml'],
  // calicoctl's name of its table
  ['ps', 'table'],
])

/** Adds `-o`, as every command that prints data has it. */
export function withOutput(command: Command): Command {
  const option = new Option('-o, --output <format>', 'table, wide, json or yaml (ps is table)')
  return command.addOption(option.default('table', 'table').argParser(parseFormat))
}

/** Reads the value of `-o`; throws commander's usage error for anything but a format. */
export function parseFormat(text: string): Format {
  const format = FORMATS.get(text)
  if (format === undefined)
    throw new InvalidArgumentError('Write table, wide, json or yaml (ps is table).')
  return format
}

/** Prints `data` for programs, or what `asTable` makes of it for people. */
export function printAs(
  terminal: Terminal,
  format: Format,
  data: unknown,
  asTable: (wide: boolean) => string,
): void {
  terminal.print(asText(format, data, asTable))
}

function asText(format: Format, data: unknown, asTable: (wide: boolean) => string): string {
  switch (format) {
    case 'json':
      return JSON.stringify(data, undefined, 2)
    case 'yaml':
      return stringify(data, { lineWidth: 0, aliasDuplicateObjects: false })
    case 'table':
    case 'wide':
      return asTable(format === 'wide')
    default:
      return format satisfies never
  }
}

/** What a cell means, and so its colour on a terminal. */
export type Mood = 'good' | 'busy' | 'bad' | 'plain'

/** `text` in the colour of `mood`, where the terminal has colours. */
export function paint(terminal: Terminal, mood: Mood, text: string): string {
  if (!terminal.colour || mood === 'plain') return text
  const colour = mood === 'good' ? 'green' : mood === 'busy' ? 'yellow' : 'red'
  return styleText(colour, text, { validateStream: false })
}

/** One column of a table. */
export interface Column<Row> {
  readonly heading: string
  readonly text: (row: Row) => string
  readonly mood?: (row: Row) => Mood
  /** instead of `text`, in every row, where the line would be longer than the terminal */
  readonly brief?: (row: Row) => string
  /** only with `-o wide` */
  readonly wide?: boolean
  /** may be cut, with `…`, where the line would be longer than the terminal */
  readonly yields?: boolean
}

/** Between two columns, as calicoctl has it. */
const GAP = 3
/** A column that yields keeps at least this many characters. */
const YIELDING_MIN = 8

/** A table with a line of headings; no rows give the headings alone. Lines end without blanks. */
export function table<Row>(
  terminal: Terminal,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  wide = false,
): string {
  const shown = columns.filter(column => wide || column.wide !== true)
  let cells = rows.map(row => shown.map(column => column.text(row)))
  let widths = widthsOf(shown, cells)
  if (!wide && excessOf(widths, terminal.columns) > 0) {
    cells = rows.map(row => shown.map(column => (column.brief ?? column.text)(row)))
    widths = widthsOf(shown, cells)
    shrink(widths, shown, terminal.columns)
  }
  const lines = rows.map((row, index) =>
    shown.map((column, at) => {
      const cell = cut(cells[index]![at]!, widths[at]!)
      const painted = paint(terminal, column.mood?.(row) ?? 'plain', cell)
      return painted + ' '.repeat(widths[at]! - cell.length)
    }),
  )
  const headings = shown.map((column, at) => column.heading.padEnd(widths[at]!))
  return [headings, ...lines].map(line => line.join(' '.repeat(GAP)).trimEnd()).join('\n')
}

const widthsOf = <Row>(columns: readonly Column<Row>[], cells: readonly string[][]): number[] =>
  columns.map((column, at) =>
    Math.max(column.heading.length, ...cells.map(line => line[at]!.length)),
  )

/** By how much a line of these columns is longer than `limit`. */
const excessOf = (widths: readonly number[], limit: number): number =>
  widths.reduce((sum, width) => sum + width + GAP, -GAP) - limit

/** Takes what is too much from the columns that yield, the last one first. */
function shrink<Row>(widths: number[], columns: readonly Column<Row>[], limit: number): void {
  let excess = excessOf(widths, limit)
  for (let at = widths.length - 1; at >= 0 && excess > 0; at--) {
    if (columns[at]!.yields !== true) continue
    const floor = Math.max(columns[at]!.heading.length, YIELDING_MIN)
    const taken = Math.max(0, Math.min(excess, widths[at]! - floor))
    widths[at] = widths[at]! - taken
    excess -= taken
  }
}

const cut = (text: string, width: number): string =>
  text.length <= width ? text : `${text.slice(0, width - 1)}…`

/** Lines of `name  value`, the values aligned; an entry without a value is left out. */
export function facts(entries: readonly (readonly [string, string | undefined])[]): string {
  const width = Math.max(...entries.map(([name]) => name.length))
  return entries
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name.padEnd(width)}   ${value}`)
    .join('\n')
}

/** `1 route`, `2 routes`. */
export const count = (number: number, noun: string, plural = `${noun}s`): string =>
  `${number} ${number === 1 ? noun : plural}`

/** How long ago `instant` was: `42s`, `3m12s`, `5h07m`, `3d04h`. */
export function age(instant: string, now: Date): string {
  const total = Math.max(0, Math.floor((now.getTime() - Date.parse(instant)) / 1000))
  const two = (value: number): string => String(value).padStart(2, '0')
  if (total < 60) return `${total}s`
  if (total < 3600) return `${Math.floor(total / 60)}m${two(total % 60)}s`
  if (total < 86_400) return `${Math.floor(total / 3600)}h${two(Math.floor((total % 3600) / 60))}m`
  return `${Math.floor(total / 86_400)}d${two(Math.floor((total % 86_400) / 3600))}h`
}

/** An instant as a table has it: the time of day within a day, else the date. UTC. */
export function since(instant: string, now: Date): string {
  const recent = now.getTime() - Date.parse(instant) < 86_400_000
  return recent ? instant.slice(11, 19) : instant.slice(0, 10)
}

/** An instant in full, with its age. */
export const moment = (instant: string, now: Date): string =>
  `${inFull(instant)} (${age(instant, now)} ago)`

/** An instant to come in full, with how long it is until then. */
export const deadline = (instant: string, now: Date): string =>
  `${inFull(instant)} (in ${age(now.toISOString(), new Date(instant))})`

const inFull = (instant: string): string => `${instant.slice(0, 19).replace('T', ' ')} UTC`
