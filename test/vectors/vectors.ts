import { readFileSync } from 'node:fs'
import type {
  AttributeContext,
  Capability,
  Keepalive,
  Notification,
  Open,
  PathAttributes,
  Remedy,
  RouteRefresh,
} from '../../src/core/wire/index.ts'

/**
 * Reads the vectors of this folder: `*.vec`, blocks parted by an empty line.
 *
 *   # what it shows, with the section of its RFC
 *   raw        a whole message, hex with colons
 *   canonical  what it is written as again, where that differs from `raw`
 *   json       what it means; or
 *   fault      what is wrong with it
 */

/** What JSON was parsed to, before anybody says what it is. */
export type Json = ReturnType<typeof JSON.parse>

/** A message as a vector writes it: as its type says, but bytes are hex and prefixes are text. */
export type MessageJson =
  | UpdateJson
  | Keepalive
  | RouteRefresh
  | (Omit<Open, 'capabilities'> & { readonly capabilities: readonly CapabilityJson[] })
  | (Omit<Notification, 'data'> & { readonly data: string })

/** A capability; the value of one that is not known is hex. */
export type CapabilityJson =
  | Exclude<Capability, { type: 'unknown' }>
  | { readonly type: 'unknown'; readonly code: number; readonly value: string }

/** An UPDATE, its sections decoded. */
export interface UpdateJson {
  readonly type: 'UPDATE'
  readonly withdrawn: readonly string[]
  readonly attributes: AttributesJson
  readonly nlri: readonly string[]
  readonly reach?: UnreachJson & { readonly nextHop: string }
  readonly unreach?: UnreachJson
  readonly session?: AttributeContext
}

/** MP_UNREACH_NLRI; the routes of a family that is not known are hex. */
export interface UnreachJson {
  readonly afi: number
  readonly safi: number
  readonly nlri: string | readonly string[]
}

/** Attributes, with hex for bytes. */
export type AttributesJson = Omit<PathAttributes, 'unknown' | 'extendedCommunities'> & {
  readonly unknown?: readonly { flags: number; code: number; value: string }[]
  readonly extendedCommunities?: readonly string[]
}

/** A fault as a vector writes it. */
export interface FaultJson {
  readonly remedy: Remedy
  readonly code: number
  readonly subcode: number
  readonly data: string
  readonly session?: AttributeContext
}

/** One block of a file. */
export interface Vector {
  readonly file: string
  /** the comment, as a title */
  readonly title: string
  readonly raw: Uint8Array
  readonly canonical: Uint8Array
  readonly json?: MessageJson
  readonly fault?: FaultJson
}

/** The vectors of `files`, in order. Throws for a block that it cannot read. */
export function loadVectors(files: readonly string[]): readonly Vector[] {
  return files.flatMap(file => {
    const text = readFileSync(new URL(file, import.meta.url), 'utf8')
    return text
      .split(/\n{2,}/)
      .filter(block => /^raw /m.test(block))
      .map(block => parseBlock(file, block))
  })
}

/** Hex digits, with or without colons, as bytes. */
export function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.replaceAll(':', ''), 'hex'))
}

/** Bytes as hex digits. */
export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function parseBlock(file: string, block: string): Vector {
  const lines = block.trim().split('\n')
  const title = lines
    .filter(line => line.startsWith('# '))
    .map(line => line.slice(2))
    .join(' ')
  const field = (name: string): string | undefined =>
    lines.find(line => line.startsWith(`${name} `))?.slice(name.length + 1)
  const raw = field('raw')
  const json = field('json')
  const fault = field('fault')
  if (raw === undefined || title === '' || (json === undefined) === (fault === undefined))
    throw new Error(`${file}: a vector needs a comment, raw, and json or fault:\n${block}`)
  return {
    file,
    title,
    raw: bytesOf(raw),
    canonical: bytesOf(field('canonical') ?? raw),
    ...(json && { json: JSON.parse(json) }),
    ...(fault && { fault: JSON.parse(fault) }),
  }
}
