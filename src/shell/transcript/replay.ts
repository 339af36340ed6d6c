import { Prng } from '../../core/base/index.ts'
import { Speaker, type SpeakerOutput } from '../../core/speaker/index.ts'
import { readLine } from './lines.ts'
import { Recorder } from './recorder.ts'

/** The same speaker again, without its world. */

const NOWHERE: SpeakerOutput = {
  connect: () => {},
  send: () => {},
  close: () => {},
  pause: () => {},
  resume: () => {},
  note: () => {},
  fib: {
    begin: () => {},
    group: () => {},
    dropGroup: () => {},
    route: () => {},
    withdraw: () => {},
    track: () => {},
    untrack: () => {},
    inSync: () => {},
  },
}

/**
 * Tells a fresh speaker what a transcript says it was told, at those times, and returns the
 * transcript of that: the same lines, unless the speaker does something else now than it did then.
 *
 * @throws Error  what does not begin as a transcript does
 *
 * O(lines), and no waiting.
 */
export function replay(lines: readonly string[]): readonly string[] {
  const head = readLine(lines[0] ?? '{}')
  if (!('seed' in head)) throw new Error('a transcript begins with the seed of its speaker')
  const again: string[] = []
  const recorder = new Recorder(head, line => again.push(line))
  const { seed, fibPatience } = head
  const speaker = new Speaker(recorder.output(NOWHERE), { chance: new Prng(seed), fibPatience })
  const engine = recorder.engine(speaker)
  for (const text of lines.slice(1)) {
    const line = readLine(text)
    if ('event' in line) engine.handle(line.event, line.at)
    else if ('work' in line) engine.work(line.work, line.at)
    else if ('tables' in line) engine.snapshot(line.at)
    else if ('cut' in line) again.push(text)
  }
  return again
}
