import type { Engine, Millis } from '../../core/base/index.ts'
import type { FibWriter } from '../../core/fib/index.ts'
import type { SpeakerEvent, SpeakerOutput, SpeakerSnapshot } from '../../core/speaker/index.ts'
import { encodeLine, type TranscriptHead } from './lines.ts'

/** What stands between a speaker and its world, and writes down what passes. */

/** The part of a speaker that is recorded. */
export interface RecordedSpeaker extends Engine<SpeakerEvent> {
  snapshot(now: Millis): SpeakerSnapshot
}

/**
 * Writes a line for each call of a speaker, and one for each effect of it. Calls are written before
 * they are made, so that effects follow what caused them.
 */
export class Recorder {
  readonly #write: (line: string) => void
  #version = -1

  /** @param write  takes lines without their ends; called at once, in order */
  constructor(head: TranscriptHead, write: (line: string) => void) {
    this.#write = write
    this.#line({ seed: head.seed, fibPatience: head.fibPatience })
  }

  /** The port to make the speaker with, instead of `output`. */
  output(output: SpeakerOutput): SpeakerOutput {
    const told = (...words: readonly unknown[]): void => this.#line({ out: words })
    return {
      connect: (connection, endpoint) => {
        told('connect', connection, endpoint)
        output.connect(connection, endpoint)
      },
      send: (connection, bytes) => {
        told('send', connection, bytes)
        output.send(connection, bytes)
      },
      close: connection => {
        told('close', connection)
        output.close(connection)
      },
      pause: connection => {
        told('pause', connection)
        output.pause(connection)
      },
      resume: connection => {
        told('resume', connection)
        output.resume(connection)
      },
      note: note => {
        told('note', note)
        output.note(note)
      },
      fib: fibOf(output.fib, told),
    }
  }

  /** The engine to run instead of `speaker`, which was made with `output`. */
  engine(speaker: RecordedSpeaker): RecordedSpeaker {
    return {
      handle: (event, now) => {
        this.#line({ at: now, event })
        speaker.handle(event, now)
      },
      work: (budget, now) => {
        this.#line({ at: now, work: budget })
        return speaker.work(budget, now)
      },
      deadline: () => speaker.deadline(),
      snapshot: now => {
        const tables = speaker.snapshot(now)
        // asked for more often than it changes
        if (tables.version !== this.#version) this.#line({ at: now, tables })
        this.#version = tables.version
        return tables
      },
    }
  }

  #line(line: object): void {
    this.#write(encodeLine(line))
  }
}

function fibOf(fib: FibWriter, told: (...words: readonly unknown[]) => void): FibWriter {
  return {
    begin: epoch => {
      told('fib-begin', epoch)
      fib.begin(epoch)
    },
    group: (id, hops, metric) => {
      told('fib-group', id, hops, metric)
      fib.group(id, hops, metric)
    },
    dropGroup: id => {
      told('fib-drop-group', id)
      fib.dropGroup(id)
    },
    route: (family, bytes, offset, length, id) => {
      told('fib-route', family, octetsAt(bytes, offset, length), length, id)
      fib.route(family, bytes, offset, length, id)
    },
    withdraw: (family, bytes, offset, length) => {
      told('fib-withdraw', family, octetsAt(bytes, offset, length), length)
      fib.withdraw(family, bytes, offset, length)
    },
    track: hop => {
      told('fib-track', hop)
      fib.track(hop)
    },
    untrack: hop => {
      told('fib-untrack', hop)
      fib.untrack(hop)
    },
    inSync: epoch => {
      told('fib-in-sync', epoch)
      fib.inSync(epoch)
    },
  }
}

const octetsAt = (bytes: Uint8Array, offset: number, length: number): Uint8Array =>
  bytes.subarray(offset, offset + ((length + 7) >> 3))
