/**
 * Sessions with routers that others wrote, recorded by the agent itself (record.ts), on a virtual
 * clock: told the same at the same times, the speaker of today does the same, message for message.
 *
 * A test that fails here says that the speaker changed. Where that is meant, record them again.
 */
import { readFileSync } from 'node:fs'
import test from 'ava'
import { encodeLine, type Line, readLine, replay } from '../../src/shell/transcript/index.ts'
import type { ProgramName } from '../labs/interop/support/program.ts'
import { PROGRAMS, pathOf, TITLES, type Title } from './transcripts.ts'

const linesOf = (program: ProgramName, title: Title): readonly string[] =>
  readFileSync(pathOf(program, title), 'utf8').trimEnd().split('\n')

/** The first line that differs, of both: a whole transcript is too much to read. */
function difference(
  replayed: readonly string[],
  recorded: readonly string[],
): { readonly line: number; readonly now: unknown; readonly before: unknown } | undefined {
  const count = Math.max(replayed.length, recorded.length)
  for (let at = 0; at < count; at++)
    if (replayed[at] !== recorded[at])
      return { line: at + 1, now: replayed[at], before: recorded[at] }
  return undefined
}

const isReceived = (line: Line): boolean => 'event' in line && line.event.type === 'Received'

/** How often a session was Established, and how often one ended. */
const notes = (lines: readonly string[], code: string): number =>
  lines.filter(line => line.startsWith(`{"out":["note",{"code":"${code}"`)).length

for (const program of PROGRAMS)
  for (const title of TITLES) {
    const lines = linesOf(program, title)

    test(`a ${title} session with ${program} is what it was when it was recorded`, t => {
      t.true(lines.length > 200, `${lines.length} lines`)
      t.true(notes(lines, 'SESSION_UP') >= 3)
      t.true(notes(lines, 'SESSION_DOWN') >= 2)
      t.true(lines.some(line => line.includes('"tables"') && line.includes('"received":8')))
      t.deepEqual(difference(replay(lines), lines), undefined)
    })

    test(`an octet of ${program} that is another one shows in a ${title} session`, t => {
      // the type of a message, which is some other one then: of the first, and of one after it
      const heard = lines.flatMap((line, at) => (isReceived(readLine(line)) ? [at] : []))
      t.true(heard.length >= 8, `${heard.length} chunks`)
      for (const at of [heard[0], heard[2]]) {
        const line = readLine(lines[at ?? 0] ?? '')
        if (!('event' in line) || line.event.type !== 'Received') throw new Error('no octets')
        const bytes = line.event.bytes.slice()
        bytes[18] = (bytes[18] ?? 0) ^ 64
        const changed = lines.with(
          at ?? 0,
          encodeLine({ ...line, event: { ...line.event, bytes } }),
        )
        t.not(difference(replay(changed), changed), undefined)
      }
    })
  }
