/** Which transcripts there are, and where. */
import { join } from 'node:path'
import type { ProgramName } from '../labs/interop/support/program.ts'

/** Routers that were at the other end. */
export const PROGRAMS: readonly ProgramName[] = ['BIRD', 'FRR', 'GoBGP', 'OpenBGPD']

/** `plain`: what a session is by itself, over IPv4; `rich`: with much asked of it, over IPv6. */
export const TITLES = ['plain', 'rich'] as const

/** One of them. */
export type Title = (typeof TITLES)[number]

/** The file of one. */
export const pathOf = (program: ProgramName, title: Title): string =>
  join(import.meta.dirname, `${program.toLowerCase()}-${title}.jsonl`)
