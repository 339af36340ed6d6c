import type { Problem, ServiceObject, ServiceObjects } from '../../core/intent/index.ts'

/** What is known of one object. */
export interface Read {
  readonly object?: ServiceObject
  readonly problems: readonly Problem[]
}

/** What was read of all objects, by kind. */
export function gathered(reads: readonly Read[]): ServiceObjects {
  const objects = reads.flatMap(({ object }) => object ?? [])
  return {
    services: objects.filter(object => object.kind === 'Service'),
    slices: objects.filter(object => object.kind === 'EndpointSlice'),
    problems: reads.flatMap(({ problems }) => problems),
  }
}
