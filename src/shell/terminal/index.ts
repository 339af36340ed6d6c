/** The operator's terminal: what commands print to and read from. Layer 6. */
export { processTerminal, type Terminal } from './terminal.ts'
