import type { Entry } from '../../core/intent/index.ts'

/** What happened between two states of the same keys. */
export interface Changes {
  readonly puts: readonly Entry[]
  readonly deletes: readonly string[]
}

/** Entries of `next` that `last` has not, or has otherwise, and keys that are only in `last`. */
export function changesBetween(
  last: ReadonlyMap<string, Entry>,
  next: ReadonlyMap<string, Entry>,
): Changes {
  const puts = [...next.values()].filter(entry => {
    const known = last.get(entry.key)
    return (
      known?.revision !== entry.revision ||
      known.value !== entry.value ||
      known.source !== entry.source
    )
  })
  return { puts, deletes: [...last.keys()].filter(key => !next.has(key)) }
}

/** True where nothing happened. */
export const isEmpty = (changes: Changes): boolean =>
  changes.puts.length === 0 && changes.deletes.length === 0
