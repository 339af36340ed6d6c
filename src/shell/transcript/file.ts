import { closeSync, openSync, writeSync } from 'node:fs'
import { encodeLine } from './lines.ts'

/** Where a transcript is kept. */

/** A transcript is for a test or for a report of a fault: what does not fit is left out. */
export const TRANSCRIPT_OCTETS_MAX = 67_108_864

/** A file that takes lines. */
export interface TranscriptFile {
  /** Writes it at once, or not at all: behind the limit, one last line says that it is cut. */
  write(line: string): void
  close(): void
}

/**
 * Begins a transcript in `path`, instead of what was there. Its octets are a peer's and routes of
 * this network: nobody else may read it.
 *
 * @throws Error  as `openSync`
 */
export function openTranscript(
  path: string,
  octetsMax: number = TRANSCRIPT_OCTETS_MAX,
): TranscriptFile {
  const file = openSync(path, 'w', 0o600)
  let left = octetsMax
  return {
    write(line) {
      if (left < 0) return
      left -= line.length + 1
      writeSync(file, `${left < 0 ? encodeLine({ cut: true }) : line}\n`)
    },
    close: () => closeSync(file),
  }
}
