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
  readonly #store: Pick<Store, 'watch'>

  constructor(store: Pick<Store, 'watch'>) {
    this.#store = store
  }

  /** @inheritDoc */
  watch(listener: (event: ServiceEvent) => void): { close(): void } {
    const entries = new Map<string, Entry>()
    const reads = new Map<string, { readonly entry: Entry; readonly read: Read }>()
    let told = false
    return this.#store.watch([KUBERNETES_ROOT], event => {
      if (event.type === 'lost') {
        told = false
        listener(event)
        return
      }
      if (event.type === 'snapshot') entries.clear()
      const puts = event.type === 'snapshot' ? event.entries : event.puts
      for (const entry of puts) entries.set(entry.key, entry)
      const deletes = event.type === 'snapshot' ? [] : event.deletes
      for (const key of deletes) entries.delete(key)
      // of what is not ours nothing is told, such as files that cannot be read
      let changed = !told
      for (const key of reads.keys()) if (!entries.has(key)) changed = reads.delete(key) || changed
      for (const [key, entry] of entries) {
        const known = reads.get(key)?.entry
        if (known?.value === entry.value && known.source === entry.source) continue
        reads.set(key, { entry, read: readEntry(entry) })
        changed = true
      }
      if (!changed) return
      told = true
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
