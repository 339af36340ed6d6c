import {
  type Entry,
  KUBERNETES_ROOT,
  type ServiceEvent,
  type ServiceObjects,
  type ServiceSource,
  type Store,
} from '../../core/intent/index.ts'
import { decodeService, isServiceKind } from '../config/index.ts'
import { fieldOf } from './client.ts'
import { gathered, type Read } from './gathered.ts'

/**
 * Services and endpoints in a store that is made of files: what
 * `kubectl get services,endpointslices -A -o yaml` prints, or what somebody wrote by hand.
 */
export class StoredServices implements ServiceSource {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  /** @inheritDoc */
  watch(listener: (event: ServiceEvent) => void): { close(): void } {
    const entries = new Map<string, Entry>()
    const reads = new Map<string, { readonly entry: Entry; readonly read: Read }>()
    return this.#store.watch([KUBERNETES_ROOT], event => {
      if (event.type === 'lost') {
        listener(event)
        return
      }
      if (event.type === 'snapshot') entries.clear()
      const puts = event.type === 'snapshot' ? event.entries : event.puts
      for (const entry of puts) entries.set(entry.key, entry)
      const deletes = event.type === 'snapshot' ? [] : event.deletes
      for (const key of deletes) entries.delete(key)
      // a file that cannot be read is told by whoever watches its resources
      if (event.type === 'changes' && puts.length + deletes.length === 0) return
      for (const key of reads.keys()) if (!entries.has(key)) reads.delete(key)
      for (const [key, entry] of entries) {
        const known = reads.get(key)?.entry
        if (known?.value !== entry.value || known.source !== entry.source)
          reads.set(key, { entry, read: readEntry(entry) })
      }
      listener({ type: 'objects', objects: gathered([...reads.values()].map(({ read }) => read)) })
    })
  }
}

/** Of all entries those that are under KUBERNETES_ROOT. */
export const readServices = (entries: readonly Entry[]): ServiceObjects =>
  gathered(entries.filter(({ key }) => key.startsWith(KUBERNETES_ROOT)).map(readEntry))

function readEntry({ key, value, source }: Entry): Read {
  const found = parsed(value)
  const kind = fieldOf(found, 'kind')
  if (!isServiceKind(kind)) return { problems: [] }
  const read = decodeService(kind, found)
  if ('object' in read) return { object: read.object, problems: [] }
  return { problems: read.faults.map(fault => ({ object: source ?? key, ...fault })) }
}

function parsed(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text)
    return value
  } catch {
    // somebody else's
    return undefined
  }
}
