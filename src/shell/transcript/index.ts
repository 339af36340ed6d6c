/** Transcripts: what a speaker is told and what it does, line for line, for replays. Layer 6. */
export { openTranscript, TRANSCRIPT_OCTETS_MAX, type TranscriptFile } from './file.ts'
export { encodeLine, type Line, readLine, type TranscriptHead } from './lines.ts'
export { type RecordedSpeaker, Recorder } from './recorder.ts'
export { replay } from './replay.ts'
