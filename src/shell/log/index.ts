/** The log of a process, and the lines that the core's notes become. */
export {
  type Fields,
  LINES_OF_ALL_PEERS_MAX,
  LINES_PER_CODE_MAX,
  type LineLevel,
  type Log,
  type LogOptions,
  openLog,
  SILENT,
} from './log.ts'
export { logNote } from './notes.ts'
