import { labelFaults } from '../../../core/calico/index.ts'
import { CommandFailure, EXIT } from '../failure.ts'
import { changeMetadata, type ResourceReference, type Writer } from './objects.ts'

/** `martlet label`: labels of one resource, which selectors select by. */

/** One change: `key=value`, or `key-` to take it away. */
export interface LabelChange {
  readonly key: string
  /** absent: it goes */
  readonly value?: string
}

/** Reads `rack=r1` or `rack-`. @throws CommandFailure for anything else */
export function parseLabelChange(text: string): LabelChange {
  const equals = text.indexOf('=')
  const change =
    equals > 0
      ? { key: text.slice(0, equals), value: text.slice(equals + 1) }
      : { key: text.replace(/-$/, '') }
  const [fault] = labelFaults({ labels: { [change.key]: change.value ?? '' } })
  if (fault === undefined && (equals > 0 || text.endsWith('-'))) return change
  throw new CommandFailure(EXIT.usage, `"${text}": ${fault?.reason ?? 'says nothing'}`, {
    remedy: 'write KEY=VALUE, or KEY- to take it away',
  })
}

/**
 * Changes the labels of one resource, all or none; says what it did. One that has another value
 * already is changed with `overwrite` only.
 *
 * @throws CommandFailure
 */
export async function relabel(
  writer: Writer,
  reference: ResourceReference,
  { changes, overwrite }: { readonly changes: readonly LabelChange[]; readonly overwrite: boolean },
): Promise<readonly string[]> {
  const what = `${reference.kind.kind} ${reference.name}`
  let said: readonly string[] = []
  await changeMetadata(writer, reference, metadata => {
    const labels = new Map(Object.entries(metadata.labels ?? {}))
    said = changes.map(({ key, value }) => {
      const before = labels.get(key)
      if (value === undefined) {
        if (!labels.delete(key))
          throw new CommandFailure(EXIT.notFound, `${what} has no label ${key}`)
        return `Successfully removed label ${key} from ${what}`
      }
      if (before !== undefined && before !== value && !overwrite)
        throw new CommandFailure(EXIT.conflict, `${what} has the label ${key}=${before} already`, {
          remedy: 'write --overwrite to change it',
        })
      labels.set(key, value)
      return `Successfully ${before === undefined ? 'set' : 'updated'} label ${key} on ${what}`
    })
    return { ...metadata, labels: Object.fromEntries(labels) }
  })
  return said
}
