import {
  type Problem,
  type ServiceObject,
  type ServiceObjects,
  serviceObjects,
} from '../../core/intent/index.ts'

/** What is known of one object. */
export interface Read {
  readonly object?: ServiceObject
  readonly problems: readonly Problem[]
}

/** What was read of all objects, by kind. */
export function gathered(reads: readonly Read[]): ServiceObjects {
  const objects = reads.flatMap(({ object }) => object ?? [])
  return serviceObjects(
    objects,
    reads.flatMap(({ problems }) => problems),
  )
}
