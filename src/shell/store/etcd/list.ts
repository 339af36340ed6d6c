import type { Etcd3, IRangeResponse, MultiRangeBuilder } from 'etcd3'
import type { Entry } from '../../../core/intent/index.ts'
import { entryOf, within } from './client.ts'

/**
 * Everything under some prefixes at one revision, in pages: a cluster's objects do not fit one
 * message.
 */

const PAGE_ENTRIES = 500

/**
 * All entries under `prefixes` by key, as of one revision: `at`, else the last. Each page settles
 * within `deadlineMs`.
 */
export async function listAll(
  client: Etcd3,
  prefixes: readonly string[],
  deadlineMs: number,
  at?: number,
): Promise<{ entries: Map<string, Entry>; revision: number }> {
  const entries = new Map<string, Entry>()
  let revision = at
  for (const prefix of prefixes) {
    const end = endOf(prefix)
    let start: string | undefined = prefix
    while (start !== undefined) {
      const page: MultiRangeBuilder = client.getAll().inRange({ start, end }).limit(PAGE_ENTRIES)
      if (revision !== undefined) page.revision(revision)
      const answer: IRangeResponse = await within(deadlineMs, page.exec())
      const { kvs, more, header } = answer
      revision ??= Number(header.revision)
      for (const kv of kvs) {
        const entry = entryOf(kv)
        entries.set(entry.key, entry)
      }
      // the key after this one, in etcd's order
      start = more ? `${kvs.at(-1)?.key.toString('utf8')}\u0000` : undefined
    }
  }
  return { entries: sorted(entries), revision: revision ?? 0 }
}

const sorted = (entries: ReadonlyMap<string, Entry>): Map<string, Entry> =>
  new Map([...entries].toSorted(([a], [b]) => (a < b ? -1 : 1)))

/** The first key after all that begin with `prefix`, whose last character is a slash. */
const endOf = (prefix: string): string => `${prefix.slice(0, -1)}0`
